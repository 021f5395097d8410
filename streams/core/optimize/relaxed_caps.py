"""What would have to give of the limits that are no rows: caps on risk, counts, and the target.

Where weights fit within every row, one cap may be at fault, or several that can be kept singly and
not together. For each cap the best value is sought that the other limits leave it: by the objective
that seeks it, where there is one, and else by halving. Where no cap alone makes room, all of them
give together: the first as far as it must by itself, each next as far as those before leave open.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from schemas.explain import RelaxedLimit
from streams.core.optimize.objectives import excess_of, expected_return
from streams.core.optimize.problem import Problem, Solved
from streams.core.optimize.roads import solve
from streams.core.optimize.terms import Aim, Caps, GroupLimit

# Amounts are told in millionths of NAV, rounded outwards, so that what is told is enough.
_DIGITS = 6
# 0.46 + 1e-13 is 0.46: a vertex of a linear program is this exact.
_HAIR = 1e-11
# At the very best a cap leaves a single point, which interior-point methods do not find.
_ROOM = 1e-3
# A value found by halving is within this share of the least that does.
_CLOSE = 1e-3
# A smallest position is sought less closely: each step may search through a thousand choices.
_CLOSE_OF_POSITIONS = 0.03
_DOUBLINGS_MAX = 12
# The objective that seeks the best a cap can be.
_SOUGHT_BY = {
    "volatility_max": "min_variance",
    "cvar_max": "min_cvar",
    "diversification_ratio_min": "max_diversification",
}
_IN_CORRELATION = ("diversification_ratio_min", "held_correlation_max")
_TARGET_OF = {"target_return": "return", "target_volatility": "volatility_max"}
TARGET = "objective.target"


def relaxed_limit(way: int, key: str, limit: float, exact: float) -> RelaxedLimit:
    """Tell a limit and what it would have to be, rounded away from what it is.

    Parameters
    ----------
    way : int
        From 1.
    key : str
        As in the portfolio file.
    limit, exact : float
        As it is, and the least change that does.

    Returns
    -------
    RelaxedLimit
        With words.
    """
    rises = exact >= limit
    grain, outwards = 10.0**-_DIGITS, math.ceil if rises else math.floor
    needed = round(outwards((exact + (-_HAIR if rises else _HAIR)) / grain) * grain, _DIGITS)
    words = f"{key} {limit:.{_DIGITS}g} would have to be {needed:.{_DIGITS}g}"
    return RelaxedLimit(way=way, key=key, limit=limit, needed=needed, words=words)


def relaxed_caps(problem: Problem) -> tuple[RelaxedLimit, ...]:
    """Tell the caps that no weights within the other limits keep, and what they would have to be.

    Parameters
    ----------
    problem : Problem
        N strategies; some weights fit within its rows.

    Returns
    -------
    tuple of RelaxedLimit
        Ways that are alternatives, one cap each; or one way of several caps, where they are at
        fault together. Empty where no cap is, or none has a figure that could be told.
    """
    plain, limits = _within(problem)
    told: list[RelaxedLimit] = []
    for cap, limit in limits.items():
        found = _best(plain, cap, limit)
        if found is not None:
            told.append(relaxed_limit(1 + len(told), _key(problem, cap), limit, found))
    if told:
        return tuple(told)
    return tuple(_together(problem, plain, limits))


def _together(problem: Problem, plain: Problem, limits: dict[str, float]) -> Iterator[RelaxedLimit]:
    """Give way one after the other, each as far as those before it leave open."""
    behind = list(limits)
    for cap, limit in limits.items():
        behind.remove(cap)
        found = _best(_without(plain, tuple(behind)), cap, limit)
        if found is not None and _worse(cap, found, limit):
            told = relaxed_limit(1, _key(problem, cap), limit, found)
            plain = _with(plain, cap, told.needed)
            yield told


def _within(problem: Problem) -> tuple[Problem, dict[str, float]]:
    """Write the target as a cap or a row, and list what may give."""
    caps, groups, aim = problem.caps, problem.groups, problem.aim
    numbers = (*Caps.CONIC, *Caps.ITERATED, "cardinality_max", "position_min")
    limits = {name: float(getattr(caps, name)) for name in caps.given(numbers)}
    if problem.objective == "target_volatility" and aim.target is not None:
        limit = min(aim.target, caps.volatility_max or np.inf)
        caps = replace(caps, volatility_max=limit)
        limits = {"volatility_max": limit} | limits
    if problem.objective == "target_return" and aim.target is not None:
        groups = (*groups, _return_of(problem, aim.target))
        limits = {"return": aim.target} | limits
    plain = replace(
        problem,
        objective="min_variance",
        caps=caps,
        groups=groups,
        aim=Aim(alpha=caps.cvar_alpha),
        costs=None,
        penalty=None,
        custom=None,
    )
    return plain, limits


def _return_of(problem: Problem, target: float) -> GroupLimit:
    return GroupLimit(
        key=TARGET,
        members=np.ones(len(problem.strategies), dtype=np.bool_),
        minimum=target - problem.cash_return_annual,
        maximum=np.inf,
        loadings=excess_of(problem),
    )


def _key(problem: Problem, cap: str) -> str:
    if cap == _TARGET_OF.get(problem.objective):
        return TARGET
    return f"correlation.{cap}" if cap in _IN_CORRELATION else cap


def _without(problem: Problem, names: tuple[str, ...]) -> Problem:
    free: dict[str, Any] = {name: None for name in names if name != "return"}
    groups = problem.groups
    if "return" in names:
        groups = tuple(group for group in groups if group.key != TARGET)
    return replace(problem, caps=replace(problem.caps, **free), groups=groups)


def _with(problem: Problem, cap: str, value: float) -> Problem:
    if cap != "return":
        moved: dict[str, Any] = {cap: value}
        return replace(problem, caps=replace(problem.caps, **moved))
    lower = value - problem.cash_return_annual
    groups = tuple(
        replace(group, minimum=lower) if group.key == TARGET else group for group in problem.groups
    )
    return replace(problem, groups=groups)


def _best(problem: Problem, cap: str, limit: float) -> float | None:
    """Return the nearest value of a cap at which weights fit; None where there is none."""
    free = _without(problem, (cap,))
    if cap == "return":
        richest = solve(replace(free, objective="mean_variance", risk_aversion=0.0))
        if not isinstance(richest, Solved):
            return None
        best = expected_return(problem, richest.weights)
        return best - _ROOM * abs(best)
    if cap not in _SOUGHT_BY:
        return _halved(problem, free, cap, limit)
    found = solve(replace(free, objective=_SOUGHT_BY[cap]))
    if not isinstance(found, Solved):
        return None
    best = found.objective_value
    if cap == "volatility_max":
        best = math.sqrt(max(best, 0.0))
    return best + (-_ROOM if cap.endswith("_min") else _ROOM) * abs(best)


def _halved(problem: Problem, free: Problem, cap: str, limit: float) -> float | None:
    """Move a cap away until weights fit, and halve the way back."""
    if not isinstance(solve(free), Solved):
        return None
    if cap == "cardinality_max":
        counts = range(int(limit) + 1, len(problem.strategies) + 1)
        return next((float(count) for count in counts if _fits(problem, cap, count)), None)
    tight = loose = limit
    for _ in range(_DOUBLINGS_MAX):
        tight, loose = loose, 0.5 * loose if cap == "position_min" else max(2.0 * loose, _CLOSE)
        if _fits(problem, cap, loose):
            break
    else:
        return None
    close = _CLOSE_OF_POSITIONS if cap == "position_min" else _CLOSE
    while abs(loose - tight) > close * max(abs(loose), _CLOSE):
        middle = 0.5 * (loose + tight)
        if _fits(problem, cap, middle):
            loose = middle
        else:
            tight = middle
    return loose


def _fits(problem: Problem, cap: str, value: float) -> bool:
    return isinstance(solve(_with(problem, cap, value)), Solved)


def _worse(cap: str, found: float, limit: float) -> bool:
    falls = cap.endswith("_min") or cap == "return"
    return found < limit if falls else found > limit
