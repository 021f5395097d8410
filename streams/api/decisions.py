"""Bodies of the answers about decisions: their command, what became of it, who asked for it."""

from typing import Final, NamedTuple

import msgspec
import orjson

from schemas.events import ControlRequest
from streams.api.problems import ProblemError
from streams.api.views import Body, Views
from streams.readmodel.store import Entry

REPORTS_MAX: Final = 100
_SOUGHT: Final = 500  # decisions that are read at once where few of them may be wanted
_AUDITED: Final = (("request", "requests"), ("signal", "signals"), ("policy", "policies"))
_TERMINAL: Final = ("filled", "rejected", "expired")
_LIFECYCLE: Final = {"accepted": "acked", "partially_filled": "acked"}


class _Sent(NamedTuple):
    """The command of a decision, and whether none has followed it."""

    command_id: str
    is_newest: bool


class _CommandId(msgspec.Struct):
    """As much of a command as names it."""

    command_id: str


_decode_command: Final = msgspec.json.Decoder(_CommandId).decode
_LINE: Final = (
    "decision_id",
    "epoch",
    "version",
    "bar_end",
    "trigger",
    "outcome",
    "reason",
    "objective",
    "turnover",
    "cost",
    "solver",
    "fallback",
)


class Decisions:
    """Answers about decisions, commands and requests."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def history(
        self,
        name: str,
        *,
        before: int | None,
        limit: int,
        trigger: str | None,
        outcome: str | None,
    ) -> tuple[list[Body], int | None]:
        """Return decisions, newest first, and the place to go on from; None at the end."""
        rows: list[Body] = []
        is_filtered = trigger is not None or outcome is not None
        batch = max(limit + 1, _SOUGHT) if is_filtered else limit + 1
        while True:
            entries = self._views.store.series(
                f"{name}/decisions", before=before, limit=batch, newest_first=True
            )
            commands = self._commands(name, entries)
            for entry in entries:
                decision = orjson.loads(entry.value)
                wanted = trigger in {None, decision["trigger"]["kind"]}
                if wanted and outcome in {None, decision["outcome"]}:
                    if len(rows) == limit:
                        return rows, before
                    rows.append(self._line(decision, commands.get(entry.place)))
                before = entry.place
            if len(entries) < batch:
                return rows, None

    def decision(self, decision_id: str) -> Body:
        """Return one decision with its command and what became of it."""
        found = self._views.store.get(f"decision/{decision_id}")
        if found is None:
            raise ProblemError(404, f"there is no decision {decision_id!r}")
        name, _, place = found.decode().partition(" ")
        return {**self._views.head(name), **self.at(name, int(place))}

    def at(self, name: str, place: int) -> Body:
        """Return the decision at a place, with its command and the reports on it."""
        entry = self._views.at(f"{name}/decisions", place)
        assert entry is not None, (name, place)
        command = self._views.at(f"{name}/commands", place)
        sent = None
        if command is not None:
            sent = _Sent(command["command_id"], is_newest=self._newest_command(name) <= place)
        reports = [] if sent is None else self.reports(sent.command_id)
        return {
            "decision": entry,
            "command": command,
            "reports": reports,
            "lifecycle": _lifecycle(entry, sent, reports),
        }

    def reports(self, command_id: str) -> list[Body]:
        """Return the newest of what the execution layer said of a command, oldest first."""
        entries = self._views.store.series(
            f"command/{command_id}/reports", limit=REPORTS_MAX, newest_first=True
        )
        return [orjson.loads(entry.value) for entry in reversed(entries)]

    def request(self, request_id: str) -> Body:
        """Return what became of a person's request."""
        held = self._views.store.get(f"request/{request_id}")
        if held is None:
            raise ProblemError(404, f"there is no request {request_id!r}")
        request = msgspec.json.decode(held, type=ControlRequest)
        place = self._views.store.get(f"request/{request_id}/decision")
        head = self._views.head(request.portfolio_id)
        body = proposed(head, request_id, request.reason, request.requested_by)
        if place is not None:
            name, _, at = place.decode().partition(" ")
            body |= self.at(name, int(at))
            body["status"] = body.pop("lifecycle")
        return body

    def audit(self, name: str, limit: int) -> Body:
        """Return what people and the risk function ordered, and policies, newest first."""
        rows = [
            {"kind": kind, "place": entry.place, "event": orjson.loads(entry.value)}
            for kind, series in _AUDITED
            for entry in self._views.store.series(
                f"{name}/{series}", limit=limit, newest_first=True
            )
        ]
        return {**self._views.head(name), "events": rows}

    def _commands(self, name: str, entries: list[Entry]) -> dict[int, _Sent]:
        """Return the commands of some decisions, newest first, by their places."""
        if not entries:
            return {}
        newest = self._newest_command(name)
        found = self._views.store.series(
            f"{name}/commands",
            after=entries[-1].place - 1,
            before=entries[0].place + 1,
            limit=len(entries),
        )
        return {
            entry.place: _Sent(
                _decode_command(entry.value).command_id, is_newest=entry.place >= newest
            )
            for entry in found
        }

    def _newest_command(self, name: str) -> int:
        newest = self._views.newest(f"{name}/commands")
        return 0 if newest is None else newest.place

    def _line(self, decision: Body, sent: _Sent | None) -> Body:
        reports = [] if sent is None else self.reports(sent.command_id)
        return {
            **{key: decision[key] for key in _LINE},
            "command_id": None if sent is None else sent.command_id,
            "lifecycle": _lifecycle(decision, sent, reports),
        }


def proposed(head: Body, request_id: str, reason: str, requested_by: str) -> Body:
    """Return the answer about a person's request of which nothing has come yet."""
    return {
        **head,
        "freshness": head["status"],
        "status": "proposed",
        "request_id": request_id,
        "reason": reason,
        "requested_by": requested_by,
        "decision": None,
        "command": None,
        "reports": [],
    }


def _lifecycle(decision: Body, sent: _Sent | None, reports: list[Body]) -> str:
    """Return how far a decision has come."""
    if decision["outcome"] == "declined":
        return "declined"
    if sent is None:
        return "proposed"
    return lifecycle_of(reports, superseded=not sent.is_newest)


def lifecycle_of(reports: list[Body], *, superseded: bool) -> str:
    """Return how far a published command has come, from the reports on it, oldest first.

    Examples
    --------
    >>> lifecycle_of([{"status": "accepted"}], superseded=False)
    'acked'
    >>> lifecycle_of([{"status": "accepted"}, {"status": "filled"}], superseded=True)
    'filled'
    """
    statuses = [str(report["status"]) for report in reports]
    ended = [status for status in statuses if status in _TERMINAL]
    if ended:
        return ended[-1]
    if superseded:
        return "superseded"
    return _LIFECYCLE[statuses[-1]] if statuses else "published"
