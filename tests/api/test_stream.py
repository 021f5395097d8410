"""Live events come as they happen, go on where a listener stood, and say where they cannot."""

import json
from contextlib import contextmanager

from streams.api.stream import parse_last
from streams.readmodel.changes import Put
from streams.readmodel.store import FILLING
from tests.api.test_reading import problem_of


def events_of(answer):
    """Events of a stream as (id, kind, data), as they come."""
    fields = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "event" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


@contextmanager
def listening(client, last=None):
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.get("/portfolio/stream", headers=headers, stream=True) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events_of(answer)


def until(events, kind):
    for identifier, found, data in events:
        if found == kind:
            return identifier, data
    raise AssertionError(kind)


def test_a_bar_is_told_as_it_closes(fresh_client, fresh_world):
    with listening(fresh_client) as events:
        assert next(events)[1] == "hello"
        fresh_world.close_bar()
        _, weights = until(events, "weights")
        assert weights == fresh_client.get("/portfolio/weights/history").json()["points"][-1]


def test_an_order_is_told_until_it_is_filled(fresh_client):
    with listening(fresh_client) as events:
        next(events)
        fresh_client.post("/portfolio/rebalance", json={})
        _, decided = until(events, "optimization")
        assert decided["trigger"]["kind"] == "manual"
        told = [until(events, "rebalance")[1]["status"] for _ in range(2)]
        assert told == ["published", "filled"]


def test_a_listener_that_comes_back_hears_all_that_it_missed_once(fresh_client, fresh_world):
    with listening(fresh_client) as events:
        next(events)
        fresh_world.close_bar()
        last, _ = until(events, "weights")
    for _ in range(3):
        fresh_world.close_bar()
    heard = []
    with listening(fresh_client, last) as events:
        while sum(kind == "weights" for _, kind, _ in heard) < 3:
            heard.append(next(events))
        fresh_world.close_bar()
        while sum(kind == "weights" for _, kind, _ in heard) < 4:
            heard.append(next(events))
    bars = [data["bar_end"] for _, kind, data in heard if kind == "weights"]
    points = fresh_client.get("/portfolio/weights/history").json()["points"]
    assert bars == [point["bar_end"] for point in points[-4:]]
    numbers = [parse_last(identifier).number for identifier, _, _ in heard]
    assert numbers == sorted(set(numbers))


def test_a_place_that_is_not_kept_means_to_begin_anew(fresh_client, fresh_store):
    newest = fresh_store.newest_told()
    for last in (f"0-{newest + 5}", "abcd-1"):
        with listening(fresh_client, last) as events:
            identifier, kind, _ = next(events)
            assert (identifier, kind) == (f"0-{newest}", "reset")


def test_a_store_that_was_filled_anew_tells_its_listeners_to_begin_anew(
    fresh_client, fresh_world, fresh_store
):
    with listening(fresh_client) as events:
        next(events)
        sources = list(fresh_world.sources)
        fresh_store.clear()
        fresh_store.apply([Put(FILLING, b"abcd")], {})
        fresh_world.rebuild(sources)
        until(events, "reset")
        fresh_world.close_bar()
        identifier, weights = until(events, "weights")
        assert identifier.startswith("abcd-")
        while weights["bar_end"] != fresh_client.get("/portfolio/weights").json()["as_of"]:
            _, weights = until(events, "weights")


def test_an_id_that_was_never_given_out_is_refused(fresh_client):
    answer = fresh_client.get("/portfolio/stream", headers={"Last-Event-ID": "yesterday"})
    assert "yesterday" in problem_of(answer, 422)


def test_listeners_are_counted(fresh_client):
    with listening(fresh_client) as events:
        next(events)
        assert "apse_sse_clients 1.0" in fresh_client.get("/metrics").text
