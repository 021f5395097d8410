"""What a benchmark finds, how it is timed, and how one is run alone."""

import argparse
import json
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / ".cache" / "bench-venv" / "bin" / "python"
PEER_TIMEOUT_S = 240.0


class Result(NamedTuple):
    """One figure, and that of a peer taken in the same run.

    ``ratio`` says how many times better ours is, whichever way better goes. ``note`` is for the
    printed table, and does not enter the results file.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Return how many times better ours is than the peer's, where there is one."""
        if self.peer_value is None or not self.value or not self.peer_value:
            return None
        more_is_better = self.unit.endswith("/s")
        return self.value / self.peer_value if more_is_better else self.peer_value / self.value

    def as_json(self) -> dict[str, Any]:
        """Return the entry of the results file."""
        fields = ("name", "value", "unit", "peer", "peer_value")
        return {name: short(getattr(self, name)) for name in fields} | {"ratio": short(self.ratio)}

    def line(self) -> str:
        """Return the line of the printed table."""
        peer = "" if self.peer_value is None else f"{self.peer} {short(self.peer_value):,}"
        ratio = "" if self.ratio is None else f"{self.ratio:,.1f} x"
        name, value = f"{self.name:<42}", f"{short(self.value):>12,} {self.unit:<12}"
        return f"{name} {value} {ratio:>9}  {peer}  {self.note}".rstrip()


def short(value: Any) -> Any:
    """Keep four digits of a number: the machine's noise is larger."""
    if not isinstance(value, float) or value == 0.0 or not math.isfinite(value):
        return value
    digits = 3 - math.floor(math.log10(abs(value)))
    return round(value, digits) if digits > 0 else round(value)


def load() -> str:
    """Say how busy the machine is."""
    return f"load {os.getloadavg()[0]:.1f}"


def best_of(work: Callable[[], object], *, rounds: int, warm: int = 1) -> float:
    """Return the seconds of the fastest round: what the work takes when nobody disturbs it."""
    for _ in range(warm):
        work()
    seconds = []
    for _ in range(rounds):
        begun_s = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun_s)
    return min(seconds)


def percentiles_ms(seconds: Iterable[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    p50, p99 = np.percentile(np.array(list(seconds)) * 1e3, [50, 99])
    return float(p50), float(p99)


def peer_answer(module: str, *arguments: str, python: Path = PEERS_PYTHON) -> Any:
    """Run a peer in its own environment; return what it prints as JSON, None where it is absent."""
    if not python.exists():
        return None
    done = subprocess.run(
        [str(python), "-m", f"benchmarks.peers.{module}", *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        timeout=PEER_TIMEOUT_S,
        check=False,
    )
    lines = done.stdout.decode().strip().splitlines()
    if done.returncode or not lines:
        print(f"  peer {module} failed: {done.stderr.decode()[-500:]}")
        return None
    return json.loads(lines[-1])


def alone(run: Callable[..., list[Result]]) -> None:
    """Run one benchmark from the command line and print what it finds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    for result in run(quick=parser.parse_args().quick):
        print(result.line())
