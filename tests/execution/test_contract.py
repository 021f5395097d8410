"""Commands are read strictly, and reports are functions of what they report."""

import msgspec
import pytest

from schemas.codec import RefusedInputError, canonical_json, decode_report, encode_message
from schemas.units import parse_instant
from streams.execution.contract import Answer, contradiction, decode_command, report_of
from streams.execution.kit import example_command

COMMAND = example_command("book", 1, 3)
AS_OF_NS = parse_instant(COMMAND.bar_end)


def report(answer, command=COMMAND, executor="desk"):
    return report_of(command, answer, executor=executor, as_of_ns=AS_OF_NS)


def test_command_survives_its_encoding():
    assert decode_command(canonical_json(COMMAND)) == COMMAND


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        (b"", "malformed", "begins b''"),
        (b"\xff\xfe", "malformed", "begins"),
        (b'{"legs":[{"a":' + b"[" * 100_000, "malformed", "begins"),
        (b"{}", "invalid", "command_id"),
        (canonical_json(COMMAND).replace(b'"version":3', b'"version":0'), "invalid", "version"),
        (canonical_json(COMMAND).replace(b'"cmd-', b'"a b'), "invalid", "command_id 'a b"),
        (
            canonical_json(msgspec.structs.replace(COMMAND, expires_at="2024-06-01")),
            "invalid",
            "expires_at '2024-06-01'",
        ),
    ],
)
def test_bytes_that_are_no_command_are_refused_with_the_value(data, code, told):
    with pytest.raises(RefusedInputError) as refused:
        decode_command(data)
    assert refused.value.code == code
    assert told in refused.value.detail


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target_cash": 0.1 + 1e-8}, "sum to 1.00000001"),
        ({"target_weights": {}}, "sum to 0.1"),
        ({"target_weights": {"a": float("nan")}}, "sum to nan"),
        ({"expires_at": "2024-06-01T00:00:00Z"}, "before bar_end"),
    ],
)
def test_contradictory_command_is_named(change, told):
    assert told in contradiction(msgspec.structs.replace(COMMAND, **change))


def test_rounded_weights_are_no_contradiction():
    # 1e-10 is the rounding of weights; a hundred of them are off by half of it each at most.
    weights = {f"s{number}": round(1 / 101, 10) for number in range(100)}
    cash = 1 - sum(weights.values())
    sound = msgspec.structs.replace(COMMAND, target_weights=weights, target_cash=cash)
    assert contradiction(sound) is None


def test_report_id_tells_commands_contents_executors_and_statuses_apart():
    filled = Answer(status="filled", filled_weights=COMMAND.target_weights)
    ids = [
        report(filled).report_id,
        report(Answer(status="rejected")).report_id,
        report(filled, executor="other").report_id,
        report(filled, command=msgspec.structs.replace(COMMAND, cost=0.5)).report_id,
        report(filled, command=example_command("book", 1, 4)).report_id,
    ]
    assert len(set(ids)) == len(ids)
    assert report(filled).report_id == ids[0]


def test_final_report_keeps_its_id_when_the_fill_is_told_again_otherwise():
    first = report(Answer(status="filled", filled_weights={"a": 1.0}, cost=0.1))
    again = report(Answer(status="filled", filled_weights={"a": 0.9}, cost=0.2))
    assert first.report_id == again.report_id


def test_each_partial_fill_has_its_own_id():
    halves = [report(Answer(status="partially_filled", cost=cost)) for cost in (0.1, 0.2, 0.1)]
    assert halves[0].report_id == halves[2].report_id != halves[1].report_id


def test_report_is_readable_by_the_engine():
    made = report(Answer(status="filled", filled_weights=COMMAND.target_weights, cost=0.001))
    assert decode_report(encode_message(made)) == made
    assert made.as_of == COMMAND.bar_end
