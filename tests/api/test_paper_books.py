"""Paper books are told as they stand, with their past thinned and their deepest fall."""

import msgspec
import pytest

from schemas.codec import canonical_json
from schemas.shadows import ShadowBook, ShadowRecord
from schemas.units import format_instant
from streams.api import beside
from streams.readmodel.changes import Append, Put
from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import served
from tests.api.world import DAY_NS, FIRST_NS, World


def book(name, navs, bar):
    nav = navs[bar]
    return ShadowBook(
        book=name,
        objective="min_variance" if name == "main" else "equal",
        nav=nav,
        return_net=nav / (navs[bar - 1] if bar else 1.0) - 1.0,
        cost=0.0,
        turnover=0.0,
        turnover_total=0.5 * bar,
        cost_total=1e-4 * bar,
        sharpe=None if bar < 2 else 0.7,
        n_obs=bar + 1,
        regret_best=0.0,
        regret_equal=1.0 - nav,
        outcome="decided" if name == "equal" and bar == 3 else "",
        target=(1.0,) if name == "equal" and bar == 3 else (),
        target_cash=0.0 if name == "equal" and bar == 3 else None,
    )


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A client of a portfolio with four bars of two books, and the NAVs of those."""
    store = EmbeddedStore(tmp_path_factory.mktemp("books") / "views")
    navs = {"main": [1.1, 0.88, 0.924, 1.0164], "equal": [0.9, 0.9, 1.08, 1.026]}
    with served(store, World(store, bars=1)) as client:
        for bar in range(4):
            end_ns = FIRST_NS + (bar + 1) * DAY_NS
            record = ShadowRecord(
                portfolio_id="main",
                bar_end=format_instant(end_ns),
                bar_number=bar + 1,
                window=20,
                books=tuple(book(name, navs[name], bar) for name in navs),
                strategies=("alpha",) if bar == 3 else (),
            )
            value = canonical_json(record)
            changes = [Append("main/shadows", end_ns, value), Put("portfolio/main/shadows", value)]
            store.apply(changes, {})
        yield client, navs


def told(client, query=""):
    answer = client.get("/portfolio/shadows" + query)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=beside.Shadows, strict=True)


def test_every_book_is_told_with_its_past(asked):
    client, navs = asked
    found = told(client)
    assert (found.bars, found.window) == (4, 20)
    assert [one.book for one in found.books] == ["main", "equal"]
    for one in found.books:
        assert [point.nav for point in one.points] == navs[one.book]
        assert one.newest.nav == navs[one.book][-1]
    assert found.books[1].newest.target == (1.0,)


def test_the_deepest_fall_is_from_the_highest_before_it(asked):
    client, _ = asked
    found = {one.book: one.max_drawdown for one in told(client).books}
    assert found == pytest.approx({"main": 0.88 / 1.1 - 1.0, "equal": -0.1})


def test_bars_are_cut_and_thinned(asked):
    client, navs = asked
    few = told(client, "?max_points=2")
    assert (few.bars, [p.nav for p in few.books[0].points]) == (4, [1.1, 1.0164])
    cut = told(client, f"?from={few.books[0].points[0].bar_end}")
    assert [p.nav for p in cut.books[1].points] == navs["equal"][1:]


def test_without_books_there_are_none(tmp_path):
    store = EmbeddedStore(tmp_path / "views")
    with served(store, World(store, bars=0)) as client:
        found = told(client)
        assert (found.bar_end, found.bars, found.books) == (None, 0, [])


def test_the_main_book_is_the_portfolio_itself(client):
    main = told(client, "?max_points=10000").books[0]
    performance = client.get("/portfolio/performance?max_points=10000").json()
    assert main.book == "main"
    assert [point.nav for point in main.points] == [point["nav"] for point in performance["points"]]
    assert main.max_drawdown == pytest.approx(performance["max_drawdown"], abs=1e-12)
