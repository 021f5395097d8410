"""The command that tells all estimates of a returns file."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import typer

from schemas.policy import (
    Bar,
    Estimation,
    PortfolioPolicy,
    Quality,
    StrategyEntry,
    check_policy,
)
from streams.cli.estimate_tables import show_estimates
from streams.cli.estimates import strategy_figures
from streams.core.arrays import FloatArray, IntArray
from streams.core.covariance import (
    CovarianceEstimate,
    complete_rows,
    covariance_spec,
    effective_bets,
    structure_of,
    summary_of,
)
from streams.core.covariance import estimate as estimate_covariance
from streams.core.errors import DataError
from streams.core.expected import expected_returns, parse_mean
from streams.core.history import history_bars
from streams.core.performance import CONVENTIONS
from streams.core.quality import EstimatorQuality, ForecastQuality
from streams.core.signals import MarketSigns, turbulence
from streams.core.windows import RollingWindows
from streams.files import read_returns
from streams.operate.console import EXIT_INPUT, fail, print_json
from streams.operate.portfolio_file import read_policy
from streams.report.book import read_book

_BAR: Final[Bar] = "1d"  # of the policy that carries the options; no estimate depends on it


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(estimate)


def estimate(
    *,
    returns: Annotated[
        Path,
        typer.Option(
            "--returns", help="CSV or Parquet, long or wide.", exists=True, dir_okay=False
        ),
    ],
    periods_per_year: Annotated[float, typer.Option(min=1e-9, help="Bars in a year.")],
    window: Annotated[int | None, typer.Option(min=2, help="Last N rows; all by default.")] = None,
    covariance: Annotated[
        str | None, typer.Option(help="sample, ewma:LAMBDA, ledoit_wolf, oas, ...")
    ] = None,
    mean: Annotated[str | None, typer.Option(help="sample, ewma:LAMBDA, james_stein, ...")] = None,
    ragged: Annotated[
        Literal["complete_rows", "pairwise", "congruence"] | None,
        typer.Option(help="What becomes of rows with holes."),
    ] = None,
    portfolio: Annotated[
        Path | None,
        typer.Option(help="Portfolio file whose estimation is used.", exists=True, dir_okay=False),
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Strategy to tell beta and correlation against.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a replay whose portfolio beta is to; by default equal weights.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    quality: Annotated[
        bool, typer.Option("--quality", help="Judge the forecasts of risk over the file.")
    ] = False,
    compare: Annotated[
        list[str] | None, typer.Option(help="Covariance to judge beside it; repeat for more.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Tables of every figure.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print metrics, covariance, expected returns, signals and the quality of forecasts."""
    history = read_returns(returns)
    values = history.values if window is None else history.values[-window:]
    _check_benchmark(benchmark, history.names, returns)
    changes = {
        "covariance": covariance,
        "mean": mean,
        "ragged": ragged,
        "compare": None if compare is None else tuple(compare),
    }
    estimation = Estimation() if portfolio is None else read_policy(portfolio).estimation
    policy = _policy(estimation, changes, history.names, periods_per_year)
    ends_ns = history.stamps_ns[-len(values) :]
    figures: dict[str, Any] = {
        "conventions": CONVENTIONS,
        "portfolio": "equal_weights" if replay is None else str(replay),
        "metrics": strategy_figures(
            history.names, values, ends_ns, periods_per_year, benchmark, _earned(replay, ends_ns)
        ),
        **_estimates(policy, history.names, values),
        "signals": _signals(policy.estimation, history.names, history.values),
    }
    if quality:
        figures["quality"] = [asdict(one) for one in _quality(policy, history.values)]
    if as_json:
        print_json(figures)
    else:
        show_estimates(figures, every=every)


def _check_benchmark(benchmark: str | None, names: tuple[str, ...], returns: Path) -> None:
    if benchmark is not None and benchmark not in names:
        some = ", ".join(names[:10])
        fail(f"--benchmark {benchmark!r} is not in {returns}; expected one of {some}", EXIT_INPUT)


