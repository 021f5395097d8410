"""A minimal executor: fill every command in full, at no cost. Stop it with Ctrl-C."""

import os
import signal
import threading

from streams.execution import RebalanceConsumer

BROKER = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
SCOPE = os.environ.get("APSE_KAFKA__SCOPE", "")

stop = threading.Event()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: stop.set())

with RebalanceConsumer(BROKER, "example-desk", scope=SCOPE) as consumer:
    for command in consumer.commands(stop):
        # Trade here, with command.command_id as the client order id, so that a repeat is known.
        consumer.ack(command, "filled", filled_weights=command.target_weights, cost=0.0)
