import shutil

import numpy as np
import pandas as pd
import pytest

from streams.core.errors import DataError
from streams.files import ReturnsTable
from streams.report.book import panel_of, read_book


@pytest.fixture
def copied(small, tmp_path):
    return shutil.copytree(small.folder, tmp_path / "run")


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_book_is_what_the_files_say(small):
    performance = pd.read_csv(small.folder / "performance.csv")
    weights = pd.read_csv(small.folder / "weights.csv").pivot(
        index="bar_end", columns="strategy_id", values="held_weight"
    )
    book = small.book
    ends = pd.to_datetime(performance["bar_end"]).dt.as_unit("ns").astype("int64")
    assert book.ends_ns.tolist() == ends.tolist()
    assert book.names == tuple(weights.columns)
    np.testing.assert_array_equal(book.held, weights.to_numpy())
    for name in ("cost", "turnover", "nav", "coverage"):
        np.testing.assert_array_equal(getattr(book, name), performance[name])
    np.testing.assert_array_equal(book.net, performance["return_net"])
    assert book.revised == 0
    assert [decision.version for decision in book.decisions] == list(
        range(1, len(book.decisions) + 1)
    )


def test_revised_returns_count_where_nav_booked_them(copied, small):
    path = copied / "performance.csv"
    table = pd.read_csv(path)
    table.loc[50:, "nav"] *= 1.01
    table.to_csv(path, index=False)
    book = read_book(copied)
    assert book.revised == 1
    assert book.net[50] == pytest.approx((1 + small.book.net[50]) * 1.01 - 1, rel=1e-12)
    np.testing.assert_allclose(np.cumprod(1 + book.net), book.nav, rtol=1e-12)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("performance.csv", "return_net", "net", "no column 'return_net'"),
        (
            "performance.csv",
            "2020-01-03T00:00:00Z,0.0",
            "2020-01-03T00:00:00Z,much",
            "row 3:.*much",
        ),
        ("performance.csv", "2020-01-03T00:00:00Z", "2020-01-03", "row 3: .*no.* instant"),
        ("performance.csv", "2020-01-03T00", "2019-01-03T00", "row 3: bar 2019.*come after 2020"),
        ("weights.csv", "2020-01-03T00", "2019-01-03T00", "'2019-01-03T00:00:00Z' does not stand"),
        ("decisions.jsonl", '"version":1,', '"version":"one",', "line 1: not a decision"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(copied, file, old, new, words):
    change(copied / file, old, new)
    with pytest.raises(DataError, match=words) as refused:
        read_book(copied)
    assert file in str(refused.value)


def test_a_missing_file_and_an_empty_one_are_named(copied):
    (copied / "decisions.jsonl").unlink()
    with pytest.raises(DataError, match=r"decisions.jsonl cannot be read.*apse replay"):
        read_book(copied)
    path = copied / "performance.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(DataError, match="holds no bar"):
        read_book(copied)
    path.unlink()
    with pytest.raises(DataError, match=r"performance.csv cannot be read"):
        read_book(copied)


def test_returns_compound_into_bars_and_an_end_is_known_at_the_last_value():
    hour = 3_600_000_000_000
    stamps = np.array([1, 2, 24, 25, 49]) * hour
    values = np.array([[0.1, 0.2], [0.1, np.nan], [np.nan, 0.5], [0.3, np.nan], [0.1, np.nan]])
    panel = panel_of(ReturnsTable(stamps_ns=stamps, names=("a", "b"), values=values), "1d")
    assert (panel.ends_ns // (24 * hour)).tolist() == [1, 2, 3]
    expected = [[1.1 * 1.1 - 1, 1.2 * 1.5 - 1], [0.3, np.nan], [0.1, np.nan]]
    np.testing.assert_allclose(panel.values, expected, rtol=1e-15)
    assert panel.ended.tolist() == [[False, True], [False, True], [False, True]]
