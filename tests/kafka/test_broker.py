"""A broker is chosen, started, stopped and broken on purpose."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.core.errors import BrokerUnavailableError
from streams.kafka.admin import TopicSpec, ensure_topics
from streams.kafka.broker import Broker, docker_refusal, resolve_broker
from streams.kafka.clients import producer_config, reader_config
from streams.kafka.jars import JarServer, find_jars
from streams.settings import BOOTSTRAP_VARIABLE, KafkaSettings

REPOSITORY = Path(__file__).parents[2]
# This machine, without a broker named for us.
UNNAMED = {name: value for name, value in os.environ.items() if name != BOOTSTRAP_VARIABLE}

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def process_runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_for(condition, timeout_s=10.0):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def own_jars(data_dir=None):
    server = JarServer(find_jars(REPOSITORY, os.environ), data_dir=data_dir, heap_mb=256)
    server.start()
    return Broker(
        bootstrap=server.bootstrap, kind="jars", note="", server=server, close=server.discard
    )


def append(bootstrap, topic, values):
    failures = []
    producer = Producer(producer_config(bootstrap, client_id="test"))
    for value in values:
        producer.produce(
            topic, value, on_delivery=lambda error, _: failures.append(error) if error else None
        )
    assert producer.flush(30) == 0
    assert failures == []


def read_all(bootstrap, topic, partition=0):
    consumer = Consumer(reader_config(bootstrap, client_id="test"))
    consumer.assign([TopicPartition(topic, partition, 0)])
    values = []
    end = time.monotonic() + 30
    while time.monotonic() < end:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            break
        values.append(message.value())
    consumer.close()
    return values


def test_data_survive_clean_restart_kill_and_pause(tmp_path):
    with own_jars(tmp_path / "kept") as broker:
        bootstrap = broker.bootstrap
        ensure_topics(bootstrap, [TopicSpec(name="kept", partitions=1)])
        append(bootstrap, "kept", [b"before"])
        broker.restart()
        append(bootstrap, "kept", [b"after restart"])
        broker.kill()
        assert broker.pid is None
        broker.restart()
        broker.pause()
        broker.resume()
        append(bootstrap, "kept", [b"after kill"])
        assert broker.bootstrap == bootstrap
        assert read_all(bootstrap, "kept") == [b"before", b"after restart", b"after kill"]
        pid = broker.pid
    assert not process_runs(pid)
    assert (tmp_path / "kept" / "data" / "meta.properties").is_file()


def test_broker_and_its_data_end_with_a_parent_that_is_killed():
    program = (
        "import os, sys\n"
        "from streams.kafka.jars import JarServer, find_jars\n"
        "from pathlib import Path\n"
        "server = JarServer(find_jars(Path(sys.argv[1]), os.environ), data_dir=None, heap_mb=256)\n"
        "server.start()\n"
        "print(server.pid, server._dir, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(REPOSITORY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as parent:
        pid, scratch = parent.stdout.readline().split()
        assert process_runs(int(pid))
        parent.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not process_runs(int(pid)))
    assert wait_for(lambda: not Path(scratch).exists())


def test_broker_that_cannot_start_says_what_its_log_says(tmp_path):
    server = JarServer(find_jars(REPOSITORY, os.environ), data_dir=tmp_path / "kafka", heap_mb=256)
    server.start()
    server.stop()
    meta = tmp_path / "kafka" / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=2"))
    with pytest.raises(BrokerUnavailableError, match=r"(?s)exit 1.*Stored node id 2"):
        server.start()
    assert server.pid is None


def test_named_broker_that_is_silent_is_an_error_and_not_passed_over(monkeypatch):
    monkeypatch.setattr("streams.kafka.broker.EXTERNAL_TIMEOUT_S", 1.0)
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:9 does not answer"):
        resolve_broker(environment={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"})


def test_named_broker_is_used_and_left_running(broker):
    with resolve_broker(environment={"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap}) as named:
        assert (named.kind, named.bootstrap) == ("external", broker.bootstrap)
        with pytest.raises(AssertionError, match="not ours"):
            named.kill()
    assert resolve_broker(environment={"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap})


@pytest.mark.parametrize(
    ("java", "sentence"),
    [
        (None, "no java on PATH"),
        ("11.0.2", r"says 'openjdk version \"11\.0\.2\"'; Java 17 or newer"),
    ],
)
def test_refusal_names_every_road(tmp_path, monkeypatch, java, sentence):
    monkeypatch.setattr("streams.kafka.broker.docker_refusal", lambda _: "no engine answers (test)")
    if java is not None:
        script = tmp_path / "java"
        script.write_text(f"#!/bin/sh\necho 'openjdk version \"{java}\"' >&2\n")
        script.chmod(0o755)
    with pytest.raises(BrokerUnavailableError) as raised:
        resolve_broker(environment={"PATH": str(tmp_path)})
    assert raised.match("KAFKA_BOOTSTRAP_SERVERS is not set; Docker: no engine answers")
    assert raised.match(sentence)


def test_container_road_works_or_says_that_it_was_not_run(capsys):
    refusal = docker_refusal(UNNAMED)
    if refusal is None:
        with resolve_broker(environment=UNNAMED) as broker:
            assert broker.kind == "docker"
            ensure_topics(broker.bootstrap, [TopicSpec(name="t", partitions=1)])
        return
    with capsys.disabled():
        sys.stdout.write(f"\ntestcontainers road NOT RUN: {refusal}\n")
    with resolve_broker(environment=UNNAMED) as broker:
        assert broker.kind == "jars"


def test_the_login_of_a_named_broker_is_in_the_settings_of_its_runs(broker):
    environment = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap, "APSE_KAFKA__PASSWORD": "hunter2"}
    named = resolve_broker(environment=environment).settings("run-")
    assert (named.bootstrap, named.scope) == (broker.bootstrap, "run-")
    assert named.password.reveal() == "hunter2"
    assert KafkaSettings(bootstrap=broker.bootstrap, scope="x-") == broker.settings("x-")
