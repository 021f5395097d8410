"""Overrides change what they name, keep the rest, and are checked with the policy they change."""

import msgspec
import pytest

from schemas.policy import (
    ConstraintOverrides,
    FamilyLimit,
    Objective,
    Overrides,
    PolicyError,
    load_policy,
    with_overrides,
)

POLICY = load_policy(
    {
        "portfolio_id": "p",
        "bar": "1d",
        "periods_per_year": 252,
        "strategies": [
            {"id": "a", "family": "trend", "weight_min": 0.2},
            {"id": "b", "family": "arbitrage"},
        ],
        "objective": {"type": "mean_variance", "risk_aversion": 5.0},
        "constraints": {
            "weight_max": 0.8,
            "turnover_max": 0.5,
            "families": {"trend": {"max": 0.7}, "arbitrage": {"max": 0.9}},
            "correlation": {"pair_limit": 0.8, "pair_weight_max": 0.5},
        },
    }
)


def limits(**changes):
    return Overrides(constraints=ConstraintOverrides(**changes))


def test_nothing_asked_for_changes_nothing():
    assert with_overrides(POLICY, None) is POLICY
    for nothing in (Overrides(), limits()):
        assert with_overrides(POLICY, nothing) == POLICY


def test_what_is_named_changes_and_the_rest_stays():
    found = with_overrides(POLICY, limits(weight_max=0.6, volatility_max=0.1))
    assert (found.constraints.weight_max, found.constraints.volatility_max) == (0.6, 0.1)
    kept = msgspec.structs.replace(found.constraints, weight_max=0.8, volatility_max=None)
    assert msgspec.structs.replace(found, constraints=kept) == POLICY


def test_null_lifts_a_limit_and_absence_does_not():
    data = b'{"constraints": {"turnover_max": null, "correlation": null}}'
    lifted = with_overrides(POLICY, msgspec.json.decode(data, type=Overrides)).constraints
    assert (lifted.turnover_max, lifted.correlation) == (None, None)
    kept = with_overrides(POLICY, msgspec.json.decode(b'{"constraints": {}}', type=Overrides))
    assert kept == POLICY


def test_families_change_one_by_one():
    asked = limits(families={"trend": FamilyLimit(max=0.3), "arbitrage": None})
    assert with_overrides(POLICY, asked).constraints.families == {"trend": FamilyLimit(max=0.3)}
    asked = limits(families={"arbitrage": FamilyLimit(max=0.4)})
    assert with_overrides(POLICY, asked).constraints.families == {
        "trend": FamilyLimit(max=0.7), "arbitrage": FamilyLimit(max=0.4)
    }  # fmt: skip


def test_an_objective_replaces_the_whole_of_the_other():
    asked = Overrides(objective=Objective(type="target_volatility", target=0.1))
    found = with_overrides(POLICY, asked)
    assert found.objective == Objective(type="target_volatility", target=0.1)
    assert found.constraints == POLICY.constraints


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (limits(weight_max=0.1), "weight_max 0.1"),
        (limits(weight_min=0.9), "constraints.weight_min 0.9"),
        (limits(families={"trnd": FamilyLimit(max=0.3)}), "'trnd'"),
        (Overrides(objective=Objective(type="target_return")), "objective.target"),
        (Overrides(objective=Objective(type="tracking")), "objective.reference"),
        (Overrides(objective=Objective(type="custom")), "objective"),
    ],
)
def test_what_contradicts_the_policy_is_refused_with_its_name(asked, named):
    with pytest.raises(PolicyError, match=named):
        with_overrides(POLICY, asked)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b'{"constraints": {"weight_mx": 0.1}}', "weight_mx"),
        (b'{"constraints": {"weight_max": null}}', "weight_max"),
        (b'{"constraints": {"volatility_max": 0.0}}', "volatility_max"),
        (b'{"constraints": {"turnover_max": 1e999}}', "turnover_max"),
        (b'{"estimation": {}}', "estimation"),
    ],
)
def test_a_key_or_value_that_cannot_be_is_refused_with_its_name(data, named):
    with pytest.raises(msgspec.ValidationError, match=named):
        msgspec.json.decode(data, type=Overrides)
