"""The estimators beyond the plain ones, against scikit-learn, pandas and their definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf, oas

from schemas.policy import Estimation, PolicyError, load_policy
from streams.core.covariance import (
    REBUILD_BARS,
    CovarianceSpec,
    RollingCovariance,
    clusters_of,
    covariance,
    covariance_spec,
    effective_bets,
    estimate,
    finish,
    parse_covariance,
    psd_distance,
    structure_of,
)
from streams.core.covariance.moments import effective_count, ewma_weights, winsorized
from streams.core.covariance.spectral import noise_edge, repaired
from streams.core.errors import ConfigError, DataError
from streams.core.windows import RollingWindows
from tests.core.oracles import ragged_returns

NEW = (
    "ewma_split:10:40",
    "ledoit_wolf:0.97",
    "oas",
    "oas:0.97",
    "constant_correlation",
    "cluster_block",
    "cluster_block:0.3",
    "denoise",
    "factor:auto",
    "factor:3",
)
ALL = ("sample", "ewma:0.94", "ledoit_wolf", *NEW)
RAGGED = ("sample", "ewma:0.97", "ewma_split:20:60", "oas", "denoise", "factor:auto")
CLOSE = 1e-10  # the engine's promise, relative to the deviations of an entry

seeds = st.integers(0, 2**32 - 1)


def assert_close(matrix, expected, tolerance=CLOSE):
    deviations = np.sqrt(np.diag(expected))
    assert (np.abs(matrix - expected) <= tolerance * np.multiply.outer(*[deviations] * 2)).all()
    np.testing.assert_array_equal(matrix, matrix.T)


def assert_semidefinite(matrix):
    assert np.linalg.eigvalsh(matrix)[0] >= -1e-12 * np.trace(matrix) / len(matrix)


def factor_returns(seed, bars, columns, groups=3):
    """Returns in groups that move together: (bars, columns)."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((bars, groups))[:, np.arange(columns) % groups]
    own = rng.standard_normal((bars, columns))
    return (0.8 * common + 0.6 * own) * rng.uniform(0.002, 0.03, columns)


# ---------------------------------------------------------------- literals


@pytest.mark.parametrize("literal", ALL)
def test_the_portfolio_file_and_the_core_read_the_same_literals(literal):
    estimation = {"covariance": literal}
    policy = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategies": []}
    read = load_policy({**policy, "estimation": estimation}).estimation
    assert covariance_spec(read) == parse_covariance(literal)


@pytest.mark.parametrize(
    ("literal", "words"),
    [
        ("ewma_split:20", "ewma_split:VOL_HALF_LIFE:CORR_HALF_LIFE"),
        ("ewma_split:0:20", "above 0"),
        ("ewma_split:20:x", "as ewma_split:20:120"),
        ("oas:1", "expected oas:LAMBDA with 0 < LAMBDA < 1, as oas:0.94"),
        ("ledoit_wolf:", "expected ledoit_wolf:LAMBDA with 0 < LAMBDA < 1, as ledoit_wolf:0.94"),
        ("cluster_block:1.5", "expected cluster_block:LIMIT with 0 < LIMIT < 1"),
        ("factor", "factor:auto or factor:K"),
        ("factor:0", "factor:K with K from 1 to 9999"),
        ("denoise:2", "denoise"),
        ("ewma:9e-1", "0 < LAMBDA < 1"),
    ],
)
def test_what_is_spelled_wrongly_is_refused_with_what_is_right(literal, words):
    with pytest.raises(ConfigError) as caught:
        parse_covariance(literal)
    assert repr(literal) in str(caught.value)
    assert words in str(caught.value)
    policy = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategies": []}
    with pytest.raises(PolicyError, match="covariance"):
        load_policy({**policy, "estimation": {"covariance": literal}})


def test_rows_treatment_comes_from_the_policy():
    estimation = Estimation(covariance="oas", ragged="pairwise", winsorize=5.0)
    assert covariance_spec(estimation) == CovarianceSpec(
        kind="oas", ragged="pairwise", winsorize=5.0
    )
    assert covariance_spec(estimation, "ewma:0.9").winsorize == 5.0


# ---------------------------------------------------------------- oracles


