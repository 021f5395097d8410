"""The expected returns that a policy asks for."""

from collections.abc import Sequence

import numpy as np

from schemas.policy import Estimation
from streams.core.arrays import FloatArray
from streams.core.expected.equilibrium import (
    black_litterman,
    equilibrium_returns,
    reference_weights,
)
from streams.core.expected.estimators import (
    ExpectedReturns,
    bayes_stein,
    ewma_mean,
    james_stein,
    parse_mean,
    sample_mean,
)

__all__ = ["expected_returns"]


def expected_returns(
    values: FloatArray,
    cov_annual: FloatArray,
    names: Sequence[str],
    estimation: Estimation,
    periods_per_year: float,
) -> ExpectedReturns:
    """Estimate annual expected returns and their standard errors.

    Parameters
    ----------
    values
        (T, N) returns per bar, oldest first; NaN = missing, where `estimation.ragged` keeps such
        rows.
    cov_annual
        (N, N).
    names
        (N,) ids, in the order of the columns.
    estimation
        `mean`, and `equilibrium` and `views` where it needs them.
    periods_per_year
        Bars in a year.

    Returns
    -------
    ExpectedReturns
        Annual. The mean of `sample` is the plain one times `periods_per_year`.

    Raises
    ------
    DataError
        Too few observations, a singular covariance for `bayes_stein`, views that cannot be held at
        once, or an equilibrium without weight.
    """
    spec = parse_mean(estimation.mean)
    if spec.kind in {"equilibrium", "black_litterman"}:
        tau = periods_per_year / max(float((~np.isnan(values)).sum(axis=0).min()), 1.0)
        weights = reference_weights(names, estimation.equilibrium)
        prior = equilibrium_returns(cov_annual, weights, estimation.equilibrium.risk_aversion, tau)
        if spec.kind == "equilibrium":
            return prior
        return black_litterman(prior, cov_annual, tau, names, estimation.views)
    cov = cov_annual / periods_per_year
    deviations = np.sqrt(np.diag(cov))
    if spec.kind == "sample":
        found = sample_mean(values, deviations)
    elif spec.kind == "ewma":
        assert spec.decay is not None, spec
        found = ewma_mean(values, deviations, spec.decay)
    elif spec.kind == "james_stein":
        found = james_stein(values, deviations)
    else:
        found = bayes_stein(values, cov)
    with np.errstate(over="ignore"):  # the caller refuses what is not finite
        return ExpectedReturns(
            mean=found.mean * periods_per_year,
            standard_error=found.standard_error * periods_per_year,
            shrinkage=found.shrinkage,
        )
