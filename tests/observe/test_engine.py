"""The running processes show what the topics say: the shells feed every metric of the list."""

import urllib.request

import numpy as np
import pytest

from schemas.topics import DECISIONS, REBALANCE, STATE
from schemas.units import format_instant
from streams.core.calendar import DAY_NS
from streams.observe.metrics import ALL, METRICS
from streams.operate.send import Sender
from streams.operate.supervisor import ENGINE, Supervisor, executor
from streams.operate.topics import create_topics
from streams.settings import KafkaSettings
from tests.core.worlds import START_NS, policy_for
from tests.observe.exposition import parse
from tests.operate.engine import Outsider, wait_until
from tests.ports import free_ports

pytestmark = pytest.mark.kafka

NAMES = ("a", "b", "c")
DAYS = 40
PROCESSES = ("ingest", "worker", "optimizer", "executor")  # in the order of their ports


def scrape(first_port, process):
    port = first_port + PROCESSES.index(process)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = parse(answer.read().decode())
    return {
        (name, *labels.values()): value
        for family in families.values()
        for name, labels, value in family.samples
    }


def total(found, name):
    return sum(value for key, value in found.items() if key[0] == name)


def publish(outsider):
    rng = np.random.default_rng(8)
    outsider.send("strategy.returns.v1", "a", b"{nonsense")
    for day, row in enumerate(rng.normal(0.0005, 0.01, (DAYS, len(NAMES))), start=1):
        end = format_instant(START_NS + day * DAY_NS)
        for name, value in zip(NAMES, row.tolist(), strict=True):
            outsider.publish(name, end, value)


def test_processes_show_what_the_topics_say(broker, scope, tmp_path):
    kafka = KafkaSettings(bootstrap=broker.bootstrap, scope=scope)
    create_topics(kafka)
    with Sender(kafka) as sender:
        sender.portfolio(policy_for(NAMES))
    first_port = free_ports(len(PROCESSES))
    environment = {
        "APSE_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "APSE_KAFKA__SCOPE": kafka.scope,
        "APSE_METRICS__PORT": str(first_port),
        "APSE_ENGINE__CHECKPOINT_INTERVAL_MS": "500",
    }
    commands = (*ENGINE, executor(kafka.bootstrap, kafka.scope))
    outsider = Outsider(broker.bootstrap, scope)
    with Supervisor(commands, environment, logs=tmp_path):
        publish(outsider)
        states = outsider.wait_for(STATE.name, "p", lambda found: len(found) >= DAYS)
        decisions = outsider.read(DECISIONS.name, "p")
        commands_sent = outsider.read(REBALANCE.name, "p")
        wait_until(
            lambda: (
                total(scrape(first_port, "executor"), "apse_execution_reports_total")
                == len(commands_sent)
            )
        )

        def settled():
            found = scrape(first_port, "worker")
            ages = total(found, "apse_checkpoint_age_seconds")
            return ages == total(found, "apse_command_unacknowledged_seconds") == 0

        wait_until(settled)
        shown = {process: scrape(first_port, process) for process in ALL}
    outsider.close()

    assert shown["ingest"]["apse_returns_ingested_total",] == DAYS * len(NAMES)
    assert shown["ingest"]["apse_dlq_records_total", "malformed"] == 1
    assert shown["ingest"]["apse_strategies_behind",] == 0
    worker = shown["worker"]
    assert worker["apse_bars_closed_total",] == len(states) == DAYS
    assert worker["apse_portfolio_nav_ratio", "p"] == states[-1]["nav"]
    held = [worker["apse_strategy_held_weight_ratio", "p", name] for name in NAMES]
    assert held == states[-1]["held"]
    assert total(worker, "apse_decisions_total") == len(decisions) > 0
    assert total(worker, "apse_commands_total") == len(commands_sent) > 0
    assert total(worker, "apse_stream_lag_records") == total(worker, "apse_walk_lag_bars") == 0
    assert total(worker, "apse_recovering_shards") == 0
    assert total(worker, "apse_recovery_seconds") > 0
    asked = sum(decision["solver"] != "" for decision in decisions)
    # a request that waits long on a busy machine is issued, and solved, again
    assert shown["optimizer"]["apse_solve_seconds_count", "solved"] >= asked > 0
    assert shown["executor"]["apse_execution_reports_total", "filled"] == len(commands_sent)
    names = {key[0] for found in shown.values() for key in found}
    told = {metric.name for metric in METRICS if metric.kind != "histogram"}
    assert told <= names
