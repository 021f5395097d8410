"""Every module of the core has its test, at the same place below tests."""

import ast

from tests.tidy.repository import ROOT, sources


def holds_code(path):
    """Whether a module does more than name: error classes and plain records do nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef | ast.Lambda) for node in ast.walk(tree))


def mirrors(path):
    """Test files of a/b.py: a/test_b.py, or test_a.py which tests the whole package.

    Each may be split: test_b_limits.py.
    """
    below = path.relative_to(ROOT / "streams")
    tests = ROOT / "tests"
    found = []
    for place in [below.with_suffix(""), *below.parents]:
        if place.parts[1:]:  # "core" as a whole is no package to test in one file
            folder = tests / place.parent
            found += [
                *folder.glob(f"test_{place.name}.py"),
                *folder.glob(f"test_{place.name}_*.py"),
            ]
    return found


def test_every_core_module_has_its_mirror_test():
    core = [path for path in sources("streams") if path.is_relative_to(ROOT / "streams" / "core")]
    assert core
    untested = [
        str(path.relative_to(ROOT)) for path in core if holds_code(path) and not mirrors(path)
    ]
    assert not untested
