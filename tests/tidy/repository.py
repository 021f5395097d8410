"""What the tidy tests look at: the project's files as git would take them."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "streams")


@cache
def project_files() -> tuple[Path, ...]:
    """Tracked files, and new ones that are not ignored: a file is judged before it is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = tuple(ROOT / name for name in sorted(listed.split("\0")) if (ROOT / name).is_file())
    assert ROOT / "pyproject.toml" in files, "git listed nothing to look at"
    return files


def sources(*packages: str) -> list[Path]:
    """Python files of these top-level folders."""
    found = [
        path
        for path in project_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in packages
    ]
    assert found, f"no Python file in {packages}"
    return found


def module_name(path: Path) -> str:
    """Dotted name of a source file, "streams.core.bars"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without decorators and docstring."""
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        total -= first.end_lineno - first.lineno + 1
    return total
