"""``apse explain``: one decision, told to a person."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from schemas.decisions import Decision, ExAnte
from schemas.topics import DECISIONS
from streams.core.commands import words_of
from streams.core.errors import DataError
from streams.core.identity import command_id_of
from streams.operate.console import EXIT_INPUT, fail, out, print_json, say, table
from streams.operate.current import reachable_kafka
from streams.operate.read import Reader
from streams.runtime.files import decode_decision

WEIGHT_SHOWN_MIN = 5e-7  # below it a weight prints as 0.0000 %


def explain(
    decision_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Id of a decision or its command, or its beginning; `last`: the newest.",
        ),
    ] = "last",
    file: Annotated[
        Path | None,
        typer.Option(
            help="A decisions.jsonl instead of the live engine.", exists=True, dir_okay=False
        ),
    ] = None,
    portfolio: Annotated[
        str | None, typer.Option("--portfolio", help="Only decisions of this portfolio.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell why a decision was taken, what it changed, and what held it back."""
    decision = _find(_decisions(file), decision_id, portfolio)
    if as_json:
        print_json(msgspec.to_builtins(decision))
    else:
        _tell(decision)


def _decisions(file: Path | None) -> list[Decision]:
    if file is not None:
        lines = enumerate(file.read_bytes().splitlines(), start=1)
        return [_decision(line, f"{file}, line {number}") for number, line in lines if line]
    with Reader(reachable_kafka(), (DECISIONS,)) as reader:
        return [decode_decision(record.value) for record in reader.to_end()]


def _decision(line: bytes, where: str) -> Decision:
    try:
        return decode_decision(line)
    except msgspec.MsgspecError as error:
        message = f"{where}: not a decision: {error}"
        raise DataError(message) from error


def _find(decisions: list[Decision], wanted: str, portfolio: str | None) -> Decision:
    ours = [d for d in decisions if portfolio in {None, d.portfolio_id}]
    if wanted == "last" and ours:
        return max(ours, key=lambda d: (d.bar_end, d.version))
    found = [
        d for d in ours if d.decision_id.startswith(wanted) or command_id_of(d).startswith(wanted)
    ]
    if not found:
        fail(
            f"no decision {wanted!r} among {len(ours)};"
            " `apse tail decisions --from-beginning` prints them",
            EXIT_INPUT,
        )
    if len({d.decision_id for d in found}) > 1:
        fail(f"{len(found)} decisions begin with {wanted!r}; say more of the id", EXIT_INPUT)
    return found[-1]


def _tell(decision: Decision) -> None:
    say(
        f"Decision {decision.decision_id} of portfolio {decision.portfolio_id},"
        f" version {decision.epoch}.{decision.version}"
    )
    say(f"At the close of the bar ending {decision.bar_end}: {words_of(decision.trigger)}.")
    if decision.outcome == "declined":
        say(f"Declined: {decision.reason}. The held weights stay.")
        if decision.violated:
            say(f"Limits in conflict: {', '.join(decision.violated)}.")
        for name, why in decision.excluded.items():
            say(f"  {name}: {why}")
        return
    say(
        f"Accepted: {decision.objective} by {decision.solver}, turnover {decision.turnover:.2%}, "
        f"cost {decision.cost * 1e4:.2f} bps of NAV."
    )
    say(f"Before: {_ante(decision.ex_ante_held)}")
    say(f"After:  {_ante(decision.ex_ante)}")
    if decision.estimates is not None:
        average = decision.estimates.average_correlation
        shown = "undefined" if average is None else f"{average:.3f}"
        say(
            f"Estimates: {decision.estimates.covariance} covariance over"
            f" {decision.estimates.n_common} common bars, average correlation {shown}."
        )
    out.print(_weights(decision))
    _tell_limits(decision)


def _tell_limits(decision: Decision) -> None:
    if decision.binding:
        say("What held it back (price: change of the objective per unit of the limit, annual):")
    for limit in decision.binding:
        whom = f" of {limit.strategy}" if limit.strategy else ""
        say(f"  {limit.constraint}{whom}, {limit.side}: {limit.price:+.6g}")
    for name, why in decision.excluded.items():
        say(f"  {name} takes no part: {why}")


def _weights(decision: Decision) -> Table:
    stages = decision.stages
    assert stages is not None
    listed = table("strategy", figures=("held", "solved", "after overlay", "sent", "change"))
    rows = zip(
        decision.strategies, stages.held, stages.raw, stages.overlay, stages.rounded, strict=True
    )
    cash = (stages.cash["held"], stages.cash["raw"], stages.cash["overlay"], stages.cash["rounded"])
    for name, held, raw, overlay, sent in [*rows, ("cash", *cash)]:
        if max(abs(held), abs(sent)) < WEIGHT_SHOWN_MIN:
            continue
        listed.add_row(
            name,
            f"{held:.4%}",
            f"{raw:.4%}",
            f"{overlay:.4%}",
            f"{sent:.4%}",
            f"{sent - held:+.4%}",
        )
    return listed


def _ante(figures: ExAnte | None) -> str:
    if figures is None:
        return "not estimated"
    sharpe = "undefined" if figures.sharpe is None else f"{figures.sharpe:.2f}"
    return (
        f"expected return {figures.return_annual:.2%},"
        f" volatility {figures.volatility_annual:.2%}, Sharpe {sharpe}"
    )
