"""Orders enter as events, once each, and are followed to their end; a preview changes nothing."""

import json

import msgspec
import pytest

from schemas.codec import decode_control
from schemas.topics import CONTROL
from streams.api import bodies
from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import served
from tests.api.test_reading import problem_of
from tests.api.world import BARS, POLICY, World


def requests_of(world):
    return [decode_control(s.value) for s in world.sources if s.topic == CONTROL.name]


def test_a_rebalance_is_ordered_as_an_event_and_followed_to_filled(fresh_client, fresh_world):
    answer = fresh_client.post("/portfolio/rebalance", json={"reason": "month end"})
    assert answer.status_code == 202, answer.text
    msgspec.json.decode(answer.content, type=bodies.RequestAnswer)
    location = answer.headers["location"]
    assert location == f"/portfolio/rebalances/{answer.json()['request_id']}"
    (request,) = requests_of(fresh_world)
    assert (request.action, request.reason, request.requested_by) == (
        "rebalance", "month end", "anonymous",
    )  # fmt: skip
    followed = msgspec.json.decode(fresh_client.get(location).content, type=bodies.RequestAnswer)
    assert followed.status == "filled"
    assert followed.decision.trigger.kind == "manual"
    assert followed.decision.trigger.reason == "month end"
    assert followed.command == fresh_world.commands[-1]


def test_without_an_executor_it_stays_published_until_it_is_superseded(tmp_path):
    store = EmbeddedStore(tmp_path / "unfilled")
    with served(store, World(store, fills=False)) as client:
        places = [client.post("/portfolio/rebalance", json={}).headers["location"]]
        assert client.get(places[0]).json()["status"] == "published"
        places.append(client.post("/portfolio/rebalance", json={}).headers["location"])
        ends = [client.get(place).json()["status"] for place in places]
    assert ends in (["superseded", "published"], ["published", "declined"])


def test_a_preview_changes_nothing_and_is_what_the_order_then_does(fresh_client, fresh_world):
    before = (
        fresh_world.image("main", 0),
        len(fresh_world.sources),
        fresh_client.get("/portfolio/history").json(),
    )
    preview = fresh_client.post("/portfolio/preview", json={"reason": "what if"})
    assert preview.status_code == 200, preview.text
    shown = msgspec.json.decode(preview.content, type=bodies.PreviewAnswer)
    dry = fresh_client.post("/portfolio/rebalance", json={"reason": "what if", "dry_run": True})
    assert dry.status_code == 200
    assert dry.json()["command"] == preview.json()["command"]
    after = (
        fresh_world.image("main", 0),
        len(fresh_world.sources),
        fresh_client.get("/portfolio/history").json(),
    )
    assert after == before

    fresh_client.post("/portfolio/rebalance", json={"reason": "what if"})
    assert shown.bar_number == BARS
    assert shown.command.target_weights == fresh_world.commands[-1].target_weights
    assert shown.command.target_cash == fresh_world.commands[-1].target_cash


def test_a_preview_before_any_checkpoint_says_when_to_come_back(fresh_client, fresh_world):
    fresh_world.checkpoints = False
    refused = fresh_client.post("/portfolio/preview", json={})
    assert "no checkpoint" in problem_of(refused, 503)
    assert refused.headers["retry-after"] == "3"


def test_a_preview_without_a_bar_is_refused(tmp_path):
    store = EmbeddedStore(tmp_path / "empty")
    with served(store, World(store, bars=0)) as client:
        assert "no bar" in problem_of(client.post("/portfolio/preview", json={}), 409)


def test_a_key_makes_an_order_one_order(fresh_client, fresh_world):
    key = {"Idempotency-Key": "k1"}
    first = fresh_client.post("/portfolio/rebalance", json={"reason": "a"}, headers=key)
    again = fresh_client.post("/portfolio/rebalance", json={"reason": "a"}, headers=key)
    assert first.headers["location"] == again.headers["location"]
    assert len(requests_of(fresh_world)) == 1
    other = fresh_client.post("/portfolio/rebalance", json={"reason": "b"}, headers=key)
    assert "Idempotency-Key" in problem_of(other, 422)
    fresh_client.post(
        "/portfolio/rebalance", json={"reason": "a"}, headers={"Idempotency-Key": "k2"}
    )
    fresh_client.post("/portfolio/rebalance", json={"reason": "a"})
    assert len(requests_of(fresh_world)) == 3


