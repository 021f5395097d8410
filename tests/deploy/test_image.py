"""The image is small, locked and not root, by a few rules of our own; and its lock is what runs."""

import re
import shlex
from importlib.metadata import requires

import pytest

from deploy.setup.lock_subset import entries, normalized, subset
from tests.tidy.repository import ROOT

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")


def instructions(text):
    joined = re.sub(r"\\\n", " ", "\n".join(x for x in text.splitlines() if not x.startswith("#")))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def stages_of(text):
    """The instructions of each stage, FROM first."""
    stages = []
    for name, rest in instructions(text):
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest))
    return stages


def faults_of_installing(command):
    words = shlex.split(command)
    if "install" not in words:
        return
    if not {"--require-hashes", "."} & set(words):
        yield f"installs without hashes: {command.strip()}"
    if "--no-deps" not in words:
        yield f"resolves at build time: {command.strip()}"


def faults(text):
    """What is wrong with a Dockerfile, in words."""
    stages = stages_of(text)
    final = dict(stages[-1])
    steps = [step for stage in stages for step in stage]
    commands = [c for name, rest in steps if name == "RUN" for c in rest.split("&&")]
    found = [fault for command in commands for fault in faults_of_installing(command)]
    bases = [stage[0][1] for stage in stages]
    found += [
        f"base is not pinned: {base}" for base in bases if not re.match(r"[\w./-]+:\d+\.\d+", base)
    ]
    if any(name == "ADD" for name, _ in steps):
        found.append("ADD fetches and unpacks; use COPY")
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", final.get("USER", "")):
        found.append("the final stage runs as root, or as a name that its host does not know")
    if "RUN" in final or len(stages) < 2:
        found.append("what builds stays in the image")
    return found


def test_the_dockerfile_keeps_the_rules():
    assert faults(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("FROM python:3.13-slim\n", "FROM python\n", "not pinned"),
        ("USER 10001:10001\n", "", "root"),
        ("USER 10001:10001\n", "USER 0:0\n", "root"),
        ("COPY schemas schemas", "ADD schemas schemas", "ADD"),
        ("--require-hashes ", "", "without hashes"),
        ("install --no-deps --require", "install --require", "resolves"),
        ("npm ci", "npm install", "without hashes"),
        ("FROM node:22.20-slim", "FROM node:lts", "not pinned"),
    ],
)
def test_each_rule_can_be_broken(before, after, fault):
    assert before in DOCKERFILE
    assert any(fault in found for found in faults(DOCKERFILE.replace(before, after)))


def test_what_is_copied_is_there_and_not_ignored():
    kept = [
        line[1:].split("/**")[0]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [
        source
        for name, rest in instructions(DOCKERFILE)
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert source in kept


def closure(names):
    """What packages need at run time by their own metadata: an oracle beside the lock's words."""
    found, ahead = set(), set(names)
    while ahead:
        name = ahead.pop()
        found.add(name)
        needed = {normalized(text) for text in requires(name) or () if ";" not in text}
        ahead |= needed - found
    return found


def test_the_subset_holds_all_that_runs_and_nothing_of_the_tests():
    roots = {normalized(text) for text in requires("apse") if "extra ==" not in text}
    names = {name for name, _, _ in entries(subset(LOCK, roots))}
    assert closure(roots) <= names
    assert "setuptools" in names  # the image is built with it
    tests_only = {"pytest", "pandas", "hypothesis", "mypy", "ruff", "skfolio", "scikit-learn"}
    assert not names & tests_only


def test_an_entry_keeps_its_hashes_and_markers():
    text = subset(LOCK, {"numpy"})
    heads = re.findall(r"(?m)^numpy==\S+.*$", LOCK)
    assert re.findall(r"(?m)^numpy==\S+.*$", text) == heads
    assert text.count("--hash=sha256:") > len(heads)


def test_a_package_the_lock_has_not_is_refused():
    with pytest.raises(ValueError, match="the lock has no no-such-thing"):
        subset(LOCK, {"no-such-thing"})
