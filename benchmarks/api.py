"""How fast is the API beside a running engine, and how many listeners can it hold?

An engine on a broker walks a bar of 50 strategies a second. Beside it one API process answers 200
reads a second of the pages' main routes, each timed from the moment it was due; then a thousand
listeners hold their streams, and every event has to reach every one of them. Clients are a process
of their own: it shares no interpreter with what is measured.
"""

import asyncio
import http.client
import multiprocessing
import re
import resource
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from benchmarks.engine import Engine, engine_on, fill, peak_memory_mb
from benchmarks.report import Result, alone, load, percentiles_ms
from benchmarks.worlds import bar_ends_ns, default_policy, names_of, returns_of
from schemas.topics import STATE
from streams.api.hosting import API, HOST, choose_port, environment_of
from streams.kafka.broker import Broker, resolve_broker

STRATEGIES = 50
HISTORY_BARS = 1_000
BARS_PER_S = 1.0
READS_PER_S = 200
READERS = 8  # connections
PATHS = (
    "/portfolio/weights",
    "/portfolio/performance",
    "/portfolio/history",
    "/portfolio/optimization",
    "/portfolio/covariance",
)
ASKED = 10
JOIN_S = 30.0
LINGER_S = 5.0  # for what is under way when the time is over
START_S = 90.0
DESCRIPTORS = 8_192
EVENT = re.compile(rb"id: [0-9a-f]+-([0-9]+)\nevent: ([a-z]+)\n")


class Heard(NamedTuple):
    """What listeners heard: numbers of events that each should have, and how many it had."""

    events: int
    received: int
    lost: int
    sent_away: int


@contextmanager
def bars_flowing(engine: Engine, names: tuple[str, ...], first: int) -> Iterator[None]:
    """Publish a bar a second from the one numbered ``first`` on, for as long as the context is."""
    over = threading.Event()
    ends_ns = bar_ends_ns(default_policy("api", names), first + 3_600)[first:]
    returns = returns_of(8, len(ends_ns), len(names))

    def publish() -> None:
        for end_ns, row in zip(ends_ns, returns, strict=True):
            if over.wait(1.0 / BARS_PER_S):
                return
            fill(engine.kafka, names, [end_ns], row[None])

    thread = threading.Thread(target=publish, name="bars")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def read_at_pace(port: int, seconds: float) -> list[float]:
    """Ask at the pace; return how late each answer was after it was due, in seconds."""
    return asyncio.run(_read_at_pace(port, seconds))


async def _read_at_pace(port: int, seconds: float) -> list[float]:
    late: list[float] = []
    begun_s = time.perf_counter() + 0.5

    async def reader(number: int) -> None:
        source, sink = await asyncio.open_connection(HOST, port, limit=2**24)
        for turn in range(number, int(seconds * READS_PER_S), READERS):
            due_s = begun_s + turn / READS_PER_S
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            path = PATHS[turn % len(PATHS)]
            sink.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            head = await source.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head[:200]
            size = re.search(rb"content-length: ([0-9]+)", head)
            assert size is not None, head
            await source.readexactly(int(size[1]))
            late.append(time.perf_counter() - due_s)
        sink.close()

    await asyncio.gather(*(reader(number) for number in range(READERS)))
    return late