@pytest.mark.parametrize(("count", "columns"), [(5, 1), (10, 3), (60, 70), (252, 40)])
def test_oas_is_that_of_scikit_learn(count, columns):
    rows = ragged_returns(count, count, columns, 0.0)
    # The share is a ratio of sums of squares: their rounding counts in the mean variance.
    expected, share = oas(rows)
    got = estimate(rows, parse_covariance("oas"))
    np.testing.assert_allclose(got.matrix, expected, rtol=0, atol=1e-12 * np.trace(expected))
    assert got.shrinkage == pytest.approx(share, abs=1e-12)


def test_weighted_shrinkage_of_equal_weights_is_the_plain_one():
    rows = ragged_returns(5, 80, 9, 0.0)
    decay = 1.0 - 1e-13  # as good as equal: the weights differ in the twelfth digit
    for literal, expected in (("ledoit_wolf", ledoit_wolf(rows)[0]), ("oas", oas(rows)[0])):
        got = estimate(rows, CovarianceSpec(kind=literal, decay=decay))
        assert_close(got.matrix, expected, 1e-9)
        assert got.n_effective == pytest.approx(80.0, rel=1e-9)


def test_weighted_ledoit_wolf_by_its_definition():
    rows, decay = ragged_returns(6, 50, 4, 0.0), 0.95
    weights = decay ** np.arange(49, -1, -1)
    weights /= weights.sum()
    centred = rows - weights @ rows
    second = sum(w * np.multiply.outer(x, x) for w, x in zip(weights, centred, strict=True))
    target = np.trace(second) / 4 * np.eye(4)
    noise = sum(
        w * np.linalg.norm(np.multiply.outer(x, x) - second) ** 2
        for w, x in zip(weights, centred, strict=True)
    )
    share = min(noise * (weights**2).sum() / np.linalg.norm(second - target) ** 2, 1.0)
    got = estimate(rows, parse_covariance(f"ledoit_wolf:{decay}"))
    assert got.shrinkage == pytest.approx(share, rel=1e-10)
    assert_close(got.matrix, (1 - share) * second + share * target)


def test_effective_number_of_an_endless_ewma():
    for half_life, wanted in ((20, 58), (40, 115), (60, 173)):
        decay = 0.5 ** (1 / half_life)
        got = effective_count(ewma_weights(5000, decay))
        assert got == pytest.approx((1 + decay) / (1 - decay), rel=1e-9)
        assert round(got) == wanted


def test_split_takes_variances_and_correlations_of_unlike_memory():
    rows = ragged_returns(7, 300, 5, 0.0)
    matrix = covariance(rows, parse_covariance("ewma_split:10:60"))
    frame = pd.DataFrame(rows)
    variances = (frame**2).ewm(halflife=10).mean().iloc[-1].to_numpy()
    slow = sum(
        0.5 ** (age / 60) * np.multiply.outer(row, row) for age, row in enumerate(rows[::-1])
    )
    correlation = slow / np.sqrt(np.multiply.outer(np.diag(slow), np.diag(slow)))
    assert_close(matrix, correlation * np.sqrt(np.multiply.outer(variances, variances)))


def constant_correlation_by_the_paper(rows):
    """Appendix B of Ledoit and Wolf (2003), loop by loop."""
    count, size = rows.shape
    y = rows - rows.mean(axis=0)
    s = y.T @ y / count
    root = np.sqrt(np.diag(s))
    r_bar = sum(
        s[i, j] / (root[i] * root[j]) for i in range(size - 1) for j in range(i + 1, size)
    ) * (2 / (size * (size - 1)))
    f = r_bar * np.multiply.outer(root, root)
    np.fill_diagonal(f, np.diag(s))
    pi = rho = 0.0
    for i in range(size):
        for j in range(size):
            own = np.mean((y[:, i] * y[:, j] - s[i, j]) ** 2)
            pi += own
            if i == j:
                rho += own
                continue
            of_i = np.mean((y[:, i] ** 2 - s[i, i]) * (y[:, i] * y[:, j] - s[i, j]))
            of_j = np.mean((y[:, j] ** 2 - s[j, j]) * (y[:, i] * y[:, j] - s[i, j]))
            rho += r_bar / 2 * (root[j] / root[i] * of_i + root[i] / root[j] * of_j)
    gamma = ((f - s) ** 2).sum()
    delta = max(0.0, min((pi - rho) / gamma / count, 1.0))
    return delta * f + (1 - delta) * s, delta


