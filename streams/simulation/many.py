"""Many seeds, in processes of their own.

A module beside ``__main__``: a spawned process does not import that one again.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from threadpoolctl import threadpool_limits

from streams.simulation.scenario import Tally
from streams.simulation.world import Failure, World

BATCH_SEEDS: Final = 25

Result = tuple[Tally, list[Failure]]


def run_seeds(seeds: Iterable[int]) -> Result:
    """Run some seeds; return what happened, and what failed."""
    tally, failures = Tally(), []
    for seed in seeds:
        world = World(seed)
        failure = world.run()
        tally.add(world.site.tally)
        if failure is not None:
            failures.append(failure)
    return tally, failures


def run_many(
    first: int, count: int, processes: int, after: Callable[[int, list[Failure]], None]
) -> Result:
    """Run seeds from ``first`` on; ``after`` is told of each batch: its size, its failures."""
    batches = [
        range(start, min(start + BATCH_SEEDS, first + count))
        for start in range(first, first + count, BATCH_SEEDS)
    ]
    tally, failures = Tally(), list[Failure]()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, threadpool_limits, (1,)) as pool:
        for batch, (happened, failed) in zip(batches, pool.map(run_seeds, batches), strict=True):
            tally.add(happened)
            failures += failed
            after(len(batch), failed)
    return tally, failures
