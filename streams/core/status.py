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
    without one, and ``applied_multiplier`` the one in the last accepted decision.
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
    ended: BoolArray = field(default_factory=_nobody)

    def builds(self, policy: PortfolioPolicy) -> bool:
        """Tell whether a decision builds from cash, or moves into or out of a risk overlay."""
        if min(self.multiplier, self.applied_multiplier) < 1.0:
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
