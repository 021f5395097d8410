"""What each process shows: the whole list and nothing else, clean, bounded, and without NaN."""

import socket
import urllib.request
from itertools import product

import pytest
from prometheus_client import generate_latest

from streams.core.errors import ConfigError
from streams.observe.metrics import ALL, METRICS, OTHER, known, registry_for, serve
from streams.observe.worker import ShardFacts, WorkerMetrics
from streams.settings import MetricsSettings, load_settings
from tests.observe.exposition import parse
from tests.promtool import promtool

ISSUED = (  # what operations were promised
    "apse_portfolio_nav_ratio",
    "apse_portfolio_drawdown_ratio",
    "apse_portfolio_volatility_ratio",
    "apse_portfolio_sharpe",
    "apse_strategy_target_weight_ratio",
    "apse_strategy_held_weight_ratio",
    "apse_decisions_total",
    "apse_stream_lag_records",
    "apse_walk_lag_bars",
    "apse_solve_seconds",
    "apse_dlq_records_total",
    "apse_checkpoint_age_seconds",
    "apse_recovery_seconds",
    "apse_build_info",
    "apse_commands_total",
    "apse_execution_reports_total",
    "apse_optimizer_pool_failures_total",
    "apse_returns_ingested_total",
    "apse_bars_closed_total",
)
UNITS = ("_ratio", "_seconds", "_bytes", "_total", "_records", "_bars", "_info")
UNITLESS = {  # plain counts of things, and a ratio whose name is its own
    "apse_portfolio_sharpe",
    "apse_portfolio_status",
    "apse_portfolio_strategies",
    "apse_portfolio_eligible_strategies",
    "apse_strategies_behind",
    "apse_hidden_portfolios",
    "apse_recovering_shards",
    "apse_returns_held",
    "apse_process_open_fds",
    "apse_process_max_fds",
}


def shown(process):
    facts = ShardFacts(
        shard=0,
        lag_records=0,
        checkpoint_age_s=0.0,
        recovery_s=None,
        walk_lag_bars={},
        acknowledged={},
    )
    collectors = [WorkerMetrics(lambda: [facts])] if process == "worker" else []
    return generate_latest(registry_for(process, collectors)).decode()


def test_everything_that_was_promised_is_on_the_list():
    assert set(ISSUED) <= {metric.name for metric in METRICS}


def test_no_name_is_listed_twice():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_units_and_words_follow_the_rules(metric):
    assert metric.name.startswith("apse_")
    assert metric.name in UNITLESS or metric.name.endswith(UNITS)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")


@pytest.mark.parametrize("process", ALL)
def test_a_process_shows_its_part_of_the_list_and_nothing_else(process):
    families = parse(shown(process))
    listed = {metric.name: metric for metric in METRICS if process in metric.processes}
    assert set(families) == set(listed)
    assert {name: family.kind for name, family in families.items()} == {
        name: metric.kind for name, metric in listed.items()
    }


@pytest.mark.parametrize("process", ALL)
def test_every_known_series_is_there_from_the_start(process):
    families = parse(shown(process))
    for metric in METRICS:
        if process in metric.processes and metric.labels and all(metric.labels.values()):
            there = {
                tuple(labels[name] for name in metric.labels)
                for _, labels, _ in families[metric.name].samples
            }
            assert there == set(product(*metric.labels.values())), metric.name


@pytest.mark.parametrize("process", ALL)
def test_promtool_finds_nothing_to_say(process, capsys):
    verdict = promtool(capsys, "check", "metrics", text=shown(process))
    assert verdict in (None, (0, ""))


@pytest.mark.parametrize(
    "bad",
    [
        "# HELP a x\n# TYPE a gauge\na NaN\n",
        "# HELP a x\n# TYPE a gauge\na 1\na 1\n",
        '# HELP a x\n# TYPE a gauge\na{b="1",b="2"} 1\n',
        "# HELP a x\n# TYPE a counter\nb 1\n",
        "# HELP a \n# TYPE a gauge\na 1\n",
    ],
)
def test_the_reader_of_these_tests_refuses_what_is_wrong(bad):
    with pytest.raises(AssertionError):
        parse(bad)


def test_a_value_nobody_listed_is_counted_as_other():
    assert known("drift", ("drift", OTHER)) == "drift"
    assert known("made up", ("drift", OTHER)) == OTHER


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_metrics_are_off_unless_a_port_is_named():
    assert load_settings({}).metrics.port == 0
    assert serve(MetricsSettings(), "ingest") is None


def test_a_port_that_is_named_answers_and_one_that_is_taken_is_refused():
    port = free_port()
    settings = load_settings({"APSE_METRICS__PORT": str(port)}).metrics
    server = serve(settings, "optimizer")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert "apse_solve_seconds" in parse(answer.read().decode())
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            serve(settings, "ingest")
    finally:
        server.shutdown()
        server.server_close()
