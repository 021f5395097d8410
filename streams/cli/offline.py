"""Commands that need no broker: estimate, optimize, replay, init, policy check."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from streams.cli.console import (
    EXIT_FAILED,
    EXIT_INFEASIBLE,
    EXIT_INPUT,
    fail,
    note,
    out,
    print_json,
    progress,
)
from streams.core.covariance import complete_rows, covariance, parse_covariance
from streams.core.errors import DataError
from streams.core.frames import Rows
from streams.core.metrics import METRICS, series_metrics
from streams.files import ReturnsTable, read_returns, to_rows
from streams.operate.portfolio_file import TEMPLATE, read_policy
from streams.runtime.files import ReplayFiles
from streams.runtime.replay import ReplaySummary, replay, with_members
from streams.runtime.whatif import optimize_once

ReturnsFile = Annotated[
    Path,
    typer.Option("--returns", help="CSV or Parquet, long or wide.", exists=True, dir_okay=False),
]
PolicyFile = Annotated[
    Path, typer.Option("--portfolio", help="Portfolio file (YAML).", exists=True, dir_okay=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(estimate)
    app.command()(optimize)
    app.command("replay")(replay_command)
    app.command()(init)
    policy = typer.Typer(help="Portfolio files.", no_args_is_help=True)
    policy.command("check")(policy_check)
    app.add_typer(policy, name="policy")


def estimate(
    returns: ReturnsFile,
    periods_per_year: Annotated[float, typer.Option(min=1e-9, help="Bars in a year.")],
    window: Annotated[int | None, typer.Option(min=2, help="Last N rows; all by default.")] = None,
    covariance_literal: Annotated[
        str, typer.Option("--covariance", help="sample, ewma:LAMBDA or ledoit_wolf.")
    ] = "sample",
    as_json: Json = False,
) -> None:
    """Print metrics of each strategy, and their annual covariance."""
    table = read_returns(returns)
    values = table.values if window is None else table.values[-window:]
    spec = parse_covariance(covariance_literal)
    answer = {
        "metrics": {
            name: _metrics(values[:, i], periods_per_year) for i, name in enumerate(table.names)
        },
        "covariance_annual": _covariance(table, values, spec, periods_per_year),
    }
    if as_json:
        print_json(answer)
    else:
        _show_estimate(answer)


def optimize(returns: ReturnsFile, portfolio: PolicyFile, as_json: Json = False) -> None:
    """Solve the portfolio once, with all rows as the window. Exit 3 where no weights satisfy the limits."""
    table = read_returns(returns)
    policy = with_members(read_policy(portfolio), table.names)
    begun_s = time.perf_counter()
    answer = optimize_once(policy, to_rows(table, policy.bar))
    if "solver" in answer:
        answer["solve_seconds"] = time.perf_counter() - begun_s
    if as_json:
        print_json(answer)
    else:
        _show_optimum(answer)
    if answer["status"] in {"infeasible", "too_few_eligible", "too_few_common"}:
        raise typer.Exit(EXIT_INFEASIBLE)
    if answer["status"] != "optimal":
        raise typer.Exit(EXIT_FAILED)


def replay_command(
    returns: ReturnsFile,
    portfolio: PolicyFile,
    folder: Annotated[
        Path, typer.Option("--out", help="Folder for the four files.", file_okay=False)
    ],
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Through the broker instead of in process.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option(help="Write metrics.csv, by far the largest file.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Replay a file through the engine; writes performance.csv, weights.csv, metrics.csv, decisions.jsonl."""
    table = read_returns(returns)
    policy = with_members(read_policy(portfolio), table.names)
    with ReplayFiles(folder, metrics=metrics) as files:
        if kafka:
            from streams.operate.replay import replay_over_kafka  # noqa: PLC0415  # the broker's clients load only when used

            summary = replay_over_kafka(policy, table, files, say=note)
        else:
            with progress("replay", len(table.stamps_ns)) as advance:
                rows = _counted(to_rows(table, policy.bar), len(table.names), advance)
                summary = replay(policy, rows, files)
    _show_replay(summary, folder, as_json=as_json)


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("portfolio.yaml"),
    portfolio_id: Annotated[str, typer.Option("--id", help="Id of the portfolio.")] = "main",
) -> None:
    """Write a commented portfolio file; an existing one is never replaced."""
    if path.exists():
        fail(f"{path} exists; choose another name", EXIT_INPUT)
    path.write_text(TEMPLATE.format(portfolio_id=portfolio_id), encoding="utf-8")
    read_policy(path)
    out.print(
        f"wrote {path}; edit it, then: apse policy check {path}", markup=False, highlight=False
    )


