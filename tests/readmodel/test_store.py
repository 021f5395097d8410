"""What every store of views does: one suite, two real implementations."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from streams.readmodel import embedded
from streams.readmodel.changes import Append, Put, Tell
from streams.readmodel.embedded import EmbeddedStore
from streams.readmodel.redis_store import RedisStore
from streams.readmodel.store import (
    TOLD_MAX,
    ForgottenError,
    LeaseLostError,
    Store,
    StoreUnavailableError,
)
from tests.readmodel.redis_server import RedisServer


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["embedded", "redis"])
def open_store(request, tmp_path) -> Iterator[Callable[[], Store]]:
    """Open the same store again and again, as processes would."""
    opened: list[Store] = []

    def again() -> Store:
        if request.param == "embedded":
            store: Store = EmbeddedStore(tmp_path / "views.sqlite")
        else:
            server = request.getfixturevalue("redis_server")
            store = RedisStore(server.url, prefix=f"{request.node.name}:")
        opened.append(store)
        return store

    yield again
    opened[0].clear()
    for store in opened:
        store.release()
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store) -> Store:
    return open_store()


def test_an_empty_store_has_nothing(store) -> None:
    assert store.positions() == {}
    assert store.get("a") is None
    assert store.keys("") == []
    assert store.series("s") == []
    assert store.told(0) == []
    assert store.newest_told() == 0


def test_the_newest_value_of_a_key_stands(store) -> None:
    store.apply([Put("a/1", b"old"), Put("a/2", b"x"), Put("b", b"y")], {})
    store.apply([Put("a/1", b"new")], {})

    assert store.get("a/1") == b"new"
    assert store.keys("a/") == ["a/1", "a/2"]


def test_a_series_is_ordered_by_place_over_all_64_bits(store) -> None:
    places = [-(2**63) + 1, -5, 0, 3, 2**53 + 1, 2**53 + 2, 2**62]
    shuffled = np.random.default_rng(7).permutation(np.array(places)).tolist()
    store.apply([Append("s", place, str(place).encode()) for place in shuffled], {})

    assert [e.place for e in store.series("s")] == places
    assert [e.place for e in store.series("s", newest_first=True, limit=2)] == places[:-3:-1]
    assert [e.place for e in store.series("s", after=-5, before=2**53 + 2)] == [0, 3, 2**53 + 1]
    assert all(e.value == str(e.place).encode() for e in store.series("s"))


def test_a_repeat_takes_the_same_place(store) -> None:
    store.apply([Append("s", 1, b"a")], {})
    store.apply([Append("s", 1, b"a"), Append("t", 1, b"other")], {})

    assert [tuple(e) for e in store.series("s")] == [(1, b"a")]


def test_positions_and_changes_survive_being_opened_again(open_store) -> None:
    first = open_store()
    first.apply([Put("a", b"1")], {("topic.v1", 0): 5, ("topic.v1", 11): 7})
    first.apply([], {("topic.v1", 0): 9})

    second = open_store()
    assert second.positions() == {("topic.v1", 0): 9, ("topic.v1", 11): 7}
    assert second.get("a") == b"1"


def test_live_events_rise_by_one_and_come_from_where_one_stood(store) -> None:
    told = [Tell("performance", "p", str(n).encode()) for n in range(5)]
    store.apply(told[:2], {})
    store.apply(told[2:], {})

    events = store.told(0)
    assert [event.number for event in events] == [1, 2, 3, 4, 5]
    assert [event.value for event in store.told(3)] == [b"3", b"4"]
    assert [event.value for event in store.told(0, limit=2)] == [b"0", b"1"]
    assert store.newest_told() == 5
    assert store.told(5) == []


def test_events_no_longer_kept_are_not_passed_over_in_silence(store) -> None:
    for _ in range(3):
        store.apply([Tell("performance", "p", b"{}")] * (TOLD_MAX // 2), {})

    with pytest.raises(ForgottenError):
        store.told(1)
    assert store.told(store.newest_told() - 1)[0].number == store.newest_told()


def test_a_number_that_was_never_given_out_is_refused(store) -> None:
    with pytest.raises(ForgottenError, match="after 9"):
        store.told(9)


def test_clearing_forgets_everything(store) -> None:
    store.apply([Put("a", b"1"), Append("s", 1, b"1"), Tell("health", "p", b"{}")], {("t", 0): 1})
    store.clear()

    assert store.get("a") is None
    assert store.series("s") == []
    assert store.positions() == {}


def test_one_of_those_that_share_a_store_keeps_its_views(open_store) -> None:
    first, second = open_store(), open_store()
    assert first.hold(30.0)
    assert not second.hold(30.0)
    assert first.hold(30.0)
    first.apply([Put("a", b"1")], {("t", 0): 1})
    second.apply([Put("b", b"1")], {})  # what was ordered through it, at no position

    first.release()
    assert second.hold(30.0)
    assert not first.hold(30.0)
    assert second.positions() == {("t", 0): 1}


def test_a_writer_that_is_silent_is_followed_by_another_and_writes_no_more(open_store) -> None:
    first, second = open_store(), open_store()
    assert first.hold(0.2)
    end_s = time.monotonic() + 10.0
    while not second.hold(30.0):
        assert time.monotonic() < end_s, "the lease did not end"
        time.sleep(0.02)
    second.apply([Put("a", b"second"), Tell("health", "p", b"2")], {("t", 0): 9})

    late = [Put("a", b"first"), Append("s", 1, b"first"), Tell("health", "p", b"1")]
    with pytest.raises(LeaseLostError):
        first.apply(late, {("t", 0): 5})
    assert second.get("a") == b"second"
    assert second.series("s") == []
    assert second.positions() == {("t", 0): 9}
    assert [event.value for event in second.told(0)] == [b"2"]


def test_a_lease_taken_by_a_clock_that_was_set_back_since_is_over(tmp_path, monkeypatch) -> None:
    first, second = EmbeddedStore(tmp_path / "views"), EmbeddedStore(tmp_path / "views")
    at_ns = 1_700_000_000_000_000_000
    monkeypatch.setattr(embedded, "now_ns", lambda: at_ns)
    assert first.hold(4.0)
    monkeypatch.setattr(embedded, "now_ns", lambda: at_ns - 1_000_000_000)
    assert not second.hold(4.0)  # a second is nothing to hurry for
    monkeypatch.setattr(embedded, "now_ns", lambda: at_ns - 3_600_000_000_000)
    assert second.hold(4.0)
    with pytest.raises(LeaseLostError):
        first.apply([Put("a", b"1")], {})
    first.close()
    second.close()


def test_a_cleared_store_has_the_same_writer(open_store) -> None:
    first, second = open_store(), open_store()
    assert first.hold(30.0)
    first.clear()
    assert not second.hold(30.0)
    first.apply([Put("a", b"1")], {})


def test_many_that_take_the_lease_at_once_are_one_writer(open_store) -> None:
    stores = [open_store() for _ in range(6)]
    together = threading.Barrier(len(stores))
    holding: list[Store] = []

    def take(one: Store) -> None:
        together.wait()
        if one.hold(30.0):
            holding.append(one)

    threads = [threading.Thread(target=take, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(holding) == 1


def test_threads_read_while_one_writes(store) -> None:
    wrong: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            entries = store.series("s", limit=10_000)
            if [e.place for e in entries] != list(range(len(entries))):
                wrong.append(len(entries))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for batch in range(20):
        store.apply([Append("s", batch * 10 + n, b"x") for n in range(10)], {("t", 0): batch})
    done.set()
    for reader in readers:
        reader.join()

    assert not wrong
    assert len(store.series("s")) == 200


def test_a_server_that_is_gone_is_said_to_be(tmp_path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    store = RedisStore(server.url)
    store.apply([Put("a", b"1")], {})
    server.stop()

    with pytest.raises(StoreUnavailableError, match="Redis"):
        store.get("a")
    with pytest.raises(StoreUnavailableError):
        store.apply([Put("a", b"2")], {})
