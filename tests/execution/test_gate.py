"""Laws of the gate: through repeats, reordering and restarts a portfolio only moves forward."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.units import parse_instant
from streams.core.errors import DataError
from streams.execution import gate as gate_module
from streams.execution.gate import (
    Admitted,
    Answered,
    CommandGate,
    Conflict,
    Duplicate,
    Expired,
    Fenced,
    command_digest,
)
from streams.execution.kit import TTL_NS, example_command

NOW_NS = parse_instant("2024-06-08T00:00:00Z")  # versions 1 to 4 have expired by then, 5 has not
PORTFOLIOS = ("book", "side")
COMMANDS = [
    example_command(portfolio, epoch, version)
    for portfolio in PORTFOLIOS
    for epoch in (1, 2)
    for version in range(1, 10)
]
streams_of_commands = st.lists(st.sampled_from(COMMANDS), max_size=60)


def fence(command):
    return command.epoch, command.version


def may_be_applied(command, now_ns):
    return now_ns <= parse_instant(command.bar_end) + TTL_NS


def work_through(gate, commands, now_ns=NOW_NS):
    """Admit all, finishing each at once; the commands that were applied."""
    applied = []
    for command in commands:
        if isinstance(gate.admit(command, now_ns), Admitted):
            applied.append(command)
            gate.done(command.portfolio_id, command.command_id)
    return applied


@given(streams_of_commands)
@example([COMMANDS[8], COMMANDS[7], COMMANDS[8], COMMANDS[9]])
def test_versions_rise_strictly_and_end_at_the_newest_admissible(commands):
    gate = CommandGate()
    applied = work_through(gate, commands)
    for portfolio in PORTFOLIOS:
        fences = [fence(c) for c in applied if c.portfolio_id == portfolio]
        assert all(a < b for a, b in pairwise(fences))
        admissible = [
            fence(c) for c in commands if c.portfolio_id == portfolio and may_be_applied(c, NOW_NS)
        ]
        assert gate.last(portfolio) == max(admissible, default=None)
        assert (fences[-1] if fences else None) == gate.last(portfolio)


@given(streams_of_commands, st.data())
def test_any_replay_of_what_was_seen_changes_nothing(commands, data):
    gate = CommandGate()
    work_through(gate, commands)
    state = gate.to_state()
    replayed = data.draw(
        st.lists(st.sampled_from(commands), max_size=60) if commands else st.just([])
    )
    assert work_through(gate, replayed) == []
    assert gate.to_state() == state


@given(streams_of_commands, st.sets(st.integers(0, 60)))
def test_state_round_trip_at_any_point_is_invisible(commands, cuts):
    straight, cut = CommandGate(), CommandGate()
    for number, command in enumerate(commands):
        if number in cuts:
            cut = CommandGate.from_state(cut.to_state())
        assert cut.admit(command, NOW_NS) == straight.admit(command, NOW_NS)
        if number % 3:
            cut.done(command.portfolio_id, command.command_id)
            straight.done(command.portfolio_id, command.command_id)
    assert cut.to_state() == straight.to_state()


@given(streams_of_commands)
def test_a_gate_rebuilt_from_its_answers_equals_the_one_that_lived(commands):
    living, rebuilt = CommandGate(), CommandGate()
    for command in commands:
        outcome = living.admit(command, NOW_NS)
        verdict = {Admitted: "admitted", Expired: "expired", Fenced: "fenced"}.get(type(outcome))
        if verdict is None:
            continue
        if verdict == "admitted":
            living.done(command.portfolio_id, command.command_id)
        rebuilt.recall(answered(command, verdict=verdict))
    assert rebuilt.to_state() == living.to_state()


def answered(command, verdict="admitted", *, final=True):
    return Answered(
        command_id=command.command_id,
        portfolio_id=command.portfolio_id,
        epoch=command.epoch,
        version=command.version,
        digest=command_digest(command),
        verdict=verdict,
        final=final,
    )


@given(st.lists(st.sampled_from(COMMANDS), unique_by=lambda c: c.command_id), st.randoms())
def test_portfolios_do_not_disturb_each_other(commands, random):
    mixed, apart = CommandGate(), CommandGate()
    shuffled = list(commands)
    random.shuffle(shuffled)
    together = work_through(mixed, shuffled)
    separately = [
        command
        for portfolio in PORTFOLIOS
        for command in work_through(apart, [c for c in shuffled if c.portfolio_id == portfolio])
    ]
    assert sorted(c.command_id for c in together) == sorted(c.command_id for c in separately)
    assert mixed.to_state() == apart.to_state()


def test_same_id_with_other_content_is_a_conflict_and_moves_nothing():
    gate = CommandGate()
    command = example_command("book", 1, 7)
    other = msgspec.structs.replace(command, cost=0.5)
    assert isinstance(gate.admit(command, NOW_NS), Admitted)
    before = gate.to_state()
    conflict = gate.admit(other, NOW_NS)
    assert conflict == Conflict(known=command_digest(command), found=command_digest(other))
    assert gate.to_state() == before
    assert gate.admit(command, NOW_NS) == Duplicate()


def test_content_of_a_recalled_command_is_still_compared():
    gate = CommandGate()
    command = example_command("book", 1, 7)
    gate.recall(answered(command))
    assert isinstance(gate.admit(msgspec.structs.replace(command, cost=0.5), NOW_NS), Conflict)
    assert gate.admit(command, NOW_NS) == Duplicate()


def test_expiry_holds_to_the_nanosecond_and_leaves_the_fence():
    command = example_command("book", 1, 3)
    expires_at_ns = parse_instant(command.expires_at)
    gate = CommandGate()
    late = gate.admit(command, expires_at_ns + 1)
    assert late == Expired(expires_at_ns=expires_at_ns, now_ns=expires_at_ns + 1)
    assert gate.last("book") is None
    assert gate.admit(command, expires_at_ns) == Duplicate()
    assert CommandGate().admit(command, expires_at_ns) == Admitted(ordinal=1, resumed=False)


def test_interrupted_work_is_resumed_once_under_its_number():
    gate = CommandGate()
    first, second = example_command("book", 1, 6), example_command("book", 1, 7)
    assert gate.admit(first, NOW_NS) == Admitted(ordinal=1, resumed=False)
    gate.done("book", first.command_id)
    assert gate.admit(second, NOW_NS) == Admitted(ordinal=2, resumed=False)
    assert gate.admit(second, NOW_NS) == Duplicate()
    gate.interrupt()
    assert gate.admit(first, NOW_NS) == Duplicate()
    assert gate.admit(second, NOW_NS) == Admitted(ordinal=2, resumed=True)
    assert gate.admit(second, NOW_NS) == Duplicate()


def test_interrupted_work_is_not_resumed_below_the_fence():
    gate = CommandGate()
    older, newer = example_command("book", 1, 6), example_command("book", 1, 7)
    gate.recall(answered(older, final=False))
    gate.recall(answered(newer))
    assert gate.admit(older, NOW_NS) == Fenced(last=(1, 7), forgotten=False)
    assert gate.admit(older, NOW_NS) == Duplicate()


def test_later_report_of_the_same_command_finishes_it():
    gate = CommandGate()
    command = example_command("book", 1, 6)
    gate.recall(answered(command, final=False))
    gate.recall(answered(command, final=True))
    assert gate.admit(command, NOW_NS) == Duplicate()


def test_what_is_forgotten_is_never_applied_and_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(gate_module, "KNOWN_MAX", 3)
    gate = CommandGate()
    commands = [example_command("book", 1, version) for version in range(5, 25)]
    for command in commands:
        assert isinstance(gate.admit(command, NOW_NS), Admitted)
    size_bytes = len(gate.to_state())
    outcomes = [gate.admit(command, NOW_NS) for command in commands]
    assert outcomes[:-3] == [Fenced(last=(1, 24), forgotten=True)] * 17
    assert outcomes[-3:] == [Duplicate()] * 3
    assert len(gate.to_state()) == size_bytes


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode([1, 2]), b"\x93\x01"])
def test_bytes_that_are_no_state_are_refused(data):
    with pytest.raises(DataError, match="not the state of a command gate"):
        CommandGate.from_state(data)


def test_state_of_another_format_is_refused():
    with pytest.raises(DataError, match="format 9, expected 1"):
        CommandGate.from_state(msgspec.msgpack.encode([9, {}]))


def test_expiry_that_is_no_instant_is_named():
    command = msgspec.structs.replace(example_command("book", 1, 1), expires_at="tomorrow")
    with pytest.raises(ValueError, match="tomorrow"):
        CommandGate().admit(command, NOW_NS)
