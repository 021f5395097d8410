"""What commands print: JSON or words on standard output, notes and errors on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

EXIT_FAULT: Final = 1
EXIT_INPUT: Final = 2
EXIT_INFEASIBLE: Final = 3
EXIT_UNAVAILABLE: Final = 4
EXIT_FAILED: Final = 5

out: Final = Console()
notes: Final = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print one JSON document with a newline."""
    data = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
    sys.stdout.write(data.decode() + "\n")


def fail(message: str, code: int) -> NoReturn:
    """Print an error and leave with a code."""
    notes.print(f"apse: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def note(message: str) -> None:
    """Tell the person something that is not the answer."""
    notes.print(message, style="dim", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(label: str, total: int) -> Iterator[Any]:
    """Give a function that advances a bar on a terminal, and does nothing elsewhere."""
    if not notes.is_terminal:
        yield lambda _steps: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)
