import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.core.covariance import (
    REBUILD_BARS,
    CovarianceSpec,
    RollingCovariance,
    average_correlation,
    complete_rows,
    covariance,
    parse_covariance,
    psd_distance,
)
from streams.core.covariance.sums import ProductSums
from streams.core.errors import ConfigError, DataError
from streams.core.windows import RollingWindows
from tests.core.oracles import (
    average_correlation_by_pairs,
    covariance_by_definition,
    ragged_returns,
)

LITERALS = ("sample", "ewma:0.94", "ewma:0.5", "ledoit_wolf")
WINDOW = 30
# The engine's promise for every rolling figure, relative to the two deviations of an entry.
PROMISED = 1e-10

seeds = st.integers(0, 2**32 - 1)


def assert_close(matrix, expected, tolerance):
    deviations = np.sqrt(np.diag(expected))
    scale = np.multiply.outer(deviations, deviations)
    assert (np.abs(matrix - expected) <= tolerance * scale).all()
    np.testing.assert_array_equal(matrix, matrix.T)


class Walk:
    """Windows and the covariance over them, pushed together."""

    def __init__(self, columns, literal, eligible=None, window=WINDOW):
        self.spec = parse_covariance(literal)
        self.windows = RollingWindows((5, window), columns, RollingCovariance.history(window))
        chosen = np.arange(columns) if eligible is None else np.asarray(eligible)
        self.rolling = RollingCovariance(self.windows, window, self.spec, chosen)

    def push(self, rows):
        for row in rows:
            self.windows.push(row)
            self.rolling.push(self.windows)
        return self

    def restored(self):
        other = object.__new__(Walk)
        other.spec = self.spec
        other.windows = RollingWindows.from_state(self.windows.to_state())
        other.rolling = RollingCovariance.from_state(
            self.rolling.to_state(), self.spec, other.windows
        )
        return other

    def rows(self):
        return complete_rows(self.windows.values(WINDOW), self.rolling.eligible)[0]


@pytest.mark.parametrize(
    ("literal", "spec"),
    [
        ("sample", CovarianceSpec(kind="sample")),
        ("ledoit_wolf", CovarianceSpec(kind="ledoit_wolf")),
        ("ewma:0.94", CovarianceSpec(kind="ewma", decay=0.94)),
    ],
)
def test_literals_are_read(literal, spec):
    assert parse_covariance(literal) == spec


@pytest.mark.parametrize(
    "literal", ["", "Sample", "ewma", "ewma:", "ewma:x", "ewma:0", "ewma:1", "ewma:nan", "ewma:-1"]
)
def test_other_literals_are_refused_by_name(literal):
    with pytest.raises(ConfigError, match="expected") as caught:
        parse_covariance(literal)
    assert repr(literal) in str(caught.value)


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize(("count", "columns"), [(2, 1), (2, 7), (10, 3), (60, 70), (252, 130)])
def test_batch_equals_other_libraries(literal, count, columns):
    rows = ragged_returns(count + columns, count, columns, 0.0)
    matrix = covariance(rows, parse_covariance(literal))
    expected = covariance_by_definition(rows, literal)
    # Sums of `count` products: a few hundred roundings of 1e-16. Shrinkage adds a share of the
    # mean variance to each, so that its rounding counts in that unit.
    if literal == "ledoit_wolf":
        np.testing.assert_allclose(matrix, expected, rtol=0, atol=1e-12 * np.trace(expected))
    else:
        assert_close(matrix, expected, 1e-12)
    np.testing.assert_array_equal(matrix, matrix.T)
    assert psd_distance(matrix) <= 1e-14 * np.trace(matrix)


@pytest.mark.parametrize("literal", LITERALS)
def test_constant_column_has_exactly_no_variance(literal):
    rows = ragged_returns(3, 40, 3, 0.0)
    rows[:, 1] = 0.1
    moved = covariance(rows, parse_covariance(literal))
    if literal == "sample":
        assert (moved[1] == 0.0).all()
    assert np.isfinite(moved).all()


