"""The kit passes what keeps the contract, and names what each broken executor does wrong."""

import itertools

import msgspec
import pytest

from schemas.units import parse_instant
from streams.execution.contract import Answer, report_of
from streams.execution.kit import check, golden, reference_executor
from streams.execution.paper import paper_answer


def fill(command):
    answer = Answer(status="filled", filled_weights=command.target_weights)
    return report_of(command, answer, executor="broken", as_of_ns=parse_instant(command.bar_end))


def test_own_gate_keeps_the_contract():
    assert check(reference_executor) == ()


def credulous(_past):
    return lambda command, _now_ns: fill(command)


def silent(_past):
    return lambda _command, _now_ns: None


def changed(change, when=lambda _report: True):
    """The reference with one thing changed in its reports."""

    def start(past):
        inner = reference_executor(past)

        def execute(command, now_ns):
            report = inner(command, now_ns)
            return change(report) if report is not None and when(report) else report

        return execute

    return start


def forgetful(_past):
    return reference_executor(())


def shared_fence(past):
    inner = reference_executor(
        [msgspec.structs.replace(report, portfolio_id="all") for report in past]
    )

    def execute(command, now_ns):
        one = msgspec.structs.replace(command, portfolio_id="all")
        report = inner(one, now_ns)
        return report and msgspec.structs.replace(report, portfolio_id=command.portfolio_id)

    return execute


def without_epochs(past):
    inner = reference_executor([msgspec.structs.replace(report, epoch=1) for report in past])

    def execute(command, now_ns):
        report = inner(msgspec.structs.replace(command, epoch=1), now_ns)
        return report and msgspec.structs.replace(report, epoch=command.epoch)

    return execute


def patient(past):
    inner = reference_executor(past)
    return lambda command, _now_ns: inner(command, 0)


def hasty(past):
    inner = reference_executor(past)
    return lambda command, now_ns: inner(command, now_ns + 1)


def mending(past):
    """Trades a budget that does not add up, after making it add up."""
    inner = reference_executor(past)

    def execute(command, now_ns):
        cash = 1.0 - sum(command.target_weights.values())
        return inner(msgspec.structs.replace(command, target_cash=cash), now_ns)

    return execute


def swayed(past):
    """Keeps to ids it knows only while the content is the same."""
    inner = reference_executor(past)

    def execute(command, now_ns):
        if command.target_weights.get("trend-us") == 0.9:
            return fill(command)
        return inner(command, now_ns)

    return execute


counter = itertools.count()

BROKEN = {
    credulous: "its repeat is passed over: silence was expected, got filled",
    silent: "the first command is filled: filled was expected, got silence",
    forgetful: "with restarts: its repeat is passed over",
    shared_fence: "another portfolio has its own fence",
    without_epochs: "a new epoch starts at any version",
    patient: "a command past its expiry expires",
    hasty: "at the very instant of its expiry it is filled",
    mending: "a budget that does not add up is refused",
    swayed: "a known id with other weights is never applied",
}


@pytest.mark.parametrize("start", BROKEN, ids=lambda start: start.__name__)
def test_broken_executor_is_found_out(start):
    problems = check(start)
    assert any(BROKEN[start] in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"filled_weights": {"trend-us": 1.0}}, "filled weight of carry-eu is None"),
        ({"filled_weights": None}, "filled weight of trend-us is None"),
        ({"command_id": "cmd-0"}, "command_id is 'cmd-0', the command has"),
        ({"version": 50}, "version is 50, the command has 1"),
        ({"cost": float("inf")}, "the report cannot be written"),
        ({"report_id": "same"}, "two reports share an id"),
    ],
)
def test_wrong_report_is_found_out(change, told):
    start = changed(
        lambda report: msgspec.structs.replace(report, **change),
        when=lambda report: report.status == "filled",
    )
    problems = check(start)
    assert any(told in problem for problem in problems), problems


def test_ids_that_are_no_digests_are_found_out():
    start = changed(lambda report: msgspec.structs.replace(report, report_id=f"r-{next(counter)}"))
    assert any("differ from run to run" in problem for problem in check(start))


def test_golden_stream_holds_every_kind_of_command():
    cases = golden()
    assert {case.expected for case in cases} == {"filled", "rejected", "expired", "silence"}
    assert any(case.command.supersedes for case in cases)
    assert len({case.name for case in cases}) == len(cases)


def test_paper_answer_fills_all_but_what_it_is_told_to_reject():
    command = golden()[0].command
    assert paper_answer(command, 1, {2: "closed"}) == Answer(
        status="filled", filled_weights=command.target_weights, cost=command.cost
    )
    assert paper_answer(command, 2, {2: "closed"}) == Answer(status="rejected", reason="closed")
