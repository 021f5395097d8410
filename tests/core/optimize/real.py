"""Daily returns of stocks from a package that ships them, and problems made of them."""

from functools import lru_cache

import numpy as np
from skfolio.datasets import load_sp500_dataset

from tests.core.optimize.problems import plain

PERIODS = 252.0


@lru_cache
def stock_returns(bars=500, names=10):
    """(T, N) returns of the last bars before the crash of 2020 and through it."""
    prices = load_sp500_dataset().loc["2018-06-01":"2020-12-31"].to_numpy(dtype=np.float64)
    returns = prices[1:] / prices[:-1] - 1.0
    return returns[-bars:, :names]


def stocks(objective, bars=500, names=10, **changes):
    """A long-only problem over them, with weights up to 1."""
    returns = stock_returns(bars, names)
    changes = {
        "objective": objective,
        "risk_aversion": 3.0,
        "scenarios": returns,
        "periods_per_year": PERIODS,
        **changes,
    }
    return plain(
        np.cov(returns, rowvar=False) * PERIODS,
        returns.mean(axis=0) * PERIODS,
        **changes,
    )
