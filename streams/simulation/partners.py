"""The optimizer and the executor: who answers the engine."""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final, assert_never, get_args

from schemas.codec import decode_report, decode_request, encode_message, encode_record
from schemas.decisions import RebalanceCommand
from schemas.journal import Reply
from schemas.optimize import OptimizeRequest
from schemas.topics import JOURNAL, OPTIMIZE, REBALANCE, REPORTS
from schemas.units import parse_instant
from streams.core.deciding import NUDGES_MAX
from streams.execution.clock import EventClock
from streams.execution.contract import Answer, decode_command, refusal_of, report_of
from streams.execution.gate import (
    Admission,
    Admitted,
    Answered,
    CommandGate,
    Conflict,
    Duplicate,
    Expired,
    Fenced,
    Verdict,
    command_digest,
)
from streams.execution.paper import paper_answer
from streams.simulation.actors import Move, Site
from streams.simulation.judge import broken
from streams.simulation.reference import answer
from streams.simulation.scenario import SHARDS

AT_WORK_MAX: Final = 4
EXECUTOR: Final = "paper"


class Optimizer:
    """Takes requests, answers them late, loses some, answers some twice.

    Committed offsets may pass requests that were never answered, as Faust's do; in a calm world
    they do not, and the last attempt is not lost: a decision given up would tell of the weather.
    """

    name = "optimizer"

    def __init__(self, site: Site) -> None:
        self._site = site
        self._next = {
            shard: site.committed.get((self.name, (OPTIMIZE.name, shard)), 0)
            for shard in range(SHARDS)
        }
        self._at_work: list[tuple[int, int, int, OptimizeRequest]] = []  # due, shard, offset, …

    def moves(self) -> Sequence[Move]:
        """Return: take the next request of a shard, reply to one that is due, commit."""
        site = self._site
        moves: list[Move] = []
        if len(self._at_work) < AT_WORK_MAX:
            waiting = [
                shard
                for shard, offset in self._next.items()
                if offset < site.log.end(OPTIMIZE.name, shard)
            ]
            moves += [partial(self._take, shard) for shard in waiting]
        if any(site.quiet or due <= site.step for due, *_ in self._at_work):
            moves.append(self._reply)
        if any(
            site.committed.get((self.name, (OPTIMIZE.name, shard)), 0) < self._committable(shard)
            for shard in self._next
        ):
            moves.append(self._commit)
        return moves

    def due_at(self) -> int | None:
        """Return the step at which the first reply is due."""
        return min((due for due, *_ in self._at_work), default=None)

    def _take(self, shard: int) -> None:
        site, offset = self._site, self._next[shard]
        entry = site.log.at(OPTIMIZE.name, shard, offset)
        self._next[shard] = offset + 1
        request = decode_request(entry.value or b"")
        if self._is_lost(request):
            return
        due = site.step + site.dice.between(0, site.scenario.weather.optimizer_lag_steps)
        self._at_work.append((due, shard, offset, request))

    def _reply(self) -> None:
        site = self._site
        ready = [work for work in self._at_work if site.quiet or work[0] <= site.step]
        work = site.dice.pick(ready)
        _, shard, _, request = work
        if not site.chance(site.scenario.weather.answer_twice):
            self._at_work.remove(work)
        if not self._is_lost(request):
            record = encode_record(Reply(reply=answer(request)))
            site.log.append(JOURNAL.name, shard, record)

    def _is_lost(self, request: OptimizeRequest) -> bool:
        site = self._site
        if site.scenario.calm and request.attempt > NUDGES_MAX:
            return False
        lost = site.chance(site.scenario.weather.lose)
        site.tally.lost += lost
        return lost

    def _committable(self, shard: int) -> int:
        if not self._site.scenario.calm:
            return self._next[shard]
        open_ = [offset for _, place, offset, _ in self._at_work if place == shard]
        return min(open_, default=self._next[shard])

    def _commit(self) -> None:
        for shard in self._next:
            self._site.committed[self.name, (OPTIMIZE.name, shard)] = self._committable(shard)


