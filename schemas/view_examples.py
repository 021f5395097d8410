"""One literal of each view that is published with a bar, for :mod:`schemas.examples`."""

from collections.abc import Mapping
from typing import Final

import msgspec

from schemas.shadows import ShadowBook, ShadowRecord
from schemas.views import (
    CovarianceRecord,
    MetricsRecord,
    RollingPerformance,
    StateRecord,
    WindowMetrics,
)

_BAR_END: Final = "2024-05-31T20:00:00Z"
_MOMENTUM: Final = "momentum-us"
_PAIRS: Final = "pairs-energy"

_METRICS: Final = MetricsRecord(
    portfolio_id="core",
    bar_end=_BAR_END,
    periods_per_year=252.0,
    strategies=(_MOMENTUM, _PAIRS),
    windows=[
        WindowMetrics(
            window="20",
            n_obs=[20, 20],
            metrics={"volatility_annual": [0.11, 0.0], "sharpe": [1.25, None]},
            undefined={"sharpe": {_PAIRS: "zero_variance"}},
        )
    ],
)
_FIGURES: Final = msgspec.structs.replace(
    _METRICS,
    windows=[
        WindowMetrics(
            window="252",
            n_obs=[252, 189],
            metrics={"sharpe": [1.25, 0.4], "sharpe_standard_error": [1.02, 1.17]},
            undefined={},
            coverage=[1.0, 0.75],
            dates={
                "max_drawdown_start": ["2024-04-02T20:00:00Z", None],
                "max_drawdown_trough": ["2024-04-19T20:00:00Z", None],
            },
        )
    ],
    conventions="apse-metrics-1",
)
_COVARIANCE: Final = CovarianceRecord(
    portfolio_id="core",
    bar_end=_BAR_END,
    covariance="ledoit_wolf",
    strategies=(_MOMENTUM, _PAIRS),
    n_common=252,
    average_correlation=0.25,
    max_correlation=0.25,
    max_pair=(_MOMENTUM, _PAIRS),
    matrix_annual=[[0.01, 0.0015], [0.0015, 0.0036]],
)
_STATE: Final = StateRecord(
    portfolio_id="core",
    bar_end=_BAR_END,
    bar_number=300,
    status="live",
    return_gross=0.0012,
    return_net=0.0011,
    cost=0.0001,
    turnover=0.1,
    nav=1.0432,
    drawdown=-0.012,
    coverage=1.0,
    adjustment=0.0,
    strategies=(_MOMENTUM, _PAIRS),
    held=[0.5, 0.3],
    target=[0.6, 0.3],
    contribution=[0.0009, 0.0003],
    eligible=["yes", "yes"],
    held_cash=0.2,
    target_cash=0.1,
    rolling=[
        RollingPerformance(
            window="20",
            n_obs=20,
            return_annual=0.08,
            volatility_annual=0.06,
            sharpe=1.25,
            max_drawdown=-0.02,
        )
    ],
    epoch=1,
    version=7,
    last_command_id="core.1.7.c81e6b0f42",
    acknowledged_version=6,
)
_SHADOWS: Final = ShadowRecord(
    portfolio_id="core",
    bar_end=_BAR_END,
    bar_number=300,
    window=252,
    books=(
        ShadowBook(
            book="main",
            objective="mean_variance",
            nav=1.0432,
            return_net=0.0011,
            cost=0.0001,
            turnover=0.1,
            turnover_total=1.75,
            cost_total=0.0018,
            sharpe=1.25,
            n_obs=252,
            regret_best=0.0105,
            regret_equal=0.0105,
        ),
        ShadowBook(
            book="equal",
            objective="equal",
            nav=1.0542,
            return_net=0.0009,
            cost=0.0,
            turnover=0.0,
            turnover_total=0.6,
            cost_total=0.0006,
            sharpe=1.31,
            n_obs=252,
            regret_best=0.0,
            regret_equal=0.0,
            outcome="decided",
            target=(0.5, 0.5),
            target_cash=0.0,
        ),
        ShadowBook(
            book="parity",
            objective="risk_parity",
            nav=0.99,
            return_net=0.0007,
            cost=0.0,
            turnover=0.0,
            turnover_total=0.0,
            cost_total=0.0,
            sharpe=None,
            n_obs=1,
            regret_best=0.0628,
            regret_equal=0.0628,
            since="2024-05-30T20:00:00Z",
            outcome="held",
            reason="infeasible: weight_max",
        ),
    ),
    strategies=(_MOMENTUM, _PAIRS),
)

VIEW_EXAMPLES: Final[Mapping[str, msgspec.Struct]] = {
    "MetricsRecord": _METRICS,
    "MetricsRecord-figures": _FIGURES,
    "CovarianceRecord": _COVARIANCE,
    "StateRecord": _STATE,
    "ShadowRecord": _SHADOWS,
}
