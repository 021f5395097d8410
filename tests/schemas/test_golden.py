"""Frozen encodings still decode to what they meant, and what they meant still has these bytes.

The folder appears with the first freeze (``python -m streams.contracts --freeze``); from then on
it holds every message. Until then only the judge itself can be tried, on a freeze of today.
"""

import msgspec
import pytest

from schemas import codec
from schemas.examples import JSON_EXAMPLES, RECORD_EXAMPLES
from schemas.journal import Record
from schemas.topics import TOPICS
from streams.contracts import GOLDEN, freeze_golden, same_encoding

EXAMPLES = {f"{name}.json": item for name, item in JSON_EXAMPLES.items()} | {
    f"{name}.msgpack": item for name, item in RECORD_EXAMPLES.items()
}
READERS = {
    "StrategyReturn": codec.decode_return,
    "StrategyRegistration": codec.decode_registration,
    "PortfolioRegistration": codec.decode_registration,
    "ControlRequest": codec.decode_control,
    "RiskSignal": codec.decode_risk,
    "ExecutionReport": codec.decode_report,
    "OptimizeRequest": codec.decode_request,
    "PortfolioCheckpoint": codec.decode_chunk,
    "ShardPosition": codec.decode_position,
    **{type_.__name__: codec.decode_record for type_ in Record.__args__},
}


def decoded(file_name, data):
    message = file_name.split(".")[0].split("-")[0]
    if message in READERS:
        return READERS[message](data)
    return msgspec.json.decode(data, type=type(EXAMPLES[file_name]))


def encoded(file_name, message):
    write = codec.encode_message if file_name.endswith(".json") else codec.encode_record
    return write(message)


def problems(folder):
    """What is wrong with a folder of golden encodings, a line each."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    lines = [f"{name}: not frozen" for name in sorted(EXAMPLES.keys() - found.keys())]
    lines += [f"{name}: of no message" for name in sorted(found.keys() - EXAMPLES.keys())]
    for name in sorted(found.keys() & EXAMPLES.keys()):
        try:
            message = decoded(name, found[name])
        except (ValueError, msgspec.DecodeError) as error:
            lines.append(f"{name}: no longer read: {error}")
            continue
        if message != EXAMPLES[name]:
            lines.append(f"{name}: read as another message")
        elif not same_encoding(name, encoded(name, message), found[name]):
            lines.append(f"{name}: written otherwise")
    return lines


def test_frozen_encodings_still_hold():
    assert not GOLDEN.exists() or problems(GOLDEN) == []


def test_every_message_of_every_topic_has_an_example():
    payloads = {
        payload for topic in TOPICS if topic.encoding != "bytes" for payload in topic.payload
    }
    messages = {type_.__name__ for type_ in payloads - {Record}} | {
        type_.__name__ for type_ in Record.__args__
    }
    assert {name.split(".")[0].split("-")[0] for name in EXAMPLES} == messages


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_of_the_message_its_file_is_named_after(name):
    assert type(EXAMPLES[name]).__name__ == name.split(".")[0].split("-")[0]


@pytest.fixture
def frozen(tmp_path):
    freeze_golden(tmp_path)
    return tmp_path


def test_a_freeze_of_today_holds(frozen):
    assert problems(frozen) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("StrategyReturn.json", b"0.0123", b"0.0124", "read as another message"),
        ("StrategyReturn.json", b"0.0123", b"1.23e-2", "written otherwise"),
        ("StrategyReturn.json", b"0.0123", b"null", "no longer read"),
        ("Decision.json", b"drift", b"wind", "no longer read"),
        ("Tick.msgpack", b"now_ns", b"now_us", "no longer read"),
        ("Frame.msgpack", b"pairs-energy", b"pairs-metals", "read as another message"),
    ],
)
def test_a_change_of_meaning_or_of_bytes_is_noticed(frozen, name, old, new, said):
    data = (frozen / name).read_bytes()
    assert old in data
    (frozen / name).write_bytes(data.replace(old, new, 1))
    (line,) = problems(frozen)
    assert line.startswith(f"{name}: {said}")


def test_a_missing_and_a_foreign_file_are_noticed(frozen):
    (frozen / "Tick.msgpack").rename(frozen / "Tock.msgpack")
    assert problems(frozen) == ["Tick.msgpack: not frozen", "Tock.msgpack: of no message"]
