"""What do all rolling figures of 1000 strategies cost a bar, against pandas?

Fourteen metrics over windows of 20, 60 and 252 bars, the shape of returns and the standard error
of the Sharpe ratio over each, and all of docs/metrics.md over 252. The peer computes but three of
them (mean, volatility, and worst return) over the longest window, of the newest bar alone.
"""

import numpy as np
import pandas as pd

from benchmarks.report import Result, alone, best_of, load
from benchmarks.worlds import returns_of
from streams.core.metrics import METRICS, all_window_metrics
from streams.core.performance import Asked, Performance
from streams.core.windows import RollingWindows

STRATEGIES = 1_000
WINDOWS = (20, 60, 252)
BARS = 320
PERIODS = 252.0


def run(*, quick: bool) -> list[Result]:
    """Time a push and the metrics after it."""
    returns = returns_of(4, BARS, STRATEGIES)
    windows = RollingWindows(WINDOWS, STRATEGIES)
    for row in returns[:-1]:
        windows.push(row)
    rows = iter(returns.tolist() * (1 if quick else 3))

    performance = Performance(WINDOWS, WINDOWS[-1], Asked(periods_per_year=PERIODS))
    own = np.zeros(WINDOWS[-1] + 1)

    def bar() -> None:
        windows.push(returns[next_row()])
        block = all_window_metrics(windows, PERIODS)
        low = -block.values[METRICS.index("var_95"), -1:]
        performance.advance(windows.values(len(own)), own, windows.count, 1, low)

    def next_row() -> int:
        next(rows)
        return windows.count % BARS

    seconds = best_of(bar, rounds=50 if quick else 200)
    newest = pd.DataFrame(returns).tail(WINDOWS[-1])
    peer = best_of(lambda: (newest.mean(), newest.std(), newest.min()), rounds=20)
    name = "metrics_per_bar_n1000"
    return [Result(name, seconds * 1e6, "us", "pandas, 3 of 62 figures", peer * 1e6, load())]


if __name__ == "__main__":
    alone(run)
