"""``python -m streams.api.document``: writes the OpenAPI document, or checks that it is as written.

The page's types are made from it.
"""

import sys
from pathlib import Path
from typing import Final

import orjson

from streams.api.app import build_app, parts_of
from streams.settings import Settings

FILE: Final = Path(__file__).parents[2] / "dashboard" / "openapi.json"


def document() -> bytes:
    """Return the OpenAPI document as it is written."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    settings = Settings()
    parts = parts_of(settings)  # nothing is asked of the broker: it needs none
    try:
        return orjson.dumps(build_app(settings, parts).openapi(), option=options)
    finally:
        parts.store.close()


def main(arguments: list[str]) -> int:
    """Write the document; with ``--check`` only compare it."""
    now = document()
    if "--check" not in arguments:
        FILE.write_bytes(now)
        return 0
    if FILE.read_bytes() == now:
        return 0
    sys.stderr.write(
        f"{FILE.name} is not what the API says: run `python -m streams.api.document`, then"
        " `npm run types` in dashboard\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
