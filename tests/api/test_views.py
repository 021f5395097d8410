"""Bars that are remembered are those of the store, whatever becomes of it meanwhile."""

import msgspec
import numpy as np
import pytest

from streams.api import serving
from streams.api import views as module
from streams.api.views import Views
from streams.observe.clock import now_ns
from streams.readmodel.changes import Append, Put
from streams.readmodel.store import FILLING


@pytest.fixture
def views(fresh_store, fresh_world):
    return Views(fresh_store, fresh_world.health, now_ns, None)


def begins_anew(store, epoch):
    state = msgspec.json.decode(store.get("portfolio/main/state")) | {"epoch": epoch}
    store.apply([Put("portfolio/main/state", msgspec.json.encode(state))], {})


def same(views, store):
    wanted = store.series("main/weights", limit=10**6)
    assert views.bars("main", "weights", None, None) == wanted
    return wanted


def test_bars_are_those_of_the_store_as_it_grows(views, fresh_store, fresh_world):
    for _ in range(3):
        same(views, fresh_store)
        fresh_world.close_bar()
    assert len(same(views, fresh_store)) == fresh_world.bars


def test_only_what_came_since_is_read(views, fresh_store, fresh_world, monkeypatch):
    same(views, fresh_store)
    fresh_world.close_bar()
    read, series = [], fresh_store.series

    def counted(*arguments, **options):
        read.append(len(found := series(*arguments, **options)))
        return found

    monkeypatch.setattr(fresh_store, "series", counted)
    assert len(views.bars("main", "weights", None, None)) == fresh_world.bars
    assert read == [2]  # the newest again, for it may be told anew, and the one after it


def test_the_newest_bar_may_be_told_anew(views, fresh_store):
    last = same(views, fresh_store)[-1]
    fresh_store.apply([Append("main/weights", last.place, b'{"anew": true}')], {})
    assert same(views, fresh_store)[-1].value == b'{"anew": true}'


@pytest.mark.parametrize("how", ["filled anew", "emptied", "another epoch"])
def test_what_is_remembered_ends_with_what_it_was_read_from(views, fresh_store, how):
    first = same(views, fresh_store)[0]
    if how == "another epoch":
        begins_anew(fresh_store, 2)
    else:
        fresh_store.clear()
    if how == "filled anew":
        fresh_store.apply([Put(FILLING, b"other")], {})
    if how != "emptied":
        fresh_store.apply([Append("main/weights", first.place, b'{"other": 1}')], {})
        assert same(views, fresh_store)[0].value == b'{"other": 1}'
    else:
        assert same(views, fresh_store) == []


def test_bars_are_cut_as_the_store_cuts_them(views, fresh_store):
    places = [entry.place for entry in same(views, fresh_store)]
    rng = np.random.default_rng(3)
    cuts = [None, places[0], places[-1], places[7] + 1, *rng.choice(places, 4).tolist()]
    for after in cuts:
        for before in cuts:
            wanted = fresh_store.series("main/weights", after=after, before=before, limit=10**6)
            assert views.bars("main", "weights", after, before) == wanted


def test_too_many_bars_are_read_each_time(views, fresh_store, fresh_world, monkeypatch):
    monkeypatch.setattr(module, "BARS_MAX", 10)
    same(views, fresh_store)
    fresh_world.close_bar()
    same(views, fresh_store)
    assert not views._bars


def test_bars_that_weigh_too_much_are_read_each_time(views, fresh_store, monkeypatch):
    monkeypatch.setattr(module, "BARS_BYTES_MAX", 1_000)
    same(views, fresh_store)
    assert not views._bars


def test_answers_that_are_kept_weigh_no_more_than_so_much(fresh_client, monkeypatch):
    server = fresh_client.app.state.services.server
    monkeypatch.setattr(serving, "CACHED_BYTES_MAX", 50_000)
    for points in range(2, 42):
        fresh_client.get(f"/portfolio/performance?max_points={points}")
        kept = sum(len(one.data) for one in server._cached.values())
        assert kept == server._cached_bytes <= 50_000
    assert 0 < len(server._cached) < 40
