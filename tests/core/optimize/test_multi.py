"""Custom and multi-objective answers against direct formulations with a second solver."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from streams.core.optimize import GroupLimit, Infeasible, Problem, Solved, solve, verify
from streams.core.optimize.custom import Model
from streams.core.optimize.multi import scale_of_terms
from streams.core.optimize.vocabulary import Custom, Term, term_value

NAMES, BARS = 12, 250
NONE = np.zeros(NAMES)
EQUAL = np.full(NAMES, 1 / NAMES)


def returns(seed=0):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(BARS, 1)) * 0.005
    return common + rng.normal(size=(BARS, NAMES)) * np.linspace(0.005, 0.02, NAMES) + 0.0003


def problem(*terms, combine="weighted_sum", normalise=False, **changes):
    bars = returns()
    cov = np.cov(bars, rowvar=False) * 252
    plain = Problem(
        strategies=tuple(f"s{index:02d}" for index in range(NAMES)),
        mean_annual=bars.mean(axis=0) * 252,
        cov_annual=(cov + cov.T) / 2,
        held=np.eye(NAMES)[0],
        held_cash=0.0,
        objective="custom",
        risk_aversion=1.0,
        weight_min=NONE,
        weight_max=np.full(NAMES, 0.4),
        groups=(
            GroupLimit(key="families.a", members=np.arange(NAMES) < 6, minimum=0.2, maximum=0.6),
        ),
        cash_min=0.0,
        cash_max=0.1,
        turnover_max=None,
        long_only=True,
        scenarios=bars,
        periods_per_year=252.0,
        custom=Custom(terms=terms, combine=combine, normalise=normalise),
    )
    return replace(plain, **changes)


def term(name, kind, loadings=NONE, reference=NONE, **more):
    return Term(name=name, kind=kind, loadings=loadings, reference=reference, **more)


def income(**more):
    more = {"weight": 1.0, "sense": "maximise"} | more
    return term("income", "linear", loadings=returns().mean(axis=0) * 252, **more)


def tail(**more):
    return term("tail", "cvar", **({"weight": 8.0} | more))


def risk(**more):
    return term("risk", "variance", loadings=np.ones(NAMES), **({"weight": 3.0} | more))


def spread(**more):
    return term("spread", "norm2", reference=EQUAL, **({"weight": 0.1} | more))


def moved(**more):
    return term("moved", "norm1", reference=np.eye(NAMES)[0], **({"weight": 0.01} | more))


def written_out(asked, expression, *limits):
    """The same problem written by hand, solved by SCS where Clarabel is under test."""
    weights, cash = cp.Variable(NAMES), cp.Variable()
    family = np.arange(NAMES) < 6
    constraints = [
        cp.sum(weights) + cash == 1,
        weights >= asked.weight_min,
        weights <= asked.weight_max,
        cash >= 0,
        cash <= 0.1,
        family @ weights <= 0.6,
        family @ weights >= 0.2,
        *(limit(weights, cash) for limit in limits),
    ]
    program = cp.Problem(cp.Minimize(expression(weights, cash)), constraints)
    program.solve(solver="SCS", eps_abs=1e-9, eps_rel=1e-9, max_iters=200_000)
    return program.value


def cvar_by_hand(weights, _):
    threshold, bars = cp.Variable(), returns()
    return threshold + cp.sum(cp.pos(-(bars @ weights) - threshold)) / (0.05 * BARS)


def test_a_weighted_sum_is_the_problem_written_out():
    asked = problem(income(), tail(), risk(), spread(), moved())
    mean, cov = asked.mean_annual, asked.cov_annual

    def expression(weights, cash):
        return (
            -mean @ weights
            + 8.0 * cvar_by_hand(weights, cash)
            + 3.0 * cp.quad_form(weights, cp.psd_wrap(cov))
            + 0.1 * cp.norm(weights - EQUAL)
            + 0.01 * cp.norm1(weights - np.eye(NAMES)[0])
        )

    found = solve(asked)
    assert isinstance(found, Solved)
    assert verify(asked, found.weights, found.cash) == ()
    assert found.objective_value == pytest.approx(written_out(asked, expression), rel=1e-5)


def test_bounded_terms_are_limits_of_the_problem_written_out():
    slow = term("slow", "linear", loadings=np.eye(NAMES)[11], bound=0.05, sense="ge")
    calm = term("calm", "variance", loadings=(np.arange(NAMES) > 5) * 1.0, bound=0.004, sense="le")
    asked = problem(income(), slow, calm)
    part = asked.cov_annual[6:, 6:]

    found = solve(asked)
    oracle = written_out(
        asked,
        lambda weights, _: -asked.mean_annual @ weights,
        lambda weights, _: weights[11] >= 0.05,
        lambda weights, _: cp.quad_form(weights[6:], cp.psd_wrap(part)) <= 0.004,
    )
    assert found.objective_value == pytest.approx(oracle, rel=1e-5)
    assert found.weights[11] >= 0.05 - 1e-8
    assert {"slow", "calm"} <= {limit.key for limit in found.binding}


def test_a_bound_that_nothing_meets_is_infeasible_and_a_price_is_a_slope():
    impossible = problem(income(), risk(weight=None, bound=1e-6, sense="le"))
    assert solve(impossible) == Infeasible(violated=("objective.terms",))

    def value(bound):
        found = solve(problem(income(), risk(weight=None, bound=bound, sense="le")))
        return found.objective_value, {limit.key: limit.price for limit in found.binding}

    (low, _), (here, prices), (high, _) = value(0.0099), value(0.01), value(0.0101)
    # central difference over two percent of the bound
    assert prices["risk"] == pytest.approx((high - low) / 0.0002, rel=0.05)
    assert low > here > high


def test_normalised_terms_count_by_their_range():
    terms = (income(weight=1.0), tail(weight=1.0))
    asked = problem(*terms, normalise=True)
    model = Model(asked, terms)
    scale = scale_of_terms(model, terms)
    best = -max(
        term_value(terms[0], asked, solve(problem(income())).weights),
        float(-scale.utopia[0]),
    )
    assert scale.utopia[0] == pytest.approx(best, rel=1e-7)
    found = solve(asked)

    def expression(weights, cash):
        return (
            -asked.mean_annual @ weights / scale.range[0]
            + cvar_by_hand(weights, cash) / scale.range[1]
        )

    values = np.array([-1.0, 1.0]) * [term_value(one, asked, found.weights) for one in terms]
    assert (values / scale.range).sum() == pytest.approx(written_out(asked, expression), rel=1e-5)


def test_an_epsilon_constraint_keeps_the_others_within_their_share():
    terms = (income(), tail(give_up=0.25))
    asked = problem(*terms, combine="epsilon_constraint")
    scale = scale_of_terms(Model(asked, terms), terms)
    bound = scale.utopia[1] + 0.25 * scale.range[1]
    found = solve(asked)
    oracle = written_out(
        asked,
        lambda weights, _: -asked.mean_annual @ weights,
        lambda weights, cash: cvar_by_hand(weights, cash) <= bound,
    )
    # SCS stops at 1e-9 of numbers of size one; the front is steep here
    assert -term_value(terms[0], asked, found.weights) == pytest.approx(oracle, rel=1e-4)


def test_lexicographic_terms_are_sought_in_order():
    asked = problem(risk(give_up=0.1), income(), combine="lexicographic")
    found = solve(asked)
    least = solve(replace(asked, objective="min_variance", custom=None))
    terms = asked.custom.terms
    scale = scale_of_terms(Model(asked, terms), terms)
    variance = term_value(terms[0], asked, found.weights)
    assert scale.utopia[0] == pytest.approx(least.objective_value, rel=1e-6)
    # the second term takes all that the first gives up
    assert variance == pytest.approx(scale.utopia[0] + 0.1 * scale.range[0], rel=1e-5)


def test_an_attribute_in_single_dollars_is_given_up_as_one_in_millions():
    room = np.random.default_rng(2).uniform(40, 900, NAMES)

    def found(unit):
        space = term(
            "room", "linear", loadings=room * unit, sense="maximise", weight=1.0, give_up=0.3
        )
        return solve(problem(tail(), space, combine="epsilon_constraint")).weights

    # what the solver leaves differs with the unit
    assert found(1e6) == pytest.approx(found(1.0), abs=1e-5)
