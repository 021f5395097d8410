"""Limits on correlation: from the portfolio file and Σ to rows, a penalty, and achieved figures.

Only positive correlation is punished. A pair is capped where even the lower confidence bound of its
correlation is over the limit (Fisher, 1921); over the limit by the estimate alone it is watched.
Clusters are found by average linkage on 1 − ρ⁺ and change with hysteresis: strategies are together
when they are at `cluster_limit` + 0.05, or when they were and still are at `cluster_limit` − 0.05.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from streams.core.arrays import BoolArray, FloatArray, IntArray
from streams.core.clusters import agglomerate, cut
from streams.core.optimize.terms import GroupLimit

HYSTERESIS = 0.05
# A weight below this is no holding when the achieved figures are measured.
HELD_MIN = 1e-8
# A name that lists more strategies than this is cut short.
_NAMED_MAX = 4
# Fisher's z has the standard error 1 / sqrt(n − 3).
_FISHER_LOST = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationLimits:
    """What the portfolio file asks for; see `schemas.policy.Correlation`.

    Parameters
    ----------
    observations : float
        Effective number behind the correlations.
    previous : tuple of tuple of str or None
        Clusters of the decision before, by name; None where there was none.
    """

    pair_limit: float | None = None
    pair_weight_max: float | None = None
    confidence: float = 0.9
    cluster_limit: float | None = None
    cluster_weight_max: float | None = None
    cluster_risk_max: float | None = None
    exclusive: bool = False
    penalty: float = 0.0
    observations: float = math.inf
    previous: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Correlation:
    """What the limits came to for one Σ.

    Parameters
    ----------
    limits : CorrelationLimits
        As asked.
    capped, watched : tuple of (int, int)
        Pairs, i < j, over the limit surely, and by the estimate alone.
    clusters : tuple of tuple of int
        Those of two members and more.
    """

    limits: CorrelationLimits
    capped: tuple[tuple[int, int], ...]
    watched: tuple[tuple[int, int], ...]
    clusters: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Achieved:
    """Measured at some weights.

    Parameters
    ----------
    average : float or None
        ρ̄(w) = Σᵢ≠ⱼ vᵢvⱼρᵢⱼ / Σᵢ≠ⱼ vᵢvⱼ with v = wσ; None where fewer than two are held.
    pair_max : float or None
        Largest correlation of two strategies held.
    pair : tuple of int
        The two.
    diversification_ratio : float or None
        Σwσ / √(w'Σw); None without risk.
    cluster_weights, cluster_risks : tuple of float
        Σw and share of Σwσ, by cluster.
    """

    average: float | None
    pair_max: float | None
    pair: tuple[int, int] | None
    diversification_ratio: float | None
    cluster_weights: tuple[float, ...]
    cluster_risks: tuple[float, ...]


def correlation_of(cov: FloatArray) -> FloatArray:
    """Correlations (N, N) of a covariance; 0 beside a strategy without variance."""
    volatility = np.sqrt(cov.diagonal())
    some = volatility > 0.0
    scale = np.where(some, volatility, 1.0)
    corr = cov / scale / scale[:, None]  # not by the product: it may be below what a double holds
    corr = np.clip(0.5 * (corr + corr.T), -1.0, 1.0)
    np.fill_diagonal(corr, 1.0)
    return np.asarray(corr)


def lower_bound(correlation: FloatArray, confidence: float, observations: float) -> FloatArray:
    """One-sided lower confidence bound of correlations by Fisher's z.

    Parameters
    ----------
    correlation : FloatArray
        Any shape.
    confidence : float
        In [0, 1); 0 gives the plain estimate.
    observations : float
        Effective number.

    Returns
    -------
    FloatArray
        tanh(atanh ρ − z / √(n − 3)); −1 where n ≤ 3, of which nothing is known.
    """
    if confidence == 0.0:
        return correlation
    if observations <= _FISHER_LOST:
        return np.full_like(correlation, -1.0)
    margin = NormalDist().inv_cdf(confidence) / math.sqrt(observations - _FISHER_LOST)
    with np.errstate(divide="ignore"):
        return np.asarray(np.tanh(np.arctanh(correlation) - margin))


def correlation_structure(
    strategies: tuple[str, ...], cov: FloatArray, limits: CorrelationLimits
) -> Correlation:
    """Find the pairs and clusters that the limits are about.

    Parameters
    ----------
    strategies : tuple of str
        N names.
    cov : FloatArray
        (N, N).
    limits : CorrelationLimits
        As asked.

    Returns
    -------
    Correlation
        The same for the same input, bit for bit.
    """
    corr = correlation_of(cov)
    over: BoolArray = np.zeros_like(corr, dtype=np.bool_)
    sure = over
    if limits.pair_limit is not None:
        over = np.triu(corr > limits.pair_limit, 1)
        bound = lower_bound(corr, limits.confidence, limits.observations)
        sure = over & (bound > limits.pair_limit)
    return Correlation(
        limits=limits,
        capped=_pairs(sure),
        watched=_pairs(over & ~sure),
        clusters=() if limits.cluster_limit is None else _clusters(strategies, corr, limits),
    )


def _pairs(chosen: BoolArray) -> tuple[tuple[int, int], ...]:
    return tuple((int(i), int(j)) for i, j in np.argwhere(chosen))


def _clusters(
    strategies: tuple[str, ...], corr: FloatArray, limits: CorrelationLimits
) -> tuple[tuple[int, ...], ...]:
    assert limits.cluster_limit is not None
    size, limit = len(strategies), limits.cluster_limit
    loose = 1.0 - limit + HYSTERESIS
    merges = agglomerate(1.0 - np.maximum(corr, 0.0), "average", loose)
    if limits.previous is None:
        return _groups_of(cut(merges, size, 1.0 - limit))
    label = cut(merges, size, 1.0 - limit - HYSTERESIS)
    within = cut(merges, size, loose)
    index = {name: position for position, name in enumerate(strategies)}
    for cluster in limits.previous:
        known = [index[name] for name in cluster if name in index]
        for place in {int(within[member]) for member in known}:
            together = [member for member in known if within[member] == place]
            joined = {int(label[member]) for member in together}
            label[np.isin(label, list(joined))] = min(joined)
    return _groups_of(label)


def _groups_of(label: IntArray) -> tuple[tuple[int, ...], ...]:
    groups: dict[int, list[int]] = {}
    for member, name in enumerate(label.tolist()):
        groups.setdefault(name, []).append(member)
    return tuple(tuple(members) for members in groups.values() if len(members) > 1)


def correlation_rows(
    strategies: tuple[str, ...], cov: FloatArray, weight_max: FloatArray, structure: Correlation
) -> tuple[GroupLimit, ...]:
    """Write pair and cluster caps as limits on weighted sums.

    Parameters
    ----------
    strategies : tuple of str
        N names.
    cov : FloatArray
        (N, N).
    weight_max : FloatArray
        (N,): a pair whose bounds keep it under its cap needs no row.
    structure : Correlation
        Of the same Σ.

    Returns
    -------
    tuple of GroupLimit
        Pairs, then clusters by weight and by share of Σwσ.
    """
    return (
        *_pair_rows(strategies, weight_max, structure),
        *_cluster_rows(strategies, np.sqrt(cov.diagonal()), structure),
    )


def _pair_rows(
    strategies: tuple[str, ...], weight_max: FloatArray, structure: Correlation
) -> Iterator[GroupLimit]:
    maximum = structure.limits.pair_weight_max
    if maximum is None:
        return
    for pair in structure.capped:
        if float(weight_max[list(pair)].sum()) > maximum:
            yield GroupLimit(
                key=f"correlation.pair_weight_max.{_named(strategies, pair)}",
                members=_members(len(strategies), pair),
                minimum=-np.inf,
                maximum=maximum,
            )


def _cluster_rows(
    strategies: tuple[str, ...], volatility: FloatArray, structure: Correlation
) -> Iterator[GroupLimit]:
    limits, largest = structure.limits, float(volatility.max())
    for cluster in structure.clusters:
        name, members = _named(strategies, cluster), _members(len(strategies), cluster)
        if limits.cluster_weight_max is not None:
            yield GroupLimit(
                key=f"correlation.cluster_weight_max.{name}",
                members=members,
                minimum=-np.inf,
                maximum=limits.cluster_weight_max,
            )
        if limits.cluster_risk_max is not None and largest > 0.0:
            share_of = volatility / largest  # of size 1, as weights are
            yield GroupLimit(
                key=f"correlation.cluster_risk_max.{name}",
                members=members,
                minimum=-np.inf,
                maximum=limits.cluster_risk_max,
                loadings=np.where(members, share_of, 0.0),
                share_of=share_of,
            )


def _members(size: int, chosen: tuple[int, ...]) -> BoolArray:
    members = np.zeros(size, dtype=np.bool_)
    members[list(chosen)] = True
    return members


def _named(strategies: tuple[str, ...], chosen: tuple[int, ...]) -> str:
    more = len(chosen) - _NAMED_MAX
    text = "/".join(strategies[member] for member in chosen[:_NAMED_MAX])
    return f"{text}/+{more}" if more > 0 else text


def penalty_matrix(cov: FloatArray, limit: float, strength: float) -> FloatArray:
    """Charge for holding correlated strategies together, made convex.

    The wish is strength·Σᵢ≠ⱼ vᵢvⱼ·max(ρᵢⱼ − limit, 0), v = wσ, whose matrix has a zero diagonal and
    is indefinite. Its row sums are added to the diagonal, which makes it semidefinite
    (Gershgorin, 1931) and also charges a correlated strategy for being large by itself.

    Parameters
    ----------
    cov : FloatArray
        (N, N) annual.
    limit : float
        Correlation that is free.
    strength : float
        ≥ 0; 1 weighs as much as risk at risk aversion 1.

    Returns
    -------
    FloatArray
        (N, N) P, annual, semidefinite; ½w'Pw is charged.
    """
    volatility = np.sqrt(cov.diagonal())
    over = np.maximum(correlation_of(cov) - limit, 0.0)
    np.fill_diagonal(over, 0.0)
    over[np.diag_indices_from(over)] = over.sum(axis=1)
    return np.asarray(strength * over * volatility * volatility[:, None])


def achieved(structure: Correlation, cov: FloatArray, weights: FloatArray) -> Achieved:
    """Measure what was reached.

    Parameters
    ----------
    structure : Correlation
        Whose clusters are measured.
    cov : FloatArray
        (N, N).
    weights : FloatArray
        (N,).

    Returns
    -------
    Achieved
        Undefined figures are None.
    """
    corr, volatility = correlation_of(cov), np.sqrt(cov.diagonal())
    risks = weights * volatility
    total, own = float(risks.sum()), float(risks @ risks)
    pairs = total * total - own  # Σᵢ≠ⱼ vᵢvⱼ
    variance = float(risks @ corr @ risks)
    several = pairs > HELD_MIN * own
    held = np.flatnonzero(np.abs(weights) > HELD_MIN)
    pair = _largest(corr, held.tolist())
    return Achieved(
        average=(variance - own) / pairs if several else None,
        pair_max=None if pair is None else float(corr[pair]),
        pair=pair,
        diversification_ratio=total / math.sqrt(variance) if variance > 0.0 else None,
        cluster_weights=tuple(float(weights[list(c)].sum()) for c in structure.clusters),
        cluster_risks=tuple(
            float(risks[list(c)].sum()) / total if total else 0.0 for c in structure.clusters
        ),
    )


def _largest(corr: FloatArray, held: list[int]) -> tuple[int, int] | None:
    if len(held) < 2:  # noqa: PLR2004  a pair is two
        return None
    among = np.triu(corr[np.ix_(held, held)], 1) - 2.0 * np.tril(np.ones((len(held),) * 2))
    i, j = divmod(int(among.argmax()), len(held))
    return held[i], held[j]
