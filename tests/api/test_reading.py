"""Every answer is of its declared type, says how fresh it is, and comes as it was asked for."""

import io
import threading

import msgspec
import orjson
import polars as pl
import pytest

from streams.api import beside, bodies
from streams.api.decisions import REPORTS_MAX
from streams.readmodel.changes import Append
from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import served
from tests.api.world import BARS, NAMES, World

ANSWERS = {
    "/portfolios": bodies.Portfolios,
    "/portfolio/weights": bodies.Weights,
    "/portfolio/weights/history": bodies.WeightsOverTime,
    "/portfolio/performance": bodies.Performance,
    "/portfolio/history": bodies.History,
    "/portfolio/optimization": bodies.Optimization,
    "/portfolio/frontier": beside.Frontier,
    "/portfolio/shadows": beside.Shadows,
    "/portfolio/covariance": bodies.Covariance,
    "/portfolio/policy": bodies.PolicyAnswer,
    "/portfolio/audit": bodies.Audit,
    "/strategies": bodies.Strategies,
    "/strategies/beta": bodies.StrategyDetail,
    "/livez": bodies.Probe,
    "/readyz": bodies.Probe,
    "/version": bodies.Version,
}
TABLES = {
    "/portfolio/weights": "strategies",
    "/portfolio/weights/history": "points",
    "/portfolio/performance": "points",
    "/portfolio/history": "items",
    "/portfolio/audit": "events",
}
PARQUET = "application/vnd.apache.parquet"


