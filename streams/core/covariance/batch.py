"""Covariance of given rows, exactly: what the rolling one must equal, and what decisions use."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from streams.core.arrays import FloatArray, IntArray
from streams.core.covariance.moments import (
    ROWS_MIN,
    centre,
    correlation_of,
    effective_count,
    ewma_weights,
    gram,
    require_finite,
    scaled,
    winsorized,
)
from streams.core.covariance.ragged import RaggedMoments, congruent_moments, pairwise_moments
from streams.core.covariance.shrink import (
    oas_shrinkage,
    shrinkage,
    towards_blocks,
    towards_constant_correlation,
    towards_identity,
)
from streams.core.covariance.spec import CovarianceSpec, covariance_spec, parse_covariance
from streams.core.covariance.spectral import denoised, factor_model, psd_distance
from streams.core.errors import ConfigError, DataError

__all__ = [
    "ROWS_MIN",
    "CovarianceEstimate",
    "CovarianceSpec",
    "average_correlation",
    "centre",
    "complete_rows",
    "covariance",
    "covariance_spec",
    "estimate",
    "ewma_weights",
    "finish",
    "parse_covariance",
    "psd_distance",
    "require_finite",
    "shrinkage",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CovarianceEstimate:
    """A covariance, and what became of it on the way.

    Attributes
    ----------
    matrix
        (N, N) per bar^2, exactly symmetric, positive semi-definite up to rounding.
    n_effective
        Equally weighted complete rows that say as much.
    shrinkage
        Share of the target; None where there is none.
    factors
        Eigenvalues kept as signal; None where all are.
    repair_distance
        Share of their Frobenius norm that a repair moved the correlations by.
    """

    matrix: FloatArray
    n_effective: float
    shrinkage: float | None = None
    factors: int | None = None
    repair_distance: float = 0.0


def complete_rows(values: FloatArray, columns: IntArray) -> tuple[FloatArray, int]:
    """Keep the rows in which every one of the columns has a value.

    Parameters
    ----------
    values
        (T, N) returns, oldest first, NaN = missing.
    columns
        (M,) the eligible columns, in the order wanted.

    Returns
    -------
    rows : FloatArray
        (n, M), oldest first, without NaN.
    n_common : int
        n.
    """
    chosen = values[:, columns]
    rows = chosen[~np.isnan(chosen).any(axis=1)]
    return rows, len(rows)


def estimate(values: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    """Estimate the covariance per bar of rows, with or without holes.

    Parameters
    ----------
    values
        (T, N), oldest first, NaN = missing.
    spec
        Which estimator, and what it does with holes.

    Raises
    ------
    DataError
        Fewer than two complete rows (of all columns, or as `spec.ragged` says), too few columns, a
        repair beyond its limit, or returns too large for their products to be numbers.
    ConfigError
        An estimator that needs complete rows, with `spec.ragged` of another kind.
    """
    if spec.winsorize is not None:
        values = winsorized(values, spec.winsorize)
    with np.errstate(all="ignore"):  # what overflows is refused below
        if spec.ragged == "complete_rows":
            rows = values[~np.isnan(values).any(axis=1)]
            if len(rows) < ROWS_MIN:
                msg = f"covariance needs at least {ROWS_MIN} complete rows, there are {len(rows)}"
                raise DataError(msg)
            done = _of_complete(rows, spec)
        else:
            done = _of_ragged(values, spec)
    require_finite(done.matrix)
    return done


def covariance(rows: FloatArray, spec: CovarianceSpec) -> FloatArray:
    """Estimate the covariance per bar of complete rows.

    `sample`: about the mean, divided by n - 1. `ewma`: about zero, weights decay^k normalised to
    1, k = 0 the newest row. `ledoit_wolf`: the moments about the mean divided by n, shrunk to a
    multiple of the identity: Ledoit and Wolf (2004), "A well-conditioned estimator for
    large-dimensional covariance matrices", section 3.3. docs/estimates.md has them all.

    Parameters
    ----------
    rows
        (n, N), n >= 2, oldest first, finite.
    spec
        Which of them.

    Returns
    -------
    FloatArray
        (N, N) per bar^2, exactly symmetric, positive semi-definite up to rounding.

    Raises
    ------
    DataError
        Fewer than two rows, or returns too large for their products to be numbers.
    """
    assert rows.shape[1] > 0, rows.shape
    return estimate(rows, spec).matrix


def finish(online: FloatArray, rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    """Make the estimate from the matrix that `spec.online` has at hand.

    Parameters
    ----------
    online
        (N, N) the covariance by `spec.online` of the complete rows.
    rows
        (T, N) the same bars with their holes.
    spec
        Which estimator; `is_finished_online`.

    Returns
    -------
    CovarianceEstimate
        What `estimate` gives, up to the rounding of the sums that were kept.
    """
    assert spec.is_finished_online, spec
    complete = rows[~np.isnan(rows).any(axis=1)]
    count = len(complete)
    if spec.is_online:
        n_effective = _effective(count, spec.decay)
        return CovarianceEstimate(matrix=online, n_effective=n_effective)
    with np.errstate(all="ignore"):
        if spec.kind == "ewma_split":
            done = _split(online, complete, spec)
        else:
            done = _from_moments(online, float(count), spec)
    require_finite(done.matrix)
    return done


def average_correlation(matrix: FloatArray, weights: FloatArray | None = None) -> float | None:
    """Average the pairwise correlations, each pair with the risk the weights put on it.

    With v = w * sigma: sum over i != j of v_i v_j rho_ij, divided by that of v_i v_j.

    Parameters
    ----------
    matrix
        (N, N) covariance, any time unit.
    weights
        (N,) w; None = equal v, the plain average over pairs.

    Returns
    -------
    float or None
        None where no pair carries risk: fewer than two columns with variance and weight.
    """
    deviations = np.sqrt(np.diag(matrix))
    live = deviations > 0.0
    inverse = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=live)
    risk = live.astype(np.float64) if weights is None else weights * deviations
    direction = risk * inverse
    if (largest := np.abs(risk).max(initial=0.0)) > 1e150:  # noqa: PLR2004  its square would overflow
        risk, direction = risk / largest, direction / largest  # any unit will do
    own = float(risk @ risk)
    pairs = float(risk.sum()) ** 2 - own
    # Two equal risks give pairs = own; a lone one leaves only the rounding of its square.
    if pairs <= own * np.finfo(np.float64).eps * len(risk):
        return None
    average = (float(direction @ matrix @ direction) - own) / pairs
    return min(max(average, -1.0), 1.0) if weights is None else average


# ---------------------------------------------------------------- complete rows


def _sample(rows: FloatArray, _spec: CovarianceSpec) -> CovarianceEstimate:
    count = len(rows)
    return CovarianceEstimate(
        matrix=gram(rows - centre(rows)) / (count - 1), n_effective=float(count)
    )


def _ewma(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    assert spec.decay is not None, spec
    weights = ewma_weights(len(rows), spec.decay)
    matrix = gram(rows * np.sqrt(weights)[:, None])
    return CovarianceEstimate(matrix=matrix, n_effective=effective_count(weights))


def _ewma_split(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    return _split(_ewma(rows, spec).matrix, rows, spec)


def _ledoit_wolf(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    centred, moments, count = _central(rows, spec)
    norms = np.einsum("ij,ij->i", centred, centred)
    if spec.decay is None:
        fourth = float(norms @ norms)
    else:
        fourth = count * float(ewma_weights(len(rows), spec.decay) @ (norms * norms))
    diagonal = np.diag_indices(len(moments))
    apart = moments.copy()
    apart[diagonal] -= float(moments[diagonal].mean())
    share = shrinkage(
        distance=float(np.vdot(apart, apart)),
        total=float(np.vdot(moments, moments)),
        norms_squared=fourth,
        count=count,
    )
    towards_identity(moments, share)
    return CovarianceEstimate(matrix=moments, n_effective=count, shrinkage=share)


def _oas(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    _, moments, count = _central(rows, spec)
    share = oas_shrinkage(moments, count)
    towards_identity(moments, share)
    return CovarianceEstimate(matrix=moments, n_effective=count, shrinkage=share)


def _constant_correlation(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    centred, moments, count = _central(rows, spec)
    matrix, share = towards_constant_correlation(centred, moments)
    return CovarianceEstimate(matrix=matrix, n_effective=count, shrinkage=share)


def _cluster_block(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    assert spec.limit is not None, spec
    centred, moments, count = _central(rows, spec)
    matrix, share = towards_blocks(centred, moments, spec.limit)
    return CovarianceEstimate(matrix=matrix, n_effective=count, shrinkage=share)


def _denoise(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    return _from_moments(_sample(rows, spec).matrix, float(len(rows)), spec)


def _factor(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    sample = _sample(rows, spec).matrix
    return _from_moments(sample, float(len(rows)), spec, rows - centre(rows))


_ESTIMATORS: Final[dict[str, Callable[[FloatArray, CovarianceSpec], CovarianceEstimate]]] = {
    "sample": _sample,
    "ewma": _ewma,
    "ewma_split": _ewma_split,
    "ledoit_wolf": _ledoit_wolf,
    "oas": _oas,
    "constant_correlation": _constant_correlation,
    "cluster_block": _cluster_block,
    "denoise": _denoise,
    "factor": _factor,
}


def _of_complete(rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    return _ESTIMATORS[spec.kind](rows, spec)


# Rows about their (weighted) mean, their moments divided by n, and how many rows that is worth.
def _central(rows: FloatArray, spec: CovarianceSpec) -> tuple[FloatArray, FloatArray, float]:
    if spec.decay is None:
        centred = rows - centre(rows)
        return centred, gram(centred) / len(rows), float(len(rows))
    weights = ewma_weights(len(rows), spec.decay)
    centred = rows - centre(rows, weights)
    return centred, gram(centred * np.sqrt(weights)[:, None]), effective_count(weights)


# Correlations of one memory, variances of another.
def _split(correlated: FloatArray, rows: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    assert spec.decay is not None, spec
    assert spec.volatility_decay is not None, spec
    variances = ewma_weights(len(rows), spec.volatility_decay) @ (rows * rows)
    return CovarianceEstimate(
        matrix=_with_variances(correlated, variances),
        n_effective=_effective(len(rows), spec.decay),
    )


def _with_variances(matrix: FloatArray, variances: FloatArray) -> FloatArray:
    correlation, _ = correlation_of(matrix)
    out = scaled(correlation, np.sqrt(variances))
    np.fill_diagonal(out, variances)
    return out


def _effective(count: int, decay: float | None) -> float:
    return float(count) if decay is None else effective_count(ewma_weights(count, decay))


# ---------------------------------------------------------------- from second moments alone


# What needs no more than the sample covariance (divided by n - 1) and n.
def _from_moments(
    sample: FloatArray, count: float, spec: CovarianceSpec, centred: FloatArray | None = None
) -> CovarianceEstimate:
    if not np.isfinite(sample).all():
        return CovarianceEstimate(matrix=sample, n_effective=count)  # the caller refuses it
    if spec.kind == "denoise":
        matrix, factors = denoised(sample, count)
        return CovarianceEstimate(matrix=matrix, n_effective=count, factors=factors)
    if spec.kind == "factor":
        matrix, factors = factor_model(sample, count, spec.factors, centred)
        return CovarianceEstimate(matrix=matrix, n_effective=count, factors=factors)
    assert spec.kind == "oas", spec
    moments = sample * ((count - 1.0) / count) if spec.decay is None else sample.copy()
    share = oas_shrinkage(moments, count)
    towards_identity(moments, share)
    return CovarianceEstimate(matrix=moments, n_effective=count, shrinkage=share)


def _of_ragged(values: FloatArray, spec: CovarianceSpec) -> CovarianceEstimate:
    if spec.kind in {"ledoit_wolf", "constant_correlation", "cluster_block"}:
        msg = (
            f"estimation.ragged {spec.ragged} is of no use to covariance {spec.kind}, which needs "
            "complete rows; expected sample, ewma, ewma_split, oas, denoise or factor"
        )
        raise ConfigError(msg)
    moments_of = pairwise_moments if spec.ragged == "pairwise" else congruent_moments
    found = moments_of(values, spec.decay)
    if spec.kind in {"sample", "ewma"}:
        done = CovarianceEstimate(matrix=found.matrix, n_effective=found.count)
    elif spec.kind == "ewma_split":
        done = _split_ragged(found, values, spec)
    else:
        done = _from_moments(found.matrix, found.count, spec)
    return replace(done, repair_distance=found.distance)


def _split_ragged(
    correlated: RaggedMoments, values: FloatArray, spec: CovarianceSpec
) -> CovarianceEstimate:
    assert spec.volatility_decay is not None, spec
    # On the diagonal a column's rows are its own, and no repair moves it.
    variances = np.array(
        [
            float(ewma_weights(len(own), spec.volatility_decay) @ (own * own))
            for own in (column[~np.isnan(column)] for column in values.T)
        ]
    )
    return CovarianceEstimate(
        matrix=_with_variances(correlated.matrix, variances), n_effective=correlated.count
    )
