"""``apse explain``: one decision, told to a person."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from schemas.decisions import Decision
from schemas.topics import DECISIONS
from streams.cli.telling import limits_told, risk_told, sentences
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
        return [
            _decision(r.value, f"{r.topic}, partition {r.partition}, offset {r.offset}")
            for r in reader.to_end()
        ]


def _decision(line: bytes, where: str) -> Decision:
    try:
        return decode_decision(line)
    except (ValueError, RecursionError) as error:  # also msgspec's, which are ValueErrors
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
    for sentence in sentences(decision):
        say(sentence)
    if decision.stages is not None:
        out.print(_weights(decision))
    for sentence in (*limits_told(decision), *risk_told(decision)):
        say(sentence)


def _weights(decision: Decision) -> Table:
    stages = decision.stages
    assert stages is not None
    last = "sent" if decision.outcome == "accepted" else "not sent"
    figures = ("held", "solved", "after overlay", "after band", last, "change", "could be")
    spread = decision.spread
    listed = table("strategy", figures=figures if spread else figures[:-1])
    kinds = ("held", "raw", "overlay", "banded", "rounded")
    rows = zip(decision.strategies, *(getattr(stages, kind) for kind in kinds), strict=True)
    cash = ("cash", *(stages.cash[kind] for kind in kinds))
    for number, (name, *weights) in enumerate([*rows, cash]):
        held, sent = weights[0], weights[-1]
        if max(abs(held), abs(sent)) < WEIGHT_SHOWN_MIN:
            continue
        shown = [f"{weight:.4%}" for weight in weights]
        shown.append(f"{sent - held:+.4%}")
        if spread:
            known = number < len(spread.low)
            shown.append(f"{spread.low[number]:.1%} to {spread.high[number]:.1%}" if known else "")
        listed.add_row(name, *shown)
    return listed
