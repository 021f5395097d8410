"""No file names a registry, a place on somebody's machine, or silences a gate without a reason."""

import re

import pytest

from tests.tidy.repository import ROOT, project_files, sources

# In pieces, so that this file does not name them either.
FOREIGN = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs"),
        ("registry", "yarnpkg"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("repo", "maven", "apache"),
        ("repo1", "maven"),
        ("deb", "debian", "org"),
    )
] + ["--" + "-".join(parts) for parts in (("index", "url"), ("find", "links"), ("trusted", "host"))]
MACHINE = re.compile(
    "(?<![\\w.}])/(?:" + "|".join(("ro" + "ot", "wo" + "rk", "ho" + "me", "Us" + "ers")) + ")/"
)

SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:\s*no)")
REASONED = re.compile(
    r"#\s*(noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*|type: ignore\[[a-z-]+(, ?[a-z-]+)*\])\s+(#\s+)?\S.{7,}"
)


def text_of(path):
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def foreign_words(text):
    return [word for word in FOREIGN if word in text] + MACHINE.findall(text)


def test_no_file_names_a_registry_or_a_machine():
    named = {
        str(path.relative_to(ROOT)): words
        for path in project_files()
        if (words := foreign_words(text_of(path)))
    }
    assert not named


@pytest.mark.parametrize(
    "planted",
    [f"see https://{FOREIGN[0]}/simple", "cd " + "/".join(["", "ho" + "me", "ann"]) + "/x"],
)
def test_a_planted_word_is_found(planted):
    assert foreign_words(planted)


def unreasoned(text):
    return [
        f"{number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), start=1)
        if SILENCED.search(line) and not REASONED.search(line)
    ]


def test_a_silenced_gate_says_which_and_why():
    silenced = {
        str(path.relative_to(ROOT)): lines
        for path in sources("schemas", "streams", "examples", "tests")
        if path.name != "test_words.py" and (lines := unreasoned(text_of(path)))
    }
    assert not silenced


@pytest.mark.parametrize(
    ("line", "is_fine"),
    [
        ("x = f()  # noqa: S603  # the command is our own", True),
        ("x = f()  # type: ignore[attr-defined]  # no stubs upstream", True),
        ("x = f()  # noqa: S603", False),
        ("x = f()  # noqa", False),
        ("x = f()  # type: ignore", False),
    ],
)
def test_the_rule_for_silencing_tells_good_from_bad(line, is_fine):
    assert (not unreasoned(line)) is is_fine
