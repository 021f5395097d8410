"""A portfolio file's terms on their way to the optimizer's numbers."""

import numpy as np
import pytest

from schemas.optimize import OptimizeRequest
from schemas.policy import load_policy
from streams.core.custom_terms import check_terms, custom_numbers, custom_of, needs_scenarios
from streams.core.errors import DataError

COV = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]])
MEAN = np.array([0.05, 0.06, 0.07])
HELD = np.array([0.5, 0.25, 0.25])


def policy(*terms, **more):
    entries = [
        {"id": "a", "family": "trend", "tags": ["slow"], "attributes": {"carbon": 3.0}},
        {"id": "b", "family": "trend", "account": "x", "attributes": {"carbon": 1.0}},
        {"id": "c", "family": "arbitrage", "tags": ["slow"], "attributes": {"carbon": 2.0}},
    ]
    objective = {"type": "custom", "terms": list(terms), **more}
    base = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252}
    return load_policy(base | {"strategies": entries, "objective": objective})


def request():
    return OptimizeRequest(
        request_id="r",
        attempt=1,
        portfolio_id="p",
        shard=0,
        strategies=("a", "b", "c"),
        mean_annual=MEAN.tobytes(),
        cov_annual_lower=COV[np.tril_indices(3)].tobytes(),
        held=HELD.tobytes(),
        held_cash=0.0,
        held_elsewhere=0.0,
        objective="custom",
        risk_aversion=1.0,
        weight_min=np.zeros(3).tobytes(),
        weight_max=np.ones(3).tobytes(),
        groups=(),
        cash_min=0.0,
        cash_max=0.0,
        turnover_max=None,
        long_only=True,
    )


def terms_of(*terms, **more):
    asked = policy(*terms, **more)
    return custom_of(custom_numbers(request(), asked.strategies, asked), 3).terms


@pytest.mark.parametrize(
    ("term", "loadings"),
    [
        ({"linear": "return"}, MEAN),
        ({"linear": "volatility"}, np.sqrt(COV.diagonal())),
        ({"linear": "carbon"}, [3.0, 1.0, 2.0]),
        ({"sum": {}}, [1.0, 1.0, 1.0]),
        ({"sum": {"scope": "families.trend"}}, [1.0, 1.0, 0.0]),
        ({"sum": {"scope": "tags.slow"}}, [1.0, 0.0, 1.0]),
        ({"variance": {"scope": "accounts.x"}}, [0.0, 1.0, 0.0]),
        ({"variance": {"scope": "strategies.c"}}, [0.0, 0.0, 1.0]),
    ],
)
def test_loadings_are_the_attribute_or_the_members_of_the_scope(term, loadings):
    (found,) = terms_of(term | {"weight": 1.0})
    np.testing.assert_array_equal(found.loadings, loadings)


def test_distances_are_to_what_is_held_or_to_the_reference():
    held, reference = terms_of(
        {"norm1": {"to": "held"}, "weight": 1.0},
        {"norm2": {"to": "reference"}, "weight": 1.0},
        reference={"c": 0.4, "a": 0.6},
    )
    np.testing.assert_array_equal(held.reference, HELD)
    np.testing.assert_array_equal(reference.reference, [0.6, 0.0, 0.4])


def test_weights_bounds_senses_and_names_travel():
    first, second = terms_of(
        {"cvar": {"alpha": 0.9}, "weight": 2.0, "give_up": 0.1, "name": "tail"},
        {"linear": "carbon", "bound": 2.5, "sense": "ge"},
        combine="lexicographic",
    )
    assert (first.name, first.kind, first.alpha) == ("tail", "cvar", 0.9)
    assert (first.weight, first.bound, first.sense, first.give_up) == (2.0, None, "minimise", 0.1)
    assert (second.name, second.weight, second.bound, second.sense) == (
        "linear carbon",
        None,
        2.5,
        "ge",
    )


def test_only_tails_and_python_look_at_the_bars():
    assert needs_scenarios(policy({"cvar": {}, "weight": 1.0}))
    assert not needs_scenarios(policy({"variance": {}, "weight": 1.0}))


def test_a_strategy_that_joined_without_the_attribute_is_named():
    asked = policy({"linear": "carbon", "weight": 1.0})
    bare = tuple(type(entry)(id=entry.id) for entry in asked.strategies)
    with pytest.raises(DataError, match="'a' has no attribute 'carbon'"):
        custom_numbers(request(), bare, asked)


def test_other_objectives_have_no_terms_and_python_ones_must_be_registered():
    document = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252}
    plain = load_policy(document | {"strategies": {"from_returns": True}})
    assert custom_numbers(request(), (), plain) is None
    assert custom_of(None, 3) is None
    check_terms(plain)
    with pytest.raises(DataError, match="'nowhere' is not registered"):
        check_terms(policy({"python": "nowhere", "weight": 1.0}))
