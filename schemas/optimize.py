"""Between the portfolio agent and the optimizer agent: a self-contained problem, its answer.

MessagePack; arrays are little-endian float64 in ``bytes``, the covariance as its lower triangle row
by row.
"""

from typing import Literal

import msgspec

from schemas.explain import Explanation, RelaxedLimit
from schemas.policy.terms import Combine, Sense
from schemas.units import PortfolioId


class GroupBound(msgspec.Struct, frozen=True, array_like=True):
    """Bounds of the total weight of some strategies; ``members`` are indices."""

    key: str
    members: tuple[int, ...]
    minimum: float
    maximum: float


class LinearBound(msgspec.Struct, frozen=True, array_like=True):
    """Bounds of a sum of weights, each counted by its loading."""

    key: str
    loadings: bytes  # (N,) float64
    minimum: float
    maximum: float


class AimNumbers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Numbers of the objective; ``years`` is the effective length of the record."""

    target: float | None = None
    budgets: bytes = b""  # (N,) float64
    alpha: float = 0.95
    reference: bytes = b""  # (N,) float64
    kappa: float = 1.0
    years: float | None = None


class CapNumbers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Limits that are no bound of a sum; None is no limit."""

    volatility_max: float | None = None
    cvar_max: float | None = None
    leverage_max: float | None = None
    short_max: float | None = None
    risk_contribution_max: float | None = None
    cardinality_max: int | None = None
    position_min: float | None = None


class CostNumbers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What trading costs, as shares of NAV, and over how many years it is spread."""

    linear: float
    impact: bytes = b""  # (N,) float64, per |change of weight|^1.5
    horizon_years: float


class CorrelationNumbers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Limits on correlation as in the portfolio file, and what they are judged by.

    ``observations`` is the effective number behind the covariance; ``previous`` the clusters of the
    decision before, by name, None where there was none.
    """

    observations: float
    pair_limit: float | None = None
    pair_weight_max: float | None = None
    confidence: float = 0.9
    cluster_limit: float | None = None
    cluster_weight_max: float | None = None
    cluster_risk_max: float | None = None
    diversification_ratio_min: float | None = None
    exclusive: bool = False
    exclusive_sets: tuple[tuple[int, ...], ...] = ()
    held_correlation_max: float | None = None
    penalty: float = 0.0
    previous: tuple[tuple[str, ...], ...] | None = None


class TermNumbers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One term of a custom objective, as ``schemas.policy.terms`` has it, with its numbers."""

    name: str
    kind: str
    loadings: bytes = b""  # (N,) float64
    reference: bytes = b""  # (N,) float64
    alpha: float = 0.95
    python: str = ""
    weight: float | None = None
    bound: float | None = None
    sense: Sense = "minimise"
    give_up: float = 0.0


class CustomNumbers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A custom objective."""

    terms: tuple[TermNumbers, ...]
    combine: Combine = "weighted_sum"
    normalise: bool = False


class ShadowProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a paper book asks beside the main one: the same strategies and estimates.

    Each field stands in place of that of the request. Where several need ``scenarios``, the request
    has them, or the first of these problems.
    """

    name: str
    held: bytes  # (N,) float64
    held_cash: float
    held_elsewhere: float
    objective: str
    risk_aversion: float
    weight_min: bytes  # (N,) float64
    weight_max: bytes  # (N,) float64
    groups: tuple[GroupBound, ...]
    turnover_max: float | None
    long_only: bool
    limits: tuple[LinearBound, ...] = ()
    aim: AimNumbers | None = None
    caps: CapNumbers | None = None
    costs: CostNumbers | None = None
    correlation: CorrelationNumbers | None = None
    custom: CustomNumbers | None = None
    scenarios: bytes = b""  # (T, N) float64, row by row, complete
    needs_scenarios: bool = False


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
    limits: tuple[LinearBound, ...] = ()
    aim: AimNumbers | None = None
    caps: CapNumbers | None = None
    costs: CostNumbers | None = None
    correlation: CorrelationNumbers | None = None
    scenarios: bytes = b""  # (T, N) float64, row by row, complete
    periods_per_year: float = 1.0
    cash_return: float = 0.0
    fallback: tuple[str, ...] = ()
    n_common: int = 0
    prices: int = 0
    resamples: int = 0
    custom: CustomNumbers | None = None
    shadows: tuple[ShadowProblem, ...] = ()  # of paper books; the answer comes in the same reply


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


class CorrelationFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the weights of a reply achieve; strategies by name, the next decision's ``previous``.

    ``average`` is weighted by w sigma of both sides; ``pair`` is the most correlated pair held.
    ``watched`` pairs are over the limit, but so little that chance may be the reason.
    """

    average: float | None
    diversification_ratio: float | None
    pair: tuple[str, ...] = ()
    pair_max: float | None = None
    capped: tuple[tuple[str, str], ...] = ()
    watched: tuple[tuple[str, str], ...] = ()
    clusters: tuple[tuple[str, ...], ...] = ()
    cluster_weights: tuple[float, ...] = ()
    cluster_risks: tuple[float, ...] = ()


class ShadowAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Weights for a paper book; where ``reason`` is not empty, there are none."""

    name: str
    weights: bytes = b""  # (N,) float64
    cash: float = 0.0
    reason: str = ""
    clusters: tuple[tuple[str, ...], ...] | None = None  # by name, the next problem's ``previous``


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
    gap: float = 0.0  # share of the objective by which the optimum may be better; inf: not known
    instead: str = ""  # the objective solved in place of the one asked for, and why
    correlation: CorrelationFigures | None = None
    step: str = "none"  # of the fallback, where no solver answered
    explanation: Explanation | None = None
    relax: tuple[RelaxedLimit, ...] = ()
    shadows: tuple[ShadowAnswer, ...] = ()  # in the order of the request's
