"""A fold small enough to be obviously right, and touchy enough to notice any wrong delivery.

Each event names its partition and its place in it. The state is a hash chain over the events taken,
their number and their sum: one event lost, repeated or out of order changes it for good. Each event
gives one output, whose id is the event's place and whose content is the chain so far.
"""

import hashlib
import struct
from dataclasses import dataclass

EVENT = struct.Struct(">IQq")  # partition, place in the partition from 0, value
STATE = struct.Struct(">QQq16s")  # next offset, events taken, sum of values, chain
CHAIN_START = bytes(16)


class OutOfPlaceError(Exception):
    """An event came that is not the next one."""


@dataclass(slots=True)
class State:
    """The fold of a partition's log up to ``next_offset``."""

    next_offset: int = 0
    count: int = 0
    total: int = 0
    chain: bytes = CHAIN_START

    def encode(self) -> bytes:
        return STATE.pack(self.next_offset, self.count, self.total, self.chain)

    @classmethod
    def decode(cls, image: bytes) -> "State":
        return cls(*STATE.unpack(image))


def step(state: State, partition: int, event: bytes) -> tuple[bytes, bytes]:
    """Take one event into the state; returns the output's id and content."""
    named, place, value = EVENT.unpack(event)
    if (named, place) != (partition, state.count):
        reason = f"partition {partition} expects event {state.count}, got {named}:{place}"
        raise OutOfPlaceError(reason)
    state.count += 1
    state.total += value
    state.chain = link(state.chain, event)
    return output_id(partition, place), state.chain


def link(chain: bytes, event: bytes) -> bytes:
    return hashlib.blake2b(chain + event, digest_size=16).digest()


def output_id(partition: int, place: int) -> bytes:
    return f"{partition}:{place}".encode()
