"""Ports in a row that nobody listens on, for processes that take the next ones."""

import socket


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
    """The first of some ports in a row that nobody has now."""
    return next(n for n in range(21_000, 30_000, 50) if are_free(range(n, n + count)))
