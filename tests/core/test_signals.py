"""Signs of the market against their definitions, and their laws."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.signals import (
    FAST_DECAY,
    SLOW_DECAY,
    WARM_BARS,
    WINSOR_DEVIATIONS,
    MarketSigns,
    correlation_distance,
    turbulence,
)
from tests.core.oracles import ragged_returns


def together(seed, bars, columns, rho):
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal((bars, 1)), rng.standard_normal((bars, columns))
    return 0.01 * (np.sqrt(rho) * common + np.sqrt(1 - rho) * own)


def test_turbulence_is_one_when_returns_are_as_expected():
    cov = np.array([[4.0, 1.0], [1.0, 9.0]]) * 1e-4
    returns = np.linalg.cholesky(cov) @ np.array([1.0, -1.0])
    assert turbulence(returns, cov) == pytest.approx(1.0)
    inverse = returns @ np.linalg.inv(cov) @ returns / 2
    assert turbulence(3 * returns, cov) == pytest.approx(9 * inverse)
    assert turbulence(np.array([np.nan, 0.06]), cov) == pytest.approx(4.0)


def test_turbulence_that_cannot_be_told_is_none():
    assert turbulence(np.array([np.nan, np.nan]), np.eye(2)) is None
    assert turbulence(np.array([0.1, 0.1]), np.full((2, 2), 0.04)) is None
    assert turbulence(np.array([0.1, 0.1]), np.diag([0.04, 0.0])) is None


def test_correlation_distance_is_the_root_mean_square_over_pairs():
    one, other = np.eye(3), np.eye(3)
    other[0, 1] = other[1, 0] = 0.6
    assert correlation_distance(one, other) == pytest.approx(np.sqrt(0.36 / 3))
    assert correlation_distance(np.eye(1), np.eye(1)) == 0.0


def signs_by_definition(rows):
    """Bar by bar from whole tables by pandas: no winsorising, so only for tame rows."""
    frame = pd.DataFrame(rows)
    present = frame.notna()
    weight = present.astype(float).ewm(alpha=1 - SLOW_DECAY, adjust=True).mean()
    square = (frame.fillna(0) ** 2).ewm(alpha=1 - SLOW_DECAY, adjust=True).mean()
    variance = (square / weight).shift(1).where(present.cumsum().shift(1) >= WARM_BARS)
    z = frame / np.sqrt(variance)
    z = z.dropna(how="all")
    count = z.notna().sum(axis=1)
    products = z.sum(axis=1) ** 2 - (z**2).sum(axis=1)
    level = (z**2).sum(axis=1) / count
    out = {}
    for name, decay in (("fast", FAST_DECAY), ("slow", SLOW_DECAY)):
        rule = {"alpha": 1 - decay, "adjust": True}
        pairs = (count * (count - 1)).ewm(**rule).mean()
        out[f"level_{name}"] = level.ewm(**rule).mean()
        out[name] = products.ewm(**rule).mean() / pairs / out[f"level_{name}"]
    out["regime"] = np.sqrt(out["level_fast"] / out["level_slow"])
    return pd.DataFrame(out).reindex(range(len(rows)))


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_signs_equal_their_definition_by_pandas(missing):
    rows = together(1, 400, 5, 0.4)
    rows[np.random.default_rng(2).random(rows.shape) < missing] = np.nan
    assert np.nanmax(np.abs(rows)) < WINSOR_DEVIATIONS * 0.01  # nothing is cut here
    got, wanted = MarketSigns(5).push(rows), signs_by_definition(rows)
    told = ~np.isnan(got.volatility_regime)
    assert told.sum() > 300
    for mine, name in (
        (got.volatility_regime, "regime"),
        (got.correlation_fast, "fast"),
        (got.correlation_slow, "slow"),
    ):
        np.testing.assert_allclose(mine[told], wanted[name].to_numpy()[told], rtol=1e-10)
    assert got.correlation_slow[-1] == pytest.approx(0.4, abs=0.12)


def test_signs_are_told_once_there_is_enough_to_tell_them_from():
    got = MarketSigns(3).push(together(3, 200, 3, 0.2))
    first = int(np.argmax(~np.isnan(got.volatility_regime)))
    assert np.isnan(got.volatility_regime[:first]).all()
    assert first == 2 * WARM_BARS - 1  # a strategy's own volatility first, then the average of them
    assert np.isnan(got.deviations[:WARM_BARS]).all()
    assert not np.isnan(got.deviations[WARM_BARS:]).any()


def test_a_change_of_regime_shows_and_calm_does_not():
    calm = together(4, 300, 8, 0.1)
    wild = 3 * together(5, 30, 8, 0.9)
    got = MarketSigns(8).push(np.vstack([calm, wild]))
    assert got.volatility_regime[299] == pytest.approx(1.0, abs=0.2)
    assert got.volatility_regime[-1] > 1.35
    assert got.correlation_break[299] < 0.15
    assert got.correlation_break[-1] > 0.25


def test_a_jump_is_told_and_hides_no_other():
    rows = together(6, 200, 4, 0.2)
    rows[150, 2] = 0.5
    rows[160, 2] = -0.15
    got = MarketSigns(4).push(rows)
    assert got.jumps(150).tolist() == [2]
    assert got.jumps(160).tolist() == [2]  # the raw square of 0.5 would have made it look tame
    assert got.deviations[150, 2] == pytest.approx(50, rel=0.3)
    told = [bar for bar in range(200) if got.jumps(bar).size]
    assert told == [150, 160]
    raw = pd.Series(rows[:160, 2] ** 2).ewm(alpha=1 - SLOW_DECAY).mean().iloc[-1]
    assert abs(rows[160, 2]) / np.sqrt(raw) < 6.0


@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 150), max_size=6),
    columns=st.integers(1, 9),
)
def test_runs_and_restarts_change_no_bit(seed, cuts, columns):
    rows = ragged_returns(seed, 150, columns, 0.1)
    rows[70] = 0.0
    whole, parts = MarketSigns(columns), MarketSigns(columns)
    told = whole.push(rows)
    places = [0, *sorted(cuts), 150]
    pieces = []
    for start, stop in pairwise(places):
        pieces.append(parts.push(rows[start:stop]))
        parts = MarketSigns.from_state(parts.to_state())
    for name in ("volatility_regime", "correlation_fast", "correlation_slow", "deviations"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        assert joined.tobytes() == getattr(told, name).tobytes()
    for key, value in whole.to_state().items():
        assert value.tobytes() == parts.to_state()[key].tobytes()


def test_new_columns_join_without_a_trace_on_the_others():
    rows = together(7, 120, 3, 0.3)
    signs = MarketSigns(3)
    signs.push(rows[:100])
    before = signs.to_state()["own"]
    signs.select(np.array([2, -1, 0, 1]))
    np.testing.assert_array_equal(signs.to_state()["own"][:, [2, 3, 0]], before)
    got = signs.push(np.column_stack([rows[100:, 2], rows[100:, 0], rows[100:, 0], rows[100:, 1]]))
    assert np.isnan(got.deviations[:, 1]).all()
    assert not np.isnan(got.volatility_regime).any()


def test_strategies_that_stand_still_have_no_signs():
    got = MarketSigns(2).push(np.zeros((200, 2)))
    assert np.isnan(got.volatility_regime).all()
    assert np.isnan(got.correlation_break).all()
    assert not got.jumps(199).size


def test_a_return_whose_square_is_no_number_leaves_sums_that_are_numbers_and_fade():
    rows = together(9, 60 * WARM_BARS, 2, 0.4)
    rows[3, 0] = 1e160  # before there is a deviation to cut it by
    signs = MarketSigns(2)
    signs.push(rows[:4])
    before = signs.to_state()["own"]
    assert np.isfinite(before).all()
    found = signs.push(rows[4:])
    assert np.isfinite(found.deviations[-1]).all()
    assert signs.to_state()["own"][1, 0] < 1e-5 * before[1, 0]
