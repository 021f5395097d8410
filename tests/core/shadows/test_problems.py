"""Problems of paper books: whole on the wire, of the main book's estimates, with own limits."""

import msgspec
import numpy as np

from schemas.codec import decode_request, encode_record
from schemas.topics import OPTIMIZE
from streams.core.eligibility import Selection
from streams.core.requests import problem_of
from streams.core.shadows import equal_weights, requests_of
from tests.core.shadows.scenes import BOOKS, policy_of
from tests.core.test_walk_runs import rows_of
from tests.core.worlds import World, of_topic

TAILS = (
    {"name": "cvar", "objective": {"type": "min_cvar"}},
    {"name": "cdar", "objective": {"type": "min_cdar"}},
)


def asked(policy):
    """The last request of a world."""
    world = World(policy)
    world.publish(rows_of(2), (7,))
    return of_topic(world.outputs, OPTIMIZE.name)[-1]


def numbers(data):
    return np.frombuffer(data, dtype="<f8")


def test_each_problem_shares_strategies_and_estimates_and_has_limits_of_its_own():
    request = asked(policy_of())
    assert [shadow.name for shadow in request.shadows] == ["parity", "return"]
    found = dict(requests_of(request))
    for own in found.values():
        assert own.mean_annual == request.mean_annual
        assert own.cov_annual_lower == request.cov_annual_lower
        assert own.strategies == request.strategies
        assert own.shadows == ()
        assert (own.prices, own.resamples) == (0, 0)
        assert own.held != request.held
    assert found["parity"].objective == "inverse_volatility"
    assert (found["return"].risk_aversion, found["return"].turnover_max) == (3.0, 0.3)
    assert found["parity"].turnover_max is None
    assert set(numbers(found["return"].weight_max)) == {0.5}


def test_the_first_build_of_a_book_is_not_bounded_in_turnover():
    world = World(policy_of())
    world.publish(rows_of(2), (7,))
    limits = [
        dict(requests_of(request))["return"].turnover_max
        for request in of_topic(world.outputs, OPTIMIZE.name)
    ]
    assert limits[0] is None
    assert set(limits[1:]) == {0.3}


def test_scenarios_travel_once():
    request = asked(policy_of((*BOOKS, *TAILS)))
    assert request.scenarios == b""
    assert [bool(shadow.scenarios) for shadow in request.shadows] == [False, False, True, False]
    found = dict(requests_of(request))
    rows = problem_of(found["cdar"]).scenarios
    assert rows is not None
    assert rows.tobytes() == problem_of(found["cvar"]).scenarios.tobytes()
    assert problem_of(found["parity"]).scenarios is None
    same = asked(policy_of(TAILS, objective={"type": "min_cvar"}))
    assert same.scenarios
    assert not any(shadow.scenarios for shadow in same.shadows)
    assert {own.scenarios for _, own in requests_of(same)} == {same.scenarios}


def test_a_request_with_paper_books_survives_the_wire():
    request = asked(policy_of((*BOOKS, *TAILS)))
    assert decode_request(encode_record(request)) == request
    bare = msgspec.structs.replace(request, shadows=())
    assert b"shadows" not in encode_record(bare)


def test_one_over_n_is_of_those_who_take_part_in_full():
    chosen = Selection(
        columns=np.array([0, 2, 3]), reduce_only=np.array([False, True, False]), excluded={}
    )
    weights, cash = equal_weights(chosen, policy_of(cash={"min": 0.1, "max": 0.5}), 5)
    assert weights.tolist() == [0.45, 0.0, 0.0, 0.45, 0.0]
    assert cash == 0.1
    nobody = Selection(columns=np.array([2]), reduce_only=np.array([True]), excluded={})
    weights, cash = equal_weights(nobody, policy_of(), 5)
    assert (weights.any(), cash) == (np.False_, 1.0)
