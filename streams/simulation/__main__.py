"""Run seeds: ``python -m streams.simulation --seeds 10000``, or one again: ``--seed N``."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

from threadpoolctl import threadpool_limits

from streams.simulation.many import run_many, run_seeds
from streams.simulation.scenario import Tally
from streams.simulation.world import Failure

SEEDS: Final = 10_000
PROCESSES: Final = 2
PROGRESS_SEEDS: Final = 1_000
FAILURES_SHOWN: Final = 10


class Progress:
    """Shows failures as they come, the first few of them, and now and then how far it is."""

    def __init__(self) -> None:
        self._begun_s = time.perf_counter()
        self._done = self._failed = 0

    def __call__(self, seeds: int, failures: list[Failure]) -> None:
        """Take note of a batch."""
        for failure in failures[: max(0, FAILURES_SHOWN - self._failed)]:
            _say(failure.words())
        before, self._done = self._done, self._done + seeds
        self._failed += len(failures)
        if before // PROGRESS_SEEDS < self._done // PROGRESS_SEEDS:
            _say(f"{self._done} seeds, {self._failed} failures, {self.elapsed_s:.0f} s")

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._begun_s


def summary(seeds: int, tally: Tally, failures: int, elapsed_s: float) -> str:
    """Return the line that ends a run."""
    return (
        f"seeds {seeds}, failures {failures}, steps {tally.steps}, crashes {tally.crashes},"
        f" zombies {tally.zombies}, seconds {elapsed_s:.0f}"
        f" ({tally.calm} calm; {tally.decisions} decisions, {tally.commands} commands,"
        f" {tally.republished} rows sent again, {tally.lost} messages lost, {tally.nudges} nudges,"
        f" {tally.releases} releases, {tally.dead_letters} dead letters,"
        f" {tally.stale_answers} answers of an executor that had been replaced)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when every law held on every seed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m streams.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this seed alone")
    parser.add_argument("--first", type=int, default=0, help="first of many seeds")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    options = parser.parse_args(arguments)
    progress = Progress()
    if options.seed is None:
        count = options.seeds
        tally, failures = run_many(options.first, count, options.processes, progress)
    else:
        count = 1
        with threadpool_limits(1):
            tally, failures = run_seeds([options.seed])
        progress(count, failures)
    _say(summary(count, tally, len(failures), progress.elapsed_s))
    return 1 if failures else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
