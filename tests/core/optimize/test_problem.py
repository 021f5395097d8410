import numpy as np
import pytest

from streams.core.errors import DataError
from streams.core.optimize import GroupLimit
from tests.core.optimize.problems import plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean_annual": np.array([np.nan, 0.1])}, "mean_annual has a value that is not finite"),
        ({"cov_annual": np.array([[1.0, np.inf], [np.inf, 1.0]])}, "cov_annual has a value"),
        ({"cov_annual": np.array([[1.0, 0.2], [0.1, 1.0]])}, "differs from its transpose by 0.1"),
        ({"cov_annual": np.diag([1.0, -1e-9])}, "has the variance -1e-09; expected >= 0"),
        ({"held": np.array([np.nan, 0.0])}, "held has a value"),
        ({"held_cash": np.nan}, "held_cash has a value"),
        ({"cash_max": np.inf}, "cash has a value"),
        ({"weight_max": np.array([np.inf, 1.0])}, "weight_max has a value"),
        ({"risk_aversion": np.inf}, "risk_aversion has a value"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused_by_name(changes, message):
    with pytest.raises(DataError, match=message):
        plain(np.eye(2), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"strategies": ("only",)},
        {"objective": "max_luck"},
        {"weight_min": np.array([0.6, 0.0]), "weight_max": np.array([0.5, 1.0])},
        {"weight_min": np.array([-0.1, 0.0])},
        {"cash_min": 0.2, "cash_max": 0.1},
        {"risk_aversion": -1.0},
        {"turnover_max": -0.1},
        {"held_elsewhere": -0.1},
        {"held": np.zeros(3)},
        {"cov_annual": np.eye(3)},
    ],
)
def test_a_problem_that_makes_no_sense_is_our_own_mistake(changes):
    with pytest.raises(AssertionError):
        plain(np.eye(2), **changes)


def test_a_group_with_minimum_above_maximum_is_our_own_mistake():
    with pytest.raises(AssertionError, match=r"families\.trend"):
        GroupLimit(key="families.trend", members=np.ones(2, bool), minimum=0.5, maximum=0.4)


def test_the_kind_of_a_group_is_its_key_up_to_the_first_dot():
    group = GroupLimit(key="families.a.b", members=np.ones(2, bool), minimum=0.0, maximum=1.0)
    assert group.kind == "families"


def test_objective_value_is_the_utility_or_the_variance():
    cov = np.array([[0.04, 0.01], [0.01, 0.09]])
    weights = np.array([0.5, 0.25])
    # 0.25·0.04 + 2·0.125·0.01 + 0.0625·0.09
    variance = 0.010 + 0.0025 + 0.005625
    assert plain(cov).objective_value(weights) == pytest.approx(variance, rel=1e-15)
    utility = 0.5 * 0.1 + 0.25 * 0.2 - 0.5 * 3.0 * variance
    problem = plain(cov, [0.1, 0.2], risk_aversion=3.0)
    assert problem.objective_value(weights) == pytest.approx(utility, rel=1e-15)
