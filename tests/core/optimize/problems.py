"""Problems to solve, and limits written a second time, for scipy's linear programs."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import linprog

from streams.core.optimize import GroupLimit, Problem

PLAIN = ("mean_variance", "min_variance", "equal", "inverse_volatility")
NAMES = ("weight_min", "weight_max", "groups", "cash", "turnover_max")


def plain(cov, mean=None, **changes):
    """A long-only, fully invested problem with nothing else; `changes` go on top."""
    cov = np.asarray(cov, dtype=np.float64)
    names = len(cov)
    base = Problem(
        strategies=tuple(f"s{index:04d}" for index in range(names)),
        mean_annual=np.zeros(names) if mean is None else np.asarray(mean, dtype=np.float64),
        cov_annual=cov,
        held=np.zeros(names),
        held_cash=1.0,
        objective="min_variance" if mean is None else "mean_variance",
        risk_aversion=3.0,
        weight_min=np.zeros(names),
        weight_max=np.ones(names),
        groups=(),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        long_only=True,
    )
    return replace(base, **changes)


def moments(rng, names, bars=None, *, spread=True):
    """μ and Σ of random daily returns with a common factor, annual volatility 0.5 % to 80 %."""
    bars = 3 * names + 30 if bars is None else bars
    daily = 10.0 ** rng.uniform(-3.5, -1.3, names) if spread else np.full(names, 0.01)
    draws = rng.standard_normal((bars, names)) + rng.random() * rng.standard_normal((bars, 1))
    returns = draws * daily
    cov = np.atleast_2d(np.cov(returns, rowvar=False)) * 252.0
    return returns.mean(axis=0) * 252.0, (cov + cov.T) / 2.0


def random_problem(rng, names=None, **changes):
    """A problem with any mix of limits; about half of them cannot be met."""
    names = int(rng.integers(1, 9)) if names is None else names
    bars = int(rng.integers(2, 3 * names + 10))  # fewer bars than names: a singular Σ
    mean, cov = moments(rng, names, bars, spread=rng.random() < 0.5)
    long_only = bool(rng.random() < 0.7)
    high = np.full(names, rng.choice([0.2, 0.4, 1.0])) if rng.random() < 0.6 else rng.random(names)
    low = np.zeros(names) if long_only else -high * rng.random()
    if rng.random() < 0.3:
        low = np.minimum(high, low + 0.05 * (rng.random(names) < 0.5))
    cash_min = float(rng.choice([0.0, 0.0, 0.0, 0.1]))
    held = rng.dirichlet(np.ones(names + 1))
    elsewhere = 0.1 if rng.random() < 0.2 else 0.0
    problem = Problem(
        strategies=tuple(f"s{index:04d}" for index in range(names)),
        mean_annual=mean,
        cov_annual=cov,
        held=held[:-1] * (1.0 - elsewhere),
        held_cash=float(held[-1]) * (1.0 - elsewhere),
        held_elsewhere=elsewhere,
        objective=str(rng.choice(PLAIN)),
        risk_aversion=float(rng.choice([0.0, 0.5, 5.0, 50.0])),
        weight_min=low,
        weight_max=high,
        groups=_random_groups(rng, names),
        cash_min=cash_min,
        cash_max=max(cash_min, float(rng.choice([0.0, 0.1, 0.5, 1.0]))),
        turnover_max=None if rng.random() < 0.4 else float(rng.choice([0.0, 0.05, 0.2, 0.5, 1.0])),
        long_only=long_only,
    )
    return replace(problem, **changes)


def _random_groups(rng, names):
    groups = []
    for index in range(int(rng.integers(0, 4))):
        low, high = np.sort(rng.random(2))
        groups.append(
            GroupLimit(
                key=f"families.f{index}",
                members=rng.random(names) < 0.4,
                minimum=0.4 * float(low) if rng.random() < 0.3 else -np.inf,
                maximum=float(high),
            )
        )
    return tuple(groups)


@st.composite
def problems(draw, names_max=8, **changes):
    """Hypothesis: the size shrinks, the numbers come from a seed."""
    names = draw(st.integers(1, names_max))
    seed = draw(st.integers(0, 2**32 - 1))
    return random_problem(np.random.default_rng(seed), names, **changes)


def polytope(problem, relaxed=()):
    """The limits as linprog takes them, over (weights, cash, |Δ| of each)."""
    names = len(problem.strategies)
    low, high = problem.weight_min.copy(), problem.weight_max.copy()
    cash_low, cash_high = problem.cash_min, problem.cash_max
    if "weight_min" in relaxed:
        low[:] = 0.0 if problem.long_only else -np.inf
    if "weight_max" in relaxed:
        high[:] = np.inf
    if "cash" in relaxed:
        cash_low, cash_high = 0.0, 1.0
    eye, none = np.eye(names + 1), np.zeros((names + 1, names + 1))
    held = np.append(problem.held, problem.held_cash)
    rows, limits = [np.hstack([eye, -eye]), np.hstack([-eye, -eye])], [held, -held]
    for group in () if "families" in relaxed else problem.groups:
        member = np.concatenate([group.members, [0.0], none[0]])[None]
        rows += [member, -member]
        limits += [[group.maximum], [-group.minimum]]
    if problem.turnover_max is not None and "turnover_max" not in relaxed:
        rows.append(np.concatenate([none[0], np.ones(names + 1)])[None])
        limits.append([2.0 * problem.turnover_max - problem.held_elsewhere])
    a_ub, b_ub = np.vstack(rows), np.concatenate(limits)
    some = np.isfinite(b_ub)
    return {
        "A_ub": a_ub[some],
        "b_ub": b_ub[some],
        "A_eq": np.concatenate([np.ones(names + 1), none[0]])[None],
        "b_eq": [1.0],
        "bounds": [*zip(low, high, strict=True), (cash_low, cash_high)]
        + [(0.0, None)] * (names + 1),
        "options": {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    }


def feasible(problem, relaxed=()):
    """Whether scipy finds any weights at all."""
    limits = polytope(problem, relaxed)
    answer = linprog(np.zeros(limits["A_ub"].shape[1]), **limits)
    assert answer.status in {0, 2}, answer.message
    return answer.status == 0


def linear_gap(problem, weights, slope):
    """How much a step anywhere in the feasible set could gain at first order: 0 at an optimum.

    `slope` is the derivative of the minimised objective by weight (Frank and Wolfe, 1956).
    """
    names = len(problem.strategies)
    best = linprog(np.concatenate([slope, np.zeros(names + 2)]), **polytope(problem))
    assert best.status == 0, best.message
    return float(slope @ weights) - best.fun
