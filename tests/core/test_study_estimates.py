"""Estimators in a portfolio as it is walked: what is published, decided, demoted and restored."""

import numpy as np
import pytest

from schemas.topics import COVARIANCE, DECISIONS
from streams.core.covariance import covariance_spec, estimate
from streams.core.image import encode_image
from tests.core.test_portfolio import DAY, NAMES, Book, quiet, resumed_at
from tests.core.worlds import START_NS, Row, canonical, of_topic

PERIODS = 252


def estimation(**changes):
    return {"window_bars": 30, "min_bars": 5, "stale_bars": 3, "windows": [4, 30], **changes}


def walked(bars=60, **changes):
    book = Book(quiet(estimation=estimation(**changes)))
    book.bars(bars)
    book.control("rebalance")
    book.bars(1)
    return book


def expected_matrix(book, bars_back=0):
    """The batch estimate over the windows as they stood some bars ago."""
    walk = book.portfolio.walk
    windows = walk.study.windows
    count = windows.count - bars_back
    rows = windows.rows(max(count - 30, 0), count)
    return estimate(rows, covariance_spec(walk.policy.estimation)).matrix * PERIODS


@pytest.mark.parametrize(
    "changes",
    [
        {"covariance": "oas"},
        {"covariance": "ewma_split:5:15"},
        {"covariance": "ledoit_wolf:0.9"},
        {"covariance": "constant_correlation"},
        {"covariance": "cluster_block"},
        {"covariance": "factor:auto"},
        {"covariance": "ewma:0.9", "ragged": "congruence"},
        {"ragged": "pairwise"},
        {"winsorize": 2.0},
    ],
    ids=str,
)
def test_every_estimator_is_published_and_decided_on_as_in_batch(changes):
    book = walked(**changes)
    records = of_topic(book.outputs, COVARIANCE.name)
    matrix = expected_matrix(book, bars_back=1)  # the decision was at the bar before the last
    (record,) = [r for r in records if r.matrix_annual is not None and r.bar_end > "2019-03"][-1:]
    np.testing.assert_allclose(record.matrix_annual, matrix, rtol=0, atol=1e-10 * matrix.max())
    assert record.summary_of is None
    assert record.structure.n_effective > 2
    decision = of_topic(book.outputs, DECISIONS.name)[-1]
    assert decision.estimates.covariance == changes.get("covariance", "sample")
    np.testing.assert_allclose(
        decision.estimates.volatility_annual, np.sqrt(np.diag(matrix)), rtol=1e-10
    )
    assert len(decision.estimates.mean_standard_error_annual) == len(NAMES)
    between = [r for r in records if r.matrix_annual is None and r.n_common > 2]
    assert between
    assert all(r.structure is None and r.quality == () for r in between)
    assert {r.summary_of for r in between} <= {"sample", "ewma:0.9", "ewma:0.9548416039104165"}


def test_quality_of_each_estimator_is_published_with_the_matrix():
    book = walked(bars=80, compare=["ewma:0.94", "ledoit_wolf"])
    record = [r for r in of_topic(book.outputs, COVARIANCE.name) if r.quality][-1]
    assert [one.covariance for one in record.quality] == ["sample", "ewma:0.94", "ledoit_wolf"]
    for one in record.quality:
        assert one.n_bars == 60  # forecasts of bars 20, 40 and 60, each for twenty bars
        assert 0.8 < one.bias_random < 1.3
        assert one.bias_held is None  # nothing was held while they were scored


def demoting():
    book = Book(
        quiet(
            estimation=estimation(
                quality={"window_bars": 20, "portfolios": 4, "every_bars": 5},
                demote={"to": "ewma:0.8", "band": [0.9, 1.1], "min_bars": 10},
            )
        )
    )
    book.bars(40)
    book.control("rebalance")
    return book


