"""Processes are started again when they leave, given up when they refuse, ended by their ids."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.agents.crash import EXIT_REFUSED
from streams.operate import supervisor
from streams.operate.supervisor import EngineStoppedError, Supervisor

ROOT = Path(__file__).parents[2]
BOUND_S = 20.0


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that does what its argument says."""
    place = tmp_path / "acting"
    place.mkdir()
    (place / "__init__.py").write_text("")
    (place / "actor.py").write_text("import os, signal, sys, time\nexec(sys.argv[1])\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    return lambda code: ("acting.actor", code)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(supervisor, "BACKOFF_S", 0.01)
    monkeypatch.setattr(supervisor, "BACKOFF_MAX_S", 0.05)


def until(reached, running):
    end_s = time.monotonic() + BOUND_S
    while not reached():
        assert time.monotonic() < end_s
        running.check()
        time.sleep(0.01)


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_process_that_is_killed_is_started_again_under_its_instance_name(module, tmp_path):
    command = module("print(os.environ['APSE_ENGINE__INSTANCE'], flush=True); time.sleep(60)")
    with Supervisor((command,), {}, logs=tmp_path / "logs") as running:
        log = tmp_path / "logs" / "actor.log"
        until(lambda: log.exists() and log.read_text().count("\n") == 1, running)
        first = running.pid_of(command)
        os.kill(first, signal.SIGKILL)
        until(lambda: log.read_text().count("\n") == 2, running)
        second = running.pid_of(command)
        assert first != second
        names = log.read_text().split()
        assert names[0] == names[1]
    assert not alive(second)


def test_two_processes_have_two_instance_names_and_a_given_one_wins(module, tmp_path):
    show = module("print(os.environ['APSE_ENGINE__INSTANCE'], flush=True); time.sleep(60)")
    log = tmp_path / "logs" / "actor.log"
    with Supervisor((show, show), {}, logs=tmp_path / "logs") as running:
        until(lambda: log.exists() and log.read_text().count("\n") == 2, running)
    assert len(set(log.read_text().split())) == 2
    with Supervisor((show,), {"APSE_ENGINE__INSTANCE": "mine"}, logs=tmp_path / "logs") as running:
        until(lambda: log.read_text().count("\n") == 3, running)
    assert log.read_text().split()[2] == "mine"


def test_a_process_that_refuses_is_not_started_again_and_its_words_are_told(module, tmp_path):
    command = module(f"print('the journal is gone'); sys.exit({EXIT_REFUSED})")
    with (
        Supervisor((command,), {}, logs=tmp_path / "logs") as running,
        pytest.raises(EngineStoppedError, match=r"refuses to go on.*the journal is gone"),
    ):
        until(lambda: False, running)
    assert (tmp_path / "logs" / "actor.log").read_text().count("gone") == 1


def test_a_process_that_leaves_at_once_every_time_is_given_up(module, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "RESTARTS_MAX", 3)
    command = module("sys.exit(9)")
    with (
        Supervisor((command,), {}, logs=tmp_path / "logs") as running,
        pytest.raises(EngineStoppedError, match=r"left 4 times, last with code 9"),
    ):
        until(lambda: False, running)


def test_a_process_that_lived_long_is_not_counted_against(module, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "RESTARTS_MAX", 1)
    monkeypatch.setattr(supervisor, "STEADY_S", 0.0)
    log = tmp_path / "logs" / "actor.log"
    command = module("print('up', flush=True); sys.exit(9)")
    with Supervisor((command,), {}, logs=tmp_path / "logs") as running:
        until(lambda: log.exists() and log.read_text().count("up") == 5, running)


def test_a_frozen_process_ends_as_well(module, tmp_path):
    command = module("time.sleep(60)")
    running = Supervisor((command,), {}, logs=tmp_path / "logs")
    pid = running.pid_of(command)
    os.kill(pid, signal.SIGSTOP)
    running.stop()
    assert not alive(pid)


def test_a_supervisor_that_is_killed_leaves_nothing_behind(module):
    (command, act) = module("time.sleep(60)")
    code = (
        "from streams.operate.supervisor import Supervisor; import time, sys\n"
        f"running = Supervisor((({command!r}, {act!r}),), {{}})\n"
        f"print(running.pid_of(({command!r}, {act!r})), flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    end_s = time.monotonic() + BOUND_S
    while alive(child) and time.monotonic() < end_s:
        time.sleep(0.02)
    assert not alive(child)
