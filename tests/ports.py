"""Ports in a row that nobody listens on, for processes that take the next ones."""

import os
import socket

_STARTS = range(21_000, 30_000, 50)
_APART = 61  # prime to the number of starts, and about a third of it


def are_free(ports):
    probes = [socket.socket() for _ in ports]
    try:
        for port, probe in zip(ports, probes, strict=True):
            probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    finally:
        for probe in probes:
            probe.close()
    return True


def free_ports(count):
    """The first of some ports in a row that nobody has now.

    Each process begins at a place of its own, processes in a row far from one another: two that
    look at once, or for as long as one more test takes, find different ones.
    """
    begin = os.getpid() * _APART % len(_STARTS)
    starts = (*_STARTS[begin:], *_STARTS[:begin])
    return next(n for n in starts if are_free(range(n, n + count)))
