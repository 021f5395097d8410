"""The views are a fold: told twice is told once, and any batches lead to the same views."""

import msgspec
import numpy as np
import pytest

from schemas.topics import REPORTS, SHADOWS, STATE
from streams.readmodel.changes import READ, Append, Put, Source, Tell, changes_of, version_place
from streams.readmodel.embedded import EmbeddedStore
from tests.api.world import World


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """All records of the public topics that a portfolio of forty bars leaves, orders among them."""
    # The package that stands above this one gives the orders as people do.
    from streams.api.bodies import RebalanceOrder  # noqa: PLC0415  # as above
    from streams.api.orders import Orders  # noqa: PLC0415  # as above

    store = EmbeddedStore(tmp_path_factory.mktemp("views") / "views")
    world = World(store)
    Orders(world, store, world.health).rebalance("main", RebalanceOrder(reason="why"), "ann", None)
    world.close_bar()
    return world.sources


def views_of(store):
    """Everything a store can be asked for, but for live events."""
    views = {key: store.get(key) for key in store.keys("")}
    names = {f"main/{kind}" for kind in SERIES} | {
        f"command/{key.removeprefix('command/')}/reports" for key in store.keys("command/")
    }
    return views, {name: store.series(name, limit=10_000) for name in names}


SERIES = (
    "performance", "weights", "decisions", "commands", "reports", "requests", "policies",
    "covariances", "signals", "shadows",
)  # fmt: skip


def folded(folder, sources, sizes):
    """The views after batches of these sizes."""
    store, rest = EmbeddedStore(folder / "views"), list(sources)
    for size in sizes:
        batch, rest = rest[:size], rest[size:]
        store.apply([change for source in batch for change in changes_of(source)], {})
    assert not rest
    return views_of(store)


def test_every_topic_that_is_read_leaves_something(sources):
    told = {source.topic for source in sources}
    assert {topic.name for topic in READ} - told == {"risk.signals.v1"}
    for source in sources:
        assert list(changes_of(source)), source


def test_the_views_hold_every_bar_decision_and_command(sources, tmp_path):
    views, series = folded(tmp_path, sources, [len(sources)])
    counts = {kind: len(series[f"main/{kind}"]) for kind in SERIES}
    assert counts["performance"] == counts["weights"] == counts["shadows"] == 41
    assert counts["commands"] == counts["reports"] > 3
    assert counts["decisions"] >= counts["commands"]
    assert counts["requests"] == counts["policies"] == 1
    newest = [source.value for source in sources if source.topic == STATE.name][-1]
    assert views["portfolio/main/state"] == newest
    books = [source.value for source in sources if source.topic == SHADOWS.name][-1]
    assert views["portfolio/main/shadows"] == books


def test_folding_twice_is_folding_once(sources, tmp_path):
    once = folded(tmp_path, sources, [len(sources)])
    (tmp_path / "b").mkdir()
    assert folded(tmp_path / "b", [*sources, *sources], [2 * len(sources)]) == once


def test_views_do_not_depend_on_the_batches(sources, tmp_path):
    once = folded(tmp_path, sources, [len(sources)])
    rng = np.random.default_rng(11)
    for number, top in enumerate((1, 7, 60)):
        sizes = rng.integers(1, top + 1, len(sources)).tolist()
        folder = tmp_path / str(number)
        folder.mkdir()
        assert folded(folder, sources, sizes) == once


def test_topics_may_be_read_one_after_another(sources, tmp_path):
    """As a rebuild does: nothing is said about the order between two topics."""
    once = folded(tmp_path, sources, [len(sources)])
    (tmp_path / "b").mkdir()
    apart = sorted(sources, key=lambda source: source.topic)
    assert folded(tmp_path / "b", apart, [len(sources)]) == once


def test_live_events_are_json_of_one_line(sources):
    changes = [change for source in sources for change in changes_of(source)]
    told = [change for change in changes if isinstance(change, Tell)]
    assert {change.kind for change in told} == {
        "weights", "performance", "optimization", "rebalance",
    }  # fmt: skip
    for change in told:
        assert b"\n" not in change.value
        assert isinstance(msgspec.json.decode(change.value), dict)


def test_places_rise_with_epoch_then_version():
    pairs = [(1, 1), (1, 2), (1, 2**32 - 1), (2, 0), (2, 1)]
    places = [version_place(epoch, version) for epoch, version in pairs]
    assert places == sorted(set(places))
    assert max(places) < 2**63


NESTED = pytest.param(b'{"x": ' + b"[" * 100_000, id="nested")


@pytest.mark.parametrize("topic", [topic.name for topic in READ])
@pytest.mark.parametrize("value", [b"{", b"[]", b"null", b"\xff", b'{"portfolio_id": 1}', NESTED])
def test_bytes_that_are_no_message_are_refused(topic, value):
    with pytest.raises(ValueError, match=r".*"):
        list(changes_of(Source(topic, 0, "main", value)))


def test_a_report_takes_its_place_by_its_offset(sources):
    report = next(source for source in sources if source.topic == REPORTS.name)
    changes = list(changes_of(report._replace(offset=17)))
    assert [change.place for change in changes if isinstance(change, Append)] == [17, 17]
    assert not [change for change in changes if isinstance(change, Put)]
