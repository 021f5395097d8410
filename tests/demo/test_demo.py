"""The demonstration as a person starts it, in a process of its own on a shared broker."""

import json
import os
import subprocess
import sys

import pytest
from confluent_kafka.admin import AdminClient

APSE = [sys.executable, "-c", "from streams.cli import main; main()"]
BARS = 600
KEYS = [
    "returns_published", "bars_closed", "decisions", "commands", "acks", "weights", "cash", "nav",
]  # fmt: skip


def run_demo(*arguments, **environment):
    return subprocess.run(
        [*APSE, "demo", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.kafka
@pytest.mark.slow
def test_twice_in_a_row_on_one_broker_every_command_is_acknowledged(broker, tmp_path):
    answers = []
    for _ in range(2):
        done = run_demo(
            "--bars", str(BARS), "--exit", "--json",
            KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap, TMPDIR=str(tmp_path),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "first command" in done.stderr
        assert "%3|" not in done.stderr  # the client library's own log
        answers.append(json.loads(done.stdout))
    for answer in answers:
        assert list(answer) == KEYS
        assert answer["bars_closed"] == BARS
        assert answer["decisions"] > answer["commands"] > 0
        assert answer["acks"] == answer["commands"]
        assert abs(sum(answer["weights"].values()) + answer["cash"] - 1.0) < 1e-9
        assert answer["returns_published"] > 20 * BARS  # some twenty strategies are alive
        assert 0.5 < answer["nav"] < 2.0  # volatility is 2 % a year
    topics = AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10.0).topics
    assert not [name for name in topics if name.startswith("demo-")]
    assert not list(tmp_path.glob("apse-*/current.json"))


@pytest.mark.slow
def test_without_any_broker_the_same_script_plays_in_process_and_says_so(tmp_path):
    bare = {"PATH": str(tmp_path), "TMPDIR": str(tmp_path), "KAFKA_BOOTSTRAP_SERVERS": ""}
    bare |= {"JAVA_HOME": "", "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = run_demo("--bars", "540", "--exit", "--json", **bare)
    assert done.returncode == 0, done.stderr
    assert "without Kafka" in done.stderr
    assert "no java" in done.stderr
    answer = json.loads(done.stdout)
    assert list(answer) == KEYS
    assert answer["bars_closed"] == 540
    assert answer["acks"] == answer["commands"] > 0
    assert abs(sum(answer["weights"].values()) + answer["cash"] - 1.0) < 1e-9


@pytest.mark.slow
def test_a_broker_that_was_named_is_not_replaced_by_another():
    done = run_demo("--bars", "2", "--exit", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.returncode == 4
    assert "127.0.0.1:1" in done.stderr
    assert done.stdout == ""
