"""What a reply says, as a decision tells it."""

import msgspec
import numpy as np
import pytest

from schemas.explain import Explanation, WeightSpread
from schemas.optimize import BindingLimit
from streams.core.decide import decide
from streams.core.replies import known_rows, spread_over, step_of, steps_of, unusable
from tests.core.test_decide import NAMES, answer, asked, book, context
from tests.core.worlds import policy_for

POLICY = policy_for(NAMES, fallback=["hrp", "other_solver", "hold"])


def pending():
    return asked(POLICY, book(POLICY), context())


def test_a_reply_that_is_whole_and_finite_is_usable():
    assert unusable(answer(pending())) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": b"123"}, "weights of 3 bytes"),
        ({"objective_value": float("nan")}, "not finite"),
        ({"binding": (BindingLimit(constraint="cash", side="max", price=np.inf),)}, "not finite"),
        ({"step": "guess"}, "'guess' is none of"),
    ],
)
def test_what_cannot_be_read_or_published_is_declined(changes, said):
    asking = pending()
    reply = answer(asking, **changes)
    assert said in unusable(reply)
    decision = decide(asking, reply, POLICY, book(POLICY).returns)
    assert decision.reason.startswith("verification_failed: ")
    assert said in decision.reason


def test_the_steps_that_were_taken_are_named_in_their_order():
    asking = pending()
    assert asking.request.fallback == ("hrp", "other_solver")
    assert steps_of(asking.request, answer(asking)) == ()
    reply = answer(asking, step="hrp")
    assert (step_of(reply), steps_of(asking.request, reply)) == ("hrp", ("other_solver", "hrp"))
    decision = decide(asking, reply, POLICY, book(POLICY).returns)
    assert (decision.outcome, decision.fallback) == ("accepted", "hrp")
    assert decision.fallback_steps == ("other_solver", "hrp")


def test_the_spread_of_those_who_take_part_is_spread_over_all():
    found = WeightSpread(low=(0.1, 0.2), high=(0.3, 0.4), resamples=8)
    reply = answer(pending(), explanation=Explanation(spread=found))
    over_all = spread_over(reply, np.array([0, 2]), 3)
    assert over_all == WeightSpread(low=(0.1, 0.0, 0.2), high=(0.3, 0.0, 0.4), resamples=8)
    assert spread_over(msgspec.structs.replace(reply, explanation=None), np.array([0]), 1) is None


def test_rows_without_holes_are_taken_and_holes_filled_where_there_are_too_few():
    returns = np.array([[0.1, 0.2], [0.3, np.nan], [0.5, 0.4]])
    assert known_rows(returns, np.array([0, 1])).tolist() == [[0.1, 0.2], [0.5, 0.4]]
    holes = np.array([[0.1, np.nan], [0.3, 0.6], [np.nan, 0.2], [np.nan, np.nan]])
    filled = known_rows(holes, np.array([0, 1]))
    assert filled == pytest.approx(np.array([[0.1, 0.4], [0.3, 0.6], [0.2, 0.2]]), abs=1e-15)