def test_a_key_is_known_again_after_the_store_was_rebuilt(fresh_client, fresh_world, fresh_store):
    key = {"Idempotency-Key": "k1"}
    fresh_client.post("/portfolio/rebalance", json={"reason": "a"}, headers=key)
    sources = list(fresh_world.sources)
    fresh_store.clear()
    fresh_world.health.caught_up = False
    fresh_world.rebuild(sources[: len(sources) // 2])
    waiting = fresh_client.post("/portfolio/rebalance", json={"reason": "a"}, headers=key)
    assert "still being read" in problem_of(waiting, 503)
    fresh_world.rebuild(sources)
    fresh_world.health.caught_up = True
    again = fresh_client.post("/portfolio/rebalance", json={"reason": "a"}, headers=key)
    assert again.status_code == 202
    assert len(requests_of(fresh_world)) == 1


def test_a_stale_version_is_not_acted_on(fresh_client, fresh_world):
    version = fresh_client.get("/portfolio/weights").json()["version"]
    fresh_world.close_bar()
    stale = fresh_client.post("/portfolio/rebalance", json={}, headers={"If-Match": f'"{version}"'})
    assert version in problem_of(stale, 412)
    assert not requests_of(fresh_world)
    for now in (fresh_client.get("/portfolio/weights").json()["version"], "*"):
        told = fresh_client.post("/portfolio/rebalance", json={}, headers={"If-Match": now})
        assert told.status_code == 202


def test_an_order_told_twice_is_one_though_its_version_is_gone(fresh_client, fresh_world):
    version = fresh_client.get("/portfolio/weights").json()["version"]
    named = {"Idempotency-Key": "k1", "If-Match": f'"{version}"'}
    first = fresh_client.post("/portfolio/rebalance", json={}, headers=named)
    fresh_world.close_bar()
    again = fresh_client.post("/portfolio/rebalance", json={}, headers=named)
    assert again.status_code == 202, again.text
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["status"] == "filled"
    assert len(requests_of(fresh_world)) == 1


def test_a_preview_of_an_old_checkpoint_names_its_own_version(fresh_client, fresh_world):
    old = fresh_world.image("main", 0)
    fresh_world.close_bar()
    fresh_world.lagging = old
    preview = fresh_client.post("/portfolio/preview", json={}).json()
    assert (preview["bar_number"], preview["current"]) == (BARS, False)
    named = {"If-Match": preview["version"]}
    problem_of(fresh_client.post("/portfolio/rebalance", json={}, headers=named), 412)
    fresh_world.lagging = None
    preview = fresh_client.post("/portfolio/preview", json={}).json()
    assert preview["current"]
    assert preview["version"] == fresh_client.get("/portfolio/weights").json()["version"]
    named = {"If-Match": preview["version"]}
    told = fresh_client.post("/portfolio/rebalance", json={}, headers=named)
    assert told.status_code == 202
    assert fresh_world.commands[-1].target_weights == preview["command"]["target_weights"]


def test_a_checkpoint_before_a_fill_is_not_of_the_version_after_it(fresh_client, fresh_world):
    place = fresh_client.post("/portfolio/rebalance", json={}).headers["location"]
    assert fresh_client.get(place).json()["status"] == "filled"
    fresh_world._fills = False
    fresh_client.post("/risk", json={"action": "reduce", "multiplier": 0.5})
    command = fresh_world.commands[-1]
    fresh_world.lagging = fresh_world.image("main", 0)  # the reduction is sent, and not filled
    preview = fresh_client.post("/portfolio/preview", json={}).json()
    assert preview["version"] == fresh_client.get("/portfolio/weights").json()["version"]
    fresh_world.report_fill(command)
    preview = fresh_client.post("/portfolio/preview", json={}).json()
    assert preview["version"] != fresh_client.get("/portfolio/weights").json()["version"]


def test_a_broker_that_does_not_take_an_order_is_said_to(fresh_client, fresh_world):
    fresh_world.refuses = True
    for path, order in (("/portfolio/rebalance", {}), ("/risk", {"action": "halt"})):
        assert "away" in problem_of(fresh_client.post(path, json=order), 503)
    fresh_world.refuses = False
    assert fresh_client.post("/portfolio/rebalance", json={}).status_code == 202


def test_a_halt_stops_orders_and_a_resume_lets_them_through(fresh_client):
    halted = fresh_client.post("/risk", json={"action": "halt", "reason": "venue down"})
    assert halted.status_code == 202
    msgspec.json.decode(halted.content, type=bodies.Accepted)
    assert fresh_client.get("/portfolio/weights").json()["mode"] == "halted"
    place = fresh_client.post("/portfolio/rebalance", json={}).headers["location"]
    followed = fresh_client.get(place).json()
    assert (followed["status"], followed["decision"]["reason"]) == ("declined", "halted")
    fresh_client.post("/risk", json={"action": "resume"})
    place = fresh_client.post("/portfolio/rebalance", json={}).headers["location"]
    assert fresh_client.get(place).json()["status"] == "filled"
    events = fresh_client.get("/portfolio/audit").json()["events"]
    signals = [event["event"] for event in events if event["kind"] == "signal"]
    assert [signal.get("reason", "") for signal in signals] == ["", "venue down"]


def test_a_reduction_scales_what_is_held(fresh_client):
    before = fresh_client.get("/portfolio/weights").json()["cash"]["target"]
    fresh_client.post("/risk", json={"action": "reduce", "multiplier": 0.5})
    after = fresh_client.get("/portfolio/weights").json()
    assert after["mode"] == "reduced"
    assert 1.0 - after["cash"]["target"] == pytest.approx(0.5 * (1.0 - before), rel=0.05)
    for wrong in ({"action": "reduce"}, {"action": "halt", "multiplier": 0.5}):
        assert "multiplier" in problem_of(fresh_client.post("/risk", json=wrong), 422)


def test_a_policy_is_put_in_force_by_its_version(fresh_client):
    policy = POLICY | {"constraints": {"weight_max": 0.5}}
    stale = fresh_client.put("/portfolio/policy", json=policy, headers={"If-Match": '"7"'})
    assert "7" in problem_of(stale, 412)
    put = fresh_client.put("/portfolio/policy", json=policy, headers={"If-Match": '"1"'})
    assert put.status_code == 200, put.text
    told = msgspec.json.decode(put.content, type=bodies.PolicyAnswer)
    assert told.policy_version == 2
    place = fresh_client.post("/portfolio/rebalance", json={}).headers["location"]
    command = fresh_client.get(place).json()["command"]
    assert max(command["target_weights"].values()) <= 0.5
    assert command["policy_version"] == 2


def test_two_policies_before_either_is_read_are_two_versions(
    fresh_client, fresh_world, monkeypatch
):
    shown, offsets = fresh_world._show, fresh_world._offsets

    def lag(topic, *_):
        offsets[topic.name] = offsets.get(topic.name, 0) + 1

    monkeypatch.setattr(fresh_world, "_show", lag)  # the views lag behind the topics
    limits = [0.5, 0.6]
    policies = [POLICY | {"constraints": {"weight_max": limit}} for limit in limits]
    versions = [
        fresh_client.put("/portfolio/policy", json=policy).json()["policy_version"]
        for policy in policies
    ]
    assert versions == [2, 3]
    late = fresh_client.put("/portfolio/policy", json=POLICY, headers={"If-Match": '"1"'})
    assert "1" in problem_of(late, 412)
    monkeypatch.setattr(fresh_world, "_show", shown)
    fresh_world.close_bar()
    place = fresh_client.post("/portfolio/rebalance", json={}).headers["location"]
    assert fresh_client.get(place).json()["command"]["policy_version"] == 3


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"weight_mx": 1}, 422, "weight_mx"),
        ({"bar": "1h"}, 409, "1h"),
        ({"portfolio_id": "other"}, 404, "other"),
        ({"constraints": {"weight_max": -0.1}}, 422, "weight_max"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_with_what_is_wrong(
    fresh_client, change, status, said
):
    refused = fresh_client.put("/portfolio/policy", json=POLICY | change)
    assert said in problem_of(refused, status)
    assert fresh_client.get("/portfolio/policy").json()["policy_version"] == 1


@pytest.mark.parametrize("path", ["/portfolio/rebalance", "/portfolio/preview", "/risk"])
def test_a_body_that_cannot_be_read_is_refused(fresh_client, path):
    kind = {"Content-Type": "application/json"}
    problem_of(fresh_client.post(path, data=b"{", headers=kind), 400)
    problem_of(fresh_client.post(path, data=b"\xff", headers=kind), 400)
    problem_of(fresh_client.post(path, data=b"{}", headers={"Content-Type": "text/plain"}), 415)
    problem_of(fresh_client.post(path, json={"action": "halt", "surprise": 1}), 422)
    problem_of(fresh_client.post(path, data=b" " * 300_000, headers=kind), 413)


def test_a_body_in_pieces_is_counted_as_well(fresh_client):
    pieces = (b" " * 65_536 for _ in range(8))
    problem_of(fresh_client.post("/portfolio/preview", data=pieces), 413)


def test_a_reason_is_kept_as_it_was_given(fresh_client, fresh_world):
    reason = 'quote " and é and <b>'
    fresh_client.post("/portfolio/rebalance", data=json.dumps({"reason": reason}))
    assert requests_of(fresh_world)[-1].reason == reason
