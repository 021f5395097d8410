"""Limits that count positions: branch and bound up to 50 strategies, prune and solve again above.

A node says of some strategies that they are held (then at `position_min` at the least) or not. Its
relaxation, Σwᵢ/uᵢ in place of the number of positions (u the upper bounds), is a convex problem of
this package and bounds all that lies below (Land and Doig, 1960; Bienstock, 1996, for portfolios).
The number of nodes is limited, not the time, so that the answer is the same on every machine; what
is left between the best weights and the best bound is told as the gap.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from streams.core.arrays import BoolArray, FloatArray
from streams.core.optimize.correlation import Correlation
from streams.core.optimize.problem import MAXIMISED, RULES, Failed, Problem, Solved
from streams.core.optimize.rules import rule_weights
from streams.core.optimize.terms import Caps, GroupLimit
from streams.core.optimize.verify import verify
from streams.core.optimize.verify_caps import POSITION_MIN

NAMES_MAX = 50
NODES_MAX = 1000
# A gap below this is rounding of the solver: the optimum is proven.
GAP_MAX = 1e-6
# A weight that is farther from a bound is not held by it.
_AT_LIMIT = 1e-7

Solver: TypeAlias = Callable[[Problem], Solved | Failed]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Node:
    held: BoolArray  # (N,) said to be held
    out: BoolArray  # (N,) said not to be


def solve_whole(problem: Problem, solver: Solver) -> Solved | Failed:
    """Solve a problem with limits on the number, size and company of positions.

    Prices are those of the limits for the positions that were chosen: what another choice would
    bring has no slope.

    Parameters
    ----------
    problem : Problem
        N strategies, weights ≥ 0.
    solver : callable
        Solves a problem without such limits.

    Returns
    -------
    Solved or Failed
        Verified, with its gap.
    """
    found = _chosen(problem, solver)
    return found if isinstance(found, Failed) else _with_own_prices(problem, found)


def _with_own_prices(problem: Problem, found: Solved) -> Solved:
    """Name the limits by what the file has: the bounds of a node are no limits of a strategy."""
    kept = []
    for binding in found.binding:
        if binding.key in {"cardinality_max", "correlation.exclusive"}:
            continue
        name = binding.key
        if binding.strategy is not None:
            index = problem.strategies.index(binding.strategy)
            weight = float(found.weights[index])
            if name == "weight_max" and weight < problem.weight_max[index] - _AT_LIMIT:
                continue  # left out
            if name == "weight_min" and weight > problem.weight_min[index] + _AT_LIMIT:
                name = "position_min"
        kept.append(replace(binding, key=name))
    return replace(found, binding=tuple(kept))


def _chosen(problem: Problem, solver: Solver) -> Solved | Failed:
    assert problem.long_only, "positions are counted in long-only portfolios"
    names = len(problem.strategies)
    must = problem.weight_min > 0.0
    root = _Node(held=must, out=(problem.weight_max <= 0.0) & ~must)
    relaxed = _relaxed(problem, root)
    first = solver(relaxed) if relaxed is not None else Failed(reason=_NO_CHOICE)
    if isinstance(first, Failed):
        return first
    if not verify(problem, first.weights, first.cash):
        return first
    best = _pruned(problem, first, solver, root)
    bounded = _bounded(problem)
    if names > NAMES_MAX or not bounded:
        if best is None:
            return Failed(reason="no choice of positions was found that meets the limits")
        gap = _gap(problem, best, first) if bounded else np.inf
        return replace(best, gap=gap, exact=best.exact and gap <= GAP_MAX)
    return _search(problem, solver, root, first, best)


def _bounded(problem: Problem) -> bool:
    """Whether a relaxation's value bounds that of every choice below it.

    It does where that value is what is minimised: not at equal contributions to risk, nor in a
    local optimum, nor where several aims are put on a scale or in an order of their own.
    """
    custom = problem.custom if problem.objective == "custom" else None
    summed = custom is None or (custom.combine == "weighted_sum" and not custom.normalise)
    local = problem.objective == "risk_parity" or problem.caps.given(Caps.ITERATED)
    return summed and not local


_NO_CHOICE = "infeasible: no choice of positions meets the limits"


def _search(
    problem: Problem, solver: Solver, root: _Node, first: Solved, best: Solved | None
) -> Solved | Failed:
    """Best bound first."""
    order = itertools.count()
    open_nodes = [(_score(problem, first.weights), next(order), root, first)]
    seen, iterations = 1, first.iterations
    while open_nodes and seen < NODES_MAX:
        bound, _, node, found = open_nodes[0]
        if best is not None and _apart(problem, best, bound) <= GAP_MAX:
            break
        heapq.heappop(open_nodes)
        for child in _children(problem, node, found.weights):
            relaxed = _relaxed(problem, child)
            outcome = None if relaxed is None else solver(relaxed)
            seen += 1
            if not isinstance(outcome, Solved):
                continue
            iterations += outcome.iterations
            value = _score(problem, outcome.weights)
            if best is not None and value >= _score(problem, best.weights):
                continue
            if not verify(problem, outcome.weights, outcome.cash):
                best = outcome
            else:
                heapq.heappush(open_nodes, (max(bound, value), next(order), child, outcome))
    if best is None:
        cut_short = f"no choice of positions was found in {seen} nodes"
        return Failed(reason=cut_short if open_nodes else _NO_CHOICE)
    gap = _apart(problem, best, open_nodes[0][0]) if open_nodes else 0.0
    return replace(
        best,
        objective_value=problem.objective_value(best.weights),
        gap=max(gap, 0.0),
        exact=best.exact and gap <= GAP_MAX,
        iterations=iterations,
    )


def _children(problem: Problem, node: _Node, weights: FloatArray) -> list[_Node]:
    """Decide one more strategy: the largest that is not decided, out and in."""
    undecided = ~node.held & ~node.out
    if not bool(undecided.any()):
        return []
    small = np.zeros_like(undecided)
    if problem.caps.position_min is not None:
        small = undecided & (weights > POSITION_MIN) & (weights < problem.caps.position_min)
    among = small if bool(small.any()) else undecided
    index = int(np.argmax(np.where(among, weights, -1.0)))
    out, held = node.out.copy(), node.held.copy()
    out[index] = held[index] = True
    excluded = node.out.copy()
    for chosen in problem.caps.exclusive:
        if index in chosen:
            excluded[[other for other in chosen if other != index]] = True
    children = [_Node(held=node.held, out=out)]
    if not bool((excluded & held).any()):
        children.append(_Node(held=held, out=excluded))
    return children


def _relaxed(problem: Problem, node: _Node) -> Problem | None:
    """Write the convex problem of a node; None where what is decided contradicts the limits."""
    caps, undecided = problem.caps, ~node.held & ~node.out
    high = np.where(node.out, 0.0, problem.weight_max)
    low = problem.weight_min
    if caps.position_min is not None:
        low = np.where(node.held, np.maximum(low, caps.position_min), low)
        high = np.where(undecided & (high < caps.position_min), 0.0, high)
    if bool((low > high).any()):
        return None
    groups = list(problem.groups)
    shares = np.divide(1.0, high, out=np.zeros_like(high), where=high > 0.0)
    if caps.cardinality_max is not None:
        left = caps.cardinality_max - int(node.held.sum())
        if left < 0:
            return None
        if left == 0:
            high = np.where(undecided, 0.0, high)
        elif int((undecided & (high > 0.0)).sum()) > left:
            groups.append(_at_most("cardinality_max", np.where(undecided, shares, 0.0), left))
    for chosen in caps.exclusive:
        inside = np.zeros_like(undecided)
        inside[list(chosen)] = True
        if int((inside & (high > 0.0)).sum()) > 1 and not bool((inside & node.held).any()):
            groups.append(_at_most("correlation.exclusive", np.where(inside, shares, 0.0), 1))
        elif int((inside & node.held).sum()) > 1:
            return None
    return replace(
        problem,
        weight_min=low,
        weight_max=high,
        groups=tuple(groups),
        caps=replace(caps, cardinality_max=None, position_min=None, exclusive=()),
        correlation=_without_exclusion(problem),
    )


def _without_exclusion(problem: Problem) -> Correlation | None:
    structure = problem.correlation
    if structure is None:
        return None
    return replace(structure, limits=replace(structure.limits, exclusive=False))


def _at_most(key: str, shares: FloatArray, maximum: int) -> GroupLimit:
    # Of size 1, as the rows of the other limits are.
    size = float(shares.max())
    return GroupLimit(
        key=key,
        members=shares > 0.0,
        minimum=-np.inf,
        maximum=maximum / size,
        loadings=shares / size,
    )


def _pruned(problem: Problem, relaxed: Solved, solver: Solver, root: _Node) -> Solved | None:
    """Keep the largest positions of the relaxation that may be held together; solve again."""
    caps, names = problem.caps, len(problem.strategies)
    wanted = names if caps.cardinality_max is None else caps.cardinality_max
    weights = relaxed.weights
    for count in range(wanted, 0, -1):
        held = root.held.copy()
        for index in np.argsort(-weights, kind="stable").tolist():
            if int(held.sum()) >= count or weights[index] <= POSITION_MIN:
                break
            alone = all(
                not held[[other for other in chosen if other != index]].any()
                for chosen in caps.exclusive
                if index in chosen
            )
            held[index] |= alone and not root.out[index]
        node = _relaxed(problem, _Node(held=held, out=~held))
        outcome = None if node is None else solver(node)
        if isinstance(outcome, Solved) and not verify(problem, outcome.weights, outcome.cash):
            return outcome
        if caps.position_min is None:
            return None  # fewer positions do not help
    return None


def _score(problem: Problem, weights: FloatArray) -> float:
    """Return what the search minimises."""
    if problem.objective in RULES:
        apart = weights - rule_weights(problem)
        return 0.5 * float(apart @ apart)
    value = problem.objective_value(weights)
    return -value if problem.objective in MAXIMISED else value


def _gap(problem: Problem, best: Solved, relaxation: Solved) -> float:
    return _apart(problem, best, _score(problem, relaxation.weights))


def _apart(problem: Problem, best: Solved, bound: float) -> float:
    value = _score(problem, best.weights)
    return max(0.0, value - bound) / max(abs(value), abs(bound), 1e-12)
