import numpy as np
import pandas as pd
import pytest

from streams.cli.estimate_tables import FURTHER, USUAL
from tests.cli.files import NAMES, ragged_values, write_wide
from tests.core.oracles import metrics_by_definition

KEYS = [
    "n_obs", "mean_annual", "cagr", "volatility_annual", "downside_deviation_annual", "sharpe",
    "sortino", "max_drawdown", "calmar", "hit_rate", "var_95", "var_99", "cvar_95", "cvar_99",
]  # fmt: skip

# Sums of some hundred numbers in another order: about 1e-14 relative; the rest is room.
CLOSE = {"rtol": 1e-10, "atol": 1e-14}


def estimate(apse, path, *more):
    answer = apse("estimate", "--returns", path, "--periods-per-year", 252, "--json", *more)
    assert answer.code == 0, answer.err
    return answer.json


def test_the_answer_has_the_promised_shape(apse, returns_file):
    document = estimate(apse, returns_file)
    assert {"metrics", "covariance_annual", "expected_returns", "signals"} <= set(document)
    assert set(document["covariance_annual"]) == {"strategies", "matrix", "n_common"}
    assert set(document["metrics"]) == set(NAMES)
    for metrics in document["metrics"].values():
        assert set(KEYS) <= set(metrics)


@pytest.mark.parametrize("window", [None, 30])
def test_metrics_are_those_of_the_last_rows_of_each_strategy(apse, returns_file, window):
    more = () if window is None else ("--window", window)
    document = estimate(apse, returns_file, *more)
    values = ragged_values()[-(window or 10**6) :]
    for column, name in enumerate(NAMES):
        present = values[~np.isnan(values[:, column]), column]
        told = document["metrics"][name]
        assert told["n_obs"] == len(present)
        if len(present) >= 2:
            wanted = metrics_by_definition(present, 252)
            assert {key: told[key] for key in wanted} == pytest.approx(wanted, rel=1e-10, abs=1e-14)


def test_a_long_parquet_file_says_the_same_as_a_wide_csv(apse, returns_file, tmp_path):
    wide = pd.read_csv(returns_file)
    long = wide.melt("timestamp", var_name="strategy_id", value_name="return").dropna()
    long = long.sample(frac=1, random_state=1)  # any row order
    pl_path = tmp_path / "long.parquet"
    import polars as pl  # noqa: PLC0415  # only to write the file

    pl.DataFrame(long.to_dict("list")).write_parquet(pl_path)
    assert estimate(apse, pl_path) == estimate(apse, returns_file)


def test_sample_covariance_is_that_of_the_complete_rows(apse, returns_file):
    told = estimate(apse, returns_file)["covariance_annual"]
    rows = pd.DataFrame(ragged_values()).dropna()
    assert told["strategies"] == list(NAMES)
    assert told["n_common"] == len(rows)
    np.testing.assert_allclose(told["matrix"], rows.cov(ddof=1).to_numpy() * 252, **CLOSE)


def test_ewma_covariance_weighs_outer_products_by_age(apse, returns_file):
    told = estimate(apse, returns_file, "--covariance", "ewma:0.9")["covariance_annual"]
    rows = pd.DataFrame(ragged_values()).dropna().to_numpy()
    weights = 0.9 ** np.arange(len(rows))[::-1]
    wanted = np.einsum("t,ti,tj->ij", weights / weights.sum(), rows, rows) * 252
    np.testing.assert_allclose(told["matrix"], wanted, **CLOSE)


def test_ledoit_wolf_is_the_formula_of_2004(apse, returns_file):
    told = estimate(apse, returns_file, "--covariance", "ledoit_wolf")["covariance_annual"]
    x = pd.DataFrame(ragged_values()).dropna().to_numpy()
    x = x - x.mean(axis=0)
    count, size = x.shape
    sample = x.T @ x / count
    target = np.trace(sample) / size  # lemma 3.2 ff: mu, d^2, b^2 in the normalised Frobenius norm
    d2 = np.linalg.norm(sample - target * np.eye(size)) ** 2 / size
    each = [np.linalg.norm(np.outer(row, row) - sample) ** 2 / size for row in x]
    shrinkage = min(sum(each) / count**2, d2) / d2
    wanted = (shrinkage * target * np.eye(size) + (1 - shrinkage) * sample) * 252
    np.testing.assert_allclose(told["matrix"], wanted, **CLOSE)


