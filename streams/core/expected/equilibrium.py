"""Expected returns from a mix that nobody needs to change, and from opinions about it.

Annual throughout: tau scales the covariance of returns to that of their means, 1 / n years' worth.
"""

from collections.abc import Sequence

import numpy as np

from schemas.policy import Equilibrium, View
from streams.core.arrays import FloatArray
from streams.core.errors import DataError
from streams.core.expected.estimators import ExpectedReturns

__all__ = ["black_litterman", "equilibrium_returns", "reference_weights"]

_SHARE_MIN = 1e-12  # of the prior variance of the views: below it they contradict or repeat


def reference_weights(names: Sequence[str], policy: Equilibrium) -> FloatArray:
    """Give the weights of the equilibrium, (N,): equal ones, or the policy's scaled to sum 1.

    Raises
    ------
    DataError
        The given weights of these strategies sum to nothing.
    """
    if not policy.weights:
        return np.full(len(names), 1.0 / len(names))
    weights = np.array([policy.weights.get(name, 0.0) for name in names])
    total = float(weights.sum())
    if total <= 0.0:
        msg = (
            "estimation.equilibrium.weights of the strategies taking part sum to "
            f"{total!r}, expected above 0"
        )
        raise DataError(msg)
    return weights / total


def equilibrium_returns(
    cov_annual: FloatArray, weights: FloatArray, risk_aversion: float, tau: float
) -> ExpectedReturns:
    """Give the returns that make `weights` the optimum: delta Sigma w (Sharpe 1974).

    The standard error is that of the prior, sqrt(tau Sigma_ii): He and Litterman (1999), "The
    intuition behind Black-Litterman model portfolios", section 3.

    Parameters
    ----------
    cov_annual
        (N, N).
    weights
        (N,) of the equilibrium.
    risk_aversion
        delta, as in mu'w - delta / 2 w'Sigma w.
    tau
        Variance of a mean over the variance of an annual return.
    """
    return ExpectedReturns(
        mean=risk_aversion * (cov_annual @ weights),
        standard_error=np.sqrt(tau * np.diag(cov_annual)),
    )


def black_litterman(
    prior: ExpectedReturns,
    cov_annual: FloatArray,
    tau: float,
    names: Sequence[str],
    views: Sequence[View],
) -> ExpectedReturns:
    """Blend the equilibrium with views by how sure each is.

    He and Litterman (1999), appendix B, formulas 8 and 10: mean = Pi + K (Q - P Pi) and covariance
    of the mean tau Sigma - K P tau Sigma, K = tau Sigma P' (P tau Sigma P' + Omega)^-1. Omega is
    diagonal, (1 - c) / c of the prior's own variance of each view at confidence c: a sure view
    holds exactly.

    Parameters
    ----------
    prior
        Annual equilibrium returns.
    cov_annual
        (N, N).
    tau
        As for the prior.
    names
        (N,) ids in the order of the matrix.
    views
        Opinions. One on a strategy that takes no part is left out, and said to be.

    Raises
    ------
    DataError
        Sure views contradict or repeat each other.
    """
    column = {name: i for i, name in enumerate(names)}
    usable = [k for k, view in enumerate(views) if view.strategies.keys() <= column.keys()]
    unused = tuple(k for k in range(len(views)) if k not in usable)
    if not usable:
        return ExpectedReturns(
            mean=prior.mean, standard_error=prior.standard_error, unused_views=unused
        )
    picks = np.zeros((len(usable), len(names)))
    for row, k in enumerate(usable):
        for name, weight in views[k].strategies.items():
            picks[row, column[name]] = weight
    wanted = np.array([views[k].return_annual for k in usable])
    confidence = np.array([views[k].confidence for k in usable])
    spread = tau * (cov_annual @ picks.T)  # (N, K)
    expected_spread = picks @ spread
    own = np.diag(expected_spread).copy()
    blamed = expected_spread + np.diag(own * (1.0 - confidence) / confidence)
    if not _is_invertible(blamed):
        msg = (
            "estimation.views cannot be held at once: views of confidence 1 repeat or contradict "
            "each other, or are on a strategy without variance; expected independent ones"
        )
        raise DataError(msg)
    gain = np.linalg.solve(blamed, spread.T).T  # (N, K)
    mean = prior.mean + gain @ (wanted - picks @ prior.mean)
    variance = tau * np.diag(cov_annual) - np.einsum("ij,ij->i", gain, spread)
    return ExpectedReturns(
        mean=mean,
        standard_error=np.sqrt(np.maximum(variance, 0.0)),
        unused_views=unused,
    )


def _is_invertible(matrix: FloatArray) -> bool:
    scale = np.sqrt(np.diag(matrix))
    if not (scale > 0.0).all():
        return False
    values = np.linalg.eigvalsh(matrix / np.multiply.outer(scale, scale))
    return bool(values[0] > _SHARE_MIN)