def test_batch_refuses_one_row_and_returns_too_large():
    for literal in LITERALS:
        with pytest.raises(DataError, match="there are 1"):
            covariance(np.ones((1, 3)), parse_covariance(literal))
    rows = np.zeros((5, 3))
    rows[2, 1] = 1e200
    for literal in LITERALS:
        with pytest.raises(DataError, match="beyond float64"):
            covariance(rows, parse_covariance(literal))


def test_complete_rows_take_the_columns_in_the_order_asked():
    values = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0], [np.nan, 6.0, 7.0]])
    rows, count = complete_rows(values, np.array([1, 0]))
    assert (rows.tolist(), count) == ([[2.0, 1.0], [4.0, 3.0]], 2)
    rows, count = complete_rows(values, np.array([2, 0]))
    assert (rows.tolist(), count) == ([[5.0, 3.0]], 1)


@pytest.mark.parametrize("missing", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("literal", LITERALS)
def test_rolling_equals_batch_of_other_libraries_at_every_bar(literal, missing):
    walk = Walk(5, literal, eligible=[4, 0, 2])
    compared = 0
    for row in ragged_returns(31, 200, 5, missing):
        walk.push([row])
        rows = walk.rows()
        assert walk.rolling.n_common == len(rows)
        if len(rows) < 2:
            with pytest.raises(DataError, match=f"there are {len(rows)}"):
                walk.rolling.matrix()
            continue
        assert_close(walk.rolling.matrix(), covariance_by_definition(rows, literal), PROMISED)
        assert_close(walk.rolling.matrix(), covariance(rows, walk.spec), PROMISED)
        compared += 1
    assert compared > 150


@pytest.mark.parametrize("literal", LITERALS)
def test_rolling_equals_batch_with_more_columns_than_a_block(literal):
    walk = Walk(150, literal).push(ragged_returns(32, 45, 150, 0.0))
    assert_close(walk.rolling.matrix(), covariance(walk.rows(), walk.spec), PROMISED)
    check_summary(walk)


def check_summary(walk):
    summary, matrix = walk.rolling.summary(), walk.rolling.matrix()
    deviations = np.sqrt(np.diag(matrix))
    correlation = matrix / np.multiply.outer(deviations, deviations)
    np.fill_diagonal(correlation, -np.inf)
    assert summary.n_common == walk.rolling.n_common
    np.testing.assert_allclose(summary.trace, np.trace(matrix), rtol=1e-12)
    pairs = correlation[np.triu_indices(len(matrix), 1)]
    np.testing.assert_allclose(summary.average_correlation, pairs.mean(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        summary.average_correlation, average_correlation(matrix), rtol=0, atol=1e-12
    )
    first, second, rho = summary.pair_max
    assert first < second
    np.testing.assert_allclose(rho, pairs.max(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(correlation[first, second], pairs.max(), rtol=0, atol=1e-12)


@given(
    seed=seeds,
    literal=st.sampled_from(LITERALS),
    missing=st.sampled_from([0.0, 0.1, 0.5]),
    cut=st.integers(0, 120),
    more=st.integers(0, 90),
)
@example(seed=0, literal="ewma:0.94", missing=0.0, cut=REBUILD_BARS, more=1)
@example(seed=0, literal="sample", missing=0.0, cut=REBUILD_BARS - 1, more=1)
def test_snapshot_at_any_bar_is_bitwise_invisible(seed, literal, missing, cut, more):
    returns = ragged_returns(seed, cut + more, 4, missing)
    whole = Walk(4, literal).push(returns)
    resumed = Walk(4, literal).push(returns[:cut]).restored().push(returns[cut:])
    assert resumed.rolling.summary() == whole.rolling.summary()
    assert resumed.rolling.to_state()["rebuilt_at"] == whole.rolling.to_state()["rebuilt_at"]
    if whole.rolling.n_common >= 2:
        assert resumed.rolling.matrix().tobytes() == whole.rolling.matrix().tobytes()


@given(seed=seeds, literal=st.sampled_from(LITERALS), bars=st.integers(2, 100))
def test_change_of_eligible_columns_equals_batch_and_restores(seed, literal, bars):
    returns = ragged_returns(seed, bars + 20, 5, 0.05)
    walk = Walk(5, literal, eligible=[0, 1]).push(returns[:bars])
    walk.rolling.set_eligible(walk.windows, np.array([3, 1, 4]))
    again = walk.restored()
    for one in (walk, again):
        one.push(returns[bars:])
    assert walk.rolling.eligible.tolist() == [3, 1, 4]
    if walk.rolling.n_common >= 2:
        assert_close(walk.rolling.matrix(), covariance(walk.rows(), walk.spec), PROMISED)
        assert walk.rolling.matrix().tobytes() == again.rolling.matrix().tobytes()


def test_same_eligible_columns_change_no_bit():
    returns = ragged_returns(40, 50, 3, 0.0)
    walk, undisturbed = Walk(3, "sample").push(returns), Walk(3, "sample").push(returns)
    walk.rolling.set_eligible(walk.windows, np.arange(3))
    assert walk.rolling.to_state()["rebuilt_at"] == undisturbed.rolling.to_state()["rebuilt_at"]


@pytest.mark.parametrize("literal", LITERALS)
def test_correction_then_rebuild_equals_batch(literal):
    walk = Walk(4, literal).push(ragged_returns(41, 77, 4, 0.1))
    walk.windows.correct(12, 2, 0.25)
    walk.rolling.rebuild(walk.windows)
    assert_close(walk.rolling.matrix(), covariance(walk.rows(), walk.spec), 1e-14)


@pytest.mark.parametrize("literal", LITERALS)
def test_quiet_streams_are_made_anew_at_their_turn_only(literal):
    # A mean far from zero, and hundreds of columns: no chance value may cost a rebuild a bar.
    returns = ragged_returns(48, 3 * REBUILD_BARS - 1, 200, 0.0) + 0.02
    walk = Walk(200, literal).push(returns)
    assert walk.rolling.to_state()["rebuilt_at"] == 2 * REBUILD_BARS


@given(seed=seeds, literal=st.sampled_from(LITERALS))
def test_column_order_only_permutes(seed, literal):
    returns = ragged_returns(seed, 70, 6, 0.02)
    order = np.random.default_rng(seed).permutation(6)
    straight = Walk(6, literal).push(returns).rolling.matrix()
    shuffled = Walk(6, literal).push(returns[:, order]).rolling.matrix()
    # BLAS may add the same products in another order.
    assert_close(shuffled, straight[np.ix_(order, order)], 1e-13)


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize("wild", [1e3, 1e8, 1e100, 1e200])
def test_wild_value_leaves_no_trace_when_it_leaves(literal, wild):
    returns = ragged_returns(42, 60, 3, 0.0)
    returns[20, 1] = wild
    walk = Walk(3, literal).push(returns[: 20 + WINDOW])
    if wild < 1e76:  # its fourth power is a number
        assert_close(walk.rolling.matrix(), covariance(walk.rows(), walk.spec), PROMISED)
    walk.push(returns[20 + WINDOW :])
    assert_close(walk.rolling.matrix(), covariance(walk.rows(), walk.spec), PROMISED)


@pytest.mark.parametrize("literal", LITERALS)
def test_value_beyond_float64_is_refused_not_published(literal):
    returns = ragged_returns(43, 40, 3, 0.0)
    returns[20, 1] = 1e200
    walk = Walk(3, literal).push(returns)
    with pytest.raises(DataError, match="beyond float64"):
        walk.rolling.matrix()
    summary = walk.rolling.summary()
    assert (summary.n_common, summary.trace, summary.pair_max) == (WINDOW, None, None)
    assert summary.average_correlation is None


@pytest.mark.parametrize("literal", ["sample", "ledoit_wolf"])
def test_change_of_level_does_not_cost_digits(literal):
    returns = 1e-4 * ragged_returns(44, 150, 3, 0.0)
    returns[70:] += 0.5  # seventy bars later the shift is 1e5 deviations away from the mean
    walk = Walk(3, literal)
    for row in returns:
        walk.push([row])
        if walk.rolling.n_common >= 2:
            assert_close(walk.rolling.matrix(), covariance(walk.rows(), walk.spec), PROMISED)


def test_columns_that_stand_still_have_no_correlation():
    returns = ragged_returns(45, 120, 3, 0.0)
    returns[:, 1] = 0.1
    returns[60:, 2] = 0.0
    walk = Walk(3, "sample").push(returns)
    assert (walk.rolling.matrix()[1:] == 0.0).all()
    summary = walk.rolling.summary()
    assert (summary.average_correlation, summary.pair_max) == (None, None)
    np.testing.assert_allclose(summary.trace, returns[-WINDOW:, 0].var(ddof=1), rtol=1e-12)


@pytest.mark.parametrize("literal", LITERALS)
def test_one_column(literal):
    walk = Walk(1, literal).push(ragged_returns(46, 40, 1, 0.0))
    assert_close(walk.rolling.matrix(), covariance_by_definition(walk.rows(), literal), PROMISED)
    assert walk.rolling.summary().pair_max is None
    assert walk.rolling.summary().average_correlation is None


def test_no_eligible_column_is_an_own_mistake():
    with pytest.raises(AssertionError, match="no eligible"):
        Walk(1, "sample", eligible=np.array([], dtype=np.int64))


def test_history_too_short_to_restore_from_is_an_own_mistake():
    windows = RollingWindows((WINDOW,), 2)
    with pytest.raises(AssertionError):
        RollingCovariance(windows, WINDOW, parse_covariance("sample"), np.arange(2))


@given(seed=seeds, columns=st.integers(2, 8))
def test_average_correlation_equals_the_sum_over_pairs(seed, columns):
    rng = np.random.default_rng(seed)
    matrix = covariance(ragged_returns(seed, 40, columns, 0.0), parse_covariance("sample"))
    weights = rng.dirichlet(np.ones(columns))
    got = average_correlation(matrix, weights)
    assert got == pytest.approx(average_correlation_by_pairs(matrix, weights), abs=1e-9)
    alike = average_correlation_by_pairs(matrix, 1 / np.sqrt(np.diag(matrix)))
    assert average_correlation(matrix) == pytest.approx(alike, abs=1e-12)


def test_average_correlation_without_a_pair_is_none():
    matrix = np.diag([0.04, 0.01, 0.0])
    assert average_correlation(matrix, np.array([1.0, 0.0, 0.0])) is None
    assert average_correlation(matrix, np.array([0.5, 0.0, 0.5])) is None
    assert average_correlation(matrix, np.zeros(3)) is None
    assert average_correlation(matrix) == 0.0
    assert average_correlation(np.diag([0.04, 0.0])) is None
    assert average_correlation(np.full((3, 3), 0.04)) == pytest.approx(1.0, rel=1e-15)


def test_psd_distance_is_the_least_eigenvalue_below_zero():
    assert psd_distance(np.diag([3.0, 1.0])) == 0.0
    rotation = np.array([[3.0, 4.0], [-4.0, 3.0]]) / 5.0
    matrix = rotation @ np.diag([2.0, -0.5]) @ rotation.T
    assert psd_distance(matrix) == pytest.approx(0.5, rel=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("literal", ["sample", "ledoit_wolf"])
def test_a_million_updates_without_any_rebuild_keep_six_digits(literal):
    rng = np.random.default_rng(7)
    block = np.maximum(0.01 * rng.standard_normal((5000, 4)) + 0.002, -0.9)
    sums = ProductSums(parse_covariance(literal), block[:WINDOW])
    for update in range(1_000_000):
        sums.enter(block[(update + WINDOW) % 5000])
        sums.leave(block[update % 5000])
    rows = block[np.arange(1_000_000, 1_000_000 + WINDOW) % 5000]
    assert_close(sums.matrix(), covariance_by_definition(rows, literal), 1e-6)


@pytest.mark.slow
def test_a_million_bars_keep_six_digits_with_fading_weights():
    rng = np.random.default_rng(8)
    block = np.maximum(0.01 * rng.standard_normal((5000, 2)), -0.9)
    walk = Walk(2, "ewma:0.94")
    for _ in range(20):
        walk.push(block)
        walk.push(block[:1])  # so that rebuilds fall on other rows
    assert_close(walk.rolling.matrix(), covariance_by_definition(walk.rows(), "ewma:0.94"), 1e-12)


def test_average_correlation_is_told_of_any_size():
    matrix = np.array([[1.0, 0.3, 0.3], [0.3, 1.0, 0.3], [0.3, 0.3, 1.0]])
    told = average_correlation(matrix * 1e308, np.ones(3))
    assert told == pytest.approx(0.3, abs=1e-12)  # roundings
