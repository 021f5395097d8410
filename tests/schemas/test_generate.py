"""The generated documents say what the types and the table of topics say, and stand as written."""

import json

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from schemas.examples import JSON_EXAMPLES
from schemas.generate import EXTERNAL, PUBLIC, documents, first_difference
from schemas.topics import DEAD_LETTER_HEADERS, DEAD_LETTERS, REGISTRY, TOPICS
from streams.contracts import GENERATED, generated_drift

SCHEMAS = {type_: f"{type_.__name__}.schema.json" for type_ in PUBLIC}


@pytest.fixture(scope="module")
def written():
    return documents()


@pytest.fixture(scope="module")
def asyncapi(written):
    return json.loads(written["asyncapi.json"])


def nodes(value):
    """Yield every mapping within a document."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value
    for item in inner if isinstance(value, dict | list) else ():
        yield from nodes(item)


def resolved(document, reference):
    """What a reference within the document stands for; KeyError where it points nowhere."""
    assert reference.startswith("#/"), reference
    for part in reference[2:].split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


def test_committed_documents_are_what_the_types_say():
    assert generated_drift(GENERATED) is None


def test_documents_are_the_same_each_time(written):
    assert documents() == written
    assert all(text.endswith("\n") and "\r" not in text for text in written.values())


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"a": "1\n2\n", "b": "x\n"}, None),
        ({"a": "1\n3\n", "b": "y\n"}, "a line 2: expected '2', found '3'"),
        ({"a": "1\n2\n2\n", "b": "x\n"}, "a line 3: expected '', found '2'"),
        ({"a": "1\n2", "b": "x\n"}, "a line 3: expected '', found None"),
        ({"b": "x\n"}, "a: expected, but not there"),
        ({"a": "1\n2\n", "b": "x\n", "c": ""}, "c: there, but nothing generates it"),
    ],
)
def test_drift_names_the_file_and_the_first_line_that_differs(found, said):
    assert first_difference({"a": "1\n2\n", "b": "x\n"}, found) == said


@pytest.mark.parametrize("type_", PUBLIC, ids=lambda type_: type_.__name__)
def test_json_schema_is_one_stands_alone_and_holds_its_examples(written, type_):
    schema = json.loads(written[SCHEMAS[type_]])
    Draft202012Validator.check_schema(schema)
    references = [node["$ref"] for node in nodes(schema) if "$ref" in node]
    assert all(resolved(schema, reference) for reference in references)
    assert schema["title"] == type_.__name__
    assert schema["examples"]
    for example in schema["examples"]:
        Draft202012Validator(schema).validate(example)


def test_every_section_is_described_in_plain_words(written):
    for name in SCHEMAS.values():
        schema = json.loads(written[name])
        sections = [node for node in nodes(schema) if "title" in node]
        assert sections
        assert all(section["description"] for section in sections)
        assert "``" not in written[name]
        assert "\\n    " not in written[name]  # an indented docstring


def test_return_schema_tells_a_value_from_a_mark(written):
    validator = Draft202012Validator(json.loads(written["StrategyReturn.schema.json"]))
    row = {"strategy_id": "m", "period_end": "2024-05-31T20:00:00Z"}
    assert not validator.is_valid(row)
    assert not validator.is_valid(row | {"status": "value"})
    assert not validator.is_valid(row | {"return": None})
    assert validator.is_valid(row | {"return": 0.1})
    assert validator.is_valid(row | {"status": "inactive"})
    assert validator.is_valid(row | {"status": "progress", "return": None})
    assert not validator.is_valid(row | {"status": "progress", "return": 0.1})


def test_every_reference_of_asyncapi_stays_inside_and_resolves(asyncapi):
    references = [node["$ref"] for node in nodes(asyncapi) if "$ref" in node]
    assert len(references) > len(TOPICS)
    assert all(resolved(asyncapi, reference) for reference in references)


def test_every_topic_is_a_channel_bound_as_the_table_says(asyncapi):
    assert asyncapi["asyncapi"] == "3.0.0"
    assert list(asyncapi["channels"]) == [topic.name for topic in TOPICS]
    for topic in TOPICS:
        channel = asyncapi["channels"][topic.name]
        assert channel["address"] == topic.name
        kafka = channel["bindings"]["kafka"]
        assert (kafka["topic"], kafka["partitions"]) == (topic.name, topic.partitions)
        bound = {
            key: ",".join(value) if isinstance(value, list) else str(value)
            for key, value in kafka["topicConfiguration"].items()
        }
        assert bound.items() <= topic.config().items()
        assert bound.keys() == {"cleanup.policy", "retention.ms", "max.message.bytes"}


def test_every_message_of_a_channel_has_key_content_type_and_payload(asyncapi):
    for topic in TOPICS:
        for reference in asyncapi["channels"][topic.name]["messages"].values():
            message = resolved(asyncapi, reference["$ref"])
            assert message["bindings"]["kafka"]["key"]["description"] == topic.key
            assert message["contentType"].startswith("application/")
            assert message["payload"]
            assert message["summary"]


def test_public_messages_of_a_channel_are_its_payload_with_real_encodings(asyncapi):
    seen = []
    for topic in (topic for topic in TOPICS if topic.encoding == "json"):
        messages = asyncapi["channels"][topic.name]["messages"]
        assert list(messages) == [type_.__name__ for type_ in topic.payload]
        for name in messages:
            message = resolved(asyncapi, messages[name]["$ref"])
            schema = resolved(asyncapi, message["payload"]["$ref"])
            parts = {"components": asyncapi["components"]}
            validator = Draft7Validator(schema | parts)
            for example in message["examples"]:
                validator.validate(example["payload"])
                seen.append(name)
    assert sorted(seen) == sorted(name.split("-")[0] for name in JSON_EXAMPLES)


def test_schemas_of_asyncapi_are_of_the_draft_it_is_built_on(asyncapi):
    for schema in asyncapi["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
        assert not any({"prefixItems", "$defs"} & node.keys() for node in nodes(schema))


def test_a_pair_is_a_pair_in_the_older_words_too(asyncapi):
    schema = asyncapi["components"]["schemas"]["CovarianceRecord"]["properties"]["max_pair"]
    validator = Draft7Validator(schema)
    assert validator.is_valid(["a", "b"])
    assert not validator.is_valid(["a"])
    assert not validator.is_valid(["a", "b", "c"])
    assert not validator.is_valid(["a", "b c"])


def test_dead_letters_carry_reason_and_source_as_headers(asyncapi):
    (reference,) = asyncapi["channels"][DEAD_LETTERS.name]["messages"].values()
    headers = resolved(asyncapi, reference["$ref"])["headers"]
    assert headers["required"] == list(DEAD_LETTER_HEADERS)
    said = {name: value["description"] for name, value in headers["properties"].items()}
    assert said == DEAD_LETTER_HEADERS


def test_operations_are_what_our_own_writers_and_readers_do(asyncapi):
    found = {
        (operation["title"], operation["action"], operation["channel"]["$ref"].split("/")[-1])
        for operation in asyncapi["operations"].values()
    }
    wanted = {(reader, "receive", topic.name) for topic in TOPICS for reader in topic.readers}
    for topic in TOPICS:
        ours = set(topic.writer.split(", ")) - EXTERNAL
        wanted |= {(writer, "send", topic.name) for writer in ours}
    assert found == wanted
    assert len(asyncapi["operations"]) == len(wanted)


def test_every_external_writer_is_in_the_table():
    assert {writer for topic in TOPICS for writer in topic.writer.split(", ")} >= EXTERNAL


def test_table_to_read_has_a_full_row_for_each_topic(written):
    rows = [line for line in written["topics.md"].splitlines() if line.startswith("| `")]
    table = [row.strip("| ").split(" | ") for row in rows[: len(TOPICS)]]
    assert [row[0].strip("`") for row in table] == [topic.name for topic in TOPICS]
    for topic, row in zip(TOPICS, table, strict=True):
        assert len(row) == 11
        assert row[4:6] == [str(topic.partitions), topic.cleanup]
        assert row[8] == topic.writer
    assert table[TOPICS.index(REGISTRY)][6:8] == ["for ever", "1 MiB"]
    assert table[TOPICS.index(DEAD_LETTERS)][6:8] == ["90 d", "4160 KiB"]
    assert len(rows) == len(TOPICS) + len(DEAD_LETTER_HEADERS)
