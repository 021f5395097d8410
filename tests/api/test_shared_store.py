"""Several API processes share one Redis: one writes, and another goes on where it was killed."""

from contextlib import ExitStack

import pytest

from schemas.codec import encode_message
from schemas.events import ExecutionReport, PortfolioRegistration, RiskSignal
from schemas.policy import load_policy
from schemas.topics import REGISTRY, REPORTS, RISK
from streams.operate.topics import create_topics
from streams.readmodel.redis_store import RedisStore
from streams.settings import KafkaSettings
from tests.api.served import answers, running_api
from tests.api.test_stream import listening, until
from tests.api.world import POLICY
from tests.operate.engine import Outsider, wait_until

pytestmark = pytest.mark.kafka
REPORTS_A_TIME = 20


def is_writer(client):
    return "apse_views_writer 1.0" in client.get("/metrics").text


class Crowd:
    """Processes of one API over one store; what is told to the topics is counted."""

    def __init__(self, stack, broker, scope, url):
        self._start = lambda: stack.enter_context(running_api(broker, scope, url))
        self._outsider = Outsider(broker.bootstrap, scope)
        self.clients = [self._start(), self._start()]
        self.told = 0

    def send(self, topic, message):
        self._outsider.send(topic.name, message.portfolio_id, encode_message(message))

    def report(self):
        """Let the execution layer tell so many things, of which each is one live event."""
        for _ in range(REPORTS_A_TIME):
            self.told += 1
            self.send(
                REPORTS,
                ExecutionReport(
                    report_id=f"r{self.told}",
                    command_id=f"c{self.told}",
                    portfolio_id="main",
                    epoch=1,
                    version=1,
                    status="filled",
                    as_of="2024-01-02T00:00:00Z",
                ),
            )

    def kill_the_writer(self):
        (writer,) = [client for client in self.clients if is_writer(client)]
        self.clients.remove(writer)
        writer.process.kill()
        writer.process.wait()

    def replace(self):
        self.clients.append(self._start())

    def close(self):
        self._outsider.close()


def test_a_writer_that_is_killed_is_followed_and_no_event_is_lost_or_told_twice(
    broker, scope, redis
):
    create_topics(KafkaSettings(bootstrap=broker.bootstrap, scope=scope))
    registration = PortfolioRegistration(portfolio_id="main", shard=0, policy=load_policy(POLICY))
    with ExitStack() as stack:
        crowd = Crowd(stack, broker, scope, redis.url)
        stack.callback(crowd.close)
        crowd.send(REGISTRY, registration)
        wait_until(lambda: all(answers(c, "/portfolio/policy") for c in crowd.clients))
        assert sum(map(is_writer, crowd.clients)) == 1
        for turn in range(2):
            take_over(crowd, turn)
            crowd.replace()
        store = RedisStore(redis.url, prefix=f"apse:{scope}")
        numbers = [event.number for event in store.told(0)]
        store.close()
        assert numbers == list(range(1, crowd.told + 1))


def take_over(crowd, turn):
    """Kill the writer while much is told; who stood by tells all of it, once, and is live."""
    (survivor,) = [client for client in crowd.clients if not is_writer(client)]
    with listening(survivor) as events:
        next(events)
        first = crowd.told + 1
        crowd.report()
        crowd.kill_the_writer()
        crowd.report()
        heard = [until(events, "rebalance")[1]["command_id"] for _ in range(2 * REPORTS_A_TIME)]
    assert heard == [f"c{number}" for number in range(first, crowd.told + 1)]
    wait_until(lambda: is_writer(survivor) and answers(survivor, "/readyz"))
    crowd.send(RISK, RiskSignal(signal_id=f"s{turn}", portfolio_id="main", action="resume"))
    wait_until(lambda: f"s{turn}" in survivor.get("/portfolio/audit").text)
