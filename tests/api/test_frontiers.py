"""The frontier is that of the portfolio's own problem, at its newest image, and bounded."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest

from schemas.policy import ConstraintOverrides, Overrides
from streams.api import beside, frontiers
from streams.api.frontiers import frontier_at
from streams.api.problems import ProblemError
from streams.api.whatif import TURNS_MAX
from streams.core.image import decode_image
from streams.core.portfolio import Portfolio
from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import Client, served
from tests.api.test_reading import problem_of
from tests.api.world import BARS, NAMES, POLICY, World
from tests.operate.engine import wait_until


def told(answer):
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=beside.Frontier, strict=True)


def test_return_and_volatility_rise_and_every_point_keeps_the_limits(client):
    found = told(client.get("/portfolio/frontier?points=12"))
    assert (found.outcome, found.bar_number) == ("solved", BARS)
    assert 2 <= len(found.points) <= 12
    returns = [point.return_annual for point in found.points]
    volatilities = [point.volatility_annual for point in found.points]
    assert returns == sorted(returns)
    assert volatilities == sorted(volatilities)
    for point in found.points:
        assert sorted(point.weights) == sorted(found.strategies) == list(NAMES)
        assert sum(point.weights.values()) + point.cash == pytest.approx(1.0, abs=1e-8)
        assert max(point.weights.values()) <= POLICY["constraints"]["weight_max"] + 1e-8
        assert min(point.weights.values()) >= -1e-8
    assert 0 <= found.knee < len(found.points)


def test_what_is_held_is_no_better_than_the_frontier(client):
    found = told(client.get("/portfolio/frontier?points=40"))
    risk = np.array([point.volatility_annual for point in found.points])
    gain = np.array([point.return_annual for point in found.points])
    alone = {m.name: m for m in found.marks if m.kind == "strategy"}
    mean = np.array([alone[name].return_annual for name in found.strategies])
    corners = np.array([[p.weights[n] for n in found.strategies] for p in found.points])
    assert corners @ mean == pytest.approx(gain, abs=1e-9)
    held = next(mark for mark in found.marks if mark.kind == "held")
    reachable = np.interp(held.return_annual, gain, risk)
    if held.within and gain[0] <= held.return_annual <= gain[-1]:
        assert held.volatility_annual >= reachable - 1e-9


def test_what_is_held_wanted_and_best_has_a_place(client):
    found = told(client.get("/portfolio/frontier"))
    kinds = [mark.kind for mark in found.marks]
    assert kinds == ["held", "target", "optimum", "equal_weight", *["strategy"] * len(NAMES)]
    best = found.marks[2]  # of a policy that seeks the least variance
    least = min(point.volatility_annual for point in found.points)
    assert best.volatility_annual == pytest.approx(least, rel=1e-6)
    assert all(mark.volatility_annual >= least - 1e-9 for mark in found.marks if mark.within)


def test_other_limits_give_another_frontier_and_change_nothing(client):
    before = client.get("/portfolio/frontier").json()
    order = {"points": 20, "overrides": {"constraints": {"weight_max": 0.4}}}
    narrow = told(client.post("/portfolio/frontier", json=order))
    assert all(max(p.weights.values()) <= 0.4 + 1e-8 for p in narrow.points)
    same = told(client.post("/portfolio/frontier", json={}))
    assert json.loads(msgspec.json.encode(same))["points"] == before["points"]


def test_limits_that_cannot_all_be_kept_give_no_point_and_the_reason(client):
    order = {"overrides": {"constraints": {"volatility_max": 1e-6, "families": {
        "trend": {"min": 0.9}}}}}  # fmt: skip
    found = told(client.post("/portfolio/frontier", json=order))
    assert (found.outcome, found.points, found.marks) == ("infeasible", [], [])
    assert found.reason


def test_it_is_swept_once_a_version(fresh_client, fresh_world):
    first = fresh_client.get("/portfolio/frontier").json()
    images = fresh_world.images_read
    assert fresh_client.get("/portfolio/frontier").json() == first
    fresh_client.post("/portfolio/frontier", json={"points": 20})
    assert fresh_world.images_read == images
    fresh_world.close_bar()
    newer = fresh_client.get("/portfolio/frontier").json()
    assert newer["bar_number"] == first["bar_number"] + 1
    assert fresh_world.images_read == images + 1


def test_an_image_that_lags_behind_is_not_kept(fresh_client, fresh_world):
    lagging = fresh_world.image("main", 0)
    fresh_world.close_bar()
    fresh_world.lagging = lagging
    assert fresh_client.get("/portfolio/frontier").json()["bar_number"] == BARS
    fresh_world.lagging = None
    fresh_world.close_bar()
    assert fresh_client.get("/portfolio/frontier").json()["bar_number"] == BARS + 2


def test_frontiers_that_are_swept_leave_threads_to_short_answers(fresh_client, monkeypatch):
    fresh_client.get("/portfolio/weights")
    swept, go_on = threading.Event(), threading.Event()

    def slow(*_):
        swept.set()
        assert go_on.wait(20.0)
        raise ProblemError(409, "swept for long")

    monkeypatch.setattr(frontiers, "frontier_at", slow)
    paths = [f"/portfolio/frontier?points={points}" for points in range(2, 52)]
    with ThreadPoolExecutor(len(paths)) as pool:
        asked = [pool.submit(Client(fresh_client.base).get, path) for path in paths]
        assert swept.wait(20.0)
        assert fresh_client.get("/portfolio/weights", timeout=5.0).status_code == 200
        wait_until(lambda: sum(one.done() for one in asked) == len(paths) - TURNS_MAX)
        go_on.set()
        codes = [one.result().status_code for one in asked]
    assert codes.count(409) == TURNS_MAX
    assert codes.count(429) == len(paths) - TURNS_MAX


def test_a_halt_does_not_hide_it(fresh_client):
    open_ = fresh_client.get("/portfolio/frontier").json()
    fresh_client.post("/risk", json={"action": "halt"})
    halted = fresh_client.get("/portfolio/frontier").json()
    assert halted["points"] == open_["points"]
    assert fresh_client.get("/portfolio/weights").json()["mode"] == "halted"


def test_before_an_image_or_a_bar_it_says_so(tmp_path, fresh_client, fresh_world):
    fresh_world.checkpoints = False
    assert "no checkpoint" in problem_of(fresh_client.get("/portfolio/frontier"), 503)
    store = EmbeddedStore(tmp_path / "empty")
    with served(store, World(store, bars=0)) as client:
        assert "no bar" in problem_of(client.get("/portfolio/frontier"), 409)


def test_too_few_bars_to_estimate_are_told_of(tmp_path):
    world = World(EmbeddedStore(tmp_path / "views"), bars=2)
    portfolio = Portfolio.from_state(decode_image(world.image("main", 0)))
    found = frontier_at(portfolio, 10, Overrides(constraints=ConstraintOverrides(weight_max=0.5)))
    assert (found["outcome"], found["points"]) == ("too_few_eligible", [])


@pytest.mark.parametrize("points", [1, 101, "many"])
def test_points_are_bounded(client, points):
    assert "points" in problem_of(client.get(f"/portfolio/frontier?points={points}"), 422)
    problem_of(client.post("/portfolio/frontier", json={"points": points}), 422)
