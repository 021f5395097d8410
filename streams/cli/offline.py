"""Commands that need no broker: optimize, replay, init, policy check."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.core.frames import Rows
from streams.files import read_returns, to_rows
from streams.operate.console import (
    EXIT_FAILED,
    EXIT_INFEASIBLE,
    EXIT_INPUT,
    answer,
    fail,
    note,
    out,
    print_json,
    progress,
    say,
    table,
)
from streams.operate.portfolio_file import TEMPLATE, parse_policy, read_policy
from streams.runtime.files import ReplayFiles
from streams.runtime.replay import ReplaySummary, members_of, replay, with_members
from streams.runtime.whatif import optimize_once

ReturnsFile = Annotated[
    Path,
    typer.Option("--returns", help="CSV or Parquet, long or wide.", exists=True, dir_okay=False),
]
PolicyFile = Annotated[
    Path, typer.Option("--portfolio", help="Portfolio file (YAML).", exists=True, dir_okay=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


_SOLVED = {"optimal", "feasible"}
"""Statuses with weights: the best there are, or a mix within a gap that is told."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(optimize)
    app.command("replay")(replay_command)
    app.command()(init)
    policy = typer.Typer(help="Portfolio files.", no_args_is_help=True)
    policy.command("check")(policy_check)
    app.add_typer(policy, name="policy")


def optimize(returns: ReturnsFile, portfolio: PolicyFile, as_json: Json = False) -> None:
    """Solve the portfolio once, with all rows as the window; exit 3 where no weights fit."""
    history = read_returns(returns)
    policy = with_members(read_policy(portfolio), history.names)
    history = history.with_absent(members_of(policy))
    begun_s = time.perf_counter()
    figures = optimize_once(policy, to_rows(history, policy.bar))
    if "solver" in figures:
        figures["solve_seconds"] = time.perf_counter() - begun_s
    if as_json:
        print_json(figures)
    else:
        _show_optimum(figures)
    if figures["status"] in {"infeasible", "too_few_eligible", "too_few_common"}:
        raise typer.Exit(EXIT_INFEASIBLE)
    if figures["status"] not in _SOLVED:
        raise typer.Exit(EXIT_FAILED)


def replay_command(
    returns: ReturnsFile,
    portfolio: PolicyFile,
    folder: Annotated[
        Path, typer.Option("--out", help="Folder for the five files.", file_okay=False)
    ],
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Through the broker instead of in process.")
    ] = False,
    metrics: Annotated[
        bool, typer.Option(help="Write metrics.csv, by far the largest file.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Replay a file through the engine, as it would run live.

    Writes performance.csv, weights.csv, metrics.csv, shadows.csv and decisions.jsonl.
    """
    history = read_returns(returns)
    policy = with_members(read_policy(portfolio), history.names)
    history = history.with_absent(members_of(policy))
    with ReplayFiles(folder, metrics=metrics) as files:
        if kafka:
            from streams.operate.replay import replay_over_kafka  # noqa: PLC0415  # the broker's clients load only when used

            summary = replay_over_kafka(policy, history, files, say=note)
        else:
            with progress("replay", len(history.stamps_ns)) as advance:
                rows = _counted(to_rows(history, policy.bar), len(history.names), advance)
                summary = replay(policy, rows, files)
    _show_replay(summary, folder, as_json=as_json)


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("portfolio.yaml"),
    portfolio_id: Annotated[str, typer.Option("--id", help="Id of the portfolio.")] = "main",
    as_json: Json = False,
) -> None:
    """Write a commented portfolio file; an existing one is never replaced."""
    if path.exists():
        fail(f"{path} exists; choose another name", EXIT_INPUT)
    text = TEMPLATE.format(portfolio_id=portfolio_id)
    parse_policy(text, f"--id {portfolio_id!r}")  # an id that cannot be used leaves no file behind
    path.write_text(text, encoding="utf-8")
    words = f"wrote {path}; edit it, then: apse policy check {path}"
    answer({"path": str(path), "portfolio_id": portfolio_id}, words, as_json=as_json)


def policy_check(
    path: Annotated[Path, typer.Argument(help="Portfolio file.", exists=True, dir_okay=False)],
    as_json: Json = False,
) -> None:
    """Check a portfolio file; a typo is refused, naming the nearest key."""
    policy = read_policy(path)
    members = policy.strategies if isinstance(policy.strategies, tuple) else None
    figures = {
        "status": "ok",
        "portfolio_id": policy.portfolio_id,
        "bar": policy.bar,
        "strategies": None if members is None else len(members),
        "objective": policy.objective.type,
        "schedule": policy.rebalance.schedule,
    }
    count = "all strategies of the returns" if members is None else f"{len(members)} strategies"
    words = f"{path}: ok, portfolio {policy.portfolio_id}, {count}, bar {policy.bar}"
    answer(figures, words, as_json=as_json)


def _counted(
    rows: Iterable[Rows], columns: int, advance: Callable[[float], None]
) -> Iterator[Rows]:
    for chunk in rows:
        yield chunk
        advance(len(chunk) / columns)


def show_refusal(figures: dict[str, Any]) -> None:
    """Say why there are no weights, and which limits would have to give."""
    say(f"status: {figures['status']}")
    if figures.get("violated"):
        say(f"limits in conflict: {', '.join(figures['violated'])}")
    elif figures.get("reason"):
        say(f"reason: {figures['reason']}")
    for limit in figures.get("relax", ()):
        say(f"  way {limit['way']}: {limit['words']}")
    for name, why in figures.get("excluded", {}).items():
        say(f"  {name} takes no part: {why}")


def _show_optimum(figures: dict[str, Any]) -> None:
    if figures["status"] not in _SOLVED:
        show_refusal(figures)
        return
    say(f"status: {figures['status']}, verified")
    if figures["instead"]:
        say(f"solved instead: {figures['instead']}")
    rows = table("strategy", figures=("weight",))
    for name, weight in [*figures["weights"].items(), ("cash", figures["cash"])]:
        rows.add_row(name, f"{weight:.4%}")
    out.print(rows)
    ante = figures["ex_ante"]
    sharpe = "undefined" if ante["sharpe"] is None else f"{ante['sharpe']:.3f}"
    say(
        f"ex ante: return {ante['return_annual']:.2%}, volatility"
        f" {ante['volatility_annual']:.2%}, Sharpe {sharpe};"
        f" objective {figures['objective_value']:.6g}; solved by {figures['solver']}"
    )
    for name, why in figures["excluded"].items():
        say(f"{name} takes no part: {why}")


def _show_replay(summary: ReplaySummary, folder: Path, *, as_json: bool) -> None:
    last = summary.last
    figures = {
        "bars": summary.bars,
        "decisions": summary.decisions,
        "declined": summary.declined,
        "commands": summary.commands,
        "nav": None if last is None else last.nav,
        "drawdown": None if last is None else last.drawdown,
        "out": str(folder),
    }
    nav = "no bar closed" if last is None else f"NAV {last.nav:.6f}, drawdown {last.drawdown:.2%}"
    words = (
        f"{summary.bars} bars, {summary.decisions} decisions ({summary.declined} declined),"
        f" {summary.commands} commands; {nav}; files in {folder}"
    )
    answer(figures, words, as_json=as_json)
