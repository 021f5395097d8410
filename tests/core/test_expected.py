"""Expected returns against pandas, simulation and other forms of the same formulas."""

import numpy as np
import pandas as pd
import pytest

from schemas.policy import Equilibrium, Estimation, PolicyError, View, load_policy
from streams.core.covariance import covariance, parse_covariance
from streams.core.errors import ConfigError, DataError
from streams.core.expected import expected_returns, parse_mean
from tests.core.oracles import ragged_returns

NAMES = tuple("abcdef")
YEAR = 252


def given(seed=1, count=120, missing=0.0):
    values = ragged_returns(seed, count, len(NAMES), missing)
    complete = values[~np.isnan(values).any(axis=1)]
    return values, covariance(complete, parse_covariance("ledoit_wolf")) * YEAR


def estimated(mean, values, cov, **more):
    return expected_returns(values, cov, NAMES, Estimation(mean=mean, **more), YEAR)


@pytest.mark.parametrize(
    "literal", ["sample", "ewma:0.97", "james_stein", "bayes_stein", "equilibrium"]
)
def test_the_portfolio_file_and_the_core_read_the_same_literals(literal):
    document = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategies": []}
    policy = load_policy({**document, "estimation": {"mean": literal}})
    parse_mean(policy.estimation.mean)


@pytest.mark.parametrize("literal", ["", "ewma", "ewma:1", "ewma:x", "ewma:nan", "stein"])
def test_other_literals_are_refused_by_name(literal):
    with pytest.raises(ConfigError, match="expected sample, ewma:LAMBDA") as caught:
        parse_mean(literal)
    assert repr(literal) in str(caught.value)
    document = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategies": []}
    with pytest.raises(PolicyError, match="mean"):
        load_policy({**document, "estimation": {"mean": literal}})


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_sample_is_the_mean_of_the_observed_with_the_error_of_a_mean(missing):
    values, cov = given(missing=missing)
    got = estimated("sample", values, cov)
    frame = pd.DataFrame(values)
    np.testing.assert_allclose(got.mean, frame.mean() * YEAR, rtol=1e-12)
    np.testing.assert_allclose(
        got.standard_error, np.sqrt(np.diag(cov) / (frame.count() / YEAR)), rtol=1e-12
    )
    assert got.shrinkage is None


def test_sample_without_holes_is_bit_for_bit_the_plain_mean():
    values, cov = given()
    assert estimated("sample", values, cov).mean.tobytes() == (values.mean(0) * YEAR).tobytes()


def test_ewma_is_that_of_pandas_and_its_error_that_of_fewer_rows():
    values, cov = given(missing=0.2)
    got = estimated("ewma:0.97", values, cov)
    wanted = pd.DataFrame(values).ewm(alpha=0.03).mean().iloc[-1]
    np.testing.assert_allclose(got.mean, wanted * YEAR, rtol=1e-10)
    assert (got.standard_error > estimated("sample", values, cov).standard_error).all()
    whole, cov = given(count=3000)
    endless = estimated("ewma:0.97", whole, cov).standard_error
    np.testing.assert_allclose(endless, np.sqrt(np.diag(cov) * YEAR * 0.03 / 1.97), rtol=1e-9)


def test_james_stein_shrinks_sharpe_ratios_by_the_formula():
    values, cov = given()
    got = estimated("james_stein", values, cov)
    sigma = np.sqrt(np.diag(cov) / YEAR)
    sharpe = values.mean(axis=0) / sigma
    share = min(1.0, 3 / 120 / ((sharpe - sharpe.mean()) ** 2).sum())
    assert got.shrinkage == pytest.approx(share)
    wanted = sharpe.mean() + (1 - share) * (sharpe - sharpe.mean())
    np.testing.assert_allclose(got.mean / YEAR / sigma, wanted, rtol=1e-10)
    assert (got.standard_error <= 1.3 * estimated("sample", values, cov).standard_error).all()


def test_james_stein_is_nearer_to_the_truth_and_its_error_is_honest():
    rng = np.random.default_rng(2)
    plain, shrunk, covered = 0.0, 0.0, []
    for _ in range(300):
        truth = 0.02 + 0.05 * rng.standard_normal(6)
        values = truth + rng.standard_normal((100, 6))
        got = estimated("james_stein", values, np.eye(6) * YEAR)
        plain += ((values.mean(axis=0) - truth) ** 2).sum()
        shrunk += ((got.mean / YEAR - truth) ** 2).sum()
        covered.append(np.abs(got.mean / YEAR - truth) <= got.standard_error / YEAR)
    assert shrunk < 0.6 * plain
    assert 0.6 < np.mean(covered) < 0.8  # of a normal error 68 % are within one of it


def test_few_or_still_strategies_are_not_shrunk():
    values, cov = given()
    got = expected_returns(
        values[:, :3], cov[:3, :3], NAMES[:3], Estimation(mean="james_stein"), YEAR
    )
    assert got.shrinkage == 0.0
    np.testing.assert_array_equal(got.mean, values[:, :3].mean(axis=0) * YEAR)
    values[:, 1] = 0.001
    cov[1] = cov[:, 1] = 0.0
    for mean in ("james_stein", "bayes_stein"):
        got = estimated(mean, values, cov)
        assert (got.mean[1], got.standard_error[1]) == (pytest.approx(0.252), 0.0)
        assert got.shrinkage > 0