def test_undefined_is_null_with_a_reason(apse, tmp_path):
    values = np.column_stack([np.zeros(30), np.full(30, np.nan), np.linspace(0.001, 0.002, 30)])
    values[3, 1] = 0.01
    path = write_wide(tmp_path / "flat.csv", values, names=("flat", "once", "rising"))
    metrics = estimate(apse, path)["metrics"]
    assert metrics["flat"]["sharpe"] is None
    assert metrics["flat"]["undefined"]["sharpe"] == "zero_variance"
    assert metrics["once"]["volatility_annual"] is None
    assert metrics["rising"]["sortino"] is None
    for told in metrics.values():
        absent = {key for key in KEYS if told[key] is None}
        assert absent == set(told.get("undefined", {})) & set(KEYS)


def test_too_few_common_rows_leave_no_matrix(apse, tmp_path):
    values = np.full((6, 2), np.nan)
    values[:4, 0] = values[3:, 1] = 0.01
    path = write_wide(tmp_path / "apart.csv", values, names=("a", "b"))
    told = estimate(apse, path)["covariance_annual"]
    assert told["n_common"] == 1
    assert told["matrix"] is None
    assert told["undefined"]


def test_people_get_a_table_within_eighty_columns(apse, returns_file, monkeypatch):
    monkeypatch.setattr("streams.operate.console.out._width", 80)
    answer = apse("estimate", "--returns", returns_file, "--periods-per-year", 252)
    assert answer.code == 0
    assert "…" not in answer.out
    assert all(name in answer.out for name in NAMES)


def test_people_get_every_figure_where_they_ask_for_it(apse, returns_file, monkeypatch):
    monkeypatch.setattr("streams.operate.console.out._width", 80)
    asked = ("estimate", "--returns", returns_file, "--periods-per-year", 252)
    asked = (*asked, "--benchmark", NAMES[0])
    usual, found = apse(*asked), apse(*asked, "--all")
    figures = apse(*asked, "--json").json["metrics"][NAMES[1]]
    told = {*figures, *figures["variants"]} - {"variants", "undefined"}
    assert {name for shown in (USUAL, *FURTHER) for name in shown} == told
    for shown in FURTHER:
        assert all(heading in found.out for heading in shown.values()), shown
        assert any(heading not in usual.out for heading in shown.values()), shown
    for name in ("omega", "stability", "drawdown_uncompounded_max"):
        assert f"{figures['variants'][name]:.4f}" in found.out
    assert "…" not in found.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--covariance", "simple"], "simple"),
        (["--covariance", "ewma:1.5"], "1.5"),
        (["--window", "1"], "--window"),
        (["--periods-per-year", "-3"], "--periods-per-year"),
    ],
)
def test_a_bad_argument_is_refused_by_name(apse, returns_file, arguments, named):
    base = ["--returns", returns_file, "--periods-per-year", 252]
    answer = apse("estimate", *base, *arguments)
    assert answer.code == 2
    assert named in answer.err
    assert not answer.out


def test_a_bad_cell_is_named_with_its_row(apse, returns_file):
    lines = returns_file.read_text().splitlines()
    lines[4] = lines[4].rsplit(",", 1)[0] + ",abc"
    returns_file.write_text("\n".join(lines) + "\n")
    answer = apse("estimate", "--returns", returns_file, "--periods-per-year", 252, "--json")
    assert answer.code == 2
    assert "5" in answer.err
    assert "abc" in answer.err


