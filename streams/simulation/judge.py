"""What has to hold after every step and at the end, whatever the weather was."""

from typing import Final, NoReturn

import msgspec

from schemas.codec import canonical_json, decode_record
from schemas.decisions import Decision, RebalanceCommand
from schemas.journal import Frame
from schemas.topics import (
    CHECKPOINTS,
    DEAD_LETTERS,
    DECISIONS,
    JOURNAL,
    METRICS,
    REBALANCE,
    REPORTS,
    RETURNS,
    STATE,
)
from streams.agents.checkpoint import CheckpointError, Gatherer, plan
from streams.core.frames import unpack
from streams.execution.contract import contradiction, decode_command
from streams.simulation.log import Entry, Log
from streams.simulation.reference import Reference
from streams.simulation.scenario import SHARDS, Fate, Message, Scenario

UNITS: Final = 10**10  # weights are multiples of 1e-10

Version = tuple[str, int, int]
"""Portfolio, epoch, version."""
Source = tuple[str, int, int]
"""Topic, partition, offset."""


class ViolationError(Exception):
    """A law is broken: which, what it wanted and what was found."""

    def __init__(self, law: str, expected: object, found: object) -> None:
        super().__init__(f"{law}: expected {expected}, found {found}")
        self.law = law
        self.expected = expected
        self.found = found


def broken(law: str, expected: object, found: object) -> NoReturn:
    """End the run: a law is broken."""
    raise ViolationError(law, expected, found)


class Judge:
    """Watches the log, record by record.

    Parameters
    ----------
    scenario
        The world that is judged.
    expected
        The decisions and commands it has to come to; None where only its journal can tell.
    """

    def __init__(self, scenario: Scenario, expected: Reference | None) -> None:
        self._scenario = scenario
        self._expected = expected
        self.log: Log | None = None
        self.decisions: dict[Version, bytes] = {}
        self.commands: dict[Version, bytes] = {}
        self.answers: dict[str, str] = {}  # command id -> id of its final report
        self._views: dict[tuple[object, ...], int] = {}
        self._applied: dict[str, tuple[int, int, str]] = {}
        self.published: dict[Source, tuple[Fate, bytes]] = {}
        self._buried: set[Source] = set()
        self._journaled: dict[int, set[Source]] = {shard: set() for shard in range(SHARDS)}
        self._wanted = _wanted(scenario)
        self._committed: dict[tuple[str, int], int] = {}
        self._is_forestalled = False  # an executor was replaced while it had a command in hand

    # ------------------------------------------------------------------ each record

    def see(self, topic: str, partition: int, entry: Entry) -> None:
        """Check one record that was appended just now."""
        value = entry.value or b""
        if topic == DECISIONS.name:
            self._see_decision(value)
        elif topic == REBALANCE.name:
            self._see_command(value)
        elif topic == CHECKPOINTS.name:
            self._see_checkpoint(partition)
        elif topic in (METRICS.name, STATE.name) and value:
            self._see_view(topic, value)
        elif topic == JOURNAL.name:
            self._journaled[partition].update(_rows_of(value))
        elif topic == DEAD_LETTERS.name:
            self._buried.add(_source_of(entry))

    def note(self, message: Message, source: Source) -> None:
        """Remember what was published, to ask for it at the end."""
        self.published[source] = (message.fate, message.value)

    def _see_decision(self, value: bytes) -> None:
        decision = msgspec.json.decode(value, type=Decision)
        at = (decision.portfolio_id, decision.epoch, decision.version)
        _same("one decision content a version", self.decisions.setdefault(at, value), value)
        if self._expected is not None:
            wanted = self._expected.decisions.get(at)
            _same(f"decision {at} of the fault-free world", wanted, value)

    def _see_command(self, value: bytes) -> None:
        command = decode_command(value)
        at = (command.portfolio_id, command.epoch, command.version)
        _same("one command content a version", self.commands.setdefault(at, value), value)
        if self._expected is not None:
            wanted = self._expected.commands.get(at)
            _same(f"command {at} of the fault-free world", wanted, value)
        units = sum(round(weight * UNITS) for weight in command.target_weights.values())
        total = units + round(command.target_cash * UNITS)
        if total != UNITS:
            broken(f"weights and cash of command {at} in units of 1e-10", UNITS, total)
        problem = contradiction(command)
        if problem is not None:
            broken(f"command {at} makes sense", None, problem)

    def _see_view(self, topic: str, value: bytes) -> None:
        view = msgspec.json.decode(value)
        # a bar's state is told again when an order, or who takes part, changes what it says
        told = (
            view.get("version", 0),
            view.get("status"),
            view.get("acknowledged_version", 0),
            len(view["strategies"]),
            len(view.get("eligible", ())),
        )
        at = (topic, view["portfolio_id"], view["bar_end"], told)
        content = hash(value)
        if self._views.setdefault(at, content) != content:
            broken(f"one content of {at}", "the same bytes again", value[:300])

    def _see_checkpoint(self, shard: int) -> None:
        """Plan a resumption from what compaction may leave of the topic at any moment."""
        assert self.log is not None
        gatherer = Gatherer()
        for entry in self.log.compacted(CHECKPOINTS.name, shard):
            gatherer.add(entry.key or b"", entry.value or b"")
        try:
            plan(shard, gatherer.found())
        except CheckpointError as error:
            law = "a shard with a position can be resumed"
            broken(law, "a complete checkpoint", str(error))

    # ------------------------------------------------------------------ ingest

    def committed(self, positions: dict[tuple[str, int], int]) -> None:
        """Check that all before a committed position is in the journal, or in the dead letters."""
        for (topic, partition), offset in positions.items():
            if topic == RETURNS.name:
                first = self._committed.get((topic, partition), 0)
                for number in range(first, offset):
                    self._check_row((topic, partition, number))
                self._committed[topic, partition] = offset

    def _check_row(self, source: Source) -> None:
        fate, value = self.published[source]
        if fate == "bad":
            if source not in self._buried:
                broken(f"refused {source} is in the dead letters", value, None)
            return
        name = msgspec.json.decode(value)["strategy_id"]
        for shard in sorted(self._wanted.get(name, ())):
            if source not in self._journaled[shard]:
                broken(f"accepted row {source} is in the journal of shard {shard}", value, None)

    # ------------------------------------------------------------------ the executor

    def applied(self, command: RebalanceCommand, *, stale: bool) -> None:
        """Check that a portfolio moves only forward; its newest command may be resumed.

        An executor that was replaced while it had a command in hand cannot know: it applies that
        one, under the id that tells its venue and its readers that it is no new one.
        """
        self._is_forestalled = self._is_forestalled or stale
        if stale:
            return
        last = self._applied.get(command.portfolio_id, (0, 0, ""))
        at = (command.epoch, command.version, command.command_id)
        if at[:2] <= last[:2] and at != last:
            broken("applied (epoch, version) rises", f"above {last}", at)
        self._applied[command.portfolio_id] = at

    def answered(self, command: RebalanceCommand, report_id: str, *, stale: bool) -> None:
        """Check that a command gets one final answer, though one replaced may say it again."""
        self._is_forestalled = self._is_forestalled or stale
        law = f"the executor answers command {command.command_id} exactly once"
        repeated = command.command_id in self.answers
        known = self.answers.setdefault(command.command_id, report_id)
        if known != report_id or (repeated and not self._is_forestalled):
            broken(law, known, f"{report_id}, again")

    # ------------------------------------------------------------------ the end

    def finish(self, expected: Reference, found: dict[str, bytes]) -> None:
        """Compare a world at rest with its reference; ``found`` are images of its portfolios."""
        assert self.log is not None
        _same_versions("decisions", expected.decisions, self.decisions)
        _same_versions("commands", expected.commands, self.commands)
        for name, image in expected.images.items():
            if found.get(name) != image:
                broken(
                    f"final state of portfolio {name}",
                    f"{len(image)} bytes of the reference",
                    differing_part(image, found.get(name, b"")),
                )
        for source in self.published:
            if source[0] == RETURNS.name or self.published[source][0] == "bad":
                self._check_row(source)
        self._check_answers(self.log)

    def _check_answers(self, log: Log) -> None:
        """Every command has one final answer, and one record of it unless it was forestalled."""
        finals: dict[str, list[bytes]] = {}
        for entry in log.all(REPORTS.name, 0):
            if dict(entry.headers).get("final") == b"1":
                value = entry.value or b""
                finals.setdefault(msgspec.json.decode(value)["command_id"], []).append(value)
        found = {
            name: len(set(values) if self._is_forestalled else values)
            for name, values in finals.items()
        }
        commands = {decode_command(value).command_id for value in self.commands.values()}
        if found != dict.fromkeys(commands, 1):
            law = "the executor answers every command exactly once"
            broken(law, dict.fromkeys(sorted(commands), 1), found)


