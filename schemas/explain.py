"""The numbers behind a solved mix: what its limits cost, and how sure its weights are.

Computed beside the solve from the same problem, in annual units. Vectors stand in the order of the
problem's strategies.
"""

from typing import Literal

import msgspec


class ShadowPrice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one more percentage point of a limit would do.

    ``objective_per_point`` is the change of the objective (utility for mean_variance, else the
    minimised figure), ``sharpe_per_point`` that of the ex-ante Sharpe ratio, None where it was not
    measured. ``one_sided``: the limit's price differs upwards and downwards (a degenerate optimum),
    and this is the one upwards.
    """

    constraint: str
    side: Literal["min", "max"]
    objective_per_point: float
    sharpe_per_point: float | None = None
    one_sided: bool = False
    strategy: str | None = None


class WeightSpread(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far the weights would move had other returns of the same law been seen.

    The 5th and 95th percentile of each weight over ``resamples`` resampled estimates.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    resamples: int


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What explains one solved mix; the dearest limits first."""

    shadow_prices: tuple[ShadowPrice, ...] = ()
    spread: WeightSpread | None = None


class RelaxedLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One limit that would have to give so that some weights fit.

    Limits of the same ``way`` (from 1) give together; the ways are alternatives, the first is
    preferred.
    """

    way: int
    key: str
    limit: float
    needed: float
    words: str
