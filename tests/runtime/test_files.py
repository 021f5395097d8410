"""The five files: the same from arrays and from records, nothing invented where undefined."""

import csv

import msgspec
import numpy as np
import pandas as pd
import pytest

import streams.runtime.files
from schemas.codec import canonical_json
from schemas.decisions import Decision
from schemas.shadows import ShadowRecord
from schemas.views import MetricsRecord, StateRecord
from streams.core.outputs import BarMetrics, encode_output
from streams.runtime.files import (
    MetricBar,
    ReplayFiles,
    bar_of_arrays,
    bar_of_record,
    decode_decision,
    decode_metrics,
    decode_shadows,
    decode_state,
)
from tests.core.worlds import World, in_time_order, policy_for, ragged

NAMES = ("a", "b", "c")
FILES = ("performance.csv", "weights.csv", "metrics.csv", "decisions.jsonl", "shadows.csv")
BARS = 30


@pytest.fixture(scope="module")
def outputs():
    world = World(policy_for(NAMES))
    world.publish(in_time_order(ragged(21, NAMES, BARS)), (8,))
    return world.outputs


def write(folder, outputs, **given):
    with ReplayFiles(folder, **given) as files:
        for output in outputs:
            if isinstance(output.message, BarMetrics):
                files.metrics(bar_of_arrays(output.message))
            elif isinstance(output.message, StateRecord):
                files.state(output.message)
            elif isinstance(output.message, ShadowRecord):
                files.shadows(output.message)
            elif isinstance(output.message, Decision):
                files.decision(output.message)
    return {name: (folder / name).read_bytes() for name in FILES}


def test_what_comes_from_a_topic_writes_the_same_bytes(outputs, tmp_path):
    direct = write(tmp_path / "direct", outputs)
    with ReplayFiles(tmp_path / "topic") as files:
        for output in outputs:
            data = encode_output(output)
            if isinstance(output.message, BarMetrics):
                files.metrics(bar_of_record(decode_metrics(data)))
            elif isinstance(output.message, StateRecord):
                files.state(decode_state(data))
            elif isinstance(output.message, ShadowRecord):
                files.shadows(decode_shadows(data))
            elif isinstance(output.message, Decision):
                files.decision(decode_decision(data))
    assert {name: (tmp_path / "topic" / name).read_bytes() for name in FILES} == direct


def test_the_headers_and_rows_are_those_of_the_contract(outputs, tmp_path):
    text = {name: data.decode() for name, data in write(tmp_path, outputs).items()}
    first = {name: lines.splitlines()[0] for name, lines in text.items()}
    assert first["performance.csv"] == (
        "bar_end,return_gross,return_net,cost,turnover,nav,drawdown,coverage"
    )
    assert first["weights.csv"] == "bar_end,strategy_id,target_weight,held_weight"
    assert first["metrics.csv"] == "bar_end,strategy_id,window,metric,value"
    bars = [row["bar_end"] for row in csv.DictReader(text["performance.csv"].splitlines())]
    assert len(bars) == len(set(bars))
    assert bars == sorted(bars)
    weights = list(csv.DictReader(text["weights.csv"].splitlines()))
    assert [(row["bar_end"], row["strategy_id"]) for row in weights] == [
        (bar, name) for bar in bars for name in NAMES
    ]
    books = list(csv.DictReader(text["shadows.csv"].splitlines()))
    assert [(row["bar_end"], row["book"]) for row in books] == [
        (bar, book) for bar in bars for book in ("main", "equal")
    ]
    navs = [row["nav"] for row in csv.DictReader(text["performance.csv"].splitlines())]
    assert [row["nav"] for row in books[::2]] == navs
    for line in text["decisions.jsonl"].splitlines():
        assert canonical_json(decode_decision(line.encode())).decode() == line


def test_the_metrics_are_tidy_and_empty_where_undefined(outputs, tmp_path):
    write(tmp_path, outputs)
    table = pd.read_csv(tmp_path / "metrics.csv")
    table["window"] = table["window"].astype(str)
    assert not table.duplicated(["bar_end", "strategy_id", "window", "metric"]).any()
    counts = table[table.metric == "n_obs"]
    # windows publish from two observations on, ewma from one
    assert counts[counts.window.isin(["4", "9"])]["value"].min() == 2
    assert counts[~counts.window.isin(["4", "9"])]["value"].min() == 1
    for output in outputs:
        if not isinstance(output.message, BarMetrics):
            continue
        record = msgspec.json.decode(encode_output(output), type=MetricsRecord)
        ours = table[table.bar_end == record.bar_end].set_index(
            ["window", "strategy_id", "metric"]
        )["value"]
        for window in record.windows:
            for metric, values in window.metrics.items():
                for name, value in zip(NAMES, values, strict=True):
                    if (window.window, name, metric) in ours.index:
                        found = ours[window.window, name, metric]
                        assert np.isnan(found) if value is None else found == value


def test_a_later_state_of_a_bar_replaces_the_earlier_one(outputs, tmp_path):
    state = next(o.message for o in outputs if isinstance(o.message, StateRecord))
    with ReplayFiles(tmp_path) as files:
        files.state(state)
        files.state(msgspec.structs.replace(state, nav=7.0))
    (row,) = csv.DictReader((tmp_path / "performance.csv").read_text().splitlines())
    assert float(row["nav"]) == 7.0


def test_metrics_may_be_left_out(outputs, tmp_path):
    found = write(tmp_path, outputs, metrics=False)
    assert found["metrics.csv"].decode() == "bar_end,strategy_id,window,metric,value\n"
    assert len(found["performance.csv"]) > 1000


def test_figures_that_come_at_few_bars_cost_no_table_of_their_own(tmp_path, monkeypatch):
    names = tuple(f"s{number:03}" for number in range(60))  # paths at every second bar
    world = World(policy_for(names))
    world.publish(in_time_order(ragged(4, names, 40)), (8,))
    tables = []
    real = streams.runtime.files._metric_rows
    monkeypatch.setattr(
        streams.runtime.files, "_metric_rows", lambda bars: tables.append(len(bars)) or real(bars)
    )
    together = write(tmp_path / "together", world.outputs)["metrics.csv"]
    assert len(tables) <= 4  # the bars before the first with paths, and with variants
    monkeypatch.setattr(streams.runtime.files, "_BARS_PER_CHUNK", 1)
    monkeypatch.setattr(MetricBar, "laid_out", lambda bar, _: bar)
    assert write(tmp_path / "alone", world.outputs)["metrics.csv"] == together


def test_a_change_of_members_begins_a_new_layout(tmp_path):
    with ReplayFiles(tmp_path) as files:
        for names in (("a", "b"), ("a", "b", "c")):
            world = World(policy_for(names))
            world.publish(in_time_order(ragged(2, names, 12)), (8,))
            for output in world.outputs:
                if isinstance(output.message, BarMetrics):
                    files.metrics(bar_of_arrays(output.message))
    assert set(pd.read_csv(tmp_path / "metrics.csv").strategy_id) == set(NAMES)