def test_a_missing_file_is_an_input_error(apse, tmp_path):
    answer = apse("estimate", "--returns", tmp_path / "none.csv", "--periods-per-year", 252)
    assert answer.code == 2


def test_expected_returns_come_with_their_standard_errors(apse, returns_file):
    told = estimate(apse, returns_file, "--mean", "james_stein", "--covariance", "ledoit_wolf")
    means = told["expected_returns"]["strategies"]
    assert set(means) == set(NAMES)
    assert 0 <= told["expected_returns"]["shrinkage"] <= 1
    rows = pd.DataFrame(ragged_values(), columns=NAMES).dropna()
    plain = estimate(apse, returns_file)["expected_returns"]["strategies"]
    for name in NAMES:
        assert plain[name]["mean_annual"] == pytest.approx(rows[name].mean() * 252, rel=1e-10)
        error = rows[name].std() * np.sqrt(252) / np.sqrt(len(rows) / 252)
        assert plain[name]["standard_error_annual"] == pytest.approx(error, rel=1e-10)
        assert means[name]["standard_error_annual"] > 0


def test_the_covariance_says_what_became_of_it(apse, returns_file):
    told = estimate(apse, returns_file, "--covariance", "oas", "--ragged", "pairwise")
    structure, matrix = told["covariance_structure"], np.array(told["covariance_annual"]["matrix"])
    assert structure["covariance"] == "oas"
    assert 0 < structure["shrinkage"] <= 1
    deviations = np.sqrt(np.diag(matrix))
    correlation = matrix / np.multiply.outer(deviations, deviations)
    assert structure["condition_number"] == pytest.approx(np.linalg.cond(correlation), rel=1e-9)
    pairs = correlation[np.triu_indices(len(NAMES), 1)]
    assert structure["average_correlation"] == pytest.approx(pairs.mean())
    assert structure["max_correlation"] == pytest.approx(pairs.max())
    assert 1 <= structure["effective_bets"] <= len(NAMES)


def test_quality_judges_every_estimator_asked_for(apse, tmp_path):
    rng = np.random.default_rng(1)
    path = write_wide(
        tmp_path / "long.csv", 0.01 * rng.standard_normal((300, 3)), names=list("abc")
    )
    more = ("--quality", "--compare", "ewma:0.97", "--compare", "sample")
    told = estimate(apse, path, "--covariance", "ledoit_wolf", *more)["quality"]
    assert [one["covariance"] for one in told] == ["ledoit_wolf", "ewma:0.97", "sample"]
    for one in told:
        assert one["n_bars"] == 252
        assert one["bias_random"] == pytest.approx(1.0, abs=0.15)
        assert one["bias_held"] == pytest.approx(1.0, abs=0.15)
    answer = apse("estimate", "--returns", path, "--periods-per-year", 252, "--quality")
    assert answer.code == 0
    assert "bias held" in answer.out


def test_the_estimation_of_a_portfolio_file_is_used(apse, returns_file, tmp_path):
    path = tmp_path / "portfolio.yaml"
    path.write_text(
        "portfolio_id: p\nbar: 1d\nperiods_per_year: 252\nstrategies: {from_returns: true}\n"
        "estimation:\n  mean: black_litterman\n  views:\n"
        f"    - {{strategies: {{{NAMES[0]}: 1}}, return_annual: 0.25, confidence: 1}}\n"
    )
    told = estimate(apse, returns_file, "--portfolio", path)["expected_returns"]
    assert told["mean"] == "black_litterman"
    assert told["strategies"][NAMES[0]]["mean_annual"] == pytest.approx(0.25)


def test_estimates_that_do_not_fit_each_other_are_refused(apse, returns_file):
    base = ["--returns", returns_file, "--periods-per-year", 252]
    answer = apse("estimate", *base, "--covariance", "ledoit_wolf", "--ragged", "pairwise")
    assert answer.code == 2
    assert "complete rows" in answer.err
    answer = apse("estimate", *base, "--mean", "best")
    assert answer.code == 2
    assert "best" in answer.err
