"""The engine's processes under one supervisor: started, restarted when they leave, ended by id.

A process that leaves resumes from its checkpoint or its committed offsets, so that starting it
again is all there is to do. One that refuses (:data:`streams.agents.crash.EXIT_REFUSED`) is not
started again: a person has to look.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from streams.agents.crash import EXIT_REFUSED
from streams.core.errors import ApseError

Command = tuple[str, ...]
"""A module that is run with ``python -m``, and its arguments."""

INGEST: Final[Command] = ("streams.ingest.service",)
PORTFOLIO: Final[Command] = ("streams.agents.portfolio",)
OPTIMIZER: Final[Command] = ("streams.agents.optimizer",)
ENGINE: Final = (INGEST, PORTFOLIO, OPTIMIZER)

RESTARTS_MAX: Final = 20
BACKOFF_S: Final = 0.5
STOP_TIMEOUT_S: Final = 10.0
_PDEATHSIG: Final = 1  # prctl: a signal to the child when its parent dies


class EngineStoppedError(ApseError):
    """A process refused to go on, or left too often."""


@dataclass(slots=True)
class _Child:
    command: Command
    process: subprocess.Popen[bytes]
    restarts: int = 0
    due_s: float | None = None  # when it is started again


class Supervisor:
    """Runs modules as processes; a context manager.

    Parameters
    ----------
    commands
        What to run; each reads its settings from the environment.
    environment
        Added to this process's own.
    logs
        Folder for one log file a process; None lets them write to our standard error.
    """

    def __init__(
        self,
        commands: tuple[Command, ...],
        environment: Mapping[str, str],
        *,
        logs: Path | None = None,
    ) -> None:
        self._environment = {
            **os.environ,
            **environment,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._logs = logs
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)
        self._children = [_Child(command, self._spawn(command)) for command in commands]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def pid_of(self, command: Command) -> int:
        """Return the process id of a command."""
        return next(child.process.pid for child in self._children if child.command == command)

    def check(self) -> None:
        """Start again what has left. Call it every so often.

        Raises
        ------
        EngineStoppedError
            When a process refused to go on, or has left too often.
        """
        for child in self._children:
            code = child.process.poll()
            if code is None:
                continue
            if code == EXIT_REFUSED or child.restarts >= RESTARTS_MAX:
                why = "refuses to go on" if code == EXIT_REFUSED else f"left {child.restarts} times"
                words = self._last_words(child.command)
                message = f"{child.command[0]} {why}, last with code {code}; {words}"
                raise EngineStoppedError(message)
            now_s = time.monotonic()
            if child.due_s is None:
                child.due_s = now_s + BACKOFF_S
            elif now_s >= child.due_s:
                child.restarts, child.due_s = child.restarts + 1, None
                child.process = self._spawn(child.command)

    def stop(self) -> None:
        """End all processes, kindly first."""
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        end_s = time.monotonic() + STOP_TIMEOUT_S
        for child in self._children:
            try:
                child.process.wait(max(0.1, end_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _spawn(self, command: Command) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", *command]
        if self._logs is None:
            return self._start(argv, None)
        with self._log_of(command).open("ab") as log:
            return self._start(argv, log)

    def _start(self, argv: list[str], log: IO[bytes] | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  # our own modules, and no shell
            argv,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  # one system call, no lock of ours is held
        )

    def _log_of(self, command: Command) -> Path:
        assert self._logs is not None
        return self._logs / f"{command[0].split('.')[1]}-{command[0].split('.')[2]}.log"

    def _last_words(self, command: Command) -> str:
        if self._logs is None:
            return "its log is above"
        lines = self._log_of(command).read_text(errors="replace").splitlines()[-5:]
        return "its last words: " + " | ".join(lines)


def _die_with_parent() -> None:
    """Ask Linux to end this child with its parent: a killed supervisor leaves nothing behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)


def executor(bootstrap: str, scope: str, *arguments: str) -> Command:
    """Return the command of the paper executor."""
    return ("streams.execution.paper", "--bootstrap", bootstrap, "--scope", scope, *arguments)
