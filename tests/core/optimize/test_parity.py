import numpy as np
import pytest

from streams.core.optimize.parity import parity_shares
from tests.core.optimize.problems import moments


@pytest.mark.parametrize("names", [1, 2, 5, 50])
def test_contributions_stand_as_the_budgets(names):
    for seed in range(20):
        rng = np.random.default_rng([names, seed])
        _, cov = moments(rng, names)
        budgets = rng.random(names) + 0.01
        budgets /= budgets.sum()
        shares = parity_shares(cov, budgets)
        risk = shares * (cov @ shares)
        assert shares.sum() == pytest.approx(1.0, rel=1e-12)
        assert risk / risk.sum() == pytest.approx(budgets, rel=1e-9)


def test_two_uncorrelated_strategies_are_weighted_by_inverse_volatility():
    shares = parity_shares(np.diag([0.01, 0.04]), np.full(2, 0.5))
    assert shares == pytest.approx([2.0 / 3.0, 1.0 / 3.0], rel=1e-12)


def test_a_mix_without_risk_has_no_answer():
    opposite = np.array([[0.04, -0.04], [-0.04, 0.04]])
    assert parity_shares(opposite, np.full(2, 0.5)) is None
