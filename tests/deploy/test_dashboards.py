"""Rules, dashboard, runbooks and documentation name what exists, and only that."""

import json
import re

import pytest
import yaml

from streams.observe.metrics import METRICS
from streams.observe.reference import metrics_table
from tests.promtool import promtool
from tests.tidy.repository import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = [
    rule
    for file in sorted((PROMETHEUS / "rules").glob("*.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
RULE_TESTS = yaml.safe_load((PROMETHEUS / "tests" / "apse.yml").read_text(encoding="utf-8"))
BOARD = json.loads((ROOT / "deploy/grafana/dashboards/overview.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
NAME = re.compile(r"\bapse_[a-z_]+\b")
SELECTOR = re.compile(r"\b(apse_[a-z_]+)\{([^}]*)\}")
SERIES = {
    metric.name + suffix: metric
    for metric in METRICS
    for suffix in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
}


def expressions():
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in BOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


ASKED = list(expressions())


@pytest.mark.parametrize(("where", "expr"), ASKED, ids=[where for where, _ in ASKED])
def test_an_expression_names_only_what_is_exported(where, expr):
    names = set(NAME.findall(expr))
    assert names or "ALERTS" in expr, where
    assert names <= set(SERIES)
    for name, matchers in SELECTOR.findall(expr):
        labels = set(re.findall(r"(\w+)\s*[=!]", matchers))
        assert labels <= set(SERIES[name].labels)
    for value in re.findall(r'reason=~"([^"]+)"', expr):
        known = {reason for m in METRICS for reason in m.labels.get("reason", ())}
        assert set(value.split("|")) <= known


@pytest.mark.parametrize(("where", "expr"), ASKED, ids=[where for where, _ in ASKED])
def test_counters_are_asked_for_their_rise_and_gauges_for_their_value(where, expr):
    for name in NAME.findall(expr):
        if SERIES[name].kind == "counter" or name.endswith(("_bucket", "_count")):
            assert re.search(rf"(rate|increase)\({name}[\[{{]", expr), where


def test_every_metric_of_portfolios_and_stages_is_on_the_dashboard():
    asked = set(NAME.findall(" ".join(expr for _, expr in ASKED)))
    asked = {SERIES[name].name for name in asked}
    left_out = {
        "apse_process_virtual_memory_bytes",  # resident memory is what runs out
        "apse_process_start_time_seconds",  # Prometheus shows restarts as gaps
        "apse_strategy_releases_total",  # follows strategies_behind
    }
    assert {metric.name for metric in METRICS} - asked == left_out


def test_the_dashboard_is_provisioned_and_has_one_fixed_name():
    assert BOARD["uid"] == "apse-overview"
    assert BOARD["editable"] is False
    provider = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/dashboards/apse.yml").read_text(encoding="utf-8")
    )["providers"][0]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounts = compose["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts
    names = {variable["name"] for variable in BOARD["templating"]["list"]}
    assert names == {"datasource", "portfolio"}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_a_unit_a_description_and_the_chosen_source(panel):
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "$datasource"
    assert {target["datasource"]["uid"] for target in panel["targets"]} == {"$datasource"}


def test_panels_have_their_own_ids_and_do_not_overlap():
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for panel in BOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do_and_is_shown_to_fire_and_to_be_silent(rule):
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description", "runbook", "dashboard"} == set(rule["annotations"])
    runbook = ROOT / rule["annotations"]["runbook"]
    text = runbook.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "**Means**" in text
    tests = [case for test in RULE_TESTS["tests"] for case in test["alert_rule_test"]]
    fires = [bool(c["exp_alerts"]) for c in tests if c["alertname"] == rule["alert"]]
    assert sorted(fires) == [False, True]
    documented = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"| {rule['alert']} |" in documented
    assert f"(../deploy/runbooks/{runbook.name})" in documented


def test_every_runbook_belongs_to_an_alert_and_its_links_lead_somewhere():
    folder = ROOT / "deploy" / "runbooks"
    named = {rule["annotations"]["runbook"] for rule in RULES}
    assert {f"deploy/runbooks/{path.name}" for path in folder.glob("*")} == named
    for path in folder.glob("*.md"):
        for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            assert (folder / link).exists(), f"{path.name}: {link}"


def test_the_documented_table_is_the_list():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    begin, end = "<!-- python -m streams.observe.reference -->\n", "<!-- end -->"
    assert text.split(begin)[1].split(end)[0] == metrics_table()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", str(PROMETHEUS / "rules" / "apse.yml")),
        ("test", "rules", str(PROMETHEUS / "tests" / "apse.yml")),
        ("check", "config", str(PROMETHEUS / "prometheus.yml")),
    ],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_promtool_agrees(arguments, capsys):
    verdict = promtool(capsys, *arguments)
    assert verdict is None or verdict[0] == 0, verdict


def test_promtool_understands_every_panel(tmp_path, capsys):
    rules = [
        {"record": f"panel:{number}", "expr": plain(expr)} for number, (_, expr) in enumerate(ASKED)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    verdict = promtool(capsys, "check", "rules", str(file))
    assert verdict is None or verdict[0] == 0, verdict


def plain(expr):
    """An expression with Grafana's own variables filled in."""
    text = expr.replace("$__rate_interval", "1m").replace("$portfolio", ".*")
    assert "$" not in text, text
    return text
