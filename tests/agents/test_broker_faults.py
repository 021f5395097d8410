"""The broker stops, dies and freezes under an engine at work: it waits, says so, and goes on."""

import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from confluent_kafka import Producer

from schemas.codec import encode_message
from schemas.topics import RETURNS, STATE
from streams.files import to_messages
from streams.kafka.clients import producer_config
from streams.operate.supervisor import ENGINE, executor
from tests.agents.faults import Outcome, differences, policy_of, reference, running, table_of
from tests.agents.storms import StormWatcher, unacknowledged
from tests.kafka.test_broker import own_jars
from tests.ports import free_ports

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PROCESSES = ("ingest", "worker", "optimizer", "executor")  # in the order of their ports
FROZEN_S = 13.0  # twice a session
LONG_S = 30.0  # and as long as a delivery may take: processes leave and are started again
UP_S = 120.0
BACK_S = 120.0
FLOW_S = 0.25  # between two slices


class Flow(threading.Thread):
    """Publishes all the time, whatever happens to the broker: nothing of it may be lost here."""

    def __init__(self, kafka, messages, slices):
        super().__init__(daemon=True)
        config = producer_config(kafka.bootstrap, client_id="flow", gapless=True)
        self._producer = Producer(config | {"delivery.timeout.ms": 300_000, "log_level": 0})
        self._topic = kafka.scope + RETURNS.name
        self._portions = np.array_split(np.arange(len(messages)), slices)
        self._messages = messages
        self._go_on = threading.Event()
        self.errors = []

    def run(self):
        for portion in self._portions:
            for index in portion.tolist():
                row = self._messages[index]
                self._producer.produce(
                    self._topic, encode_message(row), row.strategy_id, on_delivery=self._told
                )
            self._producer.poll(0)
            if not self._go_on.is_set():
                time.sleep(FLOW_S)
        self.errors += ["not delivered"] * self._producer.flush(BACK_S)

    def hurry(self):
        """Publish what is left at once, and wait for it."""
        self._go_on.set()
        self.join()
        assert self.errors == []

    def _told(self, error, _):
        if error is not None:
            self.errors.append(str(error))


def why_not_ready(first_port, process):
    """What a process says of itself: no reasons, some, or that it cannot be asked."""
    port = first_port + PROCESSES.index(process)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return ""
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.read().decode()
    except OSError:
        return "cannot be asked"


def all_ready(port):
    return not any(why_not_ready(port, process) for process in PROCESSES)


def all_say_no_broker(port):
    reasons = [why_not_ready(port, process) for process in PROCESSES]
    return all("answer" in reason or "cannot be asked" in reason for reason in reasons)


def stopped(run, port, broker, seconds):
    broker._server.stop()
    gone(run, port, broker, seconds)


def killed(run, port, broker, seconds):
    broker.kill()
    gone(run, port, broker, seconds)


def gone(run, port, broker, seconds):
    assert run.until(lambda: all_say_no_broker(port), BACK_S)
    run.step(seconds)
    broker.restart()


def frozen(run, port, broker, seconds):
    broker.pause()
    begun_s = time.monotonic()
    assert run.until(lambda: all_say_no_broker(port), BACK_S)
    run.step(seconds - (time.monotonic() - begun_s))
    assert all_say_no_broker(port)
    broker.resume()


def run_through(logs, faults, seed=31, days=300, slices=600):
    """An engine at work, and the broker's faults one after the other; judged like a storm."""
    policies = [policy_of("first"), policy_of("second")]
    table = table_of(seed, days)
    expected = {
        place: dict.fromkeys(map(unacknowledged, found)) if place[0] == STATE.name else found
        for place, found in reference(policies, table).items()
    }
    outcome, port = Outcome(seed), free_ports(len(PROCESSES))
    settings = {"APSE_METRICS__PORT": str(port)}
    with own_jars() as broker:
        commands = (*ENGINE, executor(broker.bootstrap, "fault."))
        with running(broker.bootstrap, "fault.", logs, commands=commands, **settings) as run:
            run.watcher = StormWatcher(run.watcher)
            run.register(*policies)
            rows = [row.message() for row in to_messages(table, policies[0].bar)]
            flow = Flow(run.kafka, rows, slices)
            flow.start()
            assert run.until(lambda: run.watcher.records > 0, UP_S), run.said()
            assert run.until(lambda: all_ready(port), UP_S), run.said()
            for fault, seconds in faults:
                fault(run, port, broker, seconds)
                back_s = time.monotonic()
                assert run.until(lambda: all_ready(port), BACK_S), run.said()
                assert run.until(lambda: run.watcher.new_s > back_s, BACK_S), run.said()  # noqa: B023  # at once
                outcome.restart_s.append(run.watcher.new_s - back_s)
                outcome.faults.append(fault.__name__)
            assert flow.is_alive(), "the faults came after the load"
            flow.hurry()
            run.until(lambda: run.watcher.has(expected))
            run.step(1.0)
            outcome.problems += [
                *differences(expected, run.watcher.streams),
                *run.watcher.conflicts,
            ]
            outcome.commands = sum(
                len(found) for (topic, _), found in run.watcher.streams.items() if "rebal" in topic
            )
            assert outcome.problems == [], run.said()
    return outcome


def test_a_broker_that_is_stopped_killed_and_frozen_under_load_costs_nothing(tmp_path):
    faults = ((stopped, 1.0), (killed, 1.0), (frozen, FROZEN_S))
    outcome = run_through(tmp_path, faults)
    assert outcome.faults == ["stopped", "killed", "frozen"]
    assert outcome.commands > 50


@pytest.mark.soak
def test_a_broker_that_is_away_for_half_a_minute_costs_nothing(tmp_path):
    faults = ((frozen, LONG_S), (killed, LONG_S), (frozen, LONG_S + 10.0))
    outcome = run_through(tmp_path, faults, days=900, slices=1_800)
    assert len(outcome.restart_s) == 3
