"""What one decision is asked to do otherwise than the policy: previewed, ordered, refused."""

import json
import re

import pytest

from schemas.codec import decode_control
from schemas.policy import ConstraintOverrides
from schemas.topics import CONTROL
from tests.api.test_reading import problem_of
from tests.api.world import POLICY
from tests.tidy.repository import ROOT

ASKED = {"objective": {"type": "risk_parity"}, "constraints": {"weight_max": 0.5}}


def test_the_preview_is_what_the_order_does_and_the_policy_stays(fresh_client, fresh_world):
    order = {"reason": "less of each", "overrides": ASKED}
    preview = fresh_client.post("/portfolio/preview", json=order).json()
    dry = fresh_client.post("/portfolio/rebalance", json=order | {"dry_run": True}).json()
    assert dry["command"] == preview["command"]
    assert preview["decision"]["objective"] == "risk_parity"
    place = fresh_client.post("/portfolio/rebalance", json=order).headers["location"]
    told = fresh_client.get(place).json()
    assert told["command"]["target_weights"] == preview["command"]["target_weights"]
    assert told["decision"]["trigger"]["overrides"] == ASKED
    assert max(told["command"]["target_weights"].values()) <= 0.5 + 1e-8

    (event,) = [
        event["event"]
        for event in fresh_client.get("/portfolio/audit").json()["events"]
        if event["kind"] == "request"
    ]
    assert event["overrides"] == ASKED
    assert fresh_client.get("/portfolio/policy").json()["policy"]["objective"] == {}
    fresh_world.close_bar()
    plain = fresh_client.post("/portfolio/preview", json={}).json()
    assert plain["decision"]["objective"] == POLICY["objective"]["type"]


def test_overrides_are_part_of_what_a_key_names(fresh_client, fresh_world):
    key = {"Idempotency-Key": "k"}
    first = fresh_client.post("/portfolio/rebalance", json={"overrides": ASKED}, headers=key)
    again = fresh_client.post("/portfolio/rebalance", json={"overrides": ASKED}, headers=key)
    assert first.headers["location"] == again.headers["location"]
    other = fresh_client.post("/portfolio/rebalance", json={}, headers=key)
    assert "Idempotency-Key" in problem_of(other, 422)
    assert len([s for s in fresh_world.sources if s.topic == CONTROL.name]) == 1


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        ({"constraints": {"weight_max": "much"}}, "body.overrides.constraints.weight_max"),
        ({"constraints": {"weight_min": 0.9}}, "body.overrides.constraints.weight_min"),
        ({"constraints": {"turnover_max": 0}}, "body.overrides.constraints.turnover_max"),
        ({"constraints": {"weight_mx": 0.5}}, "body.overrides.constraints"),
        ({"constraints": {"families": {"trnd": {"max": 0.5}}}}, "body.overrides.constraints"),
        ({"constraints": {"correlation": {"pair_limit": 2}}},
         "body.overrides.constraints.correlation.pair_limit"),
        ({"objective": {"type": "most"}}, "body.overrides.objective.type"),
        ({"objective": {"type": "target_return"}}, "body.overrides.objective.type"),
        ({"estimation": {}}, "body.overrides"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused_by_its_name(client, world, overrides, where):
    orders = len(world.sources)
    for path in ("/portfolio/preview", "/portfolio/rebalance", "/portfolio/frontier"):
        refused = client.post(path, json={"overrides": overrides})
        detail = problem_of(refused, 422)
        assert detail
        (wrong,) = refused.json()["errors"]
        assert wrong["where"].startswith(where)
        assert wrong["message"]
    assert len(world.sources) == orders


def test_the_example_of_the_page_is_one(client):
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    example = json.loads(text.partition("```json")[2].partition("```")[0])
    preview = client.post("/portfolio/preview", json=example)
    assert preview.status_code == 200, preview.text
    asked = preview.json()["decision"]["trigger"]["overrides"]["constraints"]
    assert asked == example["overrides"]["constraints"]
    named = text.partition("portfolio file:")[2].partition("(all of it")[0]
    assert set(re.findall(r"`(\w+)`", named)) == set(ConstraintOverrides.__struct_fields__)


def test_what_cannot_be_solved_is_declined_with_a_way_out(client):
    asked = {"constraints": {"volatility_max": 1e-6, "families": {"trend": {"min": 0.9}}}}
    preview = client.post("/portfolio/preview", json={"overrides": asked})
    assert preview.status_code == 200
    decision = preview.json()["decision"]
    assert (decision["outcome"], preview.json()["command"]) == ("declined", None)
    assert decision["reason"].startswith("infeasible")
    assert decision["relaxed"]


def test_the_order_in_the_journal_carries_them(fresh_client, fresh_world):
    fresh_client.post("/portfolio/rebalance", json={"overrides": ASKED})
    (source,) = [s for s in fresh_world.sources if s.topic == CONTROL.name]
    request = decode_control(source.value)
    assert request.overrides.objective.type == "risk_parity"
    assert request.overrides.constraints.weight_max == 0.5
