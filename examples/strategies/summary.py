"""The table of `README.md`: what each sleeve did, in sample, by its own rule."""

import numpy as np

from examples.strategies.book import SESSIONS_PER_YEAR
from examples.strategies.prices import FloatArray
from examples.strategies.registry import SLEEVES
from examples.strategies.table import SleeveTable

COMMON_BARS_MIN = 252  # fewer common sessions say little about a correlation


def correlations(returns: FloatArray) -> FloatArray:
    """Return (N, N) correlations over the sessions each pair shares; NaN under 252 of them."""
    count = returns.shape[1]
    matrix = np.full((count, count), np.nan)
    alive = np.isfinite(returns)
    for left in range(count):
        for right in range(left):
            both = alive[:, left] & alive[:, right]
            if both.sum() >= COMMON_BARS_MIN:
                pair = np.corrcoef(returns[both, left], returns[both, right])[0, 1]
                matrix[left, right] = matrix[right, left] = pair
    return matrix


def markdown(table: SleeveTable) -> str:
    """Return one row a sleeve and a closing line, as Markdown."""
    matrix = correlations(table.returns)
    cost_bps = {sleeve.id: sleeve.cost_bps for sleeve in SLEEVES}
    lines = [
        "| sleeve | first | last | bars | return % | vol % | Sharpe | max dd % | mean ρ | bps |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for column, sleeve_id in enumerate(table.ids):
        rows = np.flatnonzero(np.isfinite(table.returns[:, column]))
        returns = table.returns[rows, column]
        mean, deviation = returns.mean(), returns.std(ddof=1)
        wealth = np.cumprod(np.concatenate([[1.0], 1.0 + returns]))
        drawdown = (wealth / np.maximum.accumulate(wealth) - 1.0).min()
        lines.append(
            f"| `{sleeve_id}` | {table.sessions[rows[0]]} | {table.sessions[rows[-1]]} "
            f"| {len(rows)} | {100 * mean * SESSIONS_PER_YEAR:.1f} "
            f"| {100 * deviation * SESSIONS_PER_YEAR**0.5:.1f} "
            f"| {mean / deviation * SESSIONS_PER_YEAR**0.5:.2f} | {100 * drawdown:.0f} "
            f"| {np.nanmean(matrix[column]):.2f} | {cost_bps[sleeve_id]:g} |"
        )
    pairs = matrix[np.tril_indices(len(matrix), -1)]
    known = pairs[np.isfinite(pairs)]
    spread = f"from {known.min():.2f} to {known.max():.2f}"
    lines += ["", f"Mean pairwise correlation {known.mean():.2f}, {len(known)} pairs, {spread}."]
    return "\n".join(lines)
