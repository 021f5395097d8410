"""Publish two returns of a strategy.

KAFKA_BOOTSTRAP_SERVERS says where, APSE_KAFKA__SCOPE what stands before the topics.
"""

import os

from streams.client import ReturnPublisher

BROKER = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
SCOPE = os.environ.get("APSE_KAFKA__SCOPE", "")

with ReturnPublisher(BROKER, SCOPE, register="trend") as publisher:
    publisher.publish("momentum-us", "2024-05-31T20:00:00Z", 0.0123)
    publisher.publish("momentum-us", "2024-06-03T20:00:00Z", -0.0041)