def _policy(
    estimation: Estimation,
    changes: dict[str, Any],
    names: tuple[str, ...],
    periods_per_year: float,
) -> PortfolioPolicy:
    """Return a policy of all strategies with the options in it.

    Raises
    ------
    ConfigError, PolicyError
        An option that cannot be used, alone or beside the others.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    estimation = msgspec.structs.replace(estimation, **given)
    for literal in (estimation.covariance, *estimation.compare):
        covariance_spec(estimation, literal)
    parse_mean(estimation.mean)
    if estimation.quality is None:
        estimation = msgspec.structs.replace(estimation, quality=Quality())
    policy = PortfolioPolicy(
        portfolio_id="estimate",
        bar=_BAR,
        periods_per_year=periods_per_year,
        strategies=tuple(StrategyEntry(id=name) for name in names),
        estimation=estimation,
    )
    check_policy(policy)
    return policy


def _earned(replay: Path | None, ends_ns: IntArray) -> FloatArray | None:
    """Return the net returns of a replay in the bars that end at these stamps, else NaN.

    Raises
    ------
    DataError
        None of its bars ends at any of them.
    """
    if replay is None:
        return None
    book = read_book(replay)
    _, bars, rows = np.intersect1d(book.ends_ns, ends_ns, return_indices=True)
    if not bars.size:
        msg = (
            f"{replay}: no bar ends at a stamp of the returns, "
            "expected a replay of this file with a bar a row"
        )
        raise DataError(msg)
    earned = np.full(len(ends_ns), np.nan)
    earned[rows] = book.net[bars]
    return earned


def _estimates(
    policy: PortfolioPolicy, names: tuple[str, ...], values: FloatArray
) -> dict[str, Any]:
    """Return the covariance, what became of it, and the expected returns beside it."""
    rows, n_common = complete_rows(values, np.arange(len(names)))
    matrix: dict[str, Any] = {"strategies": list(names), "matrix": None, "n_common": n_common}
    figures: dict[str, Any] = {"covariance_annual": matrix}
    estimation, periods = policy.estimation, policy.periods_per_year
    used = rows if estimation.ragged == "complete_rows" else values
    try:
        found = estimate_covariance(used, covariance_spec(estimation))
        cov_annual = found.matrix * periods
        matrix["matrix"] = cov_annual.tolist()
        figures["covariance_structure"] = _structure(policy, names, found, n_common)
        expected = expected_returns(used, cov_annual, names, estimation, periods)
    except DataError as error:
        matrix["undefined" if matrix["matrix"] is None else "expected_returns_undefined"] = str(
            error
        )
        return figures
    figures["expected_returns"] = {
        "mean": estimation.mean,
        "shrinkage": expected.shrinkage,
        "unused_views": list(expected.unused_views),
        "strategies": {
            name: {"mean_annual": value, "standard_error_annual": error}
            for name, value, error in zip(
                names, expected.mean.tolist(), expected.standard_error.tolist(), strict=True
            )
        },
    }
    return figures


def _structure(
    policy: PortfolioPolicy, names: tuple[str, ...], found: CovarianceEstimate, n_common: int
) -> dict[str, Any]:
    summary = summary_of(found.matrix, n_common)
    pair = summary.pair_max
    equal = np.full(len(names), 1.0 / len(names))
    return {
        "covariance": policy.estimation.covariance,
        "ragged": policy.estimation.ragged,
        "n_effective": found.n_effective,
        "shrinkage": found.shrinkage,
        "factors": found.factors,
        "repair_distance": found.repair_distance,
        **asdict(structure_of(found.matrix)),
        "effective_bets_of_equal_weights": effective_bets(found.matrix, equal),
        "average_correlation": summary.average_correlation,
        "max_correlation": None if pair is None else pair[2],
        "max_pair": None if pair is None else [names[pair[0]], names[pair[1]]],
    }


def _signals(estimation: Estimation, names: tuple[str, ...], values: FloatArray) -> dict[str, Any]:
    """Return the signs of the last bar, against what was known before it."""
    told = MarketSigns(len(names)).push(values)
    before = values[-1 - estimation.window_bars : -1]
    try:
        matrix = estimate_covariance(before, covariance_spec(estimation)).matrix
        unusual = turbulence(values[-1], matrix)
    except DataError:
        unusual = None
    deviations = told.deviations[-1].tolist()
    return {
        "turbulence": unusual,
        "volatility_regime": _or_none(told.volatility_regime[-1]),
        "correlation_fast": _or_none(told.correlation_fast[-1]),
        "correlation_slow": _or_none(told.correlation_slow[-1]),
        "correlation_break": _or_none(told.correlation_break[-1]),
        "jumps": {names[i]: deviations[i] for i in told.jumps(-1).tolist()},
    }


def _quality(policy: PortfolioPolicy, values: FloatArray) -> tuple[EstimatorQuality, ...]:
    """Return the record of each estimator over the file; held are equal weights."""
    estimation = policy.estimation
    windows = RollingWindows((estimation.window_bars,), values.shape[1], history_bars(policy))
    quality = ForecastQuality(policy)
    assert isinstance(policy.strategies, tuple), policy.strategies
    names = [entry.id for entry in policy.strategies]
    held = np.full((quality.every_bars, values.shape[1]), 1.0 / values.shape[1])
    for row in values:
        windows.push(row)
        quality.follow(windows, windows.count, held, names)
    return quality.latest


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