def test_a_demotion_is_said_in_the_decision_and_the_record():
    book = demoting()
    decision = of_topic(book.outputs, DECISIONS.name)[-1]
    quality = book.portfolio.walk.quality
    assert quality.demoted  # chance of twenty bars is beyond so narrow a band
    assert decision.estimates.covariance == "ewma:0.8"
    assert decision.estimates.demotion == quality.reason()
    assert decision.estimates.demotion.startswith("sample demoted to ewma:0.8: bias ")
    record = of_topic(book.outputs, COVARIANCE.name)[-1]
    assert (record.covariance, record.demotion) == ("ewma:0.8", quality.reason())
    study = book.portfolio.walk.study
    assert study.covariance is not None
    rows = study.windows.values(30)
    spec = covariance_spec(book.portfolio.walk.policy.estimation, "ewma:0.8")
    np.testing.assert_allclose(
        study.estimate().matrix, estimate(rows, spec).matrix, rtol=1e-9, atol=1e-16
    )


def test_a_restart_anywhere_in_a_demotion_is_invisible():
    book = demoting()
    whole = canonical(book.outputs), encode_image(book.shard.canonical_state())
    for at in range(30, len(book.journal), 4):
        assert resumed_at(book, at) == whole, at


def test_views_make_the_expected_returns_of_a_decision():
    views = [{"strategies": {"a": 1}, "return_annual": 0.3, "confidence": 1}]
    book = walked(mean="black_litterman", views=views)
    estimates = of_topic(book.outputs, DECISIONS.name)[-1].estimates
    assert estimates.mean_annual[0] == pytest.approx(0.3)
    assert estimates.mean_standard_error_annual[0] == pytest.approx(0.0, abs=1e-9)
    assert estimates.mean_standard_error_annual[1] > 0


@pytest.mark.parametrize("seed", range(4))
def test_late_repeated_and_revised_returns_end_in_the_same_estimate(seed):
    """What pandas makes of the newest word on each bar, whatever the order it came in."""
    rng = np.random.default_rng(seed)
    table = np.round(0.01 * rng.standard_normal((50, 3)), 6)
    table[:, ::2][rng.random((50, 2)) < 0.15] = np.nan  # b is always there: each bar exists
    table[-1] = 0.001  # closes the last bar but one for everybody
    book = Book(quiet(estimation=estimation(covariance="ewma:0.95")))
    late = []
    for day, values in enumerate(table, start=1):
        rows = []
        for name, value in zip(NAMES, values.tolist(), strict=True):
            row = Row(name, START_NS + day * DAY, value)
            if np.isnan(value):
                continue
            if name != "b" and day < 49 and rng.random() < 0.1:
                late.append(row)  # its strategy's next one overtakes it
            else:
                rows += [row] * int(rng.integers(1, 3))
        book.publish(rows, (len(rows),))
    for row in late:
        book.publish([row], (1,))
    for day in rng.choice(np.arange(1, 48), 6, replace=False).tolist():
        for revision in (1, 2):
            table[day - 1, 0] = round(0.01 * rng.standard_normal(), 6)
            revised = Row("a", START_NS + day * DAY, table[day - 1, 0], revision=revision)
            book.publish([revised], (1,))
    book.day = 50
    book.bars(1)
    walk = book.portfolio.walk
    held = walk.study.windows.values(30)
    np.testing.assert_array_equal(held[:-1], table[-29:])
    complete = held[~np.isnan(held).any(axis=1)]
    assert len(complete) > 10
    weights = 0.95 ** np.arange(len(complete) - 1, -1, -1)
    wanted = np.einsum("t,ti,tj->ij", weights / weights.sum(), complete, complete)
    got = walk.study.estimate().matrix
    scale = np.sqrt(np.multiply.outer(np.diag(wanted), np.diag(wanted)))
    assert (np.abs(got - wanted) <= 1e-10 * scale).all()


def test_no_record_of_forecasts_where_none_is_wanted():
    book = walked(quality=None)
    assert book.portfolio.walk.quality is None
    assert not any(r.quality for r in of_topic(book.outputs, COVARIANCE.name))
