"""The estimates of a returns file as tables for people."""

from typing import Any, Final

from streams.operate.console import out, say, table

__all__ = ["FURTHER", "USUAL", "show_estimates"]

USUAL: Final = {
    "n_obs": "n",
    "mean_annual": "mean/y",
    "volatility_annual": "vol/y",
    "sharpe": "Sharpe",
    "sharpe_standard_error": "±",
    "sortino": "Sortino",
    "max_drawdown": "max dd",
    "cvar_95": "CVaR 95",
}
"""Figures of the first table, and their headings, short enough for 80 columns."""

FURTHER: Final = (
    {
        "cagr": "CAGR",
        "downside_deviation_annual": "down/y",
        "drawdown": "drawdown",
        "calmar": "Calmar",
        "hit_rate": "hits",
        "profit_factor": "gain/loss",
        "coverage": "coverage",
    },
    {
        "var_95": "VaR 95",
        "var_99": "VaR 99",
        "cvar_99": "CVaR 99",
        "tail_ratio": "tail ratio",
        "skew": "skew",
        "kurtosis": "kurtosis",
    },
    {
        "sharpe_standard_error_iid": "± iid",
        "probabilistic_sharpe": "P(SR>0)",
        "deflated_sharpe": "P(SR>luck)",
        "probabilistic_sharpe_benchmark": "P(SR>benchmark)",
    },
    {
        "ulcer_index": "ulcer",
        "under_water_bars": "under",
        "under_water_bars_longest": "longest",
        "max_drawdown_start": "max dd from",
        "max_drawdown_trough": "to",
    },
    {
        "beta": "beta",
        "correlation": "corr",
        "beta_benchmark": "beta bench",
        "correlation_benchmark": "corr bench",
    },
    {
        "sharpe_population": "SR ddof 0",
        "sharpe_geometric": "SR cagr",
        "sortino_semideviation": "Sortino semi",
        "sortino_loss_deviation": "Sortino losses",
        "omega": "omega",
    },
    {
        "stability": "stability",
        "skew_unbiased": "skew G1",
        "kurtosis_unbiased": "kurtosis G2",
        "drawdown_uncompounded_max": "max dd of sums",
    },
)
"""The other figures; the last two tables are the variants of docs/metrics.md."""


def show_estimates(figures: dict[str, Any], *, every: bool) -> None:
    """Print what ``apse estimate --json`` says as tables: of every figure, or of the usual ones."""
    _show_figures(figures["metrics"], USUAL)
    if every:
        for shown in FURTHER:
            _show_figures(figures["metrics"], shown)
    _show_expected(figures.get("expected_returns"))
    _show_structure(figures)
    signals = figures["signals"]
    say(
        f"last bar: turbulence {_figure(signals['turbulence'])}, volatility regime"
        f" {_figure(signals['volatility_regime'])}, correlation"
        f" {_figure(signals['correlation_fast'])} against {_figure(signals['correlation_slow'])}"
    )
    for name, deviations in signals["jumps"].items():
        say(f"  jump of {name}: {deviations:+.1f} deviations")
    if "quality" in figures:
        _show_quality(figures["quality"])


# Columns that no strategy has, as those to a benchmark, are left away.
def _show_figures(strategies: dict[str, dict[str, Any]], shown: dict[str, str]) -> None:
    told = {name: figures | figures["variants"] for name, figures in strategies.items()}
    shown = {key: head for key, head in shown.items() if any(key in one for one in told.values())}
    rows = table("strategy", figures=tuple(shown.values()))
    for name, figures in told.items():
        rows.add_row(name, *(_figure(figures[key]) for key in shown))
    out.print(rows)


def _show_expected(expected: dict[str, Any] | None) -> None:
    if expected is None:
        return
    rows = table("strategy", figures=(f"expected/y ({expected['mean']})", "±"))
    for name, told in expected["strategies"].items():
        rows.add_row(name, _figure(told["mean_annual"]), _figure(told["standard_error_annual"]))
    out.print(rows)


def _show_structure(figures: dict[str, Any]) -> None:
    matrix = figures["covariance_annual"]
    told = figures.get("covariance_structure")
    if told is None:
        say(f"no covariance: {matrix['undefined']}")
        return
    say(
        f"covariance {told['covariance']} over {matrix['n_common']} common rows"
        f" (worth {told['n_effective']:.1f}); --all tells every metric, --json the matrix too"
    )
    say(
        f"  condition {_figure(told['condition_number'])},"
        f" effective bets {_figure(told['effective_bets'])},"
        f" average correlation {_figure(told['average_correlation'])};"
        f" {told['clusters']} clusters"
    )
    if told["shrinkage"] is not None:
        say(f"  shrunk by {told['shrinkage']:.1%}")
    if told["repair_distance"] > 0.0:
        say(f"  made semi-definite: correlations moved by {told['repair_distance']:.2%}")


def _show_quality(records: list[dict[str, Any]]) -> None:
    headings = ("bars", "bias held", "random", "least", "most", "QLIKE held", "random")
    rows = table("covariance", figures=headings)
    keys = (
        "n_bars",
        "bias_held",
        "bias_random",
        "bias_random_min",
        "bias_random_max",
        "qlike_held",
        "qlike_random",
    )
    for record in records:
        rows.add_row(record["covariance"], *(_figure(record[key]) for key in keys))
    out.print(rows)
    if not records:
        say("too few rows to judge a forecast")


def _figure(value: float | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value.removesuffix("T00:00:00Z")
    return str(value) if isinstance(value, int) else f"{value:.4f}"