@pytest.mark.parametrize(("count", "columns"), [(30, 3), (40, 6), (20, 30)])
def test_constant_correlation_is_that_of_the_paper(count, columns):
    rows = ragged_returns(count + columns, count, columns, 0.0)
    expected, delta = constant_correlation_by_the_paper(rows)
    got = estimate(rows, parse_covariance("constant_correlation"))
    assert got.shrinkage == pytest.approx(delta, abs=1e-10)
    assert_close(got.matrix, expected)


def test_cluster_block_by_its_definition():
    rows = factor_returns(8, 60, 9) + 0.01 * ragged_returns(8, 60, 9, 0.0)[:, :1]
    rows[:, :4] += 0.02 * np.random.default_rng(8).standard_normal((60, 1))
    got = estimate(rows, parse_covariance("cluster_block:0.3"))
    z = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    correlation = np.corrcoef(rows, rowvar=False)
    labels = clusters_of(correlation, 0.3)
    above = below = 0.0
    target = np.eye(9)
    for i in range(9):
        for j in range(9):
            if i == j:
                continue
            pairs = [
                correlation[a, b]
                for a in range(9)
                for b in range(9)
                if a != b and labels[a] == labels[i] and labels[b] == labels[j]
            ]
            target[i, j] = np.mean(pairs)
            product = z[:, i] * z[:, j]
            above += 60 / 59**3 * ((product - product.mean()) ** 2).sum()
            below += (correlation[i, j] - target[i, j]) ** 2
    share = min(above / below, 1.0)
    assert got.shrinkage == pytest.approx(share, rel=1e-10)
    deviations = rows.std(axis=0)
    shrunk = (1 - share) * correlation + share * target
    assert_close(got.matrix, shrunk * np.multiply.outer(deviations, deviations))
    assert 0 < share < 1


def test_denoising_keeps_trace_and_variances_and_flattens_the_noise():
    rows = factor_returns(9, 252, 60)
    got = estimate(rows, parse_covariance("denoise"))
    sample = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(np.diag(got.matrix), np.diag(sample), rtol=1e-12)
    values = np.linalg.eigvalsh(np.corrcoef(rows, rowvar=False))
    edge = (1 - values[-1] / 60) * (1 + np.sqrt(60 / 252)) ** 2
    assert noise_edge(values[-1], 60, 252) == pytest.approx(edge, rel=1e-12)
    assert got.factors == (values > edge).sum() == 3
    clean = np.linalg.eigvalsh(got.matrix / np.sqrt(np.multiply.outer(*[np.diag(sample)] * 2)))
    assert clean.sum() == pytest.approx(60)
    assert clean[:50].std() < 0.1 * values[:50].std()


def test_denoising_says_when_there_are_too_few_columns():
    with pytest.raises(DataError, match="denoise needs at least 21 strategies, there are 20"):
        covariance(factor_returns(1, 100, 20), parse_covariance("denoise"))


@pytest.mark.parametrize("columns", [30, 120])
def test_factor_model_is_loadings_and_own_rests(columns):
    rows = factor_returns(10, 80, columns)
    got = estimate(rows, parse_covariance("factor:3"))
    correlation = np.corrcoef(rows, rowvar=False)
    values, vectors = np.linalg.eigh(correlation)
    common = (vectors[:, -3:] * values[-3:]) @ vectors[:, -3:].T
    np.fill_diagonal(common, 1.0)
    deviations = rows.std(axis=0, ddof=1)
    assert_close(got.matrix, common * np.multiply.outer(deviations, deviations), 1e-9)
    assert np.linalg.eigvalsh(got.matrix)[0] > 0  # more columns than rows, and still no singular
    assert estimate(rows, parse_covariance("factor:auto")).factors == 3


def test_factors_are_never_more_than_rows_can_tell():
    rows = factor_returns(11, 5, 30)
    assert estimate(rows, parse_covariance("factor:9999")).factors == 4


# ---------------------------------------------------------------- holes


def test_pairwise_entries_are_those_of_pandas_where_nothing_is_repaired():
    values = ragged_returns(12, 400, 5, 0.2)
    got = estimate(values, CovarianceSpec(kind="sample", ragged="pairwise"))
    assert got.repair_distance == 0.0
    assert_close(got.matrix, pd.DataFrame(values).cov().to_numpy())


