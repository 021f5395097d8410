"""Counters and flags of one portfolio's walk."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from schemas.policy import PortfolioPolicy
from streams.core.arrays import BoolArray
from streams.core.bars import NEVER_NS


def _nobody() -> BoolArray:
    return np.zeros(0, dtype=bool)


@dataclass(slots=True, kw_only=True, eq=False)
class Status:
    """Where the walk stands. Bars count from 1; 0 and NEVER_NS mean that none was walked yet.

    ``version`` numbers the decisions, declined ones too; ``multiplier`` is the risk overlay's, 1
    without one, ``drawdown_multiplier`` the drawdown overlay's, and ``applied_multiplier`` the one
    in what is held or on its way. Boundaries of the schedule are dealt with through ``served_ns``;
    ``fired`` are the signals that are above their limit and have prompted for it.
    """

    bar_number: int = 0
    end_ns: int = NEVER_NS
    previous_end_ns: int = NEVER_NS
    version: int = 0
    accepted_bar_number: int | None = None
    last_command_id: str | None = None
    acknowledged_version: int = 0
    halted: bool = False
    paused: bool = False
    multiplier: float = 1.0
    applied_multiplier: float = 1.0
    drawdown_multiplier: float = 1.0
    served_ns: int = NEVER_NS
    fired: list[str] = field(default_factory=list)
    ended: BoolArray = field(default_factory=_nobody)

    @property
    def wanted_multiplier(self) -> float:
        """Return the smallest of the overlays' multipliers: the one that counts."""
        return min(self.multiplier, self.drawdown_multiplier)

    @property
    def overlaid(self) -> bool:
        """Tell whether an overlay shrinks what is wanted or what is held."""
        return min(self.wanted_multiplier, self.applied_multiplier) < 1.0

    def builds(self, policy: PortfolioPolicy) -> bool:
        """Tell whether a decision builds from cash, or moves into or out of a risk overlay."""
        if self.overlaid:
            return True
        begun = self.accepted_bar_number is not None
        if policy.ledger == "reported":
            begun = self.acknowledged_version > 0
        return not begun and not policy.initial_weights

    def to_state(self) -> dict[str, Any]:
        """Return everything as plain values and arrays."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Status":
        """Return the status that :meth:`to_state` described."""
        return cls(**state)
