"""Processes under one supervisor show their metrics side by side."""

import time

import pytest

from streams.operate.supervisor import Supervisor

COMMANDS = tuple(("tests.observe.show_port", name) for name in ("first", "second", "third"))
PATIENCE_S = 30.0


@pytest.mark.parametrize(("asked", "given"), [("9464", (9464, 9465, 9466)), ("0", (0, 0, 0))])
def test_each_process_takes_the_next_port(tmp_path, asked, given):
    log = tmp_path / "observe-show_port.log"
    with Supervisor(COMMANDS, {"APSE_METRICS__PORT": asked}, logs=tmp_path):
        end_s = time.monotonic() + PATIENCE_S
        while len(log.read_text().splitlines()) < len(COMMANDS):
            assert time.monotonic() < end_s, log.read_text()
            time.sleep(0.05)
    told = dict(line.split() for line in log.read_text().splitlines())
    assert told == {command[1]: str(port) for command, port in zip(COMMANDS, given, strict=True)}
