"""Crash-only: a process that cannot go on as it should leaves at once; its checkpoint says where to resume."""

import os
import sys
from typing import Final, NoReturn

EXIT_REFUSED: Final = 3
"""Starting again cannot help: a person has to look. The supervisor stops."""

EXIT_GAP: Final = 42
EXIT_DELIVERY: Final = 43
EXIT_STALL: Final = 44
EXIT_AGENT: Final = 45


def leave(code: int, why: str) -> NoReturn:
    """End the process without cleaning up, saying why on standard error."""
    sys.stderr.write(f"leaving with code {code}: {why}\n")
    sys.stderr.flush()
    os._exit(code)