def test_bayes_stein_by_the_paper():
    values, cov = given(3)
    got = estimated("bayes_stein", values, cov)
    sigma = np.sqrt(np.diag(cov) / YEAR)
    inverse = np.linalg.inv(cov / YEAR / np.multiply.outer(sigma, sigma))
    ratio, ones, count = values.mean(axis=0) / sigma, np.ones(6), 120
    least = ones @ inverse @ ratio / (ones @ inverse @ ones)
    prior = (6 + 2) / ((ratio - least) @ inverse @ (ratio - least))  # Jorion's lambda
    share = prior / (count + prior)
    assert got.shrinkage == pytest.approx(share)
    np.testing.assert_allclose(
        got.mean / YEAR / sigma, (1 - share) * ratio + share * least, rtol=1e-9
    )
    variance = 1 / (count + prior) + prior / (count * (count + 1 + prior) * (ones @ inverse @ ones))
    np.testing.assert_allclose(got.standard_error / YEAR / sigma, np.sqrt(variance), rtol=1e-9)


def test_bayes_stein_needs_a_covariance_with_an_inverse():
    values, _ = given(count=5)
    cov = np.cov(values, rowvar=False) * YEAR
    with pytest.raises(DataError, match="singular"):
        estimated("bayes_stein", values, cov)


def test_equilibrium_makes_the_reference_the_optimum():
    values, cov = given()
    weights = {"a": 3.0, "b": 1.0, "elsewhere": 5.0}
    got = estimated(
        "equilibrium", values, cov, equilibrium=Equilibrium(risk_aversion=4.0, weights=weights)
    )
    np.testing.assert_allclose(np.linalg.solve(4.0 * cov, got.mean)[:3], [0.75, 0.25, 0], atol=1e-9)
    np.testing.assert_allclose(got.standard_error, np.sqrt(YEAR / 120 * np.diag(cov)))
    plain = estimated("equilibrium", values, cov)
    np.testing.assert_allclose(plain.mean, 2.5 * cov @ np.full(6, 1 / 6))
    with pytest.raises(DataError, match=r"equilibrium.weights .* sum to 0"):
        estimated("equilibrium", values, cov, equilibrium=Equilibrium(weights={"elsewhere": 1.0}))


def test_black_litterman_is_the_other_form_of_the_same_posterior():
    values, cov = given()
    views = (
        View(strategies={"a": 1.0, "b": -1.0}, return_annual=0.05, confidence=0.3),
        View(strategies={"c": 1.0}, return_annual=0.2, confidence=0.8),
    )
    got = estimated("black_litterman", values, cov, views=views)
    tau = YEAR / 120
    prior = 2.5 * cov @ np.full(6, 1 / 6)
    picks = np.array([[1.0, -1.0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]])
    own = np.diag(picks @ (tau * cov) @ picks.T)
    precision = np.diag(1 / (own * np.array([0.7 / 0.3, 0.2 / 0.8])))
    inverse = np.linalg.inv(tau * cov)
    posterior = np.linalg.inv(inverse + picks.T @ precision @ picks)
    mean = posterior @ (inverse @ prior + picks.T @ precision @ np.array([0.05, 0.2]))
    np.testing.assert_allclose(got.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(got.standard_error, np.sqrt(np.diag(posterior)), rtol=1e-8)


def test_sure_views_hold_exactly_and_unknown_strategies_are_left_out():
    values, cov = given()
    views = (
        View(strategies={"gone": 1.0}, return_annual=0.05, confidence=1.0),
        View(strategies={"a": 0.5, "b": 0.5}, return_annual=0.11, confidence=1.0),
    )
    got = estimated("black_litterman", values, cov, views=views)
    assert got.mean[:2].mean() == pytest.approx(0.11)
    assert got.unused_views == (0,)
    none = estimated("black_litterman", values, cov, views=views[:1])
    np.testing.assert_array_equal(none.mean, estimated("equilibrium", values, cov).mean)
    assert none.unused_views == (0,)


def test_sure_views_that_contradict_each_other_are_refused():
    values, cov = given()
    views = tuple(
        View(strategies={"a": 1.0}, return_annual=value, confidence=1.0) for value in (0.1, 0.2)
    )
    with pytest.raises(DataError, match="contradict"):
        estimated("black_litterman", values, cov, views=views)


def test_too_few_observations_are_refused():
    values, cov = given()
    values[1:, 2] = np.nan
    with pytest.raises(DataError, match="column 2 has 1"):
        estimated("sample", values, cov)


@pytest.mark.parametrize(
    ("estimation", "words"),
    [
        ({"views": [{"strategies": {"a": 1}, "return_annual": 0.1, "confidence": 0.5}]}, "views"),
        (
            {
                "mean": "black_litterman",
                "views": [{"strategies": {"a": 0}, "return_annual": 0.1, "confidence": 0.5}],
            },
            "no weight",
        ),
        ({"mean": "black_litterman", "views": [{"return": 0.1}]}, "return_annual"),
        ({"demote": {"to": "sample"}}, "is the covariance itself"),
        ({"quality": None, "compare": ["ewma:0.97"]}, "compare needs"),
        ({"quality": None, "demote": {"to": "ewma:0.97"}}, "demote needs"),
    ],
)
def test_portfolio_files_that_contradict_themselves(estimation, words):
    document = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategies": []}
    with pytest.raises(PolicyError, match=words):
        load_policy({**document, "estimation": estimation})
