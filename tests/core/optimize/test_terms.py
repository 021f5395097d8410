import numpy as np
import pytest

from streams.core.optimize import Caps, GroupLimit, TradeCosts


def test_a_share_is_a_row_against_zero():
    limit = GroupLimit(
        key="correlation.cluster_risk_max.a/b",
        members=np.array([True, True, False]),
        minimum=-np.inf,
        maximum=0.4,
        loadings=np.array([0.1, 0.2, 0.0]),
        share_of=np.array([0.1, 0.2, 0.3]),
    )
    assert limit.kind == "correlation.cluster_risk_max"
    assert limit.coefficients == pytest.approx([0.06, 0.12, -0.12])
    assert limit.row_maximum == 0.0
    # Raising the share by one moves the row by Σ share_of·w.
    assert limit.price_of_limit(2.0, np.array([0.5, 0.5, 0.0])) == pytest.approx(0.3)


def test_costs_are_spread_over_their_horizon():
    costs = TradeCosts(
        linear=np.array([0.001, 0.002]), impact=np.array([0.0, 0.01]), horizon_years=0.5
    )
    # 0.1·0.001 + 0.04·0.002 + 0.04^1.5·0.01, twice a year
    expected = 2.0 * (1e-4 + 8e-5 + 8e-5)
    assert costs.per_year(np.array([0.1, -0.04])) == pytest.approx(expected, rel=1e-12)


def test_caps_that_are_given():
    assert Caps().given((*Caps.CONIC, *Caps.ITERATED, *Caps.WHOLE)) == ()
    caps = Caps(short_max=0.0, exclusive=((0, 1),))
    assert caps.given((*Caps.CONIC, *Caps.WHOLE)) == ("short_max", "exclusive")
