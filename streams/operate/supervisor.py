"""The engine's processes under one supervisor: started, started again when they leave, and ended.

A process that leaves resumes from its checkpoint or its committed offsets, so that starting it
again is all there is to do. One that refuses (:data:`streams.agents.crash.EXIT_REFUSED`) is not
started again: a person has to look.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from streams.agents.crash import EXIT_REFUSED
from streams.core.errors import ApseError
from streams.settings import load_settings

Command = tuple[str, ...]
"""A module that is run with ``python -m``, and its arguments."""

INGEST: Final[Command] = ("streams.ingest.service",)
PORTFOLIO: Final[Command] = ("streams.agents.portfolio",)
OPTIMIZER: Final[Command] = ("streams.agents.optimizer",)
ENGINE: Final = (INGEST, PORTFOLIO, OPTIMIZER)

INSTANCE_VARIABLES: Final = (
    "APSE_INGEST__INSTANCE",
    "APSE_ENGINE__INSTANCE",
    "APSE_OPTIMIZER__INSTANCE",
)
"""Static membership: a process started again gets its partitions back without a rebalance."""

RESTARTS_MAX: Final = 20
"""So often in a row may a process leave before it is given up: some three minutes."""
STEADY_S: Final = 60.0
"""A process that lived so long was well; counting begins anew."""
BACKOFF_S: Final = 0.2
BACKOFF_MAX_S: Final = 10.0
STOP_TIMEOUT_S: Final = 10.0
LAST_WORDS_LINES: Final = 5
_PDEATHSIG: Final = 1  # prctl: a signal to the child when its parent dies


class EngineStoppedError(ApseError):
    """A process refused to go on, or left too often."""


@dataclass(slots=True)
class _Child:
    command: Command
    instance: str
    metrics_port: int
    process: subprocess.Popen[bytes]
    started_s: float
    restarts: int = 0
    due_s: float | None = None  # when it is started again


class Supervisor:
    """Runs modules as processes; a context manager.

    Parameters
    ----------
    commands
        What to run; each reads its settings from the environment.
    environment
        Added to this process's own. Where it asks for metrics, the first command shows them at the
        port named, and the others at the next ones.
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
        us = f"{socket.gethostname()}-{os.getpid()}"
        first_port = load_settings(self._environment).metrics.port
        self._children: list[_Child] = []
        for number, command in enumerate(commands):
            instance = f"{us}-{id(self)}-{number}"
            port = first_port + number if first_port else 0
            process = self._spawn(command, instance, port)
            self._children.append(_Child(command, instance, port, process, time.monotonic()))

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
            When a process refused to go on, or has left too often in a row.
        """
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                self._restart(child, code)

    def _restart(self, child: _Child, code: int) -> None:
        now_s = time.monotonic()
        if child.due_s is None:
            if now_s - child.started_s > STEADY_S:
                child.restarts = 0
            if code == EXIT_REFUSED or child.restarts >= RESTARTS_MAX:
                refused = code == EXIT_REFUSED
                why = "refuses to go on" if refused else f"left {child.restarts + 1} times"
                words = self._last_words(child.command)
                message = f"{child.command[0]} {why}, last with code {code}; {words}"
                raise EngineStoppedError(message)
            child.due_s = now_s + min(BACKOFF_S * 2**child.restarts, BACKOFF_MAX_S)
        elif now_s >= child.due_s:
            child.restarts, child.due_s, child.started_s = child.restarts + 1, None, now_s
            child.process = self._spawn(child.command, child.instance, child.metrics_port)

    def stop(self) -> None:
        """End all processes, kindly first."""
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
                child.process.send_signal(signal.SIGCONT)  # one that is frozen ends as well
        end_s = time.monotonic() + STOP_TIMEOUT_S
        for child in self._children:
            try:
                child.process.wait(max(0.1, end_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _spawn(self, command: Command, instance: str, port: int) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", *command]
        environment = dict.fromkeys(INSTANCE_VARIABLES, instance) | self._environment
        environment["APSE_METRICS__PORT"] = str(port)
        if self._logs is None:
            return _start(argv, environment, None)
        with self._log_of(command).open("ab") as log:
            return _start(argv, environment, log)

    def _log_of(self, command: Command) -> Path:
        assert self._logs is not None
        return self._logs / f"{'-'.join(command[0].split('.')[1:3])}.log"

    def _last_words(self, command: Command) -> str:
        if self._logs is None:
            return "its log is above"
        lines = self._log_of(command).read_text(errors="replace").splitlines()
        return "its last words: " + " | ".join(lines[-LAST_WORDS_LINES:])


def _start(
    argv: list[str], environment: Mapping[str, str], log: IO[bytes] | None
) -> subprocess.Popen[bytes]:
    # The commands are modules of ours. Between fork and exec only one ready C function is called.
    return subprocess.Popen(  # noqa: S603  # see above
        argv,
        env=environment,
        stdin=None if log is None else subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  # see above
    )


def _prctl() -> Callable[..., object] | None:
    if sys.platform != "linux":
        return None
    function: Callable[..., object] = ctypes.CDLL(None).prctl
    return function


_PRCTL: Final = _prctl()


def _die_with_parent() -> None:
    """Ask Linux to end this child with its parent: a killed supervisor leaves nothing behind."""
    if _PRCTL is not None:
        _PRCTL(_PDEATHSIG, signal.SIGTERM)


def executor(bootstrap: str, scope: str, *arguments: str) -> Command:
    """Return the command of the paper executor."""
    return ("streams.execution.paper", "--bootstrap", bootstrap, "--scope", scope, *arguments)
