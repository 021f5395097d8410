"""Files of the contracts: writes and checks the generated ones, and freezes golden encodings.

``python -m streams.contracts`` writes ``schemas/generated``; ``--check`` exits 1 where it differs
from what the types say; ``--freeze`` writes ``schemas/golden/v1`` and never over a file.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from schemas.examples import golden_encodings
from schemas.generate import documents, first_difference

SCHEMAS: Final = Path(__file__).parents[1] / "schemas"
GENERATED: Final = SCHEMAS / "generated"
GOLDEN: Final = SCHEMAS / "golden" / "v1"


def write_generated(folder: Path) -> None:
    """Write every generated document, and remove files that nothing generates any more."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = documents()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()


def generated_drift(folder: Path) -> str | None:
    """Return where the generated documents differ from the types, or None."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return first_difference(documents(), {path.name: path.read_text("utf-8") for path in paths})


def same_encoding(file_name: str, now: bytes, frozen: bytes) -> bool:
    """Return whether an encoding is still the frozen one.

    Bytes for JSON; for MessagePack the maps in their order. The head of a map takes one byte or
    three by how many fields its type has, left out or not: a new field with a default changes the
    head, and nothing that a reader sees.
    """
    if now == frozen:
        return True
    if file_name.endswith(".json"):
        return False
    try:
        told = msgspec.msgpack.decode(frozen)
    except msgspec.DecodeError:
        return False
    return _ordered(msgspec.msgpack.decode(now)) == _ordered(told)


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return [(key, _ordered(item)) for key, item in value.items()]
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def freeze_golden(folder: Path) -> list[str]:
    """Write the golden encodings that are not there yet, and return their names.

    Raises
    ------
    FileExistsError
        When a frozen file would have to change; nothing is written then.
    """
    wanted = golden_encodings()
    frozen = {name for name in wanted if (folder / name).exists()}
    changed = sorted(
        name
        for name in frozen
        if not same_encoding(name, wanted[name], (folder / name).read_bytes())
    )
    if changed:
        text = f"golden encodings are frozen, and these would change: {', '.join(changed)}"
        raise FileExistsError(text)
    folder.mkdir(parents=True, exist_ok=True)
    new = sorted(wanted.keys() - frozen)
    for name in new:
        with (folder / name).open("xb") as file:
            file.write(wanted[name])
    return new


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m streams.contracts", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="compare only; exit 1 on drift")
    choice.add_argument("--freeze", action="store_true", help="write missing golden encodings")
    options = parser.parse_args(arguments)
    if options.check:
        difference = generated_drift(GENERATED)
        if difference is not None:
            sys.stderr.write(f"schemas/generated/{difference}\nrun python -m streams.contracts\n")
            return 1
    elif options.freeze:
        try:
            new = freeze_golden(GOLDEN)
        except FileExistsError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        sys.stdout.write(f"{len(new)} golden encodings written\n")
    else:
        write_generated(GENERATED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
