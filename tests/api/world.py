"""Router, engine, paper executor and views in this process: what a broker carries goes by calls.

The parts are the real ones. It stands where the API expects its broker: orders go in, images come
out, and its health says what a test wants it to say.
"""

import threading

import numpy as np

from schemas.codec import encode_message
from schemas.decisions import RebalanceCommand
from schemas.events import PortfolioRegistration, StrategyReturn
from schemas.policy import load_policy
from schemas.topics import CONTROL, REGISTRY, REPORTS, RETURNS, RISK
from schemas.units import format_instant, parse_instant
from streams.core.image import encode_image
from streams.core.outputs import encode_output
from streams.execution.contract import report_of
from streams.execution.paper import paper_answer
from streams.ingest.arrivals import Arrival, decode
from streams.ingest.route import Router
from streams.observe.clock import now_ns
from streams.operate.send import SendError
from streams.readmodel.changes import READ, Source, changes_of
from streams.readmodel.writer import Health
from streams.runtime.local import LocalEngine

NAMES = ("alpha", "beta", "gamma")
BARS = 40
FIRST_NS = parse_instant("2024-01-02T00:00:00Z")
DAY_NS = 86_400_000_000_000
POLICY = {
    "portfolio_id": "main",
    "bar": "1d",
    "periods_per_year": 252,
    "strategies": [{"id": name, "family": "trend"} for name in NAMES],
    "estimation": {"window_bars": 20, "min_bars": 5, "windows": [10], "covariance": "sample"},
    "objective": {"type": "min_variance"},
    "constraints": {"weight_max": 0.8},
    "rebalance": {"schedule": "weekly"},
}


class World:
    """One portfolio, ``bars`` bars old. Implements what the API calls outbox and follower."""

    def __init__(self, store, *, bars=BARS, policy=POLICY, fills=True):
        self.health = Health()
        self.health.caught_up, self.health.trouble = True, ""
        self.sources: list[Source] = []
        self.records = []  # of the journal, answers left out
        self.refuses = False
        self.checkpoints = True
        self.lagging: bytes | None = None  # an older image, where the newest is not written yet
        self.images_read = 0
        self.commands: list[RebalanceCommand] = []
        self._store, self._fills = store, fills
        self._offsets: dict[str, int] = {}
        self._router = Router(shards=1, silence_ms=0)
        self._lock = threading.RLock()
        self._rng = np.random.default_rng(7)
        self.bars = 0
        registration = PortfolioRegistration(
            portfolio_id="main", shard=0, policy=load_policy(policy)
        )
        self._engine = LocalEngine(registration)
        arrival = self._arrival(REGISTRY, "portfolio/main", encode_message(registration))
        self._router.learn(decode([arrival]))
        for _ in range(bars):
            self.close_bar()

    # ------------------------------------------------------------------ time goes on

    def close_bar(self):
        """Let every strategy report one more day."""
        self.bars += 1
        end = format_instant(FIRST_NS + self.bars * DAY_NS)
        values = self._rng.normal(5e-4, 0.01, len(NAMES))
        for name, value in zip(NAMES, values, strict=True):
            row = StrategyReturn(strategy_id=name, period_end=end, value=float(value))
            self._take_in(RETURNS, name, row)

    def rebuild(self, sources):
        """Fold records of the topics into the store once more."""
        for source in sources:
            self._store.apply(list(changes_of(source)), {})

    # ------------------------------------------------------------------ follower and outbox

    def start(self):
        """Nothing has to be begun: every call is followed at once."""

    def stop(self):
        """Nothing has to be ended."""

    def control(self, request):
        self._order(CONTROL, request.portfolio_id, request)

    def risk(self, signal):
        self._order(RISK, signal.portfolio_id, signal)

    def portfolio(self, policy, *, version=1, shard=None, epoch=1):
        registration = PortfolioRegistration(
            portfolio_id=policy.portfolio_id,
            shard=shard or 0,
            policy=policy,
            policy_version=version,
            epoch=epoch,
        )
        self._order(REGISTRY, f"portfolio/{policy.portfolio_id}", registration)

    def flush(self):
        if self.refuses:
            message = "the broker is away"
            raise SendError(message)

    def image(self, portfolio_id, _shard):
        with self._lock:
            self.images_read += 1
            if self.lagging is not None:
                return self.lagging
            held = self._engine.shard.portfolios.get(portfolio_id)
            return None if held is None or not self.checkpoints else encode_image(held.to_state())

    # ------------------------------------------------------------------ inside

    def _order(self, topic, key, message):
        if not self.refuses:
            self._take_in(topic, key, message)

    def _take_in(self, topic, key, message):
        with self._lock:
            arrival = self._arrival(topic, key, encode_message(message))
            for record in self._router.route(decode([arrival])).journal(0):
                self.records.append(record)
                for output in self._engine.append(record):
                    self._take_out(output)

    def _take_out(self, output):
        if output.topic in READ:
            self._show(output.topic, output.key, encode_output(output))
        if isinstance(output.message, RebalanceCommand):
            self.commands.append(output.message)
            if self._fills:
                self.report_fill(output.message)

    def report_fill(self, command):
        """Let the executor fill a command, on paper."""
        answer = paper_answer(command, len(self.commands), {})
        as_of_ns = parse_instant(command.bar_end)
        report = report_of(command, answer, executor="paper", as_of_ns=as_of_ns)
        self._take_in(REPORTS, command.portfolio_id, report)

    def _arrival(self, topic, key, value):
        offset = self._offsets.get(topic.name, 0)
        if topic in READ:
            self._show(topic, key, value)
        else:
            self._offsets[topic.name] = offset + 1
        return Arrival(topic.name, 0, offset, key.encode(), value)

    def _show(self, topic, key, value):
        offset = self._offsets.get(topic.name, 0)
        self._offsets[topic.name] = offset + 1
        source = Source(topic.name, offset, key, value)
        self.health.received_ns = now_ns()
        self.sources.append(source)
        self._store.apply(list(changes_of(source)), {(topic.name, 0): offset + 1})
