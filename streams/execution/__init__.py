"""The execution side: commands consumed once, answered once, and a paper executor."""

from streams.execution.clock import EventClock, WallClock
from streams.execution.consumer import RebalanceConsumer
from streams.execution.gate import CommandGate

__all__ = ["CommandGate", "EventClock", "RebalanceConsumer", "WallClock"]