def test_pairwise_ewma_by_its_definition():
    values = ragged_returns(13, 90, 3, 0.2)
    got = estimate(values, CovarianceSpec(kind="ewma", decay=0.95, ragged="pairwise")).matrix
    for i in range(3):
        for j in range(3):
            both = ~np.isnan(values[:, [i, j]]).any(axis=1)
            weights = 0.95 ** np.arange(89, -1, -1)[both]
            wanted = (weights * values[both, i] * values[both, j]).sum() / weights.sum()
            assert got[i, j] == pytest.approx(wanted, rel=1e-10)


def test_congruence_keeps_variances_and_freezes_who_is_silent():
    values = ragged_returns(14, 120, 4, 0.3)
    frame = pd.DataFrame(values)
    sample = estimate(values, CovarianceSpec(kind="sample", ragged="congruence"))
    np.testing.assert_allclose(np.diag(sample.matrix), frame.var().to_numpy(), rtol=1e-10)
    spec = CovarianceSpec(kind="ewma", decay=0.94, ragged="congruence")
    squares = (frame**2).ewm(alpha=0.06, ignore_na=True).mean().iloc[-1]
    np.testing.assert_allclose(np.diag(estimate(values, spec).matrix), squares, rtol=1e-10)
    # Bar by bar: silent columns are not faded, A S A + x x' with A the roots of what fades.
    total, weight = np.zeros((4, 4)), np.zeros(4)
    for row in values:
        here = ~np.isnan(row)
        fade = np.where(here, 0.94, 1.0)
        x = np.where(here, row, 0.0)
        total = total * np.sqrt(np.multiply.outer(fade, fade)) + np.multiply.outer(x, x)
        weight = weight * fade + here
    expected = total / np.sqrt(np.multiply.outer(weight, weight))
    assert_close(estimate(values, spec).matrix, expected)


def test_congruence_lessens_scattered_correlations_and_pairwise_does_not():
    rng = np.random.default_rng(15)
    rows = 0.01 * (np.sqrt(0.8) * rng.standard_normal((4000, 1)) + np.sqrt(0.2) *
                   rng.standard_normal((4000, 4)))  # fmt: skip
    rows[rng.random(rows.shape) < 0.3] = np.nan

    def average(ragged):
        matrix = estimate(rows, CovarianceSpec(kind="sample", ragged=ragged)).matrix
        deviations = np.sqrt(np.diag(matrix))
        return (matrix / np.multiply.outer(deviations, deviations))[np.triu_indices(4, 1)].mean()

    assert average("pairwise") == pytest.approx(0.8, abs=0.02)
    assert average("congruence") == pytest.approx(0.8 * 0.7, abs=0.02)


@pytest.mark.parametrize("ragged", ["pairwise", "congruence"])
@pytest.mark.parametrize("literal", ["sample", "ewma:0.97", "ewma_split:20:60", "oas"])
def test_without_holes_all_treatments_say_the_same(literal, ragged):
    rows = ragged_returns(16, 100, 6, 0.0)
    spec = parse_covariance(literal)
    treated = covariance_spec(Estimation(covariance=literal, ragged=ragged))
    np.testing.assert_allclose(
        estimate(rows, treated).matrix, covariance(rows, spec), rtol=0, atol=1e-9 * rows.var()
    )


def test_what_needs_complete_rows_is_refused_with_holes():
    policy = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategies": []}
    for literal in ("ledoit_wolf", "constant_correlation", "cluster_block"):
        with pytest.raises(PolicyError, match="needs complete rows"):
            load_policy({**policy, "estimation": {"covariance": literal, "ragged": "pairwise"}})
        with pytest.raises(ConfigError, match="complete rows"):
            estimate(
                ragged_returns(1, 40, 3, 0.1),
                covariance_spec(Estimation(covariance=literal, ragged="congruence")),
            )


def test_too_few_common_rows_name_the_pair():
    values = ragged_returns(17, 20, 3, 0.0)
    values[:10, 2] = np.nan
    values[9:, 1] = np.nan
    with pytest.raises(DataError, match="there are 0 of pair 1, 2"):
        estimate(values, CovarianceSpec(kind="sample", ragged="pairwise"))
    estimate(values, CovarianceSpec(kind="sample", ragged="congruence"))
    values[1:, 1] = np.nan
    with pytest.raises(DataError, match="there are 1 of column 1"):
        estimate(values, CovarianceSpec(kind="sample", ragged="congruence"))


