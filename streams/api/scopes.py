"""What a token may be for."""

from typing import Final, Literal

Scope = Literal["read", "rebalance", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "rebalance", "admin")