class Executor:
    """Takes a command, applies what the gate admits, reports, commits; begins with its reports."""

    name = "executor"
    gate_type: type[CommandGate] = CommandGate

    def __init__(self, site: Site) -> None:
        self._site = site
        self._gate = self.gate_type()
        self._clock = EventClock()
        self._next = site.committed.get((self.name, (REBALANCE.name, 0)), 0)
        self._todo: deque[Move] = deque()
        self._revoked = False
        for answered, as_of_ns in _answers(site):
            self._gate.recall(answered)
            self._clock.observe(answered.portfolio_id, as_of_ns)

    def moves(self) -> Sequence[Move]:
        """Return the next effect of the command in hand, or the next command."""
        if self._todo:
            return (self._do,)
        more = self._next < self._site.log.end(REBALANCE.name, 0) and not self._revoked
        return (self._take,) if more else ()

    @property
    def has_in_hand(self) -> bool:
        """Tell whether a command is taken and not yet answered for good."""
        return bool(self._todo)

    def revoke(self) -> None:
        """Take its partition away: it answers what it has in hand, and commits nothing."""
        self._revoked = True

    def _do(self) -> None:
        self._todo.popleft()()

    def _take(self) -> None:
        entry = self._site.log.at(REBALANCE.name, 0, self._next)
        self._next += 1
        command = decode_command(entry.value or b"")
        self._clock.observe(command.portfolio_id, parse_instant(command.bar_end))
        outcome = self._gate.admit(command, self._clock.now_ns(command.portfolio_id))
        self._answer(command, outcome)
        self._todo.append(self._commit)

    def _answer(self, command: RebalanceCommand, outcome: Admission) -> None:
        site = self._site
        match outcome:
            case Admitted(ordinal=ordinal):
                if site.chance(site.scenario.weather.interim_report):
                    interim = Answer(status="accepted")
                    self._todo.append(self._reporting(command, interim, "admitted", final=False))
                self._todo.append(lambda: site.judge.applied(command, stale=self._revoked))
                filled = paper_answer(command, ordinal, {})
                self._todo.append(self._reporting(command, filled, "admitted", final=True))
            case Duplicate():
                pass
            case Fenced() | Expired():
                verdict: Verdict = "fenced" if isinstance(outcome, Fenced) else "expired"
                refusal = refusal_of(command, outcome)
                self._todo.append(self._reporting(command, refusal, verdict, final=True))
            case Conflict(known=known, found=found):
                law = f"one content under the id {command.command_id}"
                broken(law, known, found)
            case _:
                assert_never(outcome)

    def _reporting(
        self, command: RebalanceCommand, told: Answer, verdict: Verdict, *, final: bool
    ) -> Move:
        as_of_ns = self._clock.as_of_ns(parse_instant(command.bar_end))

        def report() -> None:
            message = report_of(command, told, executor=EXECUTOR, as_of_ns=as_of_ns)
            headers = [
                ("gate", verdict.encode()),
                ("command_digest", command_digest(command).encode()),
                ("final", b"1" if final else b"0"),
            ]
            key = command.portfolio_id.encode()
            self._site.tally.stale_answers += self._revoked
            self._site.log.append(
                REPORTS.name, 0, encode_message(message), key=key, headers=headers
            )
            if final:
                self._site.judge.answered(command, message.report_id, stale=self._revoked)
                self._gate.done(command.portfolio_id, command.command_id)

        return report

    def _commit(self) -> None:
        if not self._revoked:  # the group refuses the commit of a member that it has left
            self._site.committed[self.name, (REBALANCE.name, 0)] = self._next


def _answers(site: Site) -> list[tuple[Answered, int]]:
    """Read back what the executor said before, as ``streams.execution.history`` does."""
    verdicts: dict[str, Verdict] = {name: name for name in get_args(Verdict)}
    answers = []
    for entry in site.log.all(REPORTS.name, 0):
        report, headers = decode_report(entry.value or b""), dict(entry.headers)
        answered = Answered(
            command_id=report.command_id,
            portfolio_id=report.portfolio_id,
            epoch=report.epoch,
            version=report.version,
            digest=headers["command_digest"].decode(),
            verdict=verdicts[headers["gate"].decode()],
            final=headers["final"] == b"1",
        )
        answers.append((answered, parse_instant(report.as_of)))
    return answers
