"""The map agrees with the table of topics and with the code."""

import importlib

import pytest

from schemas.topics import TOPICS
from streams.topology import STAGES

OUTSIDE = {"strategies", "api", "cli", "risk", "publisher", "read model"}


def resolve(reference: str) -> object:
    module, _, path = reference.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_code_of_a_stage_is_where_the_map_says(stage):
    assert callable(resolve(stage.step))
    assert callable(resolve(stage.runner))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_writers_and_readers_of_a_topic_are_those_of_the_map(topic):
    writers = {stage.name for stage in STAGES if topic in stage.writes}
    readers = {stage.name for stage in STAGES if topic in stage.reads}
    assert set(topic.writer.split(", ")) - OUTSIDE == writers
    assert set(topic.readers) - OUTSIDE == readers


def test_the_data_flow_forward_but_for_what_the_design_feeds_back():
    position = {stage.name: number for number, stage in enumerate(STAGES)}
    feedback = {
        (writer.name, reader.name)
        for writer in STAGES
        for reader in STAGES
        if set(writer.writes) & set(reader.reads) and position[writer.name] > position[reader.name]
    }
    assert feedback == {("optimizer", "portfolio"), ("execution", "ingest")}


def test_every_topic_is_on_the_map():
    assert {topic.name for stage in STAGES for topic in (*stage.reads, *stage.writes)} == {
        topic.name for topic in TOPICS
    }
