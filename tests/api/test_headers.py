"""What a browser is told: own scripts alone, no frame, no guessing; unknown paths are problems."""

import re
from pathlib import Path

import pytest

from streams.api.headers import HEADERS
from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import served
from tests.api.test_reading import problem_of
from tests.api.world import World

SOURCE = Path(__file__).parents[2] / "dashboard" / "index.html"
SCRIPT = "export const place = location.hash;\n" * 100


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A client of an API with a page of one script."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><script src='./assets/a.js'></script>")
    (folder / "assets" / "a.js").write_text(SCRIPT)
    store = EmbeddedStore(folder / "views")
    with served(store, World(store, bars=1), page=str(folder)) as client:
        yield client


def policy_of(answer):
    parts = answer.headers["content-security-policy"].split("; ")
    return {name: set(values) for name, *values in (part.split() for part in parts)}


def test_the_page_runs_scripts_of_its_own_origin_alone(site):
    for path in ("/", "/index.html"):
        answer = site.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        policy = policy_of(answer)
        assert policy["default-src"] == {"'none'"}
        assert policy["script-src"] == policy["connect-src"] == {"'self'"}
        assert policy["frame-ancestors"] == policy["base-uri"] == {"'none'"}


def test_a_page_that_is_kept_keeps_its_policy(site):
    """Headers of a 304 replace those that came with what is kept."""
    kept = site.get("/")
    again = site.get("/", headers={"If-None-Match": kept.headers["etag"]})
    assert again.status_code == 304
    assert "content-security-policy" not in again.headers
    assert again.headers["x-frame-options"] == "DENY"


def test_only_files_with_a_digest_in_their_name_are_kept_unasked(site):
    assert site.get("/").headers["cache-control"] == "no-cache"
    assert "immutable" in site.get("/assets/a.js").headers["cache-control"]


def test_the_source_of_the_page_has_no_script_of_its_own_in_it():
    text = SOURCE.read_text(encoding="utf-8")
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL)
    assert scripts
    assert all("src=" in attributes and not inside.strip() for attributes, inside in scripts)
    assert not re.search(r"\son[a-z]+=|javascript:|<style", text)


@pytest.mark.parametrize(
    "path", ["/", "/assets/a.js", "/portfolios", "/livez", "/metrics", "/nothing", "/openapi.json"]
)
def test_every_answer_has_the_headers(site, path):
    answer = site.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    if path not in {"/", "/assets/a.js"}:
        assert policy_of(answer) == {"default-src": {"'none'"}, "frame-ancestors": {"'none'"}}


def test_refusals_have_them_too(site):
    refused = (
        site.post("/risk", data=b"x" * 300_000),
        site.get("/portfolio/weights?portfolio_id=other"),
        site.delete("/portfolio/policy"),
    )
    for answer in refused:
        assert answer.status_code in {404, 405, 413}
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_fault_has_them_too_and_is_counted(site, monkeypatch):
    def broken(*_):
        raise ArithmeticError

    monkeypatch.setattr("streams.api.answers.Answers.policy", broken)
    # The server closes the connection after a fault; another request must not try it.
    answer = site.get("/portfolio/policy", headers={"Connection": "close"})
    assert "ArithmeticError" in problem_of(answer, 500)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert policy_of(answer) == {"default-src": {"'none'"}, "frame-ancestors": {"'none'"}}
    assert 'route="/portfolio/policy",status="500"} 1.0' in site.get("/metrics").text


@pytest.mark.parametrize("path", ["/nothing", "/portfolio", "/portfolio/weight", "/assets/b.js"])
def test_an_unknown_path_is_a_problem_beside_the_page(site, path):
    problem_of(site.get(path), 404)


def test_an_order_to_an_unknown_path_is_a_problem_beside_the_page(site):
    assert site.post("/portfolio/weight", json={}).status_code in {404, 405}
    assert site.post("/nothing", json={}).headers["content-type"] == "application/problem+json"


def test_the_page_travels_compressed_and_answers_do_not(site):
    packed = site.get("/assets/a.js")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == SCRIPT
    assert "content-encoding" not in site.get("/portfolio/performance").headers
