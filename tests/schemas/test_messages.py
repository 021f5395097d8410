"""Every message: its bytes hold all of it, tell a newer writer from a broken one, and no NaN."""

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas import codec
from schemas.checkpoint import PortfolioCheckpoint, ShardPosition
from schemas.codec import (
    RefusedInputError,
    UnpublishableError,
    canonical_json,
    encode_message,
    encode_record,
)
from schemas.events import (
    ControlRequest,
    ExecutionReport,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
    StrategyReturn,
)
from schemas.examples import JSON_EXAMPLES
from schemas.generate import PUBLIC, json_schema
from schemas.journal import Record
from schemas.optimize import OptimizeRequest
from schemas.topics import TOPICS
from tests.schemas.values import ANYTHING, LABELS, messages

READERS = {
    StrategyReturn: codec.decode_return,
    StrategyRegistration: codec.decode_registration,
    PortfolioRegistration: codec.decode_registration,
    ControlRequest: codec.decode_control,
    RiskSignal: codec.decode_risk,
    ExecutionReport: codec.decode_report,
}
RECORD_READERS = {
    **dict.fromkeys(Record.__args__, codec.decode_record),
    OptimizeRequest: codec.decode_request,
    PortfolioCheckpoint: codec.decode_chunk,
    ShardPosition: codec.decode_position,
}
VALIDATORS = {type_: Draft202012Validator(json_schema(type_)) for type_ in PUBLIC}
BAD_NUMBERS = (math.nan, math.inf, -math.inf)


def name_of(type_):
    return type_.__name__


def reader(type_):
    return READERS.get(type_, lambda data: msgspec.json.decode(data, type=type_))


public = pytest.mark.parametrize("type_", PUBLIC, ids=name_of)


def test_the_lists_of_messages_are_those_of_the_topics():
    payloads = {t for topic in TOPICS if topic.encoding == "json" for t in topic.payload}
    assert payloads == set(PUBLIC)
    records = {t for topic in TOPICS if topic.encoding == "msgpack" for t in topic.payload}
    assert records - {Record} == RECORD_READERS.keys() - set(Record.__args__)


@public
@given(data=st.data())
def test_public_message_survives_its_bytes_in_any_order_and_fits_its_schema(type_, data):
    message = data.draw(messages(type_))
    encoded = encode_message(message)
    again = reader(type_)(encoded)
    assert again == message
    assert canonical_json(reordered(again)) == encoded
    VALIDATORS[type_].validate(json.loads(encoded))


@pytest.mark.parametrize("type_", RECORD_READERS, ids=name_of)
@given(data=st.data())
def test_record_survives_its_bytes_in_any_order(type_, data):
    record = data.draw(messages(type_))
    encoded = encode_record(record)
    again = RECORD_READERS[type_](encoded)
    assert again == record
    assert encode_record(reordered(again)) == encoded


def reordered(value):
    """The same value, its mappings filled in the opposite order."""
    if isinstance(value, msgspec.Struct):
        fields = {name: reordered(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return type(value)(map(reordered, value)) if isinstance(value, list | tuple) else value


@public
@given(data=st.data(), extra=st.dictionaries(LABELS.map("x_".__add__), ANYTHING, max_size=3))
def test_fields_of_a_newer_writer_are_ignored(type_, data, extra):
    message = data.draw(messages(type_))
    document = json.loads(encode_message(message)) | extra
    assert reader(type_)(json.dumps(document).encode()) == message
    VALIDATORS[type_].validate(document)


def test_unknown_fields_of_a_policy_are_refused_though_its_message_is_public():
    document = json.loads(encode_message(JSON_EXAMPLES["PortfolioRegistration"]))
    document["policy"]["costs"]["linear_pbs"] = 1
    with pytest.raises(RefusedInputError, match="linear_pbs") as refusal:
        codec.decode_registration(json.dumps(document).encode())
    assert refusal.value.code == "invalid"
    assert not VALIDATORS[PortfolioRegistration].is_valid(document)


@public
def test_fields_an_older_writer_left_out_take_their_defaults(type_):
    example = JSON_EXAMPLES[type_.__name__]
    document = json.loads(msgspec.json.encode(example))
    fields = msgspec.structs.fields(type_)
    optional = {field.encode_name for field in fields if not field.required}
    older = {key: value for key, value in document.items() if key not in optional}
    older |= {"return": 0.5} if type_ is StrategyReturn else {}
    read = reader(type_)(json.dumps(older).encode())
    defaults = {f.name: f.default for f in fields if not f.required and f.name != "value"}
    assert {name: getattr(read, name) for name in defaults} == defaults
    VALIDATORS[type_].validate(older)


def with_bad_number(value, bad):
    """Yield copies of a value, each with another of its numbers replaced by a bad one."""
    if isinstance(value, float):
        yield bad
    for place, old in parts(value):
        for item in with_bad_number(old, bad):
            yield with_part(value, place, item)


def parts(value):
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def with_part(value, place, item):
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{place: item})
    if isinstance(value, dict):
        return value | {place: item}
    return type(value)([*value[:place], item, *value[place + 1 :]])


def finite_messages():
    """The examples, and the fields that none of them fills."""
    full = msgspec.structs.replace(
        JSON_EXAMPLES["RebalanceCommand"],
        capital=1e6,
        target_capital={"momentum-us": 2e6},
        legs=({"venue": "x", "steps": [[1.0, {"size": 2.0}], None]},),
        glide={"half_life": {"bars": 3.0}},
    )
    yield from JSON_EXAMPLES.values()
    yield full


@pytest.mark.parametrize("bad", BAD_NUMBERS)
def test_no_number_that_json_lacks_is_published_from_anywhere(bad):
    planted = [item for message in finite_messages() for item in with_bad_number(message, bad)]
    assert len({type(item) for item in planted}) == len(PUBLIC) - 1  # a control has no number
    assert len(planted) > 100
    for message in planted:
        with pytest.raises(UnpublishableError):
            encode_message(message)


def test_what_is_planted_is_what_makes_it_unpublishable():
    for message in finite_messages():
        assert encode_message(message)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": -1.5}, ">= -1.0"),
        ({"value": None}, 'needs "return"'),
        ({"status": "progress"}, "carries no"),
        ({"status": "gone"}, "gone"),
        ({"strategy_id": "a b"}, "regex"),
        ({"period_end": "2024-05-31T20:00:00"}, "zone"),
        ({"period_end": "2023-02-29T00:00:00Z"}, "exists"),
        ({"revision": 1.0}, "int"),
        ({"capital": 10**400}, "capital"),
        ({"currency": {"USD"}}, "currency"),
        ({"value": object()}, "object"),
    ],
)
def test_a_return_that_readers_refuse_is_not_published(changes, said):
    row = msgspec.structs.replace(JSON_EXAMPLES["StrategyReturn"], **changes)
    with pytest.raises(UnpublishableError, match=said):
        encode_message(row)


def test_a_type_that_json_lacks_is_named_as_such():
    command = msgspec.structs.replace(JSON_EXAMPLES["RebalanceCommand"], legs=({"pair": (1, 2)},))
    with pytest.raises(UnpublishableError, match="a type that JSON does not have"):
        encode_message(command)


def test_messages_cannot_be_changed_or_built_by_position():
    row = JSON_EXAMPLES["StrategyReturn"]
    with pytest.raises(AttributeError):
        row.value = 1.0
    for type_ in PUBLIC:
        with pytest.raises(TypeError, match="positional"):
            type_("a")