@given(seed=seeds, missing=st.floats(0.0, 0.8), columns=st.integers(1, 26), bars=st.integers(3, 80))
def test_any_ragged_stream_gives_a_semidefinite_matrix_or_a_reason(seed, missing, columns, bars):
    values = ragged_returns(seed, bars, columns, missing)
    for literal in ALL:
        for ragged in ("complete_rows", "pairwise", "congruence"):
            try:
                spec = covariance_spec(Estimation(covariance=literal, ragged=ragged))
                got = estimate(values, spec)
            except (DataError, ConfigError):
                continue
            assert_semidefinite(got.matrix)
            np.testing.assert_array_equal(got.matrix, got.matrix.T)
            assert 0.0 <= got.repair_distance <= 0.2


@pytest.mark.slow
def test_thousands_of_fuzzed_streams_stay_semidefinite():
    rng = np.random.default_rng(18)
    made = {"complete_rows": 0, "pairwise": 0, "congruence": 0}
    for number in range(2000):
        missing = rng.uniform(0.0, 0.8)
        columns, bars = int(rng.integers(2, 30)), int(rng.integers(20, 200))
        values = ragged_returns(number, bars, columns, missing)
        values[: int(rng.integers(0, bars // 2)), 0] = np.nan  # a late start
        literal = RAGGED[number % len(RAGGED)]
        for ragged in made:
            try:
                got = estimate(
                    values, covariance_spec(Estimation(covariance=literal, ragged=ragged))
                )
            except DataError:
                continue
            assert_semidefinite(got.matrix)
            made[ragged] += 1
    assert made["congruence"] > 1500  # but for denoise with few columns, always
    assert made["pairwise"] > 600
    assert made["complete_rows"] > 300


# ---------------------------------------------------------------- repair, structure, wild values


def test_repair_keeps_variances_tells_its_distance_and_has_a_limit():
    correlation = np.array([[1.0, 0.9, -0.2], [0.9, 1.0, 0.9], [-0.2, 0.9, 1.0]])
    deviations = np.array([0.01, 0.02, 0.5])
    matrix = correlation * np.multiply.outer(deviations, deviations)
    with pytest.raises(DataError, match="would move the correlations by 0"):
        repaired(matrix, limit=0.05)
    mended, distance = repaired(matrix, limit=0.5)
    np.testing.assert_array_equal(np.diag(mended), np.diag(matrix))
    assert_semidefinite(mended)
    moved = mended / np.multiply.outer(deviations, deviations) - correlation
    assert distance == pytest.approx(np.linalg.norm(moved) / np.linalg.norm(correlation))
    untouched, nothing = repaired(mended + 1e-9 * np.diag(np.diag(mended)))
    assert nothing == 0.0
    assert psd_distance(untouched) == 0.0


def test_clusters_are_groups_that_move_together():
    correlation = np.full((6, 6), 0.1)
    for group in ([0, 2, 4], [1, 3]):
        correlation[np.ix_(group, group)] = 0.8
    np.fill_diagonal(correlation, 1.0)
    correlation[0, 5] = correlation[5, 0] = -0.9  # against is not together
    assert clusters_of(correlation, 0.5).tolist() == [0, 1, 0, 1, 0, 2]
    assert clusters_of(correlation, 0.09).tolist() == [0, 0, 0, 0, 0, 1]
    assert clusters_of(np.ones((1, 1)), 0.5).tolist() == [0]


def test_effective_bets_count_what_is_independent():
    assert effective_bets(np.eye(7)) == pytest.approx(7.0)
    assert effective_bets(np.ones((7, 7))) == pytest.approx(1.0)
    assert effective_bets(np.zeros((3, 3))) == 0.0
    weights = np.array([0.5, 0.5, 0.0])
    assert effective_bets(np.diag([0.04, 0.04, 0.09]), weights) == pytest.approx(2.0)
    one = effective_bets(np.diag([0.04, 0.01]), np.array([1.0, 0.0]))
    assert one == pytest.approx(1.0)


def test_structure_says_how_much_there_is_to_spread_over():
    correlation = np.array([[1.0, 0.8, 0.1], [0.8, 1.0, 0.2], [0.1, 0.2, 1.0]])
    matrix = correlation * np.multiply.outer([0.1, 0.2, 0.1], [0.1, 0.2, 0.1])
    got = structure_of(matrix)
    assert got.condition_number == pytest.approx(np.linalg.cond(correlation))
    assert got.clusters == 2
    assert got.within_correlation == pytest.approx(0.8)
    assert got.between_correlation == pytest.approx(0.15)
    alone = structure_of(np.array([[0.04]]))
    assert (alone.within_correlation, alone.between_correlation) == (None, None)
    assert (alone.condition_number, alone.clusters, alone.effective_bets) == (1.0, 1, 1.0)
    assert structure_of(np.full((2, 2), 0.04)).condition_number is None
    many = structure_of(np.eye(501))
    assert (many.condition_number, many.effective_bets, many.clusters) == (None, None, 501)


def test_a_wild_value_is_cut_for_the_covariance_alone():
    rows = ragged_returns(19, 200, 3, 0.05)
    rows[7] = [0.0, 0.9, 0.0]
    kept = rows.copy()
    cut = winsorized(rows, 6.0)
    np.testing.assert_array_equal(rows, kept)
    middle = np.nanmedian(rows[:, 1])
    room = 6.0 * 1.4826022185056018 * np.nanmedian(np.abs(rows[:, 1] - middle))
    assert cut[7, 1] == pytest.approx(middle + room)
    np.testing.assert_array_equal(np.isnan(cut), np.isnan(rows))
    calm = estimate(rows, CovarianceSpec(kind="sample", winsorize=6.0)).matrix
    assert calm[1, 1] < 0.5 * estimate(rows, CovarianceSpec(kind="sample")).matrix[1, 1]
    still = np.zeros((50, 1))
    still[3] = 0.4
    np.testing.assert_array_equal(winsorized(still, 6.0), still)


@pytest.mark.parametrize("literal", NEW)
def test_still_columns_and_numbers_beyond_float64(literal):
    rows = factor_returns(20, 60, 25)
    rows[:, 4] = 0.1
    matrix = covariance(rows, parse_covariance(literal))
    assert np.isfinite(matrix).all()
    assert_semidefinite(matrix)
    rows[2, 1] = 1e200
    with pytest.raises(DataError, match="beyond float64"):
        covariance(rows, parse_covariance(literal))
    with pytest.raises(DataError, match="there are 1"):
        covariance(rows[:1], parse_covariance(literal))


# ---------------------------------------------------------------- from what is kept online


@pytest.mark.parametrize("missing", [0.0, 0.01])
@pytest.mark.parametrize("literal", ALL)
def test_finished_from_the_rolling_matrix_it_is_the_batch_estimate(literal, missing):
    spec = parse_covariance(literal)
    windows = RollingWindows((60,), 25, RollingCovariance.history(60))
    rolling = RollingCovariance(windows, 60, spec.online, np.arange(25))
    for row in factor_returns(21, 60 + REBUILD_BARS // 2, 25):
        row[np.random.default_rng(windows.count).random(25) < missing] = np.nan
        windows.push(row)
        rolling.push(windows)
    held = windows.values(60)
    if not spec.is_finished_online:
        assert literal in {"ledoit_wolf:0.97", "oas:0.97", "constant_correlation"} or (
            spec.kind == "cluster_block"
        )
        return
    got = finish(rolling.matrix(), held, spec)
    wanted = estimate(held, spec)
    assert_close(got.matrix, wanted.matrix)
    assert got.n_effective == pytest.approx(wanted.n_effective)


def test_rows_with_holes_and_cut_ones_are_looked_at_again():
    for spec in (
        CovarianceSpec(kind="sample", ragged="pairwise"),
        CovarianceSpec(kind="ewma", decay=0.9, winsorize=5.0),
    ):
        assert not spec.is_online
        assert not spec.is_finished_online
        assert spec.online.is_online


@pytest.mark.parametrize("literal", ALL)
@pytest.mark.parametrize("size", [1e80, 1e155, 1e300])
def test_returns_of_any_size_are_estimated_or_refused(literal, size):
    rows = np.random.default_rng(5).standard_normal((60, 3)) * size
    try:
        found = estimate(rows, parse_covariance(literal))
    except DataError:
        return
    assert np.isfinite(found.matrix).all()
