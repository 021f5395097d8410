"""Files for the command line: returns with late starts, holes and an end, and a portfolio file."""

import datetime as dt

import numpy as np

NAMES = ("arb-a", "mm-d", "rev-c", "trend-b")
BARS = 160

POLICY = """\
portfolio_id: main
bar: 1d
periods_per_year: 252
strategies: {from_returns: true}
estimation: {window_bars: 60, min_bars: 20, windows: [20, 60], covariance: sample}
objective: {type: min_variance}
constraints: {weight_max: 0.6}
costs: {linear_bps: 5}
rebalance: {schedule: weekly, drift: {max_abs: 0.05}}
"""


def ragged_values(seed=7, bars=BARS):
    """Returns (bars, 4): one starts late, one ends early, one has holes."""
    values = 0.01 * np.random.default_rng(seed).standard_normal((bars, 4)) + 0.0004
    values[:25, 1] = np.nan
    values[120:, 2] = np.nan
    values[50:52, 0] = np.nan
    return values


def weekdays(count, first=dt.date(2020, 1, 1)):
    days = (first + dt.timedelta(days=n) for n in range(2 * count))
    return [day for day in days if day.weekday() < 5][:count]


def write_wide(path, values, names=NAMES):
    lines = ["timestamp," + ",".join(names)]
    for day, row in zip(weekdays(len(values)), values, strict=True):
        cells = ["" if np.isnan(value) else repr(float(value)) for value in row]
        lines.append(f"{day}," + ",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_policy(path, **changes):
    """The portfolio file above, with lines replaced: `constraints="{weight_max: 0.2}"`."""
    lines = dict(line.split(": ", 1) for line in POLICY.splitlines())
    path.write_text("".join(f"{key}: {value}\n" for key, value in (lines | changes).items()))
    return path
