"""Covariance of strategies: exact over given rows, and rolling over bars."""

from streams.core.covariance.batch import (
    CovarianceSpec,
    average_correlation,
    complete_rows,
    covariance,
    parse_covariance,
    psd_distance,
)
from streams.core.covariance.rolling import (
    REBUILD_BARS,
    CovarianceState,
    RollingCovariance,
)
from streams.core.covariance.sums import CovarianceSummary

__all__ = [
    "REBUILD_BARS",
    "CovarianceSpec",
    "CovarianceState",
    "CovarianceSummary",
    "RollingCovariance",
    "average_correlation",
    "complete_rows",
    "covariance",
    "parse_covariance",
    "psd_distance",
]
