"""A future that did not happen: the same prices up to a session, the opposite moves after it.

Every move after the session is turned round and scaled by chance. Turned round, so that a rule that
peeks at nothing but the sign of a move is caught each time, not every other time.
"""

from dataclasses import replace

import numpy as np


def scrambled_after(prices, row, seed):
    """Replace every price after calendar row `row`."""
    rng = np.random.default_rng(seed)
    panels = {
        name: _panel(getattr(prices, name), row, rng)
        for name in ("stocks", "spx", "factors", "wti")
    }
    bars = {name: _bars(getattr(prices, name), row, rng) for name in ("spx_bars", "nasdaq_bars")}
    return replace(prices, **panels, **bars)


def _other_path(path, known, rng):
    # keep the first `known` rows (one at least, to start from) and walk the other way after them
    known = min(max(1, known), len(path))
    other = path.copy()
    moves = np.diff(np.log(path[known - 1 :]), axis=0)
    turned = -moves * rng.uniform(0.5, 1.5, size=moves.shape)
    other[known:] = path[known - 1] * np.exp(np.cumsum(turned, axis=0))
    return other


def _panel(panel, row, rng):
    return replace(panel, close=_other_path(panel.close, row + 1 - panel.first, rng))


def _bars(bars, row, rng):
    known = min(max(0, row + 1 - bars.first), len(bars.close))
    quotes = np.stack([bars.open, bars.close], axis=1)
    opened, close = _other_path(quotes.ravel(), 2 * known, rng).reshape(-1, 2).T.copy()
    above = np.maximum(opened, close) * rng.uniform(1.0, 1.02, len(close))
    below = np.minimum(opened, close) * rng.uniform(0.98, 1.0, len(close))
    past = np.arange(len(close)) < known
    high, low = np.where(past, bars.high, above), np.where(past, bars.low, below)
    return replace(bars, open=opened, high=high, low=low, close=close)
