"""Risk parity without limits that bind, by Newton's method; with them it is a modelled program.

Budgets b of risk are met by the minimum of ½y'Σy − Σbᵢ log yᵢ over y > 0, scaled to the budget of
weights (Maillard, Roncalli and Teïletche, 2010; Spinu, 2013). With limits, the volatility is
minimised subject to Σbᵢ log yᵢ ≥ c and all limits scaled with y: the same where none binds.
"""

import numpy as np

from streams.core.arrays import FloatArray

_ROUNDS_MAX = 100
# Newton's decrement: the square of it is the error of the next step.
_SETTLED = 1e-13
# Below this the full step converges (self-concordance, Nesterov and Nemirovskii).
_NEAR = 0.38


def parity_shares(cov: FloatArray, budgets: FloatArray) -> FloatArray | None:
    """Find the shares whose contributions to volatility stand as the budgets.

    Parameters
    ----------
    cov : FloatArray
        (N, N) with a positive diagonal.
    budgets : FloatArray
        (N,) > 0 summing to 1.

    Returns
    -------
    FloatArray or None
        (N,) > 0 summing to 1; None where the iteration does not settle, as when some mix of the
        strategies has no risk.
    """
    volatility = np.sqrt(cov.diagonal())
    corr = cov / volatility / volatility[:, None]
    y = np.sqrt(budgets) / np.sqrt(max(float(corr.mean()), 1.0 / len(cov)) * len(cov))
    for _ in range(_ROUNDS_MAX):
        gradient = corr @ y - budgets / y
        hessian = corr + np.diag(budgets / (y * y))
        try:
            step = np.asarray(np.linalg.solve(hessian, gradient), dtype=np.float64)
        except np.linalg.LinAlgError:
            return None
        decrement = float(np.sqrt(max(float(gradient @ step), 0.0) / float(budgets.min())))
        size = float(np.abs(step / y).max())
        y = y - step / (1.0 if size < _NEAR else 1.0 + size)
        if not np.isfinite(y).all():
            return None
        if decrement < _SETTLED or size < _SETTLED:
            shares = y / volatility
            return np.asarray(shares / shares.sum())
    return None
