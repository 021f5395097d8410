"""``apse dlq``: what was refused, why, and publishing it again once the cause is mended."""

from typing import Annotated

import typer

from schemas.topics import DEAD_LETTERS, RETURNS
from streams.operate.console import answer, out, print_json, say, table
from streams.operate.current import reachable_kafka
from streams.operate.read import Reader, Received
from streams.operate.send import Sender

VALUE_BYTES_SHOWN = 2_000
VALUE_CHARACTERS_LISTED = 60

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Code = Annotated[str | None, typer.Option(help="Only refusals with this code.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    dlq = typer.Typer(no_args_is_help=True)
    dlq.callback()(_group)
    dlq.command("list")(dlq_list)
    dlq.command("replay")(dlq_replay)
    app.add_typer(dlq, name="dlq")


def _group() -> None:
    """Show refused input, and publish it again."""


def dlq_list(code: Code = None, as_json: Json = False) -> None:
    """Print what was refused, why, and where it stood."""
    with Reader(reachable_kafka(), (DEAD_LETTERS,)) as reader:
        letters = [_letter(record) for record in reader.to_end()]
    letters = [letter for letter in letters if code in {None, letter["code"]}]
    if as_json:
        print_json(letters)
        return
    if letters:
        listed = table("code", "source", "begins")
        for letter in letters:
            begins = letter["value"][:VALUE_CHARACTERS_LISTED]
            listed.add_row(letter["code"], letter["source"], begins)
        out.print(listed)
        causes = dict.fromkeys(letter["detail"] for letter in letters)
        for detail in causes:  # whole and uncut: the last words are the line that cures it
            say(detail)
    say(f"{len(letters)} refused; `apse dlq replay` publishes refused returns again")


def dlq_replay(code: Code = None, as_json: Json = False) -> None:
    """Publish refused returns again, as they were, once their cause is mended."""
    kafka = reachable_kafka()
    with Reader(kafka, (DEAD_LETTERS,)) as reader:
        refused = list(reader.to_end())
    chosen = [
        record
        for record in refused
        if code in {None, _letter(record)["code"]} and _is_return(record)
    ]
    with Sender(kafka) as sender:
        for record in chosen:
            sender.raw(RETURNS, record.key or None, record.value)
    words = f"published {len(chosen)} of {len(refused)} refused records again"
    answer({"records_published": len(chosen), "refused": len(refused)}, words, as_json=as_json)


def _is_return(record: Received) -> bool:
    return record.headers.get("apse_source_topic", b"").endswith(RETURNS.name.encode())


def _letter(record: Received) -> dict[str, str]:
    def header(name: str) -> str:
        return record.headers.get(name, b"").decode(errors="replace")

    place = ("apse_source_topic", "apse_source_partition", "apse_source_offset")
    return {
        "code": header("apse_error_code"),
        "detail": header("apse_error_detail"),
        "source": "/".join(header(name) for name in place),
        "key": record.key.decode(errors="replace"),
        "value": record.value[:VALUE_BYTES_SHOWN].decode(errors="replace"),
    }
