"""Run Apache Kafka's own jars as one local broker process, and stop it again by its id.

The jars come from Maven (``deploy/kafka/pom.xml``); the first start fetches them when they are not
there. A small guard process ends the broker when this process dies without having stopped it.
"""

import base64
import os
import re
import secrets
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.core.errors import BrokerUnavailableError

KAFKA_VERSION = "4.1.0"
JAVA_MAJOR_MIN = 17  # what Kafka 4's broker classes are compiled for
HEAP_MB_DEFAULT = 512  # a few 32 MB records in flight; 230 MB resident when idle
START_TIMEOUT_S = 60.0  # starts take 3 s; a loaded two-core machine took up to 15 s
STOP_TIMEOUT_S = 15.0  # a clean stop takes 0.4 s, then it is killed
MAVEN_TIMEOUT_S = 600.0  # 43 MB of jars over a slow line
LOGS_KEPT = 20
LOG_TAIL_LINES = 15

# Reads until this process closes its end of the pipe, which the kernel also does when it is killed.
_GUARD_SCRIPT = 'read -r _; kill -9 "$1" 2>/dev/null; [ -z "$2" ] || rm -rf -- "$2"'


@dataclass(frozen=True, slots=True, kw_only=True)
class JarHome:
    """Where the jars, the templates and the logs of a local broker are."""

    java: Path
    lib: Path
    templates: Path
    logs: Path


def find_jars(root: Path, environment: Mapping[str, str]) -> JarHome:
    """Find Java and the broker's jars, fetching the jars through Maven when they are missing.

    Parameters
    ----------
    root
        The repository: ``deploy/kafka/pom.xml`` and ``.cache`` are looked for in it.
    environment
        ``JAVA_HOME`` and ``PATH`` are read from here.

    Raises
    ------
    BrokerUnavailableError
        Naming what is missing: the templates, a recent Java, or both jars and Maven.
    """
    templates = root / "deploy" / "kafka"
    pom = templates / "pom.xml"
    if not pom.is_file():
        reason = f"{pom} is not there (the package runs outside its repository)"
        raise BrokerUnavailableError(reason)
    java = _find_java(environment)
    cache = root / ".cache" / "kafka"
    lib = cache / KAFKA_VERSION / "lib"
    if not _jars_complete(lib):
        _fetch_jars(pom, lib, environment)
    return JarHome(java=java, lib=lib, templates=templates, logs=cache / "logs")


def _find_java(environment: Mapping[str, str]) -> Path:
    home = environment.get("JAVA_HOME")
    places = f"{Path(home) / 'bin'}{os.pathsep}{_path(environment)}" if home else _path(environment)
    found = shutil.which("java", path=places)
    if found is None:
        reason = f"no java on PATH and no JAVA_HOME (Java {JAVA_MAJOR_MIN} or newer is needed)"
        raise BrokerUnavailableError(reason)
    said = _run([found, "-version"], timeout_s=30.0)
    version = re.search(r'version "(\d+)', said.stderr)
    if version is None or int(version.group(1)) < JAVA_MAJOR_MIN:
        first_line = next(iter(said.stderr.splitlines()), "nothing")
        reason = f"{found} says {first_line!r}; Java {JAVA_MAJOR_MIN} or newer is needed"
        raise BrokerUnavailableError(reason)
    return Path(found)


def _path(environment: Mapping[str, str]) -> str:
    return environment.get("PATH", os.defpath)


def _jars_complete(lib: Path) -> bool:
    # Maven copies in no fixed order: the server's own jar and the log binding stand for the rest.
    return (lib / f"kafka_2.13-{KAFKA_VERSION}.jar").is_file() and any(lib.glob("log4j-core-*"))


def _fetch_jars(pom: Path, lib: Path, environment: Mapping[str, str]) -> None:
    maven = shutil.which("mvn", path=_path(environment))
    if maven is None:
        reason = f"no jars in {lib} and no mvn on PATH to fetch them"
        raise BrokerUnavailableError(reason)
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    try:
        done = _run(command, timeout_s=MAVEN_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        reason = f"mvn did not fetch the jars within {MAVEN_TIMEOUT_S:.0f} s"
        raise BrokerUnavailableError(reason) from error
    if done.returncode != 0 or not _jars_complete(lib):
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-LOG_TAIL_LINES:])
        reason = f"mvn could not fetch the jars (exit {done.returncode}):\n{tail}"
        raise BrokerUnavailableError(reason)


def _run(command: list[str], *, timeout_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own argument lists, and no shell
        command, capture_output=True, text=True, timeout=timeout_s, check=False
    )


