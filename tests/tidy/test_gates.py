"""The gates fail closed: a tool that fails, or is not there, fails the command that runs it."""

import shutil
import subprocess

import pytest

from tests.tidy.repository import ROOT

TOOLS = ("ruff", "mypy", "lint-imports", "python")
COMMANDS = ("check", "test")


@pytest.fixture
def project(tmp_path):
    """The Makefile alone, with a set-up and tools that only succeed."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "deploy" / "setup").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "bin").mkdir()
    for tool in [
        tmp_path / "deploy" / "setup" / "setup.sh",
        tmp_path / "deploy" / "setup" / "servers.sh",
        *map((tmp_path / "bin").joinpath, TOOLS),
    ]:
        succeed(tool)
    return tmp_path


def succeed(tool):
    tool.write_text(f'#!/bin/sh\necho "ran {tool.name}"\n', encoding="utf-8")
    tool.chmod(0o755)


def run(project, *command):
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "MAKEFLAGS": "BIN=bin"}
    return subprocess.run(
        command,
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_every_gate(project, command):
    done = run(project, "make", command)
    assert done.returncode == 0, done.stderr
    assert [tool for tool in TOOLS if f"ran {tool}" not in done.stdout] == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("breakage", ["fails", "is missing"])
def test_a_broken_gate_fails_its_command(project, command, tool, breakage):
    broken = project / "bin" / tool
    if breakage == "fails":
        broken.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    else:
        broken.unlink()
    assert run(project, "make", command).returncode != 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_failed_set_up_stops_before_the_gates(project, command):
    (project / "deploy" / "setup" / "setup.sh").write_text("exit 1\n", encoding="utf-8")
    done = run(project, "make", command)
    assert done.returncode != 0
    assert "ran " not in done.stdout


def test_continuous_integration_passes_the_failure_on(project):
    assert run(project, "bash", ".ci/run").returncode == 0
    (project / "bin" / "mypy").unlink()
    assert run(project, "bash", ".ci/run").returncode != 0