def _wanted(scenario: Scenario) -> dict[str, set[int]]:
    """Return the shards that want a strategy's rows."""
    wanted: dict[str, set[int]] = {}
    for portfolio in scenario.portfolios:
        for name in scenario.members_of(portfolio):
            wanted.setdefault(name, set()).add(portfolio.shard)
        wanted.setdefault("late", set()).add(portfolio.shard)
    return wanted


def _rows_of(record: bytes) -> list[Source]:
    decoded = decode_record(record)
    if not isinstance(decoded, Frame):
        return []
    rows = unpack(decoded)
    places = zip(rows.source_partition.tolist(), rows.source_offset.tolist(), strict=True)
    return [(rows.topic, partition, offset) for partition, offset in places]


def _source_of(entry: Entry) -> Source:
    headers = dict(entry.headers)
    return (
        headers["apse_source_topic"].decode(),
        int(headers["apse_source_partition"]),
        int(headers["apse_source_offset"]),
    )


def _same(law: str, expected: bytes | None, found: bytes) -> None:
    if expected != found:
        broken(law, *first_difference(expected or b"null", found))


def _same_versions(what: str, expected: dict[Version, bytes], found: dict[Version, bytes]) -> None:
    for at in sorted({*expected, *found}):
        if at not in found:
            broken(f"{what}: {at} was published", expected[at][:300], None)
        if at not in expected:
            broken(f"{what}: nothing at {at}", None, found[at][:300])
        _same(f"{what}: {at}", expected[at], found[at])


def first_difference(expected: bytes, found: bytes) -> tuple[str, str]:
    """Return the first field in which two JSON messages differ, as each has it."""
    left, right = msgspec.json.decode(expected), msgspec.json.decode(found)
    if isinstance(left, dict) and isinstance(right, dict):
        # an id is a digest of the rest: what it was made of tells more
        for key in sorted({*left, *right}, key=lambda key: (key.endswith("_id"), key)):
            if left.get(key) != right.get(key):
                return f"{key} = {left.get(key)!r}", f"{key} = {right.get(key)!r}"
    return canonical_json(left).decode(), canonical_json(right).decode()


def differing_part(expected: bytes, found: bytes) -> str:
    """Return where two images part."""
    pairs = zip(expected, found, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(found)))
    context = expected[max(0, place - 60) : place + 20]
    return f"{len(found)} bytes that part at byte {place}, after {context!r}"
