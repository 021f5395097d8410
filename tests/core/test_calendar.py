"""Bars and schedules against pandas' calendar."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.core.calendar import (
    DAY_NS,
    bar_end,
    bar_ends,
    bar_length_ns,
    check_schedule,
    crossed_boundary,
    last_bar_end,
    last_bar_ends,
)
from streams.core.errors import ConfigError

FIXED = ("1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d")
BARS = (*FIXED, "1w", "1mo")
YEARS_NS = st.integers(-60 * 365 * DAY_NS, 120 * 365 * DAY_NS)


def ns(text):
    return pd.Timestamp(text, tz="UTC").value


def expected_end(instant_ns, bar):
    stamp = pd.Timestamp(instant_ns, tz="UTC")
    if bar == "1mo":
        first = stamp.normalize().replace(day=1)
        return (first if first == stamp else first + pd.offsets.MonthBegin(1)).value
    if bar == "1w":
        day = stamp.ceil("D")
        while day.day_name() != "Saturday":
            day += pd.Timedelta(days=1)
        return day.value
    return stamp.ceil(bar.replace("m", "min").replace("d", "D")).value


@given(YEARS_NS, st.sampled_from(BARS))
@example(0, "1w")
@example(-1, "1mo")
@example(ns("2024-02-29"), "1mo")
@example(ns("2000-03-01"), "1mo")
@example(ns("1969-12-27"), "1w")
def test_the_end_of_an_instant_s_bar_is_the_one_pandas_finds(instant_ns, bar):
    assert bar_end(instant_ns, bar) == expected_end(instant_ns, bar)
    assert bar_ends(np.array([instant_ns]), bar).tolist() == [bar_end(instant_ns, bar)]


@given(YEARS_NS, st.sampled_from(BARS))
def test_an_end_belongs_to_its_own_bar_and_one_nanosecond_more_to_the_next(instant_ns, bar):
    end_ns = bar_end(instant_ns, bar)
    assert bar_end(end_ns, bar) == end_ns
    assert bar_end(end_ns + 1, bar) > end_ns
    assert last_bar_end(end_ns, bar) == end_ns
    last_ns = last_bar_end(instant_ns, bar)
    assert last_ns <= instant_ns <= end_ns
    assert bar_end(last_ns + 1, bar) >= instant_ns
    assert last_bar_ends(np.array([instant_ns]), bar).tolist() == [last_ns]


def test_february_of_a_leap_year_ends_after_its_29th():
    assert bar_end(ns("2024-02-29T12:00"), "1mo") == ns("2024-03-01")
    assert bar_end(ns("2024-02-01T00:00:00.000000001"), "1mo") == ns("2024-03-01")
    assert bar_end(ns("1900-02-28T12:00"), "1mo") == ns("1900-03-01")


@pytest.mark.parametrize("bar", FIXED)
def test_a_nominal_length_is_the_distance_of_two_ends(bar):
    assert bar_end(1, bar) - last_bar_end(1, bar) == bar_length_ns(bar)


def test_a_week_has_seven_days_and_a_nominal_month_31():
    assert (bar_length_ns("1w"), bar_length_ns("1mo")) == (7 * DAY_NS, 31 * DAY_NS)


@pytest.mark.parametrize(
    ("schedule", "before", "end", "boundary"),
    [
        ("daily", "2024-05-31T23:00", "2024-06-01T00:00", "2024-06-01"),
        ("daily", "2024-05-31T00:00", "2024-05-31T23:59", None),
        ("weekly", "2024-05-31", "2024-06-01", "2024-06-01"),
        ("weekly", "2024-06-01", "2024-06-07", None),
        ("weekly", "2024-05-01", "2024-06-07", "2024-06-01"),
        ("monthly", "2024-05-31", "2024-06-01", "2024-06-01"),
        ("monthly", "2024-02-28", "2024-02-29", None),
        ("monthly", "2023-11-15", "2024-02-29", "2024-02-01"),
        ("cron:0 16 * * 5", "2024-05-31T15:00", "2024-05-31T16:00", "2024-05-31T16:00"),
        ("cron:0 16 * * 5", "2024-05-31T16:00", "2024-06-07T15:59", None),
        ("cron:30 9 1 1 *", "1960-06-01", "1965-06-01", "1965-01-01T09:30"),
        ("every_bar", "2024-05-31", "2024-06-01", "2024-06-01"),
        ("never", "2024-05-31", "2034-06-01", None),
    ],
)
def test_the_newest_boundary_passed_fires_and_those_skipped_coalesce(
    schedule, before, end, boundary
):
    found = crossed_boundary(schedule, ns(before), ns(end))
    assert found == (None if boundary is None else ns(boundary))


@pytest.mark.parametrize("schedule", ["cron:nonsense", "cron:61 * * * *", "cron:0 0 30 2 *"])
def test_a_cron_expression_that_cannot_be_read_or_never_fires_is_refused(schedule):
    with pytest.raises(ConfigError, match="not a cron expression such as"):
        check_schedule(schedule)
    assert crossed_boundary(schedule, ns("2024-01-01"), ns("2025-01-01")) is None


@pytest.mark.parametrize("schedule", ["cron:R R * * *", "cron:H 4 * * *", "cron:r(0-30) 4 * * *"])
def test_a_cron_expression_that_asks_for_chance_is_refused_and_never_fires(schedule):
    with pytest.raises(ConfigError, match="not a cron expression such as"):
        check_schedule(schedule)
    assert crossed_boundary(schedule, ns("2024-01-01"), ns("2025-01-01")) is None


@pytest.mark.parametrize("schedule", ["weekly", "never", "cron:0 16 * * 5", "cron:@daily"])
def test_a_schedule_that_fires_passes(schedule):
    check_schedule(schedule)
