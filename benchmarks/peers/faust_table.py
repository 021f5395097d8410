"""A plain Faust windowed table: the sum and count of each strategy's returns, event by event.

    python -m benchmarks.peers.faust_table BOOTSTRAP TOPIC EVENTS

Prints returns a second, from the first event that the agent sees to the last. Window, table store
and serializers are those of Faust's own introduction.
"""

import json
import logging
import os
import secrets
import sys
import tempfile
import time
from datetime import timedelta

import faust

bootstrap, topic_name, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])

app = faust.App(
    f"bench-faust-{secrets.token_hex(3)}",
    broker=f"kafka://{bootstrap}",
    store="memory://",
    datadir=tempfile.mkdtemp(prefix="bench-faust-"),
    topic_disable_leader=True,
    web_enabled=False,
    worker_redirect_stdouts=False,
    consumer_auto_offset_reset="earliest",
)
returns = app.topic(topic_name, value_serializer="json", key_serializer="raw")
sums = app.Table("sums", default=float, partitions=12).tumbling(
    timedelta(days=20), expires=timedelta(days=40)
)
seen, begun_s = 0, 0.0


@app.agent(returns)
async def mean(stream):
    """Add each return up, and tell the rate at the last one."""
    global seen, begun_s  # noqa: PLW0603  # one agent, one process, one number
    async for event in stream:
        if not seen:
            begun_s = time.perf_counter()
        sums[event["strategy_id"]] += event["return"]
        seen += 1
        if seen == wanted:
            print(json.dumps(seen / (time.perf_counter() - begun_s)), flush=True)
            os._exit(0)


faust.Worker(app, loglevel=logging.ERROR, logfile=None).execute_from_commandline()