class JarServer:
    """One broker process with its ports, data directory and log; it can be started again."""

    def __init__(self, home: JarHome, *, data_dir: Path | None, heap_mb: int) -> None:
        self._home = home
        self._heap_mb = heap_mb
        self._scratch = data_dir is None
        self._dir = data_dir or Path(tempfile.mkdtemp(prefix="apse-kafka-"))
        self._broker_port, self._controller_port = _free_ports()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._cluster_id = ""
        self.log_path = _new_log(home.logs)

    @property
    def bootstrap(self) -> str:
        """Where clients connect; the same after a restart."""
        return f"127.0.0.1:{self._broker_port}"

    @property
    def pid(self) -> int | None:
        """Id of the running broker process, or None."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Format the data directory if it is new, start the broker, wait until it answers.

        Raises
        ------
        BrokerUnavailableError
            With the last lines of the log, when it ends or does not answer in time.
        """
        assert self._process is None, "the broker runs already"
        properties = self._write_properties()
        self._cluster_id = self._format(properties)
        heap = (f"-Xms{min(self._heap_mb, 256)}m", f"-Xmx{self._heap_mb}m")
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # as in _run
                self._java("kafka.Kafka", str(properties), options=heap),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the program, which then stops the broker
            )
        scratch = str(self._dir) if self._scratch else ""
        self._guard = subprocess.Popen(  # noqa: S603  # a fixed script; its arguments are data
            ["/bin/sh", "-c", _GUARD_SCRIPT, "apse-guard", str(self._process.pid), scratch],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_until_answering()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Let the broker shut down cleanly, within a bound, and keep its data."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the broker at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze the broker: connections stay open and nothing is answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self._running().send_signal(signal.SIGCONT)

    def discard(self) -> None:
        """Stop, and remove the data if its directory was made here."""
        self.stop()
        if self._scratch:
            shutil.rmtree(self._dir, ignore_errors=True)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker does not run"
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process, guard = self._process, self._guard
        self._process = self._guard = None
        if process is not None:
            process.send_signal(signal.SIGCONT)  # a frozen process would not see SIGTERM
            process.send_signal(how)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if guard is not None:
            guard.kill()  # before its pipe is closed: the process id it holds may be given anew
            guard.wait()
            assert guard.stdin is not None
            guard.stdin.close()

    def _java(self, main: str, *arguments: str, options: tuple[str, ...]) -> list[str]:
        return [
            str(self._home.java),
            "-XX:+UseSerialGC",  # one small heap on a shared machine: no collector threads
            # The second compiler took most of a core for the first minutes: few of these brokers
            # live longer than that, and they share the machine with what is measured or tested.
            "-XX:TieredStopAtLevel=1",
            *options,
            f"-Dlog4j2.configurationFile={self._home.templates / 'log4j2.properties'}",
            "-cp",
            f"{self._home.lib}/*",
            main,
            *arguments,
        ]

    def _write_properties(self) -> Path:
        template = string.Template((self._home.templates / "server.properties").read_text())
        text = template.substitute(
            broker_port=self._broker_port,
            controller_port=self._controller_port,
            data_dir=self._dir / "data",
        )
        self._dir.mkdir(parents=True, exist_ok=True)
        path = self._dir / "server.properties"
        path.write_text(text)
        return path

    # Format is a no-op on a directory that was formatted before; its cluster id is read back.
    def _format(self, properties: Path) -> str:
        meta = self._dir / "data" / "meta.properties"
        if not meta.is_file():
            command = self._java(
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={_new_cluster_id()}",
                f"--config={properties}",
                options=("-Xmx128m",),
            )
            done = _run(command, timeout_s=START_TIMEOUT_S)
            if done.returncode != 0:
                reason = f"kafka-storage format failed:\n{done.stdout}{done.stderr}"
                raise BrokerUnavailableError(reason)
        found = re.search(r"^cluster\.id=(\S+)$", meta.read_text(), re.MULTILINE)
        assert found is not None, f"no cluster.id in {meta}"
        return found.group(1)

    def _wait_until_answering(self) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            if self._running().poll() is not None:
                code = self._running().returncode
                reason = f"the broker ended with exit {code}:\n{self.log_tail()}"
                raise BrokerUnavailableError(reason)
            # A client that finds the port closed backs off for longer than the broker needs.
            if _port_open(self._broker_port) and self._answers():
                return
            time.sleep(0.05)
        reason = f"the broker did not answer within {START_TIMEOUT_S:.0f} s:\n{self.log_tail()}"
        raise BrokerUnavailableError(reason)

    # The cluster id tells our broker from one that took the port meanwhile.
    def _answers(self) -> bool:
        with suppress(KafkaException):
            client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
            metadata = client.list_topics(timeout=2.0)
            return bool(metadata.brokers) and metadata.cluster_id == self._cluster_id
        return False

    def log_tail(self) -> str:
        """Last lines of the broker's log, with its path."""
        lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"(from {self.log_path})", *lines])


def _port_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _new_cluster_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")


def _new_log(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("broker-*.log"), key=_modified)[: -LOGS_KEPT + 1]:
        old.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix="broker-", suffix=".log", dir=folder)
    os.close(handle)
    return Path(name)


def _modified(path: Path) -> float:
    with suppress(FileNotFoundError):  # another process may be pruning too
        return path.stat().st_mtime
    return 0.0
