"""The only wall clock; what it says enters the engine as an event, or stays in diagnostics."""

import time


def now_ns() -> int:
    """Return the wall time in nanoseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns()
