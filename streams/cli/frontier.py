"""``apse frontier``: what return each volatility can buy within the limits of a portfolio file."""

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.cli.offline import Json, show_refusal
from streams.core.errors import DataError
from streams.files import read_returns, to_rows
from streams.operate.console import EXIT_FAILED, EXIT_INFEASIBLE, out, print_json, say, table
from streams.operate.portfolio_file import read_policy
from streams.report.plot import Mark, scatter_svg
from streams.runtime.frontier import frontier_once
from streams.runtime.replay import members_of, with_members

_COLOURS = {
    "held": "#8250df",
    "target": "#cf222e",
    "equal_weight": "#9a6700",
    "strategy": "#6e7781",
}
_LARGEST = 3  # weights named in a line of the table
_POINTS_MAX = 500


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("frontier")(frontier_command)


def frontier_command(
    returns: Annotated[
        Path,
        typer.Argument(help="Returns, CSV or Parquet, long or wide.", exists=True, dir_okay=False),
    ],
    portfolio: Annotated[
        Path, typer.Argument(help="Portfolio file (YAML).", exists=True, dir_okay=False)
    ],
    points: Annotated[int, typer.Option(min=2, max=_POINTS_MAX, help="Points of the sweep.")] = 15,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Write a plot here.", dir_okay=False)
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the points here.", dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the efficient frontier within the limits, all rows as the window; exit 3 where none is.

    Held weights, the policy's own target, equal weight and the strategies alone stand beside it.
    """
    history = read_returns(returns)
    policy = with_members(read_policy(portfolio), history.names)
    history = history.with_absent(members_of(policy))
    figures = frontier_once(policy, to_rows(history, policy.bar), points)
    solved = figures["status"] == "solved"
    if solved and svg is not None:
        svg.write_text(_plot(figures, policy.portfolio_id), encoding="utf-8")
    if solved and csv_file is not None:
        csv_file.write_text(_csv(figures), encoding="utf-8")
    if as_json:
        print_json(figures)
    elif solved:
        _show(figures, [path for path in (svg, csv_file) if path is not None])
    else:
        show_refusal(figures)
    if figures["status"] in {"infeasible", "too_few_eligible", "too_few_common"}:
        raise typer.Exit(EXIT_INFEASIBLE)
    if not solved:
        raise typer.Exit(EXIT_FAILED)


def _show(figures: dict[str, Any], written: list[Path]) -> None:
    rows = table("point", figures=("return/y", "vol/y", "Sharpe", "cash"))
    rows.add_column("largest weights")
    for number, point in enumerate(figures["points"]):
        names = [
            words
            for words, index in (("knee", figures["knee"]), ("best Sharpe", figures["tangency"]))
            if number == index
        ]
        title = f"{number + 1} {', '.join(names)}".rstrip()
        rows.add_row(title, *_cells(point), f"{point['cash']:.1%}", _largest(point["weights"]))
    out.print(rows)
    rows = table("beside it", figures=("return/y", "vol/y", "Sharpe", "limits"))
    for mark in figures["marks"]:
        rows.add_row(mark["name"], *_cells(mark), "kept" if mark["within"] else "broken")
    out.print(rows)
    say(
        f"{len(figures['points'])} points over {figures['n_common']} common rows, each verified"
        " against every limit"
    )
    for name, why in figures["excluded"].items():
        say(f"{name} takes no part: {why}")
    for path in written:
        say(f"wrote {path}")


def _cells(point: dict[str, Any]) -> tuple[str, str, str]:
    sharpe = point["sharpe"]
    return (
        f"{point['return_annual']:.2%}",
        f"{point['volatility_annual']:.2%}",
        "-" if sharpe is None else f"{sharpe:.2f}",
    )


def _largest(weights: dict[str, float]) -> str:
    largest = sorted(weights.items(), key=lambda item: (-abs(item[1]), item[0]))[:_LARGEST]
    return ", ".join(f"{name} {weight:.0%}" for name, weight in largest if abs(weight) > 0.0)


def _csv(figures: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = ("return_annual", "volatility_annual", "sharpe", "cash")
    writer.writerow(["point", *kinds, *figures["strategies"]])
    for number, point in enumerate(figures["points"]):
        told = ["" if point[kind] is None else repr(point[kind]) for kind in kinds]
        writer.writerow([number + 1, *told, *map(repr, point["weights"].values())])
    return text.getvalue()


def _plot(figures: dict[str, Any], portfolio_id: str) -> str:
    line = [(point["volatility_annual"], point["return_annual"]) for point in figures["points"]]
    if not line:
        message = "the frontier has no point to draw"
        raise DataError(message)
    marks = [
        Mark(
            mark["volatility_annual"],
            mark["return_annual"],
            mark["name"],
            _COLOURS[mark["kind"]],
            emphasised=mark["kind"] != "strategy",
        )
        for mark in figures["marks"]
    ]
    knee = figures["points"][figures["knee"]]
    marks.append(
        Mark(knee["volatility_annual"], knee["return_annual"], "knee", "#1664c0", emphasised=True)
    )
    title = f"Efficient frontier of {portfolio_id} within its limits, ex ante"
    return scatter_svg(title, ("volatility a year", "return a year"), line, marks)
