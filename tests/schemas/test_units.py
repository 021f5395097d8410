"""Instants: the same nanosecond whichever zone and spelling, and nothing that is no instant."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.units import FAMILIES, NS_PER_SECOND, TS_NS_MAX, format_instant, parse_instant

STAMPS_NS = st.integers(-TS_NS_MAX, TS_NS_MAX)
# A zone may carry the local reading past the years that stamps reach, so not at their very ends.
MOMENTS = st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1))  # noqa: DTZ001  # a local reading
OFFSETS_MIN = st.integers(-(24 * 60 - 1), 24 * 60 - 1)


@given(ts_ns=STAMPS_NS)
@example(ts_ns=0)
@example(ts_ns=-1)
@example(ts_ns=TS_NS_MAX)
@example(ts_ns=-TS_NS_MAX)
@example(ts_ns=1_717_185_600_000_000_001)
def test_written_stamp_reads_back_to_the_nanosecond(ts_ns):
    assert parse_instant(format_instant(ts_ns)) == ts_ns


@given(earlier=STAMPS_NS, later=STAMPS_NS)
def test_written_stamps_of_whole_seconds_sort_as_time_does(earlier, later):
    whole = [stamp // NS_PER_SECOND * NS_PER_SECOND for stamp in sorted((earlier, later))]
    assert sorted(map(format_instant, whole)) == list(map(format_instant, whole))


@given(moment=MOMENTS, offset_min=OFFSETS_MIN)
def test_zone_is_taken_off(moment, offset_min):
    local = moment.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    expected_us = (local - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_instant(local.isoformat()) == expected_us * 1000


@pytest.mark.parametrize(
    ("text", "ts_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T00:00:00.1Z", 100_000_000),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01 00:00:00z", 0),
        ("1970-01-01t05:30:00+05:30", 0),
        ("1969-12-31T16:00:00-08:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * NS_PER_SECOND),
        ("2262-04-11T23:47:16.854775807Z", 2**63 - 1),
        ("1677-09-21T00:12:43.145224193Z", 1 - 2**63),
    ],
)
def test_instant_is_read(text, ts_ns):
    assert parse_instant(text) == ts_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-05-31",
        "2024-05-31T20:00:00",
        "2024-05-31T20:00Z",
        "20240531T200000Z",
        "2024-05-31T20:00:00 Z",
        "2024-05-31T20:00:00Z\n",
        " 2024-05-31T20:00:00Z",
        "2024-05-31T20:00:00,5Z",
        "2024-05-31T20:00:00.Z",
        "2024-05-31T20:00:00.1234567890Z",
        "2024-05-31T20:00:00+0200",
        "2024-05-31T20:00:00+24:00",
        "2024-05-31T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
        "1677-09-21T00:12:43.145224192Z",
        "2262-04-11T23:47:16.854775808Z",
        "٢٠٢٤-05-31T20:00:00Z",
        "1717185600",
        "now",
    ],
)
def test_what_is_no_instant_is_refused_and_quoted(text):
    with pytest.raises(ValueError, match=r"RFC 3339|exists|64 bits") as caught:
        parse_instant(text)
    assert repr(text[:40]) in str(caught.value)


def test_refusal_quotes_the_beginning_only():
    with pytest.raises(ValueError, match="zone") as caught:
        parse_instant("9" * 1_000_000)
    assert len(str(caught.value)) < 200


def test_families_are_those_of_the_reference_page():
    assert FAMILIES == ("trend", "arbitrage", "mean_reversion", "market_making", "other")
