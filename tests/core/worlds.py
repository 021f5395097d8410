"""Small random worlds for the laws of the fold: ragged returns, and ways to deliver them."""

from dataclasses import dataclass

import numpy as np

from schemas.events import PortfolioRegistration
from schemas.journal import (
    ROW_INACTIVE,
    ROW_PROGRESS,
    ROW_VALUE,
    PortfolioRegistered,
    Position,
    Record,
    Reply,
    Reported,
)
from schemas.optimize import OptimizeRequest, SolveDiagnostics
from schemas.policy import PortfolioPolicy, load_policy
from schemas.topics import REGISTRY, RETURNS
from streams.core.calendar import DAY_NS
from streams.core.fold import Shard
from streams.core.frames import Rows, pack
from streams.core.outputs import BarMetrics, Output, encode_output
from streams.core.shadows import answered

START_NS = 18_000 * DAY_NS
NOBODY = SolveDiagnostics(solve_seconds=0.0, worker="", iterations=0)
FAMILIES = ("trend", "arbitrage", "mean_reversion")


@dataclass(frozen=True)
class Row:
    """One row as a strategy publishes it."""

    name: str
    stamp_ns: int
    value: float = float("nan")
    kind: int = ROW_VALUE
    revision: int = 0
    reported: tuple[float | None, float | None] | None = None


def policy_for(names, **changes) -> PortfolioPolicy:
    document = {
        "portfolio_id": "p",
        "bar": "1d",
        "periods_per_year": 252,
        "strategies": [
            {"id": name, "family": FAMILIES[i % len(FAMILIES)]} for i, name in enumerate(names)
        ],
        "estimation": {
            "window_bars": 15,
            "min_bars": 5,
            "stale_bars": 3,
            "windows": [4, 9],
            "covariance": "ledoit_wolf",
        },
        "objective": {"type": "min_variance"},
        "costs": {"linear_bps": 7},
        "constraints": {"weight_max": 0.7},
        "rebalance": {"schedule": "weekly", "drift": {"max_abs": 0.008}},
    }
    for key, value in changes.items():
        section, _, field = key.partition("__")
        if field:
            document[section] = {**document.get(section, {}), field: value}
        else:
            document[section] = value
    return load_policy(document)


def ragged(seed: int, names, bars: int) -> dict[str, list[Row]]:
    """Each strategy's own rows in order: late start, holes with marks, early end."""
    rng = np.random.default_rng(seed)
    words = np.random.default_rng(seed + 1)
    common = rng.normal(0.0, 0.005, bars)
    rows = {}
    for i, name in enumerate(names):
        first = int(rng.integers(0, max(1, bars // 3))) if i % 3 == 1 else 0
        last = bars - int(rng.integers(0, max(1, bars // 3))) if i % 3 == 2 else bars
        own = []
        if first:
            own.append(Row(name, START_NS + first * DAY_NS, kind=ROW_PROGRESS))
        for bar in range(first, last):
            stamp_ns = START_NS + (bar + 1) * DAY_NS
            if rng.random() < 0.1:
                own.append(Row(name, stamp_ns, kind=ROW_PROGRESS))
            else:
                value = float(common[bar] + rng.normal(0.0003, 0.01))
                told = (float(words.uniform(0.1, 0.2)), None) if words.random() < 0.1 else None
                own.append(Row(name, stamp_ns, value, reported=told))
        if last < bars:
            own.append(Row(name, START_NS + last * DAY_NS, kind=ROW_INACTIVE))
        rows[name] = own
    return rows


def in_time_order(rows: dict[str, list[Row]]) -> list[Row]:
    """All rows by stamp, as a file is published."""
    merged = [row for own in rows.values() for row in own]
    return sorted(merged, key=lambda row: row.stamp_ns)


def interleaved(rows: dict[str, list[Row]], rng: np.random.Generator) -> list[Row]:
    """Any interleaving that keeps each strategy's own order."""
    left = {name: list(own) for name, own in rows.items()}
    merged = []
    while any(left.values()):
        name = rng.choice([name for name, own in left.items() if own])
        take = int(rng.integers(1, 6))
        merged += left[name][:take]
        left[name] = left[name][take:]
    return merged


def frame(rows: list[Row], first_offset: int) -> Rows:
    names = tuple(sorted({row.name for row in rows}))
    return Rows(
        topic=RETURNS.name,
        names=names,
        strategy=np.array([names.index(row.name) for row in rows], dtype=np.int64),
        period_end_ns=np.array([row.stamp_ns for row in rows], dtype=np.int64),
        value=np.array([row.value for row in rows]),
        kind=np.array([row.kind for row in rows], dtype=np.int64),
        revision=np.array([row.revision for row in rows], dtype=np.int64),
        source_partition=np.zeros(len(rows), dtype=np.int64),
        source_offset=np.arange(first_offset, first_offset + len(rows), dtype=np.int64),
        reported={
            number: Reported(number, *row.reported)
            for number, row in enumerate(rows)
            if row.reported is not None
        },
    )


class World:
    """A journal, the shard that folds it, an optimizer answering after ``lag`` more records."""

    def __init__(self, policy: PortfolioPolicy, *, lag: int = 0) -> None:
        self.shard = Shard(0)
        self.journal: list[Record] = []
        self.outputs: list[Output] = []
        self._lag = lag
        self._waiting: list[tuple[int, OptimizeRequest]] = []
        self._offset = 0
        registration = PortfolioRegistration(
            portfolio_id=policy.portfolio_id, shard=0, policy=policy
        )
        source = Position(REGISTRY.name, 0, 0)
        self.append(PortfolioRegistered(source=source, registration=registration))

    def append(self, record: Record) -> list[Output]:
        """Append a record, fold it, and let the optimizer answer what is due."""
        outputs = self._fold(record)
        while self._waiting and self._waiting[0][0] <= len(self.journal):
            _, request = self._waiting.pop(0)
            outputs += self._fold(Reply(reply=answered(request, NOBODY)))
        return outputs

    def _fold(self, record: Record) -> list[Output]:
        self.journal.append(record)
        outputs = self.shard.step([(len(self.journal) - 1, record)])
        self.outputs += outputs
        self._waiting += [
            (len(self.journal) + self._lag, output.message)
            for output in outputs
            if isinstance(output.message, OptimizeRequest)
        ]
        return outputs

    def publish(self, rows: list[Row], sizes) -> None:
        """Publish rows in frames of the given sizes, taken in turn."""
        start = turn = 0
        while start < len(rows):
            size = sizes[turn % len(sizes)]
            chunk = rows[start : start + size]
            self.append(pack(frame(chunk, self._offset)))
            self._offset += len(chunk)
            start, turn = start + size, turn + 1

    def answer_all(self) -> None:
        """Let the optimizer answer everything that it still owes."""
        while self._waiting:
            _, request = self._waiting.pop(0)
            self._fold(Reply(reply=answered(request, NOBODY)))

    @property
    def portfolio(self):
        return self.shard.portfolios["p"]


def canonical(outputs: list[Output]) -> list[tuple[str, bytes]]:
    """The bytes published, without the requests, which are internal."""
    return [
        (output.topic.name, encode_output(output))
        for output in outputs
        if not isinstance(output.message, OptimizeRequest)
    ]


def of_topic(outputs: list[Output], name: str) -> list:
    return [output.message for output in outputs if output.topic.name == name]


def is_metrics(output: Output) -> bool:
    return isinstance(output.message, BarMetrics)