def listen(port: int, clients: int, seconds: float) -> Heard:
    """Let clients listen; return what they heard after the last of them had joined."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, most), most))
    return asyncio.run(_listen(port, clients, seconds))


async def _listen(port: int, clients: int, seconds: float) -> Heard:
    heard: list[list[int]] = [[] for _ in range(clients)]
    joined = [asyncio.Event() for _ in range(clients)]
    gone: list[int] = []

    async def listener(number: int) -> None:
        source, sink = await asyncio.open_connection(HOST, port)
        sink.write(f"GET /portfolio/stream HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        rest = b""
        while data := await source.read(2**16):
            *whole, rest = (rest + data).split(b"\n\n")
            for event in whole:
                if found := EVENT.search(event + b"\n"):
                    joined[number].set()
                    heard[number].append(int(found[1]))
        gone.append(number)

    tasks = []
    for number in range(clients):  # as pages open: one after another, not all in one moment
        tasks.append(asyncio.create_task(listener(number)))
        await asyncio.sleep(JOIN_S / 10 / clients)
    async with asyncio.timeout(JOIN_S):
        await asyncio.gather(*(one.wait() for one in joined))
    first = max(numbers[-1] for numbers in heard)
    await asyncio.sleep(seconds)
    last = max(numbers[-1] for numbers in heard)
    await asyncio.sleep(LINGER_S)
    for task in tasks:
        task.cancel()
    wanted = set(range(first + 1, last + 1))
    had = [len(wanted & set(numbers)) for numbers in heard]
    lost = len(wanted) * clients - sum(had)
    return Heard(len(wanted), sum(had), lost, len(gone))


def seconds_of(port: int, ask: Callable[[http.client.HTTPConnection], None]) -> float:
    """Return the median seconds of a request and its answer."""
    seconds = []
    for _ in range(ASKED):
        connection = http.client.HTTPConnection(HOST, port, timeout=30.0)
        begun_s = time.perf_counter()
        ask(connection)
        answer = connection.getresponse()
        body = answer.read()
        seconds.append(time.perf_counter() - begun_s)
        connection.close()
        assert answer.status == 200, body[:300]
    return float(np.median(seconds))


def preview(connection: http.client.HTTPConnection) -> None:
    """Ask what a rebalance would decide."""
    body = orjson.dumps({"reason": "benchmark"})
    connection.request("POST", "/portfolio/preview", body, {"Content-Type": "application/json"})


def frontier(connection: http.client.HTTPConnection) -> None:
    """Ask for a frontier that was not asked for before: its limits are new."""
    limits = {"weight_max": 0.25 + time.time_ns() % 10**6 / 1e8}  # noqa: TID251  # any number
    body = orjson.dumps({"points": 20, "overrides": {"constraints": limits}})
    connection.request("POST", "/portfolio/frontier", body, {"Content-Type": "application/json"})


def get(port: int, path: str) -> tuple[int, bytes]:
    """Return the status and body of an answer; 0 where nobody listens."""
    connection = http.client.HTTPConnection(HOST, port, timeout=30.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def api_pid(port: int) -> int:
    """Return the id of the process that serves a port, by its environment."""
    wanted = f"APSE_API__PORT={port}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = wanted in (folder / "environ").read_bytes().split(b"\0")
            if ours and API[0].encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                return int(folder.name)
        except OSError:
            continue
    message = f"no process serves port {port}"
    raise LookupError(message)


def on(broker: Broker, *, quick: bool) -> list[Result]:
    """Measure on a broker that runs."""
    bars, seconds, clients, hold_s = (
        (300, 8.0, 200, 8.0) if quick else (HISTORY_BARS, 20.0, 1_000, 30.0)
    )
    port, names = choose_port(None), names_of(STRATEGIES)
    policy = default_policy("api", names)
    spawn = multiprocessing.get_context("spawn")
    with (
        engine_on(broker, **environment_of(port), OMP_NUM_THREADS="1") as engine,
        ProcessPoolExecutor(1, spawn) as crowd,
    ):
        engine.start()
        engine.start((API,))
        engine.register(policy)
        fill(engine.kafka, names, bar_ends_ns(policy, bars), returns_of(7, bars, STRATEGIES))
        engine.until(lambda: engine.count(STATE) >= bars, START_S, "history")
        engine.until(lambda: _has_walked(port, bars), START_S, "the views")
        pid = api_pid(port)
        with bars_flowing(engine, names, bars):
            crowd.submit(read_at_pace, port, 3.0).result()  # warm
            late = crowd.submit(read_at_pace, port, seconds).result()
            asked_s = seconds_of(port, preview), seconds_of(port, frontier)
            before_mb = peak_memory_mb(pid)
            heard = crowd.submit(listen, port, clients, hold_s).result()
            after_mb = peak_memory_mb(pid)
    p50, p99 = percentiles_ms(late)
    note = f"{len(late)} reads at {READS_PER_S}/s beside a bar of {STRATEGIES} a second, {load()}"
    told = f"{clients} clients, {heard.events} events, {heard.sent_away} sent away, {hold_s:.0f} s"
    return [
        Result("api_read_p50_ms", p50, "ms", note=note),
        Result("api_read_p99_ms", p99, "ms", note=note),
        Result("api_preview_n50_ms", asked_s[0] * 1e3, "ms", note=f"median of {ASKED}"),
        Result("api_frontier_n50_ms", asked_s[1] * 1e3, "ms", note=f"20 points, {ASKED} times"),
        Result("api_sse_clients", clients - heard.sent_away, "clients", note=told),
        Result("api_sse_lost_events", heard.lost, "events", note=f"of {heard.received} received"),
        Result("api_sse_memory_mb", after_mb, "MB", note=f"{before_mb:.0f} MB before they came"),
    ]


def _has_walked(port: int, bars: int) -> bool:
    status, body = get(port, "/portfolio/weights")
    return status == 200 and orjson.loads(body)["bar_number"] >= bars


def run(*, quick: bool) -> list[Result]:
    """Measure on a broker of our own, or the one that is named."""
    with resolve_broker() as broker:
        return on(broker, quick=quick)


if __name__ == "__main__":
    alone(run)
