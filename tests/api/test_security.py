"""Who may do what: nobody without a token once there are tokens, and each only what it is for."""

import hmac

import pytest

from streams.api import security
from streams.api.app import build_app
from streams.api.security import make_token, read_tokens
from streams.core.errors import ConfigError
from streams.readmodel.embedded import EmbeddedStore
from streams.settings import ApiSettings, Settings
from tests.api.served import served
from tests.api.test_reading import problem_of
from tests.api.world import POLICY, World

OPEN = {"/livez", "/readyz", "/version", "/metrics"}
ORDERS = {
    ("POST", "/portfolio/preview"): "read",
    ("POST", "/portfolio/rebalance"): "rebalance",
    ("PUT", "/portfolio/policy"): "admin",
    ("POST", "/risk"): "admin",
}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """A file of tokens, one for each scope and one for all; their texts by name."""
    texts, lines = {}, ["# who may do what", ""]
    for name, scopes in (
        ("reader", ("read",)),
        ("trader", ("rebalance",)),
        ("owner", ("admin",)),
        ("all", ("read", "rebalance", "admin")),
    ):
        texts[name], line = make_token(name, scopes)
        lines.append(line)
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text("\n".join(lines))
    return file, texts


@pytest.fixture(scope="module")
def guarded(tokens, tmp_path_factory):
    file, texts = tokens
    store = EmbeddedStore(tmp_path_factory.mktemp("guarded") / "views")
    with served(store, World(store), tokens=str(file)) as client:
        client.world_tokens = {name: {"Authorization": f"Bearer {t}"} for name, t in texts.items()}
        yield client


def routes(client):
    document = client.get("/openapi.json").json()
    return [
        (method.upper(), path.replace("{strategy_id}", "beta").replace("{", "").replace("}", ""))
        for path, ways in document["paths"].items()
        for method in ways
    ]


def test_nothing_but_probes_is_open(guarded):
    asked = [route for route in routes(guarded) if route[1] not in OPEN]
    assert len(asked) > 15
    for method, path in asked:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
            refused = guarded.request(method, path, headers=headers, json={})
            problem_of(refused, 401)
            assert refused.headers["www-authenticate"].startswith("Bearer")
    for path in OPEN:
        assert guarded.get(path).status_code == 200


def test_a_token_does_what_it_is_for_and_no_more(guarded):
    bodies = {"/risk": {"action": "resume"}, "/portfolio/policy": POLICY}
    for method, path in routes(guarded):
        if path in OPEN or path == "/portfolio/stream":
            continue
        needed = ORDERS.get((method, path), "read")
        for name, scope in (("reader", "read"), ("trader", "rebalance"), ("owner", "admin")):
            headers = guarded.world_tokens[name]
            answer = guarded.request(method, path, headers=headers, json=bodies.get(path, {}))
            if scope != needed:
                assert name in problem_of(answer, 403)
            else:
                assert answer.status_code in {200, 202, 404}, (path, answer.text)


def test_an_order_keeps_who_gave_it(guarded):
    everything = guarded.world_tokens["all"]
    guarded.post("/portfolio/rebalance", headers=everything, json={"reason": "mine"})
    events = guarded.get("/portfolio/audit", headers=everything).json()["events"]
    assert events[0]["event"]["requested_by"] == "all"


def test_the_same_key_of_two_callers_is_two_orders(guarded):
    places = {
        guarded.post(
            "/portfolio/rebalance",
            headers=guarded.world_tokens[name] | {"Idempotency-Key": "same"},
            json={},
        ).headers["location"]
        for name in ("trader", "all")
    }
    assert len(places) == 2


def test_every_token_is_compared_in_constant_time(tokens, monkeypatch):
    compared, compare = [], hmac.compare_digest

    def watched(left, right):
        compared.append((left, right))
        return compare(left, right)

    file, texts = tokens
    kept = read_tokens(file)
    monkeypatch.setattr(security.hmac, "compare_digest", watched)
    for text in (*texts.values(), "wrong"):
        compared.clear()
        security._find(kept, text)
        assert len(compared) == len(kept)  # also after the right one was found


def test_the_file_keeps_no_token(tokens):
    file, texts = tokens
    assert not any(text in file.read_text() for text in texts.values())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_an_address_others_reach_needs_tokens(host):
    with pytest.raises(ConfigError, match="apse token"):
        build_app(Settings(api=ApiSettings(host=host)))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_alone_does_not(host):
    security.check_bind(host, ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no token"),
        ("ann read", "2 fields"),
        ("ann write " + "0" * 64, "'write'"),
        ("a/b read " + "0" * 64, "'a/b'"),
        ("ann read 123", "SHA-256"),
    ],
)
def test_a_tokens_file_that_cannot_be_used_is_refused(tmp_path, line, said):
    file = tmp_path / "tokens"
    file.write_text(line)
    with pytest.raises(ConfigError, match=said):
        read_tokens(file)


def test_no_other_origin_is_let_in(guarded):
    answer = guarded.options(
        "/portfolio/rebalance",
        headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"},
    )
    assert "access-control-allow-origin" not in answer.headers


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://example.org"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
    {"Origin": "https://example.org"},  # of a browser that does not say where from
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_another_site_cannot_order_where_no_token_is_needed(
    fresh_client, fresh_world, headers
):
    before = len(fresh_world.sources)
    for path, body in (("/portfolio/rebalance", b""), ("/risk", b'{"action": "halt"}')):
        refused = fresh_client.post(path, data=body, headers=headers)
        assert "another site" in problem_of(refused, 403)
    problem_of(fresh_client.put("/portfolio/policy", json=POLICY, headers=headers), 403)
    assert len(fresh_world.sources) == before


def test_a_name_that_was_pointed_at_this_machine_reads_and_orders_nothing(fresh_client):
    for host in ("example.org", "example.org:8080", "127.0.0.1.example.org", "[::1", ""):
        for method, path in (("GET", "/portfolio/weights"), ("POST", "/portfolio/rebalance")):
            refused = fresh_client.request(method, path, headers={"Host": host})
            assert "Host" in problem_of(refused, 403)


def test_the_page_of_this_service_orders_where_no_token_is_needed(fresh_client):
    for host in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080"):
        for said in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{host}"}, {}):
            headers = {"Host": host} | said
            assert fresh_client.post("/portfolio/rebalance", headers=headers).status_code == 202
    linked = {"Sec-Fetch-Site": "cross-site"}  # a link from elsewhere to what is read
    assert fresh_client.get("/portfolio/weights", headers=linked).status_code == 200


def test_a_token_is_enough_wherever_its_bearer_comes_from(guarded):
    headers = guarded.world_tokens["all"] | {"Host": "example.org"} | FOREIGN[0]
    assert guarded.post("/portfolio/rebalance", headers=headers).status_code == 202
