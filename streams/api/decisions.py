"""Bodies of the answers about decisions: their command, what became of it, who asked for it."""

from typing import Final

import msgspec
import orjson

from schemas.events import ControlRequest
from streams.api.problems import ProblemError
from streams.api.views import Body, Views

REPORTS_MAX: Final = 100
_AUDITED: Final = (("request", "requests"), ("signal", "signals"), ("policy", "policies"))
_TERMINAL: Final = ("filled", "rejected", "expired")
_LIFECYCLE: Final = {"accepted": "acked", "partially_filled": "acked"}


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
        while True:
            entries = self._views.store.series(
                f"{name}/decisions", before=before, limit=limit + 1, newest_first=True
            )
            for entry in entries:
                decision = orjson.loads(entry.value)
                wanted = trigger in {None, decision["trigger"]["kind"]}
                if wanted and outcome in {None, decision["outcome"]}:
                    if len(rows) == limit:
                        return rows, before
                    rows.append(self._line(name, entry.place, decision))
                before = entry.place
            if len(entries) <= limit:
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
        return {
            "decision": entry,
            "command": command,
            "reports": [] if command is None else self.reports(command["command_id"]),
            "lifecycle": self._lifecycle(name, place, entry),
        }

    def reports(self, command_id: str) -> list[Body]:
        """Return what the execution layer said of a command, oldest first."""
        entries = self._views.store.series(f"command/{command_id}/reports", limit=REPORTS_MAX)
        return [orjson.loads(entry.value) for entry in entries]

    def request(self, request_id: str) -> Body:
        """Return what became of a person's request."""
        held = self._views.store.get(f"request/{request_id}")
        if held is None:
            raise ProblemError(404, f"there is no request {request_id!r}")
        request = msgspec.json.decode(held, type=ControlRequest)
        place = self._views.store.get(f"request/{request_id}/decision")
        head = self._views.head(request.portfolio_id)
        body = {
            **head,
            "freshness": head["status"],
            "request_id": request_id,
            "reason": request.reason,
            "requested_by": request.requested_by,
            "status": "proposed",
            "decision": None,
            "command": None,
            "reports": [],
        }
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

    def _line(self, name: str, place: int, decision: Body) -> Body:
        command = self._views.at(f"{name}/commands", place)
        return {
            "decision_id": decision["decision_id"],
            "epoch": decision["epoch"],
            "version": decision["version"],
            "bar_end": decision["bar_end"],
            "trigger": decision["trigger"],
            "outcome": decision["outcome"],
            "reason": decision["reason"],
            "objective": decision["objective"],
            "turnover": decision["turnover"],
            "cost": decision["cost"],
            "solver": decision["solver"],
            "fallback": decision["fallback"],
            "command_id": None if command is None else command["command_id"],
            "lifecycle": self._lifecycle(name, place, decision),
        }

    def _lifecycle(self, name: str, place: int, decision: Body) -> str:
        """Return how far a decision has come."""
        if decision["outcome"] == "declined":
            return "declined"
        command = self._views.at(f"{name}/commands", place)
        if command is None:
            return "proposed"
        newer = self._views.store.series(f"{name}/commands", after=place, limit=1)
        return lifecycle_of(self.reports(command["command_id"]), superseded=bool(newer))


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
