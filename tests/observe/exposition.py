"""A strict reader of the Prometheus text format, written from its description."""

import math
import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


@dataclass
class Family:
    """One metric: its help, type and samples (name, labels, value)."""

    name: str
    help: str
    kind: str = ""
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)


def labels_of(text):
    found, end = {}, 0
    while end < len(text):
        match = LABEL.match(text, end)
        assert match, f"labels {text!r} at {end}"
        assert match[1] not in found, f"label {match[1]} twice in {text!r}"
        found[match[1]] = match[2]
        end = match.end()
    return found


def parse(text):
    """Families by name; every line must be HELP, TYPE or a sample, in that order, nothing twice."""
    assert text.endswith("\n")
    families, now, seen = {}, None, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            assert name not in families, f"{name} begins twice"
            assert words.strip(), f"{name} has no help"
            now = families[name] = Family(name, words)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert now is not None
            assert (now.name, now.kind, now.samples) == (name, "", [])
            now.kind = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"no sample: {line!r}"
            assert now is not None
            assert match[1] in {now.name + suffix for suffix in SUFFIXES[now.kind]}, line
            labels, value = labels_of(match[2] or ""), float(match[3])
            assert not math.isnan(value), f"NaN: {line!r}"
            key = (match[1], tuple(sorted(labels.items())))
            assert key not in seen, f"sample twice: {line!r}"
            seen.add(key)
            now.samples.append((match[1], labels, value))
    return families
