"""A process is asked whether it is alive and whether it is ready, beside its metrics."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge

from streams.observe.probes import all_of, serve_probes


@pytest.fixture
def process():
    """A server, its base address, and the reasons that it gives."""
    registry, reasons = CollectorRegistry(), []
    Gauge("apse_some", "A gauge.", registry=registry).set(3)
    server = serve_probes("127.0.0.1", 0, registry, all_of(lambda: reasons, lambda: ()))
    yield f"http://127.0.0.1:{server.server_port}", reasons
    server.shutdown()
    server.server_close()


def ask(address):
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode()


def test_ready_until_there_is_a_reason_why_not(process):
    base, reasons = process
    assert ask(f"{base}/readyz") == (200, "ok\n")
    reasons += ["no broker", "shard 3 recovers"]
    assert ask(f"{base}/readyz") == (503, "no broker\nshard 3 recovers\n")
    reasons.clear()
    assert ask(f"{base}/readyz") == (200, "ok\n")


def test_alive_whether_ready_or_not(process):
    base, reasons = process
    reasons.append("no broker")
    assert ask(f"{base}/livez") == (200, "ok\n")


def test_any_other_path_shows_the_metrics(process):
    base, _ = process
    for path in ("/metrics", "/"):
        status, text = ask(f"{base}{path}")
        assert status == 200
        assert "apse_some 3.0" in text


def test_all_of_several_have_their_say():
    assert all_of()() == []
    assert all_of(lambda: ["a"], lambda: (), lambda: ["b", "c"])() == ["a", "b", "c"]
