"""How large is one worker with 10 portfolios of 500 strategies over 252 bars?

A process of its own loads what a worker loads, folds the bars, encodes what comes out, takes a
checkpoint image of each portfolio as a worker does, and tells the most it ever had resident.
"""

import subprocess
import sys

from benchmarks.engine import peak_memory_mb
from benchmarks.report import ROOT, Result, alone

PORTFOLIOS = 10
STRATEGIES = 500
BARS = 260  # the windows of 252 are full


def fold(portfolios: int, strategies: int, bars: int) -> None:
    """Fold made-up bars in this process and print the peak."""
    import os  # noqa: PLC0415  # only the measured process needs what follows

    import streams.agents.portfolio  # noqa: F401, PLC0415  # Faust and all else that a worker has
    from benchmarks.worlds import (  # noqa: PLC0415
        default_policy,
        frames_of,
        names_of,
        returns_of,
    )
    from schemas.events import PortfolioRegistration  # noqa: PLC0415
    from schemas.journal import PortfolioRegistered, Position  # noqa: PLC0415
    from schemas.topics import REGISTRY  # noqa: PLC0415
    from streams.core.fold import Shard  # noqa: PLC0415
    from streams.core.outputs import encode_output  # noqa: PLC0415

    shard, names = Shard(0), names_of(strategies)
    policies = [
        default_policy(f"p{number}", names, rebalance={"schedule": "never"})
        for number in range(portfolios)
    ]
    for number, policy in enumerate(policies):
        registration = PortfolioRegistration(
            portfolio_id=policy.portfolio_id, shard=0, policy=policy
        )
        source = Position(REGISTRY.name, 0, number)
        shard.step(
            [(shard.next_offset, PortfolioRegistered(source=source, registration=registration))]
        )
    for rows in frames_of(policies[0], names, returns_of(2, bars, strategies), bars_per_frame=8):
        for output in shard.absorb(rows):
            encode_output(output)
    images = [shard.image_of(name) for name in shard.portfolios]
    print(sum(map(len, images)) / 1e6, peak_memory_mb(os.getpid()))


def run(*, quick: bool) -> list[Result]:  # noqa: ARG001  # a smaller one would say little
    """Measure in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", "--fold", str(PORTFOLIOS)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=600,
    )
    images_mb, peak_mb = map(float, done.stdout.decode().split()[-2:])
    note = f"{PORTFOLIOS} x {STRATEGIES} strategies x {BARS} bars, {images_mb:.0f} MB of images"
    return [Result("memory_mb", peak_mb, "MB", note=note)]


if __name__ == "__main__":
    if "--fold" in sys.argv:
        fold(int(sys.argv[-1]), STRATEGIES, BARS)
    else:
        alone(run)
