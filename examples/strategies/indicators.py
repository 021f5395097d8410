"""Causal indicators: row s of every result uses rows up to s only; warm-up rows are NaN."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from examples.strategies.prices import BoolArray, FloatArray

STOCK_VOLATILITY_BARS = 63
STOCK_VOLATILITY_MIN = 0.003  # a day; quoted stocks of the file stay above it over any quarter


def change(close: FloatArray, bars: int) -> FloatArray:
    """Return close[s] / close[s - bars] - 1."""
    moved = np.full_like(close, np.nan)
    moved[bars:] = close[bars:] / close[:-bars] - 1.0
    return moved


def windows(values: FloatArray, bars: int) -> FloatArray:
    """Return a view of the trailing windows, shape (max(0, L - bars + 1), ..., bars)."""
    if len(values) < bars:
        return np.empty((0, *values.shape[1:], bars))
    return sliding_window_view(values, bars, axis=0)


def padded(values: FloatArray, length: int) -> FloatArray:
    """Put NaN rows in front of `values` until it has `length` rows."""
    full = np.full((length, *values.shape[1:]), np.nan)
    if len(values):
        full[length - len(values) :] = values
    return full


def rolling_mean(values: FloatArray, bars: int) -> FloatArray:
    """Return the mean of the last `bars` rows, the present one included."""
    return padded(windows(values, bars).mean(axis=-1), len(values))


def rolling_max(values: FloatArray, bars: int) -> FloatArray:
    """Return the maximum of the last `bars` rows, the present one included."""
    return padded(windows(values, bars).max(axis=-1), len(values))


def rolling_std(values: FloatArray, bars: int) -> FloatArray:
    """Return the standard deviation (ddof 1) of the last `bars` rows."""
    # a column at a time: the deviations of all windows of all columns at once are 100 MB
    columns = [windows(column, bars).std(axis=-1, ddof=1) for column in values.T]
    return padded(np.stack(columns, axis=-1), len(values))


def zscore(values: FloatArray, bars: int) -> FloatArray:
    """Return (value - rolling mean) / rolling std; 0 where nothing varied."""
    deviation = values - rolling_mean(values, bars)
    spread = rolling_std(values, bars)
    # asked of the values: the deviation of equal values is only nearly 0 after rounding
    varied = rolling_max(values, bars) > -rolling_max(-values, bars)
    score = np.where(np.isnan(spread), np.nan, 0.0)
    np.divide(deviation, spread, out=score, where=varied)
    return score


def stock_volatility(returns: FloatArray) -> FloatArray:
    """Return the daily deviation over the last 63 bars, at least 0.3 %.

    A price that is not quoted stands still, and a weight in inverse volatility would be boundless.
    """
    return np.maximum(rolling_std(returns, STOCK_VOLATILITY_BARS), STOCK_VOLATILITY_MIN)


def held_every(wanted: FloatArray, bars: int) -> FloatArray:
    """Keep each `bars`-th row, counted from the first, until the next one."""
    anchors = np.arange(len(wanted)) // bars * bars
    return wanted[anchors]


def rsi(close: FloatArray, bars: int) -> FloatArray:
    """Return Wilder's relative strength index, 0 to 100; 50 where nothing moved.

    Source: J. W. Wilder, "New Concepts in Technical Trading Systems", 1978: gains and losses
    smoothed with factor 1 / bars, started from their plain mean over the first `bars` changes.
    """
    index = np.full_like(close, np.nan)
    if len(close) <= bars:
        return index
    moves = np.diff(close, axis=0)
    gains, losses = np.maximum(moves, 0.0), np.maximum(-moves, 0.0)
    gain, loss = gains[:bars].mean(axis=0), losses[:bars].mean(axis=0)
    index[bars] = _strength(gain, loss)
    for row in range(bars, len(moves)):
        gain = gain + (gains[row] - gain) / bars
        loss = loss + (losses[row] - loss) / bars
        index[row + 1] = _strength(gain, loss)
    return index


def _strength(gain: FloatArray, loss: FloatArray) -> FloatArray:
    total = gain + loss
    return np.where(total > 0.0, 100.0 * gain / np.where(total > 0.0, total, 1.0), 50.0)


def latched(enter: BoolArray, leave: BoolArray) -> FloatArray:
    """Return 1 from a bar where `enter` holds up to the bar before `leave` holds, else 0.

    Where both hold, `leave` wins. Shape (L, N) in and out.
    """
    row = np.arange(len(enter))[:, None]
    entered = np.maximum.accumulate(np.where(enter & ~leave, row, -1), axis=0)
    left = np.maximum.accumulate(np.where(leave, row, -1), axis=0)
    return (entered > left).astype(np.float64)


def undefined_as(state: FloatArray, basis: FloatArray) -> FloatArray:
    """Return `state` with NaN wherever the indicator it was read from is NaN."""
    return np.where(np.isnan(basis), np.nan, state)
