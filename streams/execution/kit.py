"""A contract test kit: what an executor must make of a stream of commands, good and bad.

An executor under test is a callable that takes a command and its clock and returns the final
report, or None when it stays silent. ``start`` makes one from the reports it published before::

    def start(past_reports):
        ...
        return executor

    assert streams.execution.kit.check(start) == ()

Silence is right for what was answered before and for a conflict (which is alarmed, not answered:
its id belongs to another command).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from schemas.codec import UnpublishableError, encode_message
from schemas.decisions import RebalanceCommand
from schemas.events import ExecutionReport
from schemas.units import NS_PER_SECOND, format_instant, parse_instant
from streams.execution.contract import Answer, contradiction, refusal_of, report_of
from streams.execution.gate import Admitted, Answered, CommandGate, Expired, Fenced

DAY_NS: Final = 86_400 * NS_PER_SECOND
FIRST_BAR_NS: Final = parse_instant("2024-06-01T00:00:00Z")
TTL_NS: Final = 2 * DAY_NS
WEIGHT_TOLERANCE: Final = 1e-9  # weights are sent rounded to 1e-10

Executor = Callable[[RebalanceCommand, int], ExecutionReport | None]
Start = Callable[[Sequence[ExecutionReport]], Executor]
Expected = Literal["filled", "rejected", "expired", "silence"]


@dataclass(frozen=True, slots=True)
class Case:
    """One command, the executor's clock when it arrives, and what is to come of it."""

    name: str
    command: RebalanceCommand
    now_ns: int
    expected: Expected


def example_command(
    portfolio_id: str, epoch: int, version: int, *, trend: float = 0.6, cash: float = 0.1
) -> RebalanceCommand:
    """Return a sound command of the day ``version``, of two strategies and cash."""
    bar_end_ns = FIRST_BAR_NS + version * DAY_NS
    told = f"{portfolio_id}/{epoch}/{version}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:24]
    return RebalanceCommand(
        command_id=f"cmd-{digest}",
        decision_id=f"dec-{digest}",
        portfolio_id=portfolio_id,
        epoch=epoch,
        version=version,
        bar_end=format_instant(bar_end_ns),
        expires_at=format_instant(bar_end_ns + TTL_NS),
        trigger="schedule",
        reason="weekly boundary",
        target_weights={"trend-us": trend, "carry-eu": 1.0 - cash - trend},
        target_cash=cash,
        previous_weights={"trend-us": 0.5, "carry-eu": 0.4},
        previous_cash=0.1,
        turnover=0.1,
        cost=0.0001,
        policy_version=1,
    )


def golden() -> tuple[Case, ...]:
    """Return the golden stream, in its order."""
    one, two, three = (example_command("book", 1, version) for version in (1, 2, 3))
    four = msgspec.structs.replace(example_command("book", 1, 4), supersedes=three.command_id)
    older = _renamed(example_command("book", 1, 1, trend=0.2), "cmd-older")
    rival = _renamed(example_command("book", 1, 4, trend=0.3), "cmd-rival")
    other = msgspec.structs.replace(two, target_weights={"trend-us": 0.9, "carry-eu": 0.0})
    broken = msgspec.structs.replace(example_command("book", 1, 5), target_cash=0.3)
    flat = msgspec.structs.replace(
        example_command("book", 2, 9), target_weights={}, target_cash=1.0
    )
    return (
        _case("the first command is filled", one, "filled"),
        _case("its repeat is passed over", one, "silence"),
        _case("the next version is filled", two, "filled"),
        _case("an older command repeated is passed over", one, "silence"),
        _case("an older version under a new id is refused", older, "rejected"),
        _case("the refused one repeated is passed over", older, "silence"),
        _case("a known id with other weights is never applied", other, "silence"),
        _case("a command past its expiry expires", three, "expired", age_ns=TTL_NS + 1),
        _case("the expired one repeated is passed over", three, "silence", age_ns=TTL_NS + 2),
        _case("the one that supersedes it is filled", four, "filled"),
        _case("another command of the same version is refused", rival, "rejected"),
        _case("a budget that does not add up is refused", broken, "rejected"),
        _case("the contradictory one repeated is passed over", broken, "silence"),
        _case(
            "at the very instant of its expiry it is filled",
            example_command("book", 1, 6),
            "filled",
            age_ns=TTL_NS,
        ),
        _case("another portfolio has its own fence", example_command("side", 1, 1), "filled"),
        _case("a new epoch starts at any version", example_command("book", 2, 1), "filled"),
        _case("a zombie of the old epoch is refused", example_command("book", 1, 99), "rejected"),
        _case("versions may leave gaps", example_command("book", 2, 7), "filled"),
        _case("everything to cash is a target like others", flat, "filled"),
        _case("the first command again, at last", one, "silence"),
    )


