"""Commands that serve people: the HTTP API, and the tokens it asks for."""

import os
import re
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.units import IDENTIFIER
from streams.api.scopes import SCOPES
from streams.operate.console import EXIT_INPUT, answer, fail
from streams.operate.current import reachable_kafka, reachable_settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("api")(api)
    app.command()(token)


def api(
    host: Annotated[str | None, typer.Option(help="Address; not loopback needs tokens.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port.")] = None,
    store: Annotated[
        str | None, typer.Option(help="redis://HOST:PORT/N, or a file; default: in this process.")
    ] = None,
    tokens: Annotated[Path | None, typer.Option(help="File of tokens, see `apse token`.")] = None,
) -> None:
    """Serve the API and the dashboard over a running engine's topics."""
    from streams.api.service import serve  # noqa: PLC0415  # other commands start without the web

    reachable_kafka()
    settings = reachable_settings()
    given = {"host": host, "port": port, "store": store, "tokens": tokens and str(tokens)}
    changed = {key: value for key, value in given.items() if value is not None}
    ours = msgspec.structs.replace(settings.api, **changed)
    serve(msgspec.structs.replace(settings, api=ours))


def token(
    name: Annotated[str, typer.Argument(help="Who holds it; kept with whatever they order.")],
    scope: Annotated[list[str], typer.Option(help=f"One of {', '.join(SCOPES)}; may be repeated.")],
    file: Annotated[Path, typer.Option(help="File of tokens; the new one is added.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a token; its text is shown this once, the file keeps a hash."""
    from streams.api.security import make_token  # noqa: PLC0415  # as above

    if not re.fullmatch(IDENTIFIER, name):
        fail(f"NAME {name!r}: letters, digits, dots, dashes and underscores", EXIT_INPUT)
    for one in scope:
        if one not in SCOPES:
            fail(f"--scope {one!r} is not one of {', '.join(SCOPES)}", EXIT_INPUT)
    text, line = make_token(name, tuple(known for known in SCOPES if known in scope))
    with open(os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "a") as target:  # noqa: PTH123  # nobody else may read it, from its first moment
        target.write(line + "\n")
    words = f"{text}\nThe file {file} keeps its hash; the token itself is not shown again."
    answer({"name": name, "scopes": scope, "token": text}, words, as_json=as_json)
