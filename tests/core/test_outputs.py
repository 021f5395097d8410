"""Bytes of what is published: no NaN, and a reason beside every null."""

import json
import math

import msgspec
import numpy as np
import pytest

from schemas.codec import UnpublishableError, encode_message
from schemas.topics import COVARIANCE, METRICS, OPTIMIZE, SHADOWS, STATE
from schemas.views import MetricsRecord
from streams.core.metrics import EWMA_METRICS
from streams.core.metrics import METRICS as NAMES_OF_METRICS
from streams.core.outputs import EWMA_LABEL, Output, encode_output
from streams.core.performance import CONVENTIONS, SHAPE_FIGURES, VARIANT_NAMES, WINDOW_FIGURES
from tests.core.worlds import Row, World, in_time_order, is_metrics, policy_for, ragged

NAMES = ("a", "b", "c")


def refuse(text):
    pytest.fail(f"{text} in JSON")


def metrics_of(rows):
    world = World(policy_for(NAMES))
    world.publish(rows, (5,))
    return [
        json.loads(encode_output(output), parse_constant=refuse)
        for output in world.outputs
        if is_metrics(output)
    ]


def odd_rows():
    """Flat, dead, huge and ordinary strategies, and one that says nothing."""
    day = 86_400 * 10**9
    rows = []
    for bar in range(1, 25):
        rows.append(Row("a", bar * day, 0.0))
        rows.append(Row("b", bar * day, 1e300 if bar % 2 else -1.0 if bar == 20 else -0.5))
        rows.append(Row("c", bar * day, kind=1))
    return rows


@pytest.mark.parametrize("rows", [odd_rows(), in_time_order(ragged(7, NAMES, 25))])
def test_every_null_of_the_metrics_has_a_reason_and_every_reason_a_null(rows):
    records = metrics_of(rows)
    assert records
    nulls = 0
    for record in records:
        for window in record["windows"]:
            for metric, values in window["metrics"].items():
                missing = {
                    n for n, v in zip(record["strategies"], values, strict=True) if v is None
                }
                assert missing == set(window["undefined"].get(metric, {}))
                assert all(window["undefined"].get(metric, {}).values())
                assert all(math.isfinite(v) for v in values if v is not None)
                nulls += len(missing)
    assert nulls


def test_the_metrics_read_back_as_their_record():
    world = World(policy_for(NAMES))
    world.publish(in_time_order(ragged(7, NAMES, 25)), (5,))
    output = [output for output in world.outputs if is_metrics(output)][-1]
    record = msgspec.json.decode(encode_output(output), type=MetricsRecord)
    assert [window.window for window in record.windows] == ["4", "9", EWMA_LABEL]
    assert tuple(record.windows[0].metrics) == (*NAMES_OF_METRICS, *SHAPE_FIGURES)
    told = (*NAMES_OF_METRICS, *WINDOW_FIGURES, *VARIANT_NAMES)  # it is bar 25
    assert tuple(record.windows[1].metrics) == told
    assert record.conventions == CONVENTIONS
    assert tuple(record.windows[-1].metrics) == EWMA_METRICS
    assert record.windows[1].coverage == [n / 9 for n in record.windows[1].n_obs]
    assert set(record.windows[1].dates) == {"max_drawdown_start", "max_drawdown_trough"}
    column = output.message.block.values[:, 1, 2]
    found = [record.windows[1].metrics[name][2] for name in NAMES_OF_METRICS]
    assert [np.nan if v is None else v for v in found] == pytest.approx(column, nan_ok=True, abs=0)
    assert output.topic is METRICS


def test_a_state_with_a_number_that_is_none_is_not_published():
    world = World(policy_for(NAMES))
    world.publish(in_time_order(ragged(7, NAMES, 25)), (5,))
    state = next(output.message for output in world.outputs if output.topic is STATE)
    assert any(row.sharpe is None for row in state.rolling)  # a null that is meant
    broken = msgspec.structs.replace(state, nav=float("nan"))
    with pytest.raises(UnpublishableError):
        encode_output(Output(STATE, "p", broken))


def test_views_are_written_as_the_codec_would_with_undefined_figures_and_without():
    world = World(policy_for(NAMES))
    world.publish(in_time_order(ragged(7, NAMES, 25)), (5,))
    views = [output for output in world.outputs if output.topic in (STATE, SHADOWS, COVARIANCE)]
    written = [(output.topic.name, encode_output(output)) for output in views]
    assert [data for _, data in written] == [encode_message(view.message) for view in views]
    undefined = {(name, b"null" in data) for name, data in written}
    assert {(topic.name, any_null) for topic in (STATE, SHADOWS) for any_null in (True, False)} <= (
        undefined
    )


def test_requests_are_binary_and_name_their_partition():
    world = World(policy_for(NAMES))
    world.publish(in_time_order(ragged(7, NAMES, 25)), (5,))
    requests = [output for output in world.outputs if output.topic is OPTIMIZE]
    assert requests
    assert {output.partition for output in requests} == {0}
    assert all(encode_output(output)[0] & 0xF0 in (0x80, 0xD0) for output in requests)


@pytest.mark.parametrize("value", [0.25, 1e-9, 1e16, math.nan])
def test_a_matrix_is_written_as_the_codec_would_whatever_stands_beside_it(value):
    world = World(policy_for(NAMES))
    world.publish(in_time_order(ragged(7, NAMES, 25)), (5,))
    outputs = [output for output in world.outputs if output.topic is COVARIANCE]
    full = next(output for output in outputs if output.message.matrix_annual is not None)
    matrix = [[*row] for row in full.message.matrix_annual]
    matrix[0][0] = value
    message = msgspec.structs.replace(full.message, matrix_annual=matrix)
    output = Output(COVARIANCE, "p", message)
    if math.isnan(value):
        with pytest.raises(UnpublishableError):
            encode_output(output)
        return
    assert b'"factors":null' in encode_output(output)
    assert encode_output(output) == encode_message(message)
    broken = msgspec.structs.replace(message, average_correlation=math.nan)
    with pytest.raises(UnpublishableError):
        encode_output(Output(COVARIANCE, "p", broken))
