"""Ids are the same for the same decision and differ where it differs."""

import msgspec
import pytest

from schemas.decisions import Trigger
from schemas.topics import DECISIONS, REBALANCE
from streams.core.identity import Context, command_id_of, identify
from tests.core.worlds import World, in_time_order, of_topic, policy_for, ragged

CONTEXT = Context(
    portfolio_id="p",
    shard=3,
    epoch=1,
    version=2,
    policy_version=1,
    bar_end_ns=10,
    trigger=Trigger(kind="manual", reason="x"),
    exempt=(),
    multiplier=1.0,
)


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": 2},
        {"version": 3},
        {"policy_version": 2},
        {"bar_end_ns": 11},
        {"trigger": Trigger(kind="risk")},
    ],
)
def test_an_id_changes_with_what_identifies_a_decision(changes):
    other = msgspec.structs.replace(CONTEXT, **changes)
    assert identify("command", other, "p") != identify("command", CONTEXT, "p")


def test_an_id_changes_with_its_kind_and_portfolio():
    ids = {identify(kind, CONTEXT, name) for kind in ("command", "request") for name in "pq"}
    assert len(ids) == 4


@pytest.mark.parametrize("changes", [{"shard": 4}, {"multiplier": 0.5}, {"exempt": ("x",)}])
def test_an_id_does_not_change_with_where_or_how_it_is_worked_out(changes):
    other = msgspec.structs.replace(CONTEXT, **changes)
    assert identify("command", other, "p") == identify("command", CONTEXT, "p")


def test_a_command_is_found_from_its_decision():
    world = World(policy_for(("a", "b", "c")))
    world.publish(in_time_order(ragged(3, ("a", "b", "c"), 30)), (9,))
    decisions = {d.decision_id: d for d in of_topic(world.outputs, DECISIONS.name)}
    commands = of_topic(world.outputs, REBALANCE.name)
    assert commands
    for command in commands:
        assert command.command_id == command_id_of(decisions[command.decision_id])
