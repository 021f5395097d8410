"""Documents made from the types and the table of topics: JSON Schemas, AsyncAPI, a table to read.

Pure: :func:`documents` returns their text by file name, :func:`first_difference` compares it with
what stands in ``schemas/generated``. ``python -m streams.contracts`` writes and checks the files.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from schemas.decisions import Decision, RebalanceCommand
from schemas.events import (
    ControlRequest,
    ExecutionReport,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
    StrategyReturn,
)
from schemas.examples import JSON_EXAMPLES
from schemas.shadows import ShadowRecord
from schemas.topics import DAY_MS, DEAD_LETTER_HEADERS, DEAD_LETTERS, KIB, MIB, TOPICS, Topic
from schemas.views import CovarianceRecord, MetricsRecord, StateRecord

Node = dict[str, Any]

PUBLIC: Final = (
    StrategyReturn,
    StrategyRegistration,
    PortfolioRegistration,
    ControlRequest,
    RiskSignal,
    ExecutionReport,
    MetricsRecord,
    CovarianceRecord,
    StateRecord,
    ShadowRecord,
    Decision,
    RebalanceCommand,
)
"""Messages of public topics: each gets a JSON Schema of its own."""

EXTERNAL: Final = frozenset({"strategies", "risk"})
"""Writers of the table that stand outside this project."""

_BINDING_VERSION: Final = "0.5.0"
_RETURN_RULE: Final = {
    "if": {"properties": {"status": {"const": "value"}}},
    "then": {"required": ["return"], "properties": {"return": {"type": "number"}}},
    "else": {"properties": {"return": {"type": "null"}}},
}
"""A row of status ``value``, which is the default, has a number; a mark has none."""


def documents() -> dict[str, str]:
    """Return file name -> text of every generated document, the same on every machine.

    Examples
    --------
    >>> sorted(documents())[:2]
    ['ControlRequest.schema.json', 'CovarianceRecord.schema.json']
    """
    schemas = {f"{type_.__name__}.schema.json": _text(json_schema(type_)) for type_ in PUBLIC}
    return schemas | {"asyncapi.json": _text(asyncapi()), "topics.md": topics_table()}


def first_difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    r"""Return where the files found differ from those wanted, or None where they are the same.

    Examples
    --------
    >>> first_difference({"a.md": "one\ntwo\n"}, {"a.md": "one\n2\n"})
    "a.md line 2: expected 'two', found '2'"
    """
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            return f"{name}: expected, but not there"
        if name not in wanted:
            return f"{name}: there, but nothing generates it"
        lines = wanted[name].split("\n"), found[name].split("\n")
        for number in range(1, max(map(len, lines)) + 1):
            pair = [side[number - 1] if number <= len(side) else None for side in lines]
            if pair[0] != pair[1]:
                return f"{name} line {number}: expected {pair[0]!r}, found {pair[1]!r}"
    return None


def json_schema(type_: type[msgspec.Struct]) -> Node:
    """Return the JSON Schema 2020-12 of a public message, complete in itself."""
    name = type_.__name__
    _, found = msgspec.json.schema_components((type_,), ref_template="#/$defs/{name}")
    parts = {part: _clean(schema) for part, schema in sorted(found.items())}
    head: Node = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:apse:v1:{name}",
    }
    own = parts.pop(name) | (_RETURN_RULE if type_ is StrategyReturn else {})
    return head | own | {"examples": _examples(name)} | ({"$defs": parts} if parts else {})


def asyncapi() -> Node:
    """Return the AsyncAPI 3.0 document: a channel a topic, operations as our side does them."""
    refs = "#/components/schemas/{name}"
    _, found = msgspec.json.schema_components(PUBLIC, ref_template=refs)
    schemas = {name: _draft_07(_clean(schema)) for name, schema in sorted(found.items())}
    schemas[StrategyReturn.__name__] |= _RETURN_RULE
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Adaptive Portfolio of Strategies Engine",
            "version": "1.0.0",
            "description": "Topics between strategies, the engine and the execution layer. "
            "Producers partition keys by murmur2.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(_operations()),
        "components": {
            "schemas": schemas,
            "messages": {name: body for topic in TOPICS for name, body in _messages(topic)},
        },
    }


def topics_table() -> str:
    """Return the table of topics as Markdown."""
    head = (
        "topic",
        "key",
        "payload",
        "encoding",
        "partitions",
        "cleanup",
        "retention",
        "record at most",
        "writer",
        "readers",
        "what it carries",
    )
    rows = [head, tuple("---" for _ in head)]
    rows += [
        (
            f"`{topic.name}`",
            topic.key,
            ", ".join(f"`{type_.__name__}`" for type_ in _types(topic)),
            topic.encoding,
            str(topic.partitions),
            topic.cleanup,
            _retention(topic.retention_ms),
            _size(topic.record_bytes_max),
            topic.writer,
            ", ".join(topic.readers),
            topic.summary,
        )
        for topic in TOPICS
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    headers = "\n".join(f"| `{name}` | {text} |" for name, text in DEAD_LETTER_HEADERS.items())
    return (
        f"# Topics\n\nGenerated from `schemas/topics.py`; do not edit.\n\n{table}\n\n"
        f"Headers of `{DEAD_LETTERS.name}`:\n\n| header | holds |\n| --- | --- |\n{headers}\n"
    )


def _types(topic: Topic) -> tuple[type, ...]:
    """Return the message types of a topic, those of a union one by one."""
    members = (getattr(payload, "__args__", (payload,)) for payload in topic.payload)
    return tuple(type_ for some in members for type_ in some)


def _channel(topic: Topic) -> Node:
    return {
        "address": topic.name,
        "description": f"{_sentence(topic.summary)} Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [topic.cleanup],
                    "retention.ms": topic.retention_ms,
                    "max.message.bytes": topic.record_bytes_max,
                },
                "bindingVersion": _BINDING_VERSION,
            }
        },
    }


def _operations() -> Iterable[tuple[str, Node]]:
    """Yield what our own components do with each topic."""
    for topic in TOPICS:
        writers = [name for name in topic.writer.split(", ") if name not in EXTERNAL]
        for action, actors in (("send", writers), ("receive", topic.readers)):
            for actor in actors:
                name = f"{actor.replace(' ', '_')}-{action}-{topic.name.replace('.', '_')}"
                channel = f"#/channels/{topic.name}"
                yield name, {"action": action, "channel": {"$ref": channel}, "title": actor}


def _names(topic: Topic) -> dict[str, str]:
    """Return name -> first line about it, of each message of a topic."""
    if topic is DEAD_LETTERS:
        return {"DeadLetter": "A refused record: its own bytes, with why and whence as headers."}
    about = {type_.__name__: inspect.getdoc(type_) or "" for type_ in _types(topic)}
    return {name: _plain(text).split("\n", 1)[0] for name, text in about.items()}


def _messages(topic: Topic) -> Iterable[tuple[str, Node]]:
    for name, summary in _names(topic).items():
        body = _json_body(name) if topic.encoding == "json" else _binary_body(topic)
        key = {"key": _key(topic), "bindingVersion": _BINDING_VERSION}
        yield name, {"name": name, "summary": summary} | body | {"bindings": {"kafka": key}}


def _json_body(name: str) -> Node:
    return {
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "examples": [{"payload": payload} for payload in _examples(name)],
    }


def _binary_body(topic: Topic) -> Node:
    if topic is not DEAD_LETTERS:
        text = "MessagePack; internal, written and read by this project alone"
        return {
            "contentType": "application/msgpack",
            "payload": {"type": "string", "format": "binary", "description": text},
        }
    values = {
        name: {"type": "string", "description": text} for name, text in DEAD_LETTER_HEADERS.items()
    }
    return {
        "contentType": "application/octet-stream",
        "payload": {
            "type": "string",
            "format": "binary",
            "description": "the refused record as it came, whatever it is",
        },
        "headers": {"type": "object", "properties": values, "required": list(values)},
    }


def _key(topic: Topic) -> Node:
    return {"type": ["string", "null"], "description": topic.key}


def _examples(name: str) -> list[Any]:
    """Return the examples of a message, as their real encoding reads."""
    return [
        json.loads(msgspec.json.encode(item, order="deterministic"))
        for key, item in JSON_EXAMPLES.items()
        if key.split("-")[0] == name
    ]


def _clean(schema: Node) -> Node:
    """Return a schema whose descriptions are plain sentences."""
    cleaned: Node = _walk(schema, _plain_description)
    return cleaned


def _draft_07(schema: Node) -> Node:
    """Return a schema in the older words that AsyncAPI's own schema language is built on."""
    older: Node = _walk(schema, _older_words)
    return older


def _walk(node: Any, change: Callable[[Node], Node]) -> Any:  # noqa: ANN401  # JSON of any shape
    if isinstance(node, dict):
        return change({key: _walk(value, change) for key, value in node.items()})
    return [_walk(item, change) for item in node] if isinstance(node, list) else node


def _plain_description(node: Node) -> Node:
    text = node.get("description")
    return node | {"description": _plain(inspect.cleandoc(text))} if isinstance(text, str) else node


def _older_words(node: Node) -> Node:
    if "prefixItems" not in node:
        return node
    words = {"prefixItems": "items", "items": "additionalItems"}
    return {words.get(key, key): value for key, value in node.items()}


def _plain(text: str) -> str:
    return text.replace("``", "`")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _retention(retention_ms: int) -> str:
    return "for ever" if retention_ms < 0 else f"{retention_ms // DAY_MS} d"


def _size(size_bytes: int) -> str:
    whole = size_bytes % MIB == 0
    return f"{size_bytes // MIB} MiB" if whole else f"{size_bytes // KIB} KiB"


def _text(document: Node) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
