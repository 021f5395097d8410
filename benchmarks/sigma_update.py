"""What does a bar cost the covariance, against pandas, river and skfolio?"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.report import Result, alone, best_of, load, peer_answer
from benchmarks.worlds import returns_of
from streams.core.arrays import FloatArray
from streams.core.covariance import CovarianceSpec, RollingCovariance
from streams.core.windows import RollingWindows

WINDOW = 252
SIZES = (50, 200, 1000, 2000)
BARS = 256  # four rebuilds of the sums: their share is in the mean
ROUNDS_COLUMNS = 1_000  # the fewer columns, the more a pause of the machine weighs: more rounds

# What the window leaves out of such weights is 3e-8 of them: one and the same matrix.
HALF_LIFE = 10
SAMPLE = CovarianceSpec(kind="sample")


def ours(returns: FloatArray, spec: CovarianceSpec = SAMPLE) -> tuple[float, FloatArray]:
    """Return the mean seconds of an update, exact rebuilds included, and the last matrix."""
    columns = np.arange(returns.shape[1])
    windows = RollingWindows((WINDOW,), returns.shape[1], RollingCovariance.history(WINDOW))
    for row in returns[:WINDOW]:
        windows.push(row)
    rolling = RollingCovariance(windows, WINDOW, spec, columns)
    seconds = 0.0
    for row in returns[WINDOW:]:
        windows.push(row)
        begun_s = time.perf_counter()
        rolling.push(windows)
        seconds += time.perf_counter() - begun_s
    return seconds / (len(returns) - WINDOW), rolling.matrix()


def pandas_seconds(returns: FloatArray, last: FloatArray, *, quick: bool) -> float:
    """Return the seconds of a bar in the faster of the two ways that pandas has."""
    table = pd.DataFrame(returns)
    newest = table.tail(WINDOW)
    np.testing.assert_allclose(last, newest.cov().to_numpy(), rtol=1e-8, atol=1e-16)
    seconds = best_of(newest.cov, rounds=2 if quick else 5)
    if returns.shape[1] > 100:  # a rolling table of all pairs takes minutes
        return seconds
    rolling = best_of(lambda: table.rolling(WINDOW).cov(), rounds=1, warm=0) / len(table)
    return min(seconds, rolling)


def skfolio_seconds(returns: FloatArray, last: FloatArray) -> float:
    """Return the mean seconds of an online update of skfolio's covariance, without its repair."""
    from skfolio.moments import EWCovariance  # noqa: PLC0415  # two seconds to load: only when run

    model = EWCovariance(half_life=HALF_LIFE, nearest=False)
    model.partial_fit(returns[:WINDOW])
    begun_s = time.perf_counter()
    for row in returns[WINDOW:]:
        model.partial_fit(row[None])
    seconds = (time.perf_counter() - begun_s) / (len(returns) - WINDOW)
    np.testing.assert_allclose(model.covariance_, last, rtol=0, atol=1e-6 * last.diagonal().max())
    return seconds


def run(*, quick: bool) -> list[Result]:
    """Time an update at each size; the matrices must agree."""
    results = []
    for size in SIZES[: 3 if quick else None]:
        returns = returns_of(size, WINDOW + BARS, size)
        seconds, last = ours(returns)
        for _ in range(1 if quick else max(2, ROUNDS_COLUMNS // size)):
            seconds = min(seconds, ours(returns)[0])
        peer = pandas_seconds(returns, last, quick=quick)
        name = f"sigma_update_n{size}"
        results.append(Result(name, seconds * 1e6, "us", "pandas", peer * 1e6, load()))
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "returns.json"
            place.write_text(json.dumps(returns[: 40 if size == SIZES[0] else 3].tolist()))
            river = peer_answer("river_covariance", str(place))
        if river is not None:
            results.append(Result(f"{name}_river", seconds * 1e6, "us", "river", river * 1e6))
        few = returns[: WINDOW + 64]  # a rebuild and what is between two
        spec = CovarianceSpec(kind="ewma", decay=0.5 ** (1.0 / HALF_LIFE))
        weighted, last = ours(few, spec)
        for _ in range(1 if quick else max(2, ROUNDS_COLUMNS // size)):
            weighted = min(weighted, ours(few, spec)[0])
        skfolio = skfolio_seconds(few, last)
        name = f"sigma_update_ewma_n{size}_skfolio"
        results.append(Result(name, weighted * 1e6, "us", "skfolio partial_fit", skfolio * 1e6))
    return results


if __name__ == "__main__":
    alone(run)
