"""``apse frontier``: what one aim costs another within the limits of a portfolio file."""

import csv
import io
import math
from collections.abc import Sequence
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

_KNEE_COLOUR, _END_COLOUR = "#1664c0", "#1b7f3b"
_COLOURS = {
    "held": "#8250df",
    "target": "#cf222e",
    "equal_weight": "#9a6700",
    "strategy": "#6e7781",
}
_LARGEST = 3  # weights named in a line of the table
_DIGITS, _DECIMALS_MAX = 4, 15
_SHOWN_MIN = 0.005  # what would read as 0%
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
    terms: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="Two terms of the file's custom objective, across and upwards, in place of"
            " volatility and return.",
            metavar="ACROSS UP",
        ),
    ] = None,
    points: Annotated[int, typer.Option(min=2, max=_POINTS_MAX, help="Points of the sweep.")] = 15,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Write a plot here.", dir_okay=False)
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the points here.", dir_okay=False)
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show the efficient frontier within the limits, all rows as the window; exit 3 where none is.

    With --terms the Pareto front of two terms that the file's custom objective seeks.
    Held weights, the policy's own target, equal weight and the strategies alone stand beside it.
    """
    history = read_returns(returns)
    policy = with_members(read_policy(portfolio), history.names)
    history = history.with_absent(members_of(policy))
    figures = frontier_once(policy, to_rows(history, policy.bar), points, terms or ())
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
    terms = figures.get("terms", ())
    shown = (*(term["name"] for term in terms), "return/y", "vol/y", "Sharpe")
    rows = table("point", figures=(*shown, "cash"))
    rows.add_column("largest weights")
    for number, point in enumerate(figures["points"]):
        names = [
            words
            for words, index in (
                ("knee", figures["knee"]),
                ("best Sharpe", figures.get("tangency")),
            )
            if number == index
        ]
        title = f"{number + 1} {', '.join(names)}".rstrip()
        rows.add_row(
            title, *_cells(point, terms), f"{point['cash']:.1%}", _largest(point["weights"])
        )
    out.print(rows)
    rows = table("beside it", figures=(*shown, "limits"))
    for mark in figures["marks"]:
        rows.add_row(mark["name"], *_cells(mark, terms), "kept" if mark["within"] else "broken")
    out.print(rows)
    for term in terms:
        best, worst = _value(term["utopia"], term), _value(term["nadir"], term)
        say(f"{term['name']}, {term['sense']}d: at best {best} (utopia), at worst {worst} (nadir)")
    say(
        f"{len(figures['points'])} points over {figures['n_common']} common rows, each verified"
        " against every limit"
    )
    for bound in figures.get("unsolved", ()):
        say(f"no point at {bound}")
    for name, why in figures["excluded"].items():
        say(f"{name} takes no part: {why}")
    for path in written:
        say(f"wrote {path}")


def _cells(point: dict[str, Any], terms: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    sharpe = point["sharpe"]
    return (
        *(_value(point["values"][term["name"]], term) for term in terms),
        f"{point['return_annual']:.2%}",
        f"{point['volatility_annual']:.2%}",
        "-" if sharpe is None else f"{sharpe:.2f}",
    )


def _value(value: float, term: dict[str, Any]) -> str:
    """Write a term's value to about a hundred-thousandth of its range."""
    span = abs(term["nadir"] - term["utopia"])
    decimals = max(0, _DIGITS - math.floor(math.log10(span))) if span > 0.0 else _DIGITS
    return f"{value:z.{min(decimals, _DECIMALS_MAX)}f}"


def _largest(weights: dict[str, float]) -> str:
    largest = sorted(weights.items(), key=lambda item: (-abs(item[1]), item[0]))[:_LARGEST]
    return ", ".join(
        f"{name} {weight:.0%}" for name, weight in largest if abs(weight) >= _SHOWN_MIN
    )


def _csv(figures: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = ("return_annual", "volatility_annual", "sharpe", "cash")
    terms = [term["name"] for term in figures.get("terms", ())]
    writer.writerow(["point", *terms, *kinds, *figures["strategies"]])
    for number, point in enumerate(figures["points"]):
        told = [repr(value) for value in point.get("values", {}).values()]
        told += ["" if point[kind] is None else repr(point[kind]) for kind in kinds]
        writer.writerow([number + 1, *told, *map(repr, point["weights"].values())])
    return text.getvalue()


def _plot(figures: dict[str, Any], portfolio_id: str) -> str:
    line = [_place(point) for point in figures["points"]]
    if not line:
        message = "the frontier has no point to draw"
        raise DataError(message)
    marks = [
        Mark(x, y, mark["name"], _COLOURS[mark["kind"]], emphasised=mark["kind"] != "strategy")
        for mark in figures["marks"]
        for x, y in (_place(mark),)
        if math.isfinite(x) and math.isfinite(y)  # a term in Python may have no value there
    ]
    if figures["knee"] is not None:
        x, y = line[figures["knee"]]
        marks.append(Mark(x, y, "knee", _KNEE_COLOUR, emphasised=True))
    within = f"of {portfolio_id} within its limits, ex ante"
    if "terms" not in figures:
        names = ("volatility a year", "return a year")
        return scatter_svg(f"Efficient frontier {within}", names, line, marks)
    across, up = figures["terms"]
    marks += [
        Mark(across[end], up[end], end, _END_COLOUR, emphasised=True) for end in ("utopia", "nadir")
    ]
    names = (_axis_name(across), _axis_name(up))
    return scatter_svg(f"Pareto front {within}", names, line, marks, "{:g}".format)


def _axis_name(term: dict[str, Any]) -> str:
    return f"{term['name']} ({term['sense']}d)"


def _place(point: dict[str, Any]) -> tuple[float, float]:
    if "values" in point:
        across, up = point["values"].values()
        return across, up
    return point["volatility_annual"], point["return_annual"]
