"""A file is read in one sitting and a function on one screen."""

import ast

import pytest

from tests.tidy.repository import PACKAGES, ROOT, code_lines, sources

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def functions(text):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


@pytest.mark.parametrize(
    "path", sources(*PACKAGES, "examples"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_file_and_its_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert lines <= FILE_LINES_MAX, f"{lines} lines"

    long = {f.name: n for f in functions(text) if (n := code_lines(f)) > FUNCTION_LINES_MAX}
    assert not long


def test_a_docstring_does_not_count_and_a_body_does():
    body = "\n".join(f"    x = {i}" for i in range(FUNCTION_LINES_MAX))
    docstring = '    """First.\n\n    More.\n    """'
    (plain,) = functions(f"def f():\n{body}\n")
    (documented,) = functions(f"@decorator\ndef f():\n{docstring}\n{body}\n")
    assert code_lines(plain) == code_lines(documented) == FUNCTION_LINES_MAX + 1
