"""What commands print: JSON or words on standard output, notes and errors on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

EXIT_FAULT: Final = 1
EXIT_INPUT: Final = 2
EXIT_INFEASIBLE: Final = 3
EXIT_UNAVAILABLE: Final = 4
EXIT_FAILED: Final = 5

PIPE_COLUMNS: Final = 200  # a reader that is no terminal has no width: nothing is cut for it

out: Final = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
notes: Final = Console(stderr=True)


def print_json(value: object) -> None:
    """Print one JSON document with a newline."""
    data = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
    sys.stdout.write(data.decode() + "\n")


def say(text: str) -> None:
    """Print a line of the answer as it is: no markup, no colours, no line breaks of our own."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def answer(document: object, words: str, *, as_json: bool) -> None:
    """Print an answer, as JSON where that is asked for."""
    if as_json:
        print_json(document)
    else:
        say(words)


def fail(message: str, code: int) -> NoReturn:
    """Print an error and leave with a code."""
    notes.print(f"apse: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def note(message: str) -> None:
    """Tell the person something that is not the answer."""
    notes.print(message, style="dim", markup=False, highlight=False, soft_wrap=True)


def table(*names: str, figures: tuple[str, ...] = ()) -> Table:
    """Return an empty table: columns of words, whose first is never cut, then of figures."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for number, name in enumerate(names):
        made.add_column(name, no_wrap=number == 0)
    for name in figures:
        made.add_column(name, justify="right", no_wrap=True)
    return made


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[float], None]]:
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
