"""Every module of the core has its test, at the same place below tests."""

import ast

from tests.tidy.repository import ROOT, sources


def holds_code(path):
    """Whether a module does more than name and re-export."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)


def mirrors(path):
    """Places where the test of streams/core/a/b.py may be: its own file, or one of several."""
    below = path.relative_to(ROOT / "streams")
    stem = below.parent.name if below.stem == "__init__" else below.stem
    folder = ROOT / "tests" / (below.parent.parent if below.stem == "__init__" else below.parent)
    return [*folder.glob(f"test_{stem}.py"), *folder.glob(f"test_{stem}_*.py")]


def test_every_core_module_has_its_mirror_test():
    core = [path for path in sources("streams") if path.is_relative_to(ROOT / "streams" / "core")]
    assert core
    untested = [
        str(path.relative_to(ROOT)) for path in core if holds_code(path) and not mirrors(path)
    ]
    assert not untested
