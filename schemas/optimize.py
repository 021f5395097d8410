"""Between the portfolio agent and the optimizer agent: a self-contained problem, its answer.

MessagePack; arrays are little-endian float64 in ``bytes``, the covariance as its lower triangle row
by row.
"""

from typing import Literal

import msgspec

from schemas.units import PortfolioId


class GroupBound(msgspec.Struct, frozen=True, array_like=True):
    """Bounds of the total weight of some strategies; ``members`` are indices."""

    key: str
    members: tuple[int, ...]
    minimum: float
    maximum: float


class OptimizeRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything a solve needs, and where its answer goes."""

    request_id: str
    attempt: int
    portfolio_id: PortfolioId
    shard: int
    strategies: tuple[str, ...]
    mean_annual: bytes  # (N,) float64
    cov_annual_lower: bytes  # (N (N + 1) / 2,) float64
    held: bytes  # (N,) float64
    held_cash: float
    held_elsewhere: float
    objective: str
    risk_aversion: float
    weight_min: bytes  # (N,) float64
    weight_max: bytes  # (N,) float64
    groups: tuple[GroupBound, ...]
    cash_min: float
    cash_max: float
    turnover_max: float | None
    long_only: bool


class BindingLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A limit that holds the optimum back.

    ``price`` is in annual objective units per unit of the limit.
    """

    constraint: str
    side: Literal["min", "max"]
    price: float
    strategy: str | None = None


class SolveDiagnostics(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Facts of one solve that never enter ids, hashes or ``decisions.jsonl``."""

    solve_seconds: float
    worker: str
    iterations: int


class OptimizeReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Weights where solved, the limits in conflict where infeasible, a reason where failed."""

    request_id: str
    portfolio_id: PortfolioId
    status: Literal["solved", "infeasible", "failed"]
    weights: bytes = b""  # (N,) float64
    cash: float = 0.0
    objective_value: float = 0.0
    binding: tuple[BindingLimit, ...] = ()
    violated: tuple[str, ...] = ()
    reason: str = ""
    solver: str = ""
    exact: bool = False
    diagnostics: SolveDiagnostics
