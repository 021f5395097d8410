"""On the real stack: a broker, an engine, Redis and the API, each a process of its own."""

import os

import pytest

from schemas.codec import encode_message
from schemas.events import StrategyRegistration
from schemas.topics import REGISTRY
from streams.kafka.admin import delete_scope
from tests.api.served import answers, running_api
from tests.api.test_stream import listening, until
from tests.operate.engine import Outsider, running_engine, wait_until

pytestmark = pytest.mark.kafka

PORTFOLIO = """\
portfolio_id: pair
bar: 1d
periods_per_year: 252
strategies: {from_returns: true}
estimation: {window_bars: 10, min_bars: 2, windows: [5], covariance: sample}
objective: {type: inverse_volatility}
constraints: {weight_max: 1.0}
rebalance: {schedule: every_bar}
"""
ORDER = {"reason": "month end", "overrides": {"objective": {"type": "equal"}}}
FIGURES = {"a": [0.01, -0.02, 0.015, 0.002], "b": [0.002, 0.001, -0.003, 0.004]}


def close_bar(outsider, day):
    for name, values in FIGURES.items():
        outsider.publish(name, f"2024-03-{day:02}T00:00:00Z", values[day % 4])


def bar_number(client):
    return client.get("/portfolio/weights").json().get("bar_number", 0)


def test_weights_change_live_an_order_is_filled_and_a_lost_redis_heals(broker, redis, tmp_path):
    (tmp_path / "pair.yaml").write_text(PORTFOLIO)
    scope = f"api-{os.getpid()}-"
    try:
        with running_engine(broker, scope, tmp_path, tmp_path / "pair.yaml"):
            outsider = Outsider(broker.bootstrap, scope)
            for name in FIGURES:
                member = StrategyRegistration(
                    strategy_id=name, family="trend", portfolios=("pair",)
                )
                outsider.send(REGISTRY.name, f"strategy/{name}", encode_message(member))
            with running_api(broker, scope, redis.url) as client:
                weights_change_live(client, outsider)
                place = an_order_is_filled(client)
                redis_is_lost_and_heals(client, outsider, redis, place)
            outsider.close()
    finally:
        delete_scope(broker.bootstrap, scope)


def weights_change_live(client, outsider):
    with listening(client) as events:
        next(events)
        for day in range(1, 7):
            close_bar(outsider, day)
        seen = set()
        while len(seen) < 3:
            _, weights = until(events, "weights")
            seen.add(tuple(weights["target"]))
    wait_until(lambda: bar_number(client) == 6)
    told = client.get("/portfolio/weights").json()
    assert told["status"] == "live"
    assert told["cash"]["target"] + sum(s["target"] for s in told["strategies"]) == pytest.approx(1)


def an_order_is_filled(client):
    def preview():
        return client.post("/portfolio/preview", json=ORDER)

    wait_until(lambda: preview().json().get("bar_number") == 6)  # a checkpoint every 3 s
    shown = preview().json()
    swept = client.get("/portfolio/frontier").json()
    assert (swept["outcome"], swept["bar_number"]) == ("solved", 6)
    ordered = client.post("/portfolio/rebalance", json=ORDER)
    assert ordered.status_code == 202, ordered.text
    place = ordered.headers["location"]
    wait_until(lambda: client.get(place).json()["status"] in {"filled", "declined"})
    told = client.get(place).json()
    assert told["status"] == "filled" if shown["command"] else "declined"
    assert told["decision"]["trigger"]["reason"] == ORDER["reason"]
    assert told["decision"]["trigger"]["overrides"] == ORDER["overrides"]
    assert told["decision"]["objective"] == "equal"
    if shown["command"]:
        assert told["command"]["target_weights"] == shown["command"]["target_weights"]
        assert told["command"]["target_cash"] == shown["command"]["target_cash"]
    return place


def degraded(told):
    """An answer as it is given again while nothing new is known."""
    marked = told | {"freshness" if "freshness" in told else "status": "degraded"}
    if "portfolios" in told:
        marked["portfolios"] = [line | {"status": "degraded"} for line in told["portfolios"]]
    return marked


def redis_is_lost_and_heals(client, outsider, redis, place):
    paths = (
        "/portfolio/weights", "/portfolio/performance", "/portfolio/history", "/portfolios", place,
    )  # fmt: skip
    before = {path: client.get(path).json() for path in paths}
    with listening(client) as events:
        next(events)
        redis.stop()
        wait_until(lambda: client.get("/readyz").status_code == 503)
        for path, told in before.items():
            lost = client.get(path)
            assert lost.status_code == 200
            assert lost.json() == degraded(told)
        assert client.get("/strategies/a").status_code == 503  # was never asked for: not known
        close_bar(outsider, 7)
        redis.start()
        until(events, "reset")
        wait_until(lambda: bar_number(client) == 7 and answers(client, "/readyz"))
    after = {path: client.get(path).json() for path in paths}
    assert after["/portfolio/weights"]["status"] == "live"
    points = after["/portfolio/performance"]["points"]
    assert points[:6] == before["/portfolio/performance"]["points"]
    older = [line["decision_id"] for line in before["/portfolio/history"]["items"]]
    assert [line["decision_id"] for line in after["/portfolio/history"]["items"]][
        -len(older) :
    ] == older
