"""Ages and recoveries of a shard are those of its records, not of its idle time."""

from streams.observe.progress import Progress


def test_an_idle_shard_has_no_checkpoint_age():
    progress = Progress(begun_s=0.0, goal_offset=0)
    assert progress.checkpoint_age_s(1e6) == 0


def test_the_age_is_that_of_the_oldest_record_not_yet_written():
    progress = Progress(begun_s=0.0, goal_offset=0)
    progress.applied(1, 10.0)
    progress.applied(2, 12.0)
    assert progress.checkpoint_age_s(15.0) == 5
    progress.taken()
    assert progress.checkpoint_age_s(15.0) == 5  # taken is not written
    progress.applied(3, 16.0)
    assert progress.checkpoint_age_s(17.0) == 7
    progress.written()
    assert progress.checkpoint_age_s(17.0) == 1  # the record since the taking
    progress.taken()
    progress.written()
    assert progress.checkpoint_age_s(17.0) == 0


def test_a_recovery_ends_when_the_journal_as_it_stood_is_applied():
    progress = Progress(begun_s=100.0, goal_offset=5)
    progress.applied(4, 101.0)
    assert progress.recovered_s is None
    progress.applied(5, 103.0)
    progress.applied(6, 200.0)
    assert progress.recovered_s == 3


def test_an_empty_journal_is_recovered_at_once():
    progress = Progress(begun_s=100.0, goal_offset=0)
    progress.caught_up(0, 100.5)
    assert progress.recovered_s == 0.5


def test_the_lag_counts_from_the_newest_end_that_is_known():
    progress = Progress(begun_s=0.0, goal_offset=9)
    assert progress.lag_records(4) == 5
    progress.end_offset = 12
    assert progress.lag_records(4) == 8
    assert progress.lag_records(13) == 0
