"""The whole stack for a browser: broker, engine, Redis, API, and sessions of the demonstration."""

import os
import signal
from contextlib import contextmanager
from pathlib import Path

import yaml

from examples.strategies import build_sleeves, load_prices
from schemas.topics import RETURNS
from schemas.units import format_instant
from streams.demo.run import POLICY
from streams.demo.script import write_script
from streams.kafka.admin import delete_scope
from streams.operate.portfolio_file import read_policy
from streams.operate.send import Sender
from streams.settings import KafkaSettings
from tests.api.test_live import running_api
from tests.operate.engine import running_engine, wait_until
from tests.readmodel.redis_server import RedisServer

PICTURES = os.environ.get("PICTURES_INTO")
"""A folder, usually docs/images: pictures for the README go there, where one is named."""
HISTORY = 504 if PICTURES else 160
"""Sessions before a browser looks: some twenty weekly decisions, more where it shows well."""
LIVE = 40
SETTINGS = {
    "portfolio_id": "demo",
    "bar": "1d",
    "periods_per_year": 252,
    "estimation": {"window_bars": 126, "min_bars": 63, "covariance": "ledoit_wolf"},
    "objective": {"type": "min_variance"},
    "constraints": {"weight_max": 0.25},
    "costs": {"linear_bps": 5},
    "rebalance": {"schedule": "weekly", "drift": {"max_abs": 0.05}},
}
EXECUTOR = b"streams.execution.paper"


class Stack:
    """What runs, and the hand that publishes the next session."""

    def __init__(self, redis, sender, sessions, executor):
        self.redis, self.client = redis, None
        self._sender, self._sessions = sender, sessions
        self._executor, self._published = executor, 0

    @property
    def newest(self):
        """The day that the newest published session ends."""
        return format_instant(self._sessions[self._published - 1].end_ns)[:10]

    def publish(self, sessions=1):
        """Publish the next sessions."""
        for session in self._sessions[self._published : self._published + sessions]:
            for key, value in session.records:
                self._sender.raw(RETURNS, key, value)
        self._sender.flush()
        self._published += sessions
        assert self._published <= len(self._sessions), "LIVE is too small for what is asked"

    def wait_until_settled(self):
        """Wait until the API tells the newest session's bar, and no command is under way."""
        wait_until(lambda: self._bar_number() == self._published and self._is_settled())

    def _bar_number(self):
        return self.client.get("/portfolio/weights").json().get("bar_number")

    def _is_settled(self):
        newest = self.client.get("/portfolio/history?limit=1").json()["items"]
        return all(line["lifecycle"] in {"filled", "declined"} for line in newest)

    @contextmanager
    def execution_held_up(self):
        """Commands are published, and nobody answers them until this ends."""
        os.kill(self._executor, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._executor, signal.SIGCONT)


@contextmanager
def running_stack(broker, folder):
    """Start everything, publish the history, wait until it is told; end what was started."""
    scope = f"browser-{os.getpid()}-"
    file = folder / "portfolio.yaml"
    file.write_text(_portfolio())
    table = build_sleeves(load_prices())
    script = write_script(table, read_policy(file), bars=HISTORY + LIVE, incidents=False)
    redis = RedisServer(folder)
    redis.start()
    try:
        with (
            running_engine(broker, scope, folder, file) as engine,
            Sender(KafkaSettings(bootstrap=broker.bootstrap, scope=scope)) as sender,
        ):
            stack = Stack(redis, sender, script.sessions, _child_of(engine.pid, EXECUTOR))
            stack.publish(HISTORY)
            with running_api(broker, scope, redis.url) as stack.client:
                stack.wait_until_settled()
                yield stack
    finally:
        redis.stop()
        delete_scope(broker.bootstrap, scope)


def _portfolio():
    """The demonstration's portfolio; in tests one that stays as it is, and always trades."""
    if PICTURES:
        return POLICY.read_text()
    strategies = yaml.safe_load(POLICY.read_text())["strategies"]
    return yaml.safe_dump(SETTINGS | {"strategies": strategies})


def _child_of(parent, words):
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = [pid for pid in children if words in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(found) == 1, f"{words!r} is not one of the children {children} of {parent}"
    return int(found[0])
