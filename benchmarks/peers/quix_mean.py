"""Quix Streams' windowed mean of each strategy's returns, published event by event.

    python -m benchmarks.peers.quix_mean BOOTSTRAP TOPIC EVENTS

Prints returns a second, from the first event that the pipeline sees to the last.
"""

import json
import logging
import secrets
import sys
import tempfile
import time
from datetime import datetime, timedelta

from quixstreams import Application

bootstrap, topic_name, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
logging.disable(logging.CRITICAL)
name = f"bench-quix-{secrets.token_hex(3)}"
app = Application(
    broker_address=bootstrap,
    consumer_group=name,
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(prefix="bench-quix-"),
    use_changelog_topics=False,
    loglevel=None,
)


def period_end_ms(value, _headers, _timestamp_ms, _type):
    """Event time, as the engine has it."""
    return int(datetime.fromisoformat(value["period_end"]).timestamp() * 1000)


source = app.topic(topic_name, value_deserializer="json", timestamp_extractor=period_end_ms)
target = app.topic(f"{name}-means", value_serializer="json")
times = []


def note(_):
    """Remember when the first and the last event came by."""
    times.append(time.perf_counter())


frame = app.dataframe(source)
frame = frame.update(note)
frame = frame.apply(lambda value: value["return"])
frame = frame.tumbling_window(timedelta(days=20)).mean().current()
frame = frame.to_topic(target)
app.run(count=wanted, timeout=60.0)
print(json.dumps((len(times) - 1) / (times[-1] - times[0])))
