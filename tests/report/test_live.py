import msgspec
import numpy as np
import pytest

from schemas.codec import encode_message
from schemas.decisions import Decision
from schemas.events import PortfolioRegistration
from schemas.topics import DECISIONS, RETURNS, STATE
from schemas.views import StateRecord
from streams.files import to_messages, to_rows
from streams.report.book import read_book
from streams.report.live import Heard, write_heard
from streams.runtime.files import ReplayFiles
from streams.runtime.local import LocalEngine


def told(topic, value, partition=0, offset=0):
    return Heard(topic.name, partition, offset, value)


@pytest.fixture(scope="module")
def heard(small):
    """Records of an engine's public topics, those of another portfolio and repeats among them."""
    registration = PortfolioRegistration(portfolio_id="main", shard=0, policy=small.policy)
    engine, records = LocalEngine(registration), []
    for output in engine.feed(to_rows(small.table, small.policy.bar)):
        message = output.message
        if isinstance(message, StateRecord | Decision):
            topic = STATE if isinstance(message, StateRecord) else DECISIONS
            other = msgspec.structs.replace(message, portfolio_id="other")
            records += [told(topic, msgspec.json.encode(each)) for each in (other, message)]
    published = [
        told(RETURNS, encode_message(row.message()))
        for row in to_messages(small.table, small.policy.bar)
    ]
    return records[: len(records) // 2] + records, published


def write(records, folder):
    with ReplayFiles(folder, metrics=False) as files:
        return write_heard("main", records, files)


def test_what_was_heard_is_the_replay_of_it(heard, small, tmp_path):
    write(heard[0], tmp_path)
    for name in ("performance.csv", "weights.csv", "decisions.jsonl"):
        assert (tmp_path / name).read_bytes() == (small.folder / name).read_bytes()


@pytest.mark.parametrize("topic", [STATE, DECISIONS])
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff",
        b'{"portfolio_id": 1}',
        pytest.param(b'{"x": ' + b"[" * 10**5, id="nested"),
    ],
)
def test_what_is_no_message_of_its_topic_is_left_out_and_named(
    heard, small, tmp_path, topic, value
):
    mixed = [told(topic, value, partition=3, offset=17), *heard[0]]
    (sentence,) = write(mixed, tmp_path).left_out
    assert f"{topic.name}, partition 3, offset 17: left out" in sentence
    performance = (tmp_path / "performance.csv").read_bytes()
    assert performance == (small.folder / "performance.csv").read_bytes()


def test_a_bar_without_an_instant_is_left_out(heard, tmp_path):
    state = next(record for record in heard[0] if record.topic == STATE.name)
    timeless = msgspec.json.encode(msgspec.json.decode(state.value) | {"bar_end": "today"})
    (sentence,) = write([told(STATE, timeless), *heard[0]], tmp_path).left_out
    assert "today" in sentence


def test_the_returns_heard_are_those_of_the_file(heard, small, tmp_path):
    nonsense = [told(RETURNS, b"{"), told(RETURNS, b'{"strategy_id": "x"}')]
    stranger = encode_message(
        msgspec.convert(
            {"strategy_id": "x", "period_end": "2020-01-02T12:00:00Z", "return": 0.1},
            type(next(to_messages(small.table, "1d")).message()),
        )
    )
    published = write([*heard[1], *nonsense, told(RETURNS, stranger)], tmp_path)
    panel = published.panel(small.book, "1d")
    assert panel.names == small.panel.names
    np.testing.assert_array_equal(panel.ends_ns, small.panel.ends_ns)
    np.testing.assert_array_equal(panel.values, small.panel.values)
    np.testing.assert_array_equal(panel.ended, small.panel.ended)


def test_a_higher_revision_counts_and_a_repeat_does_not(heard, small, tmp_path):
    first = {"strategy_id": "arb-a", "period_end": "2020-01-02T00:00:00Z", "return": 0.25}
    rows = [first | {"revision": 2, "return": 0.5}, first | {"revision": 1}, first]
    rows.append(first | {"revision": 2, "return": 0.75})
    published = write([*heard[1], *(told(RETURNS, msgspec.json.encode(r)) for r in rows)], tmp_path)
    assert published.panel(small.book, "1d").values[0, 0] == 0.5


def test_a_topic_that_forgot_gives_a_reason_and_no_figures(heard, small, tmp_path):
    assert "holds no return" in write([], tmp_path / "a").panel(small.book, "1d")
    later = heard[1][len(heard[1]) // 2 :]
    assert "no longer holds the returns of" in write(later, tmp_path / "b").panel(small.book, "1d")


def test_a_book_of_what_was_heard_can_be_read(heard, tmp_path):
    write(heard[0], tmp_path)
    assert read_book(tmp_path).decisions
