"""The bytes of an output are those of the codec, whichever way they are made."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import UnpublishableError, encode_message
from schemas.topics import COVARIANCE, STATE
from schemas.views import CovarianceRecord, StateRecord
from streams.core.outputs import Output, encode_output
from tests.core.worlds import World, in_time_order, of_topic, policy_for, ragged

NAMES = ("a", "b", "c", "d")
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def outputs():
    world = World(policy_for(NAMES))
    world.publish(in_time_order(ragged(3, NAMES, 60)), (7,))
    world.answer_all()
    return world.outputs


def test_views_have_the_bytes_of_the_codec(outputs):
    views = [o for o in outputs if isinstance(o.message, CovarianceRecord | StateRecord)]
    full = [o for o in views if getattr(o.message, "matrix_annual", None) is not None]
    undefined = [o for o in views if b"null" in encode_message(o.message)]
    assert full  # each of the ways is taken
    assert undefined
    assert len(undefined) < len(views)
    assert [encode_output(o) for o in views] == [encode_message(o.message) for o in views]


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_matrix_has_the_bytes_of_the_codec(matrix):
    record = CovarianceRecord(
        portfolio_id="p",
        bar_end="2024-05-31T20:00:00Z",
        covariance="sample",
        strategies=("a", "b"),
        n_common=3,
        average_correlation=0.5,
        max_correlation=0.5,
        max_pair=("a", "b"),
        matrix_annual=matrix,
    )
    assert encode_output(Output(COVARIANCE, "p", record)) == encode_message(record)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_number_that_json_does_not_have_is_refused(outputs, wrong):
    covariance = [m for m in of_topic(outputs, COVARIANCE.name) if m.matrix_annual is not None][-1]
    matrix = [[*row] for row in covariance.matrix_annual]
    matrix[1][0] = wrong
    state = of_topic(outputs, STATE.name)[-1]
    spoilt = [
        Output(COVARIANCE, "p", msgspec.structs.replace(covariance, matrix_annual=matrix)),
        Output(COVARIANCE, "p", msgspec.structs.replace(covariance, average_correlation=wrong)),
        Output(STATE, "p", msgspec.structs.replace(state, nav=wrong)),
        Output(STATE, "p", msgspec.structs.replace(state, held=[wrong, *state.held[1:]])),
    ]
    for output in spoilt:
        with pytest.raises(UnpublishableError):
            encode_output(output)
    assert encode_output(replace(spoilt[2], message=state)) == encode_message(state)
