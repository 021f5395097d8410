"""What a strategy publishes is checked where it arises, in words that name the value."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode_registration, decode_return
from schemas.events import StrategyReturn
from schemas.units import format_instant, parse_instant
from streams.client.messages import (
    instant_of,
    mark_message,
    registration_message,
    return_message,
)

AT = "2024-05-31T20:00:00Z"
AT_NS = 1_717_185_600_000_000_000


def message(value=0.01, strategy_id="momentum-us", period_end=AT, revision=0, **optional):
    return return_message(strategy_id, period_end, value, revision, optional)


def test_minimal_message_is_the_one_of_the_documentation():
    expected = b'{"strategy_id":"momentum-us","period_end":"2024-05-31T20:00:00Z","return":0.0123}'
    assert message(0.0123) == expected


@pytest.mark.parametrize(
    "stamp",
    [
        AT,
        datetime(2024, 5, 31, 20, tzinfo=UTC),
        datetime(2024, 5, 31, 16, tzinfo=timezone(timedelta(hours=-4))),
        AT_NS,
    ],
)
def test_every_form_of_stamp_means_the_same_instant(stamp):
    assert parse_instant(decode_return(message(period_end=stamp)).period_end) == AT_NS


@given(st.integers(-9 * 10**15, 9 * 10**15))  # 1684 to 2255
def test_datetime_keeps_its_microseconds(since_epoch_us):
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=since_epoch_us)
    assert parse_instant(instant_of(moment)) == since_epoch_us * 1000


@given(st.floats(-1.0, 1e9), st.integers(0, 2**31 - 1))
def test_every_sound_value_arrives_as_it_was(value, revision):
    arrived = decode_return(message(value, revision=revision))
    assert arrived == StrategyReturn(
        strategy_id="momentum-us", period_end=AT, value=value, revision=revision
    )


def test_numpy_scalars_are_numbers():
    arrived = decode_return(message(np.float64(0.25), revision=np.int64(2), capital=np.float32(8)))
    assert (arrived.value, arrived.revision, arrived.capital) == (0.25, 2, 8.0)


def test_optional_fields_arrive():
    arrived = decode_return(
        message(account_id="acc", capital=5, currency="USD", reported_drawdown=-0.1)
    )
    assert (arrived.account_id, arrived.capital, arrived.currency) == ("acc", 5.0, "USD")
    assert arrived.reported_drawdown == -0.1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"value": -1.5}, r"return -1\.5 of 'momentum-us': Expected `float` >= -1\.0"),
        ({"value": float("nan")}, "return nan, expected a finite number"),
        ({"value": float("-inf")}, "return -inf, expected a finite number"),
        ({"value": None}, "return None of 'momentum-us'; a period without a value is a progress"),
        ({"value": "0.1"}, "return '0.1' of 'momentum-us': Expected"),
        ({"value": True}, "return True of 'momentum-us': Expected"),
        ({"value": 1 + 2j}, "complex"),
        ({"strategy_id": "a b"}, "strategy_id 'a b'"),
        ({"strategy_id": ""}, "strategy_id ''"),
        ({"strategy_id": 7}, "strategy_id 7"),
        ({"revision": -1}, "revision -1 of 'momentum-us': Expected `int` >= 0"),
        ({"revision": 0.5}, r"revision 0\.5"),
        ({"period_end": "2024-05-31"}, "'2024-05-31' is not an RFC 3339 instant"),
        ({"period_end": "2024-05-31T20:00:00"}, "is not an RFC 3339 instant with a zone"),
        ({"period_end": datetime(2024, 5, 31)}, "it has no zone"),  # noqa: DTZ001  # the mistake
        ({"period_end": 1_717_185_600}, "period_end 1717185600: that would be in early 1970"),
        ({"period_end": 1_717_185_600_000_000}, "would be in early 1970"),
        ({"period_end": 10**21}, "period_end 1000000000000000000000: "),
        ({"period_end": True}, "period_end True: expected"),
        ({"period_end": 1.7e18}, r"period_end 1\.7e\+18: expected"),
        ({"capital": -1.0}, r"capital -1\.0"),
        ({"capital": float("inf")}, "capital inf, expected a finite number"),
        ({"currency": "dollar"}, "currency 'dollar'"),
        ({"reported_drawdown": 0.2}, r"reported_drawdown 0\.2"),
        ({"colour": "red"}, "'colour' is no field of a return; there are account_id, capital"),
        ({"status": "inactive"}, "'status' is no field"),
    ],
)
def test_wrong_value_is_named_with_what_was_expected(wrong, told):
    with pytest.raises(ValueError, match=told):
        message(**wrong)


def test_marks_carry_no_value():
    progress = decode_return(mark_message("a", AT, ended=False))
    end = decode_return(mark_message("a", AT_NS, ended=True))
    assert (progress.status, progress.value) == ("progress", None)
    assert (end.status, end.period_end) == ("inactive", format_instant(AT_NS))


def test_registration_is_readable_and_checked():
    arrived = decode_registration(registration_message("a", "trend", ("demo", "live")))
    assert (arrived.family, arrived.portfolios) == ("trend", ("demo", "live"))
    with pytest.raises(ValueError, match="family 'tr end' of 'a'"):
        registration_message("a", "tr end", ("demo",))
    with pytest.raises(ValueError, match="portfolios"):
        registration_message("a", "trend", ("de mo",))
