"""What the demonstration publishes, session by session. Pure.

Returns of the example strategies, and labelled incidents among them.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np

from examples.strategies import SleeveTable
from schemas.codec import encode_message
from schemas.events import StrategyReturn
from schemas.policy import PortfolioPolicy, StrategyEntry
from schemas.units import format_instant
from streams.core.arrays import FloatArray, IntArray
from streams.core.calendar import DAY_NS

PLAY_FROM: Final = np.datetime64("2007-01-01", "D")
HISTORY_SESSIONS: Final = 504  # two years before: the estimates are warm when the play begins
SEED: Final = 20070101

TWIN: Final = "incident-twin"
TWIN_OF: Final = "trend-tsmom-12m-stocks"
SILENT: Final = "reversion-bollinger-stocks"
SILENT_BARS: Final = 40
REVISED: Final = "arb-sector-residual"
POISONED: Final = "mm-touch-spx"
POISON_EVERY: Final = 100
REJECTED_COMMAND: Final = 5
"""The paper executor rejects this one of the portfolio's commands."""

_SILENT_FROM, _REVISE_AT = 60, 30  # sessions after the play begins
_TWIN_NOISE_SHARE: Final = 0.25  # of the twin's volatility: correlation 1 / sqrt(1 + 0.25^2) = 0.97
_POISON: Final = (
    b'{"strategy_id": "mm-touch-spx", "period_end": ',
    b'{"strategy_id": "mm-touch-spx", "period_end": "2007-01-03T00:00:00Z", "return": NaN}',
    b'{"strategy_id": "mm-touch-spx", "period_end": "2007-01-03T00:00:00Z", "return": -1.5}',
    b'{"strategy_id": "nobody", "period_end": "2007-01-03T00:00:00Z", "return": 0.01}',
)


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One trading session: its bar's end, the records to publish as (key, value).

    ``incident`` is a label where something is staged; ``values`` counts the returns among them.
    """

    end_ns: int
    records: tuple[tuple[bytes, bytes], ...]
    values: int
    incident: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Script:
    """The whole play: ``sessions``, of which the first ``history`` are published at once."""

    policy: PortfolioPolicy
    sessions: tuple[Session, ...]
    history: int
    returns: FloatArray  # (T, N) over the policy's strategies in their sorted order, NaN = absent
    benchmark: FloatArray  # (T,)


def write_script(
    table: SleeveTable, policy: PortfolioPolicy, *, bars: int | None, incidents: bool
) -> Script:
    """Return the play: ``bars`` sessions in all, history included; None: to the end of the data."""
    first = int(np.searchsorted(table.sessions, PLAY_FROM)) - HISTORY_SESSIONS
    last = len(table.sessions) if bars is None else min(first + bars, len(table.sessions))
    names, returns = list(table.ids), table.returns[first:last]
    if incidents:
        names, returns = _with_twin(names, returns)
        policy = _with_entry(policy, StrategyEntry(id=TWIN, family="trend"))
    order = np.argsort(names)
    names, returns = [names[i] for i in order], returns[:, order]
    ends_ns = (table.sessions[first:last].astype(np.int64) + 1) * DAY_NS
    history = min(HISTORY_SESSIONS, last - first)
    writer = _Writer(tuple(names), returns, ends_ns, history, incidents=incidents)
    return Script(
        policy=policy,
        sessions=tuple(writer.session(number) for number in range(last - first)),
        history=history,
        returns=returns,
        benchmark=table.benchmark[first:last],
    )


class _Writer:
    """Writes the records of each session."""

    def __init__(
        self,
        names: tuple[str, ...],
        returns: FloatArray,
        ends_ns: IntArray,
        history: int,
        *,
        incidents: bool,
    ) -> None:
        self._names, self._returns, self._ends_ns = names, returns, ends_ns
        self._incidents = incidents
        self._silent = (
            range(history + _SILENT_FROM, history + _SILENT_FROM + SILENT_BARS)
            if incidents
            else range(0)
        )
        self._revise_at = history + _REVISE_AT
        alive = ~np.isnan(returns)
        self._first = np.where(alive.any(axis=0), alive.argmax(axis=0), len(returns))
        self._last = np.where(alive.any(axis=0), len(returns) - 1 - alive[::-1].argmax(axis=0), -1)

    def session(self, number: int) -> Session:
        """Return one session: marks of late starters, values, ends, and what is staged."""
        records = self._late_starters() if number == 0 else []
        values = 0
        for column, name in enumerate(self._names):
            if not self._first[column] <= number <= self._last[column]:
                continue
            silent = name == SILENT and number in self._silent
            if not silent:
                records.append(self._value(name, number, float(self._returns[number, column])))
                values += 1
            if number == self._last[column] < len(self._returns) - 1:
                records.append(_record(name, int(self._ends_ns[number]), status="inactive"))
            elif silent and number == len(self._returns) - 1:  # the play ends: nobody waits for it
                records.append(_record(name, int(self._ends_ns[number]), status="progress"))
        staged, incident = self._staged(number) if self._incidents else ([], None)
        return Session(int(self._ends_ns[number]), tuple(records + staged), values, incident)

    def _late_starters(self) -> list[tuple[bytes, bytes]]:
        """Return the marks of those with nothing before their first value, or nothing at all."""
        records = []
        for column, name in enumerate(self._names):
            first = int(self._first[column])
            if first == len(self._returns):
                records.append(_record(name, int(self._ends_ns[0]), status="inactive"))
            elif first > 0:
                records.append(_record(name, int(self._ends_ns[first - 1]), status="progress"))
        return records

    def _value(self, name: str, number: int, value: float) -> tuple[bytes, bytes]:
        return _record(name, int(self._ends_ns[number]), value=value)

    def _staged(self, number: int) -> tuple[list[tuple[bytes, bytes]], str | None]:
        if number == self._revise_at:
            column, past = self._names.index(REVISED), number - 3
            corrected = float(self._returns[past, column]) + 0.002
            record = _record(REVISED, int(self._ends_ns[past]), value=corrected, revision=1)
            return [record], f"{REVISED} revises its return of three bars ago"
        if number == self._silent.start:
            return [], f"{SILENT} falls silent for {SILENT_BARS} bars"
        if number % POISON_EVERY == POISON_EVERY - 1:
            poison = _POISON[number // POISON_EVERY % len(_POISON)]
            return [
                (POISONED.encode(), poison)
            ], f"{POISONED} publishes a record that cannot be used"
        return [], None


def _with_twin(names: list[str], returns: FloatArray) -> tuple[list[str], FloatArray]:
    """Add a strategy that is another one with a little noise: the same bet under a second name."""
    original = returns[:, names.index(TWIN_OF)]
    noise = (
        np.random.default_rng(SEED).standard_normal(len(original))
        * np.nanstd(original)
        * _TWIN_NOISE_SHARE
    )
    return [*names, TWIN], np.column_stack([returns, np.maximum(original + noise, -0.99)])


def _with_entry(policy: PortfolioPolicy, entry: StrategyEntry) -> PortfolioPolicy:
    assert isinstance(policy.strategies, tuple)
    return msgspec.structs.replace(policy, strategies=(*policy.strategies, entry))


def _record(
    name: str,
    end_ns: int,
    *,
    value: float | None = None,
    status: Literal["value", "progress", "inactive"] = "value",
    revision: int = 0,
) -> tuple[bytes, bytes]:
    message = StrategyReturn(
        strategy_id=name,
        period_end=format_instant(end_ns),
        value=value,
        status=status,
        revision=revision,
    )
    return name.encode(), encode_message(message)
