"""Paper books of a portfolio file: each is checked as the policy it stands for."""

import pytest

from schemas.policy import PolicyError, load_policy
from schemas.policy.check import SHADOWS_MAX
from schemas.policy.portfolio import policy_of

MINIMAL = {
    "portfolio_id": "p",
    "bar": "1d",
    "periods_per_year": 252,
    "strategies": [{"id": "a", "family": "trend"}, {"id": "b", "family": "other"}],
}


def book(name="calm", **fields):
    return {"name": name, "objective": {"type": "min_variance"}, **fields}


def refusal(*books, **document):
    with pytest.raises(PolicyError) as caught:
        load_policy({**MINIMAL, **document, "shadows": list(books)})
    return str(caught.value)


@pytest.mark.parametrize("name", ["main", "equal"])
def test_names_of_books_that_are_always_kept_are_taken(name):
    said = f"shadows: name {name!r} is taken by a book that is always kept"
    assert refusal(book(name)) == said


def test_a_name_stands_once():
    assert refusal(book(), book("x"), book()) == "shadows: name 'calm' stands twice"


def test_there_are_no_more_than_can_be_solved_beside_a_decision():
    many = [book(f"b{number}") for number in range(SHADOWS_MAX + 1)]
    assert refusal(*many) == "shadows: 9 of them, expected at most 8"
    load_policy({**MINIMAL, "shadows": many[:-1]})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"objective": {"type": "target_return"}}, "objective.type target_return needs"),
        ({"objective": {"type": "risk_parity", "budgets": {"c": 1}}}, "objective.budgets: 'c'"),
        ({"constraints": {"weight_min": 0.6, "weight_max": 0.5}}, "constraints.weight_min 0.6"),
        ({"constraints": {"families": {"trnd": {"max": 0.3}}}}, "did you mean 'trend'?"),
    ],
)
def test_a_book_that_contradicts_itself_is_refused_by_its_name(fields, said):
    text = refusal(book("x"), book("odd", **fields))
    assert text.startswith("shadows: 'odd': ")
    assert said in text


def test_an_objective_is_asked_for_and_a_typo_below_it_named():
    assert "objective" in refusal({"name": "x"})
    said = "unknown key 'shadows.0.objective.tipe'; did you mean 'shadows.0.objective.type'?"
    assert refusal({"name": "x", "objective": {"tipe": "hrp"}}) == said


def test_costs_are_weighed_where_the_book_s_objective_can_whatever_the_main_one_is():
    policy = load_policy(
        {
            **MINIMAL,
            "costs": {"linear_bps": 5, "horizon_bars": 20},
            "constraints": {"weight_max": 0.7},
            "shadows": [
                book("parity", objective={"type": "risk_parity"}),
                book("utility", objective={"type": "mean_variance"}, constraints={}),
            ],
        }
    )
    parity, utility = (policy_of(policy, shadow) for shadow in policy.shadows)
    assert (parity.costs.horizon_bars, utility.costs.horizon_bars) == (None, 20)
    assert parity.costs.linear_bps == 5
    assert (parity.constraints.weight_max, utility.constraints.weight_max) == (0.7, 1.0)
    assert parity.shadows == ()