def problem_of(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    return problem["detail"]


@pytest.mark.parametrize("path", ANSWERS)
def test_an_answer_is_of_its_declared_type(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    msgspec.json.decode(answer.content, type=ANSWERS[path], strict=True)


def test_every_route_that_reads_is_tested_here(client):
    document = client.get("/openapi.json").json()
    reads = {path for path, ways in document["paths"].items() if "get" in ways and "{" not in path}
    assert reads - set(ANSWERS) == {"/metrics", "/portfolio/stream"}


def test_the_weights_are_those_of_the_newest_state(client, world):
    told = client.get("/portfolio/weights").json()
    assert told["status"] == "live"
    assert told["bar_number"] == world.bars
    shares = {line["strategy_id"]: line["target"] for line in told["strategies"]}
    assert sorted(shares) == list(NAMES)
    assert shares == pytest.approx(world.commands[-1].target_weights)
    assert sum(shares.values()) + told["cash"]["target"] == pytest.approx(1.0)


def test_the_performance_multiplies_its_net_returns(client):
    told = client.get("/portfolio/performance").json()
    assert told["bars"] == len(told["points"]) == BARS
    nav = 1.0
    for point in told["points"]:
        nav *= 1.0 + point["return_net"]
        assert point["nav"] == pytest.approx(nav)
    assert told["max_drawdown"] == min(point["drawdown"] for point in told["points"])


def test_points_are_thinned_between_the_first_and_the_last(client):
    whole = client.get("/portfolio/performance").json()["points"]
    few = client.get("/portfolio/performance?max_points=5").json()
    assert few["bars"] == BARS
    assert len(few["points"]) == 5
    assert few["points"][0] == whole[0]
    assert few["points"][-1] == whole[-1]


def test_bars_are_cut_at_instants(client):
    whole = client.get("/portfolio/performance").json()["points"]
    span = {"from": whole[9]["bar_end"], "to": whole[20]["bar_end"]}
    cut = client.get("/portfolio/performance", params=span).json()["points"]
    assert cut == whole[10:20]


def test_a_strategy_tells_its_own_weights_and_figures(client):
    told = client.get("/strategies/beta").json()
    weights = client.get("/portfolio/weights/history").json()["points"]
    assert [p["held"] for p in told["weights"]] == [
        p["held"][p["strategies"].index("beta")] for p in weights
    ]
    window = told["windows"][0]
    assert window["window"] == "10"
    assert window["n_obs"] == 10
    assert window["coverage"] == 1.0
    assert window["metrics"]["volatility_annual"] > 0.0


def test_what_did_not_change_is_not_sent_again(client):
    for path in set(ANSWERS) - {"/livez", "/readyz", "/version", "/portfolios"}:
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        listed = f'"x", W/{first.headers["etag"]}'
        assert client.get(path, headers={"If-None-Match": listed}).status_code == 304
        assert client.get(path, headers={"If-None-Match": '"x"'}).status_code == 200


def test_a_change_changes_the_tag(tmp_path):
    store = EmbeddedStore(tmp_path / "views")
    world = World(store)
    with served(store, world) as client:
        tag = client.get("/portfolio/weights").headers["etag"]
        world.close_bar()
        newer = client.get("/portfolio/weights", headers={"If-None-Match": tag})
        assert newer.status_code == 200
        assert newer.json()["bar_number"] == BARS + 1
        world.health.caught_up = False  # what is told is the same, how far to trust it is not
        world.close_bar()
        worse = client.get("/portfolio/weights", headers={"If-None-Match": newer.headers["etag"]})
        assert worse.json()["status"] == "degraded"
        assert client.get("/readyz").status_code == 503


def is_table(value):
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


@pytest.mark.parametrize("path", TABLES)
def test_rows_come_as_a_table_where_that_is_asked_for(client, path):
    rows = client.get(path).json()[TABLES[path]]
    csv = client.get(path, headers={"Accept": "text/csv"})
    assert csv.headers["content-type"].startswith("text/csv")
    assert pl.read_csv(io.BytesIO(csv.content)).height == len(rows)
    parquet = client.get(path, headers={"Accept": f"application/json;q=0.2, {PARQUET}"})
    assert parquet.headers["content-type"] == PARQUET
    frame = pl.read_parquet(io.BytesIO(parquet.content))
    assert frame.height == len(rows)
    assert set(frame.columns) == {
        key for row in rows for key, value in row.items() if not is_table(value)
    }
    assert len({a.headers["etag"] for a in (csv, parquet, client.get(path))}) == 3


def test_numbers_of_a_table_are_those_of_the_answer(client):
    rows = client.get("/portfolio/performance").json()["points"]
    table = client.get("/portfolio/performance", headers={"Accept": PARQUET}).content
    assert pl.read_parquet(io.BytesIO(table))["nav"].to_list() == [row["nav"] for row in rows]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_text_of_a_csv_is_no_formula_of_a_spreadsheet(fresh_client, fresh_store, begin):
    (newest,) = fresh_store.series("main/decisions", limit=1, newest_first=True)
    reason = f"{begin}1+1"
    loss = {"reason": reason, "turnover": -0.5}
    forged = orjson.dumps(orjson.loads(newest.value) | loss)
    fresh_store.apply([Append("main/decisions", newest.place, forged)], {})
    csv, parquet = (
        fresh_client.get("/portfolio/history", headers={"Accept": kind})
        for kind in ("text/csv", PARQUET)
    )
    shown = pl.read_csv(io.BytesIO(csv.content)).row(0, named=True)
    assert (shown["reason"], shown["turnover"]) == (f"'{reason}", -0.5)
    assert pl.read_parquet(io.BytesIO(parquet.content))["reason"][0] == reason
    assert fresh_client.get("/portfolio/history").json()["items"][0]["reason"] == reason


def test_a_format_that_is_not_offered_is_refused(client):
    refused = client.get("/portfolio/weights", headers={"Accept": "application/xml"})
    assert "application/xml" in problem_of(refused, 406)
    refused = client.get("/strategies", headers={"Accept": "text/csv"})
    assert "application/json" in problem_of(refused, 406)
    refused = client.get("/strategies", headers={"Accept": "application/json;q=0"})
    problem_of(refused, 406)


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_pages_of_any_size_walk_over_every_decision_once(client, limit):
    whole = client.get("/portfolio/history?limit=500").json()
    assert whole["next_cursor"] is None
    assert len(whole["items"]) >= 5
    items, cursor = [], None
    while True:
        page = client.get("/portfolio/history", params={"limit": limit, "cursor": cursor}).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert items == whole["items"]
    assert len({item["decision_id"] for item in items}) == len(items)


def test_decisions_are_filtered_by_what_moved_them_and_how_they_ended(client):
    every = client.get("/portfolio/history").json()["items"]
    for key, value in (("outcome", "accepted"), ("outcome", "declined"), ("trigger", "schedule")):
        found = client.get("/portfolio/history", params={key: value, "limit": 500}).json()["items"]
        wanted = [
            i for i in every if (i["trigger"]["kind"] if key == "trigger" else i[key]) == value
        ]
        assert found == wanted
    assert client.get("/portfolio/history?trigger=drift").json()["items"] == []


def test_a_decision_comes_with_its_command_and_what_became_of_it(client, world):
    line = client.get("/portfolio/history?outcome=accepted").json()["items"][0]
    answer = client.get(f"/portfolio/decisions/{line['decision_id']}")
    detail = msgspec.json.decode(answer.content, type=bodies.DecisionDetail)
    assert detail.lifecycle == line["lifecycle"] == "filled"
    assert detail.command == world.commands[-1]
    assert [report.status for report in detail.reports] == ["filled"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/portfolio/weights?portfolio_id=other", 404, "other"),
        ("/portfolio/weights?portfolio_id=a%20b", 422, "portfolio_id"),
        ("/portfolio/decisions/none", 404, "none"),
        ("/portfolio/rebalances/none", 404, "none"),
        ("/strategies/none", 404, "none"),
        ("/portfolio/performance?from=yesterday", 422, "yesterday"),
        ("/portfolio/performance?max_points=0", 422, "max_points"),
        ("/portfolio/history?limit=501", 422, "limit"),
        ("/portfolio/history?cursor=!", 422, "cursor"),
        ("/portfolio/history?outcome=maybe", 422, "outcome"),
        ("/nothing", 404, ""),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_names_it(client, path, status, said):
    assert said in problem_of(client.get(path), status)


def test_a_method_that_is_not_offered_is_refused(client):
    problem_of(client.delete("/portfolio/policy"), 405)


def test_a_portfolio_without_a_bar_warms_up(tmp_path):
    store = EmbeddedStore(tmp_path / "views")
    with served(store, World(store, bars=0)) as client:
        listed = client.get("/portfolios").json()["portfolios"]
        assert [(line["portfolio_id"], line["status"]) for line in listed] == [
            ("main", "warming_up")
        ]
        problem_of(client.get("/portfolio/weights"), 404)
        assert client.get("/portfolio/performance").json()["points"] == []
        assert client.get("/portfolio/covariance").json()["covariance"] is None


def test_without_a_portfolio_it_says_how_to_get_one(tmp_path):
    store = EmbeddedStore(tmp_path / "views")
    world = World(EmbeddedStore(tmp_path / "elsewhere"), bars=0)
    with served(store, world) as client:
        assert client.get("/portfolios").json()["portfolios"] == []
        assert "apse up" in problem_of(client.get("/portfolio/weights"), 404)


def test_too_many_requests_are_refused_and_told_when_to_come_back(tmp_path):
    store = EmbeddedStore(tmp_path / "views")
    with served(store, World(store, bars=1), requests_per_s=5.0) as client:
        answers = [client.get("/livez") for _ in range(30)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(answers) - len(refused) >= 10  # a burst of two seconds' worth
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        problem_of(refused[0], 429)


def test_metrics_tell_of_each_route(client):
    client.get("/portfolio/weights")
    shown = client.get("/metrics").text
    assert (
        'apse_http_request_duration_seconds_count{method="GET",route="/portfolio/weights"' in shown
    )
    assert "apse_views_caught_up 1.0" in shown


def test_readers_at_once_all_get_whole_answers(client):
    wrong = []

    def read():
        for path, kind in ANSWERS.items():
            answer = client.get(path)
            try:
                msgspec.json.decode(answer.content, type=kind)
            except msgspec.DecodeError as error:
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not wrong


def test_where_the_store_is_away_the_last_answers_stay_and_say_so(tmp_path):
    store = EmbeddedStore(tmp_path / "views")
    with served(store, World(store)) as client:
        place = client.post("/portfolio/rebalance", json={}).headers["location"]
        before = {path: client.get(path).json() for path in ("/portfolios", "/strategies", place)}
        tag = client.get("/strategies").headers["etag"]
        store.close()
        lost = {path: client.get(path) for path in before}
        assert {answer.status_code for answer in lost.values()} == {200}
        listed = lost["/portfolios"].json()
        assert [line["status"] for line in listed["portfolios"]] == ["degraded"]
        assert lost["/strategies"].json() == before["/strategies"] | {"status": "degraded"}
        order = msgspec.json.decode(lost[place].content, type=bodies.RequestAnswer)
        assert (order.freshness, order.status) == ("degraded", "filled")
        again = client.get("/strategies", headers={"If-None-Match": tag})
        assert again.json()["status"] == "degraded"  # not 304: what is known of it has changed
        never_asked = client.get("/portfolio/covariance")
        assert "nothing is lost" in problem_of(never_asked, 503)
        assert never_asked.headers["retry-after"] == "1"
        assert client.get("/livez").status_code == 200


def test_a_fill_after_many_parts_is_told(fresh_client, fresh_world, fresh_store):
    command = fresh_world.commands[-1]
    series = f"command/{command.command_id}/reports"
    (whole,) = fresh_store.series(series)
    part = orjson.dumps(orjson.loads(whole.value) | {"status": "partially_filled"})
    parts = [Append(series, place - 2 * REPORTS_MAX, part) for place in range(REPORTS_MAX + 5)]
    fresh_store.apply(parts, {})
    found = fresh_client.get(f"/portfolio/decisions/{command.decision_id}").json()
    assert found["lifecycle"] == "filled"
    assert len(found["reports"]) == REPORTS_MAX


def test_few_among_many_decisions_are_found_in_few_reads(fresh_client, fresh_store, monkeypatch):
    read, series = [], fresh_store.series

    def counted(name, **options):
        read.append(name)
        return series(name, **options)

    total = len(fresh_client.get("/portfolio/history?limit=500").json()["items"])
    monkeypatch.setattr(fresh_store, "series", counted)
    found = fresh_client.get("/portfolio/history?limit=1&trigger=manual").json()
    assert (found["items"], found["next_cursor"]) == ([], None)
    assert read.count("main/decisions") == 1 < total // 2
