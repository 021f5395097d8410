"""What terms come to, by formulas written out, and bounds that are missed."""

import numpy as np
import pytest

from streams.core.optimize.vocabulary import Custom, custom_faults, custom_terms, term_value
from tests.core.optimize.test_multi import (
    NAMES,
    income,
    moved,
    problem,
    returns,
    risk,
    spread,
    tail,
    term,
)

WEIGHTS = np.random.default_rng(3).dirichlet(np.ones(NAMES))


def test_each_kind_is_its_formula():
    asked = problem(income())
    some = np.arange(NAMES) % 2 == 0
    apart = WEIGHTS - np.full(NAMES, 1 / NAMES)
    losses = np.sort(-(returns() @ WEIGHTS))[::-1]
    scoped = term("half", "variance", loadings=some * 1.0)
    by_hand = {
        "income": sum(m * w for m, w in zip(returns().mean(axis=0) * 252, WEIGHTS, strict=True)),
        "tail": (losses[:12].sum() + 0.5 * losses[12]) / 12.5,
        "risk": (returns() @ WEIGHTS).var(ddof=1) * 252,
        "spread": np.sqrt((apart**2).sum()),
        "moved": np.abs(WEIGHTS - np.eye(NAMES)[0]).sum(),
        "half": (returns()[:, some] @ WEIGHTS[some]).var(ddof=1) * 252,
    }
    for one in (income(), tail(), risk(), spread(), moved(), scoped):
        assert term_value(one, asked, WEIGHTS) == pytest.approx(by_hand[one.name], rel=1e-12)


def test_maximised_terms_count_against_what_is_minimised():
    asked = problem(income(weight=2.0), risk(weight=3.0))
    told = custom_terms(asked.custom, asked, WEIGHTS)
    assert list(told) == ["income", "risk"]
    assert told["income"] == pytest.approx(-2.0 * float(asked.mean_annual @ WEIGHTS))
    assert asked.objective_value(WEIGHTS) == pytest.approx(sum(told.values()))


def test_a_bound_that_is_missed_is_told_with_value_and_bound():
    asked = problem(
        income(),
        risk(weight=None, bound=1e-4, sense="le"),
        moved(weight=None, bound=0.0, sense="le"),
        term("first", "linear", loadings=np.eye(NAMES)[0], bound=0.9, sense="ge"),
    )
    told = list(custom_faults(asked.custom, asked, WEIGHTS))
    assert [words.split(" is ")[0] for words in told] == [
        "objective.terms: risk",
        "objective.terms: moved",
        "objective.terms: first",
    ]
    assert told[2].endswith("< 0.9")
    assert list(custom_faults(asked.custom, asked, np.eye(NAMES)[0])) == [
        word for word in custom_faults(asked.custom, asked, np.eye(NAMES)[0]) if "risk" in word
    ]


def test_a_bound_of_a_term_that_this_process_does_not_know_is_not_vouched_for():
    foreign = term("x", "python", python="elsewhere", weight=None, bound=1.0, sense="le")
    (fault,) = custom_faults(Custom(terms=(foreign,)), problem(), WEIGHTS)
    assert "'elsewhere' is not registered in this process" in fault
