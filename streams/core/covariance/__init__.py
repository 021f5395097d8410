"""Covariance of strategies: exact over given rows, and rolling over bars."""

from streams.core.covariance.batch import (
    CovarianceEstimate,
    average_correlation,
    complete_rows,
    covariance,
    estimate,
    finish,
)
from streams.core.covariance.clusters import clusters_of
from streams.core.covariance.rolling import (
    REBUILD_BARS,
    CovarianceState,
    RollingCovariance,
)
from streams.core.covariance.spec import (
    COVARIANCE_LITERALS,
    CovarianceSpec,
    covariance_spec,
    parse_covariance,
)
from streams.core.covariance.spectral import psd_distance
from streams.core.covariance.structure import (
    CLUSTER_LIMIT,
    CovarianceStructure,
    effective_bets,
    structure_of,
    summary_of,
)
from streams.core.covariance.sums import CovarianceSummary

__all__ = [
    "CLUSTER_LIMIT",
    "COVARIANCE_LITERALS",
    "REBUILD_BARS",
    "CovarianceEstimate",
    "CovarianceSpec",
    "CovarianceState",
    "CovarianceStructure",
    "CovarianceSummary",
    "RollingCovariance",
    "average_correlation",
    "clusters_of",
    "complete_rows",
    "covariance",
    "covariance_spec",
    "effective_bets",
    "estimate",
    "finish",
    "parse_covariance",
    "psd_distance",
    "structure_of",
    "summary_of",
]
