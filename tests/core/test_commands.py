"""The command of an accepted decision."""

import msgspec
import numpy as np
import pytest

from schemas.codec import encode_message
from schemas.decisions import Trigger
from schemas.units import TEXT_LENGTH_MAX, parse_instant
from streams.core.calendar import DAY_NS
from streams.core.commands import command_for, words_of
from streams.core.decide import reduce_by_overlay
from tests.core.test_decide import NAMES, book, context
from tests.core.worlds import policy_for


def command(policy, trigger=None, held=(0.4, 0.3, 0.3, 0.0), factor=0.5):
    at = context(trigger=trigger or Trigger(kind="manual"), bar_end_ns=100 * DAY_NS)
    decision = reduce_by_overlay(book(policy, held=np.array(held)), at, factor, policy)
    return command_for(decision, at, policy, "before")


@pytest.mark.parametrize(("bar", "days"), [("1d", 5), ("1w", 35), ("4h", 20 / 24)])
def test_a_command_expires_five_bars_after_its_own(bar, days):
    found = command(policy_for(NAMES, bar=bar))
    assert parse_instant(found.expires_at) - parse_instant(found.bar_end) == round(days * DAY_NS)


def test_a_command_names_who_is_held_or_wanted_and_is_absolute():
    found = command(policy_for(NAMES))
    assert found.target_weights == {"a": 0.2, "b": 0.15, "c": 0.15}
    assert found.previous_weights == {"a": 0.4, "b": 0.3, "c": 0.3}
    assert (found.target_cash, found.supersedes) == (0.5, "before")


def test_who_moves_to_nothing_is_told_so():
    assert command(policy_for(NAMES), factor=0.0).target_weights == {"a": 0, "b": 0, "c": 0}


def test_a_reason_as_long_as_a_person_may_write_can_be_published():
    words = "x" * TEXT_LENGTH_MAX
    found = command(policy_for(NAMES), Trigger(kind="manual", reason=words))
    assert found.reason.startswith("manual: xxx")
    assert msgspec.json.decode(encode_message(found))["reason"] == found.reason


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (Trigger(kind="manual"), "manual"),
        (Trigger(kind="manual", reason="why not"), "manual: why not"),
        (
            Trigger(kind="schedule", value="2024-06-01T00:00:00Z", threshold="weekly"),
            "weekly schedule: boundary 2024-06-01T00:00:00Z reached",
        ),
        (
            Trigger(kind="drift", value=0.06125, threshold=0.05),
            "drift: a weight is 0.0612 from its target, above 0.05",
        ),
        (
            Trigger(kind="risk", value=0.5, threshold=1.0, reason="limit"),
            "risk signal: weights reduced to 0.5 of their size. limit",
        ),
    ],
)
def test_a_trigger_reads_as_a_sentence(trigger, words):
    assert words_of(trigger) == words