def check(start: Start) -> tuple[str, ...]:
    """Run an executor through the golden stream, at a stretch and with a restart at every step.

    Parameters
    ----------
    start
        Makes the executor from the reports it published before, oldest first.

    Returns
    -------
    tuple of str
        What is wrong, in sentences; empty when the executor keeps the contract.
    """
    straight, reports = _run(start, restarting=False)
    _, again = _run(start, restarting=False)
    restarted, _ = _run(start, restarting=True)
    problems = [*straight, *(f"with restarts: {problem}" for problem in restarted)]
    if [report.report_id for report in reports] != [report.report_id for report in again]:
        problems.append("report ids differ from run to run; they are to be digests of content")
    if len({report.report_id for report in reports}) != len(reports):
        problems.append("two reports share an id")
    return tuple(problems)


def reference_executor(past: Sequence[ExecutionReport]) -> Executor:
    """Return this package's own executor, without Kafka: the gate, and fills in full."""
    gate = CommandGate()
    for report in past:
        gate.recall(
            Answered(
                command_id=report.command_id,
                portfolio_id=report.portfolio_id,
                epoch=report.epoch,
                version=report.version,
                digest="",
                verdict="expired" if report.status == "expired" else "admitted",
                final=True,
            )
        )

    def execute(command: RebalanceCommand, now_ns: int) -> ExecutionReport | None:
        outcome = gate.admit(command, now_ns)
        as_of_ns = parse_instant(command.bar_end)
        if isinstance(outcome, Fenced | Expired):
            answer = refusal_of(command, outcome)
        elif isinstance(outcome, Admitted):
            answer = _filled_unless_contradictory(command)
            gate.done(command.portfolio_id, command.command_id)
        else:
            return None
        return report_of(command, answer, executor="reference", as_of_ns=as_of_ns)

    return execute


def _filled_unless_contradictory(command: RebalanceCommand) -> Answer:
    problem = contradiction(command)
    if problem is not None:
        return Answer(status="rejected", reason=problem)
    return Answer(status="filled", filled_weights=command.target_weights, cost=command.cost)


def _case(name: str, command: RebalanceCommand, expected: Expected, *, age_ns: int = 0) -> Case:
    return Case(name, command, parse_instant(command.bar_end) + age_ns, expected)


def _renamed(command: RebalanceCommand, command_id: str) -> RebalanceCommand:
    return msgspec.structs.replace(command, command_id=command_id)


def _run(start: Start, *, restarting: bool) -> tuple[list[str], list[ExecutionReport]]:
    reports: list[ExecutionReport] = []
    problems: list[str] = []
    executor = start(())
    for case in golden():
        if restarting:
            executor = start(tuple(reports))
        report = executor(case.command, case.now_ns)
        problems += [f"{case.name}: {problem}" for problem in _problems(case, report)]
        if report is not None:
            reports.append(report)
    return problems, reports


def _problems(case: Case, report: ExecutionReport | None) -> list[str]:
    found = "silence" if report is None else report.status
    if found != case.expected:
        return [f"{case.expected} was expected, got {found}"]
    return [] if report is None else _report_problems(case.command, report)


def _report_problems(command: RebalanceCommand, report: ExecutionReport) -> list[str]:
    problems = [
        f"{name} is {getattr(report, name)!r}, the command has {getattr(command, name)!r}"
        for name in ("command_id", "portfolio_id", "epoch", "version")
        if getattr(report, name) != getattr(command, name)
    ]
    try:
        encode_message(report)
    except UnpublishableError as error:
        problems.append(f"the report cannot be written: {error}")
    if report.status == "filled":
        filled, target = report.filled_weights or {}, command.target_weights
        problems += [
            f"filled weight of {name} is {filled.get(name)}, the target is {target.get(name)}"
            for name in sorted(filled.keys() | target.keys())
            if not abs(filled.get(name, 0.0) - target.get(name, 0.0)) <= WEIGHT_TOLERANCE
        ]
    return problems