def policy_check(
    path: Annotated[Path, typer.Argument(help="Portfolio file.", exists=True, dir_okay=False)],
    as_json: Json = False,
) -> None:
    """Check a portfolio file; a typo is refused, naming the nearest key."""
    policy = read_policy(path)
    members = policy.strategies if isinstance(policy.strategies, tuple) else None
    answer = {
        "status": "ok",
        "portfolio_id": policy.portfolio_id,
        "bar": policy.bar,
        "strategies": None if members is None else len(members),
        "objective": policy.objective.type,
        "schedule": policy.rebalance.schedule,
    }
    if as_json:
        print_json(answer)
    else:
        count = "all strategies of the returns" if members is None else f"{len(members)} strategies"
        out.print(
            f"{path}: ok, portfolio {policy.portfolio_id}, {count}, bar {policy.bar}",
            markup=False,
            highlight=False,
        )


def _metrics(
    returns: np.ndarray[Any, np.dtype[np.float64]], periods_per_year: float
) -> dict[str, Any]:
    n_obs, values, undefined = series_metrics(returns, periods_per_year)
    answer: dict[str, Any] = {"n_obs": n_obs, **{name: values.get(name) for name in METRICS}}
    if undefined:
        answer["undefined"] = undefined
    return answer


def _covariance(
    table: ReturnsTable, values: Any, spec: Any, periods_per_year: float
) -> dict[str, Any]:
    rows, n_common = complete_rows(values, np.arange(len(table.names)))
    try:
        matrix = (covariance(rows, spec) * periods_per_year).tolist()
    except DataError as error:
        return {
            "strategies": list(table.names),
            "matrix": None,
            "n_common": n_common,
            "undefined": str(error),
        }
    return {"strategies": list(table.names), "matrix": matrix, "n_common": n_common}


def _counted(rows: Iterable[Rows], columns: int, advance: Any) -> Iterator[Rows]:
    for chunk in rows:
        yield chunk
        advance(len(chunk) / columns)


def _show_estimate(answer: dict[str, Any]) -> None:
    shown = (
        "n_obs",
        "mean_annual",
        "volatility_annual",
        "sharpe",
        "sortino",
        "max_drawdown",
        "hit_rate",
        "cvar_95",
    )
    table = Table(title="metrics", title_justify="left")
    table.add_column("strategy")
    for name in shown:
        table.add_column(name, justify="right")
    for strategy, metrics in answer["metrics"].items():
        table.add_row(strategy, *(_figure(metrics[name]) for name in shown))
    out.print(table)
    cov = answer["covariance_annual"]
    out.print(
        f"covariance over {cov['n_common']} common rows; --json prints the matrix", highlight=False
    )


def _show_optimum(answer: dict[str, Any]) -> None:
    out.print(f"status: {answer['status']}", highlight=False)
    if answer["status"] != "optimal":
        for key in ("violated", "reason"):
            if answer.get(key):
                out.print(f"{key}: {answer[key]}", markup=False, highlight=False)
        return
    table = Table()
    table.add_column("strategy")
    table.add_column("weight", justify="right")
    for name, weight in [*answer["weights"].items(), ("cash", answer["cash"])]:
        table.add_row(name, f"{weight:.4%}")
    out.print(table)
    ante = answer["ex_ante"]
    sharpe = "undefined" if ante["sharpe"] is None else f"{ante['sharpe']:.3f}"
    out.print(
        f"ex ante: return {ante['return_annual']:.2%}, volatility {ante['volatility_annual']:.2%}, Sharpe {sharpe}; "
        f"objective {answer['objective_value']:.6g}; solved by {answer['solver']}",
        highlight=False,
    )


def _show_replay(summary: ReplaySummary, folder: Path, *, as_json: bool) -> None:
    last = summary.last
    answer = {
        "bars": summary.bars,
        "decisions": summary.decisions,
        "declined": summary.declined,
        "commands": summary.commands,
        "nav": None if last is None else last.nav,
        "drawdown": None if last is None else last.drawdown,
        "out": str(folder),
    }
    if as_json:
        print_json(answer)
    else:
        nav = (
            "no bar closed" if last is None else f"NAV {last.nav:.6f}, drawdown {last.drawdown:.2%}"
        )
        out.print(
            f"{summary.bars} bars, {summary.decisions} decisions ({summary.declined} declined), {summary.commands} commands; "
            f"{nav}; files in {folder}",
            markup=False,
            highlight=False,
        )


def _figure(value: float | None) -> str:
    if value is None:
        return "undefined"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
