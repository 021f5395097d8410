"""How a portfolio estimates: windows, covariance, expected returns, and how both are judged."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, field

from schemas.policy.section import PositiveInt, Section
from schemas.units import StrategyId, Weight

_SHARE: Final = r"0?\.[0-9]*[1-9][0-9]*"
_BARS: Final = r"(?=[0-9.]*[1-9])[0-9]{1,5}(\.[0-9]+)?"

CovarianceLiteral = Annotated[
    str,
    Meta(
        pattern=(
            rf"^(sample|ewma:{_SHARE}|ewma_split:{_BARS}:{_BARS}|ledoit_wolf(:{_SHARE})?"
            rf"|oas(:{_SHARE})?|constant_correlation|cluster_block(:{_SHARE})?|denoise"
            r"|factor:(auto|[1-9][0-9]{0,3}))$(?!\n)"
        )
    ),
]
MeanLiteral = Annotated[
    str,
    Meta(
        pattern=(
            rf"^(sample|ewma:{_SHARE}|james_stein|bayes_stein|equilibrium|black_litterman)$(?!\n)"
        )
    ),
]
Ragged = Literal["complete_rows", "pairwise", "congruence"]
RAGGED_KINDS: Final = ("sample", "ewma", "ewma_split", "oas", "denoise", "factor")
"""Covariances that rows with holes can be estimated by; the others need complete rows."""


class View(Section, frozen=True, kw_only=True):
    """An opinion on strategies: ``strategies`` as weighted earn ``return_annual``.

    ``confidence`` 1 is certainty; at 0.5 the view counts as much as what the equilibrium says.
    """

    strategies: dict[StrategyId, Weight]
    return_annual: Annotated[float, Meta(ge=-100.0, le=100.0)]
    confidence: Annotated[float, Meta(gt=0.0, le=1.0)]


class Equilibrium(Section, frozen=True, kw_only=True):
    """The mix that nobody needs to change: expected returns are those that make it the optimum.

    No ``weights`` are equal ones; of given ones, those of who takes part are scaled to sum 1.
    """

    risk_aversion: Annotated[float, Meta(gt=0.0, le=1000.0)] = 2.5
    weights: dict[StrategyId, Weight] = field(default_factory=dict)


class Quality(Section, frozen=True, kw_only=True):
    """How forecasts of risk are judged: made at every ``every_bars``-th bar, scored at each.

    ``portfolios`` random ones are scored beside the held one, over the last ``window_bars``.
    """

    window_bars: Annotated[int, Meta(ge=2, le=10_000)] = 252
    portfolios: Annotated[int, Meta(ge=1, le=256)] = 16
    every_bars: Annotated[int, Meta(ge=1, le=63)] = 20


class Demote(Section, frozen=True, kw_only=True):
    """Which estimator takes over while the bias of the chosen one is outside ``band``.

    The chosen one comes back once its bias is well inside: between the roots of the two bounds.
    """

    to: CovarianceLiteral
    band: tuple[
        Annotated[float, Meta(gt=0.0, le=1.0)], Annotated[float, Meta(ge=1.0, le=100.0)]
    ] = (0.8, 1.25)
    min_bars: Annotated[int, Meta(ge=2, le=10_000)] = 63


class Quarantine(Section, frozen=True, kw_only=True):
    """Which values are kept out, as a mistake of unit would be, until a revision confirms them.

    Those of a size over ``return_abs_max``, and over ``jump_sigmas`` times the root mean square of
    the strategy's own last values.
    """

    return_abs_max: Annotated[float, Meta(gt=0.0)] | None = None
    jump_sigmas: Annotated[float, Meta(gt=1.0)] | None = None


class Estimation(Section, frozen=True, kw_only=True):
    """Windows and estimators. ``min_bars`` None means min(window_bars, max(20, N + 2)).

    ``figures`` full adds those of docs/metrics.md, ``benchmark`` is the strategy that beta and
    correlation are told against too, ``trials`` how many were tried before these were chosen, for
    the deflated Sharpe ratio: None means as many as the portfolio ever had.
    """

    window_bars: Annotated[int, Meta(ge=2, le=100_000)] = 252
    min_bars: Annotated[int, Meta(ge=2, le=100_000)] | None = None
    stale_bars: PositiveInt = 5
    windows: tuple[Annotated[int, Meta(ge=2, le=100_000)], ...] = (20, 60, 252)
    covariance: CovarianceLiteral = "sample"
    mean: MeanLiteral = "sample"
    ragged: Ragged = "complete_rows"
    winsorize: Annotated[float, Meta(ge=1.0, le=100.0)] | None = None
    views: tuple[View, ...] = ()
    equilibrium: Equilibrium = Equilibrium()
    compare: tuple[CovarianceLiteral, ...] = ()
    quality: Quality | None = Quality()
    demote: Demote | None = None
    quarantine: Quarantine | None = None
    figures: Literal["full", "standard"] = "full"
    benchmark: StrategyId | None = None
    trials: PositiveInt | None = None


def contradictory_estimation(estimation: Estimation) -> Iterator[str]:
    """Yield what in it contradicts itself whatever the data say."""
    if estimation.min_bars is not None and estimation.min_bars > estimation.window_bars:
        low, high = estimation.min_bars, estimation.window_bars
        yield f"estimation.min_bars {low} is above window_bars {high}"
    if len(set(estimation.windows)) != len(estimation.windows) or not estimation.windows:
        yield f"estimation.windows {list(estimation.windows)} must be one or more different lengths"
    other = () if estimation.demote is None else (estimation.demote.to,)
    for literal in (estimation.covariance, *other, *estimation.compare):
        kind = literal.partition(":")[0]
        if estimation.ragged != "complete_rows" and kind not in RAGGED_KINDS:
            yield (
                f"estimation.ragged {estimation.ragged}: covariance {literal} needs complete rows; "
                f"expected one of {', '.join(RAGGED_KINDS)}"
            )
    yield from _contradictory_views(estimation)
    yield from _contradictory_judging(estimation)


def _contradictory_views(estimation: Estimation) -> Iterator[str]:
    if estimation.views and estimation.mean != "black_litterman":
        yield f"estimation.views need mean black_litterman, got {estimation.mean!r}"
    for number, view in enumerate(estimation.views):
        if not any(view.strategies.values()):
            yield f"estimation.views.{number}.strategies have no weight but 0"


def _contradictory_judging(estimation: Estimation) -> Iterator[str]:
    if estimation.demote is not None and estimation.quality is None:
        yield "estimation.demote needs estimation.quality, which is null"
    if estimation.compare and estimation.quality is None:
        yield "estimation.compare needs estimation.quality, which is null"
    if estimation.demote is not None and estimation.demote.to == estimation.covariance:
        yield f"estimation.demote.to {estimation.demote.to!r} is the covariance itself"
