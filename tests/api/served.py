"""The application on a free port of loopback: in a thread of this process, or one of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import requests
import uvicorn

from streams.api.app import Parts, build_app
from streams.settings import ApiSettings, Settings
from tests.operate.engine import wait_until
from tests.ports import free_ports

START_TIMEOUT_S = 20.0
TIMEOUT_S = 20.0
STOP_S = 15.0


class Client(requests.Session):
    """Asks one server, by paths."""

    def __init__(self, base):
        super().__init__()
        self.base = base
        self.trust_env = False

    def request(self, method, url, **how):
        how.setdefault("timeout", TIMEOUT_S)
        return super().request(method, self.base + url, **how)


@contextmanager
def served(store, world, **api):
    """Serve a world's views; yields a client of it."""
    # Held from here on: nobody else can take the port. Its protocol is named, because asyncio sends
    # without delay (TCP_NODELAY) only where it is, and each answer would wait 40 ms for an ACK.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        settings = Settings(api=ApiSettings(port=port, **api))
        parts = Parts(store=store, follower=world, outbox=world, image_of=world.image)
        app = build_app(settings, parts)
        with running(app, listener) as client:
            client.app = app
            yield client


@contextmanager
def running(app, listener):
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    end = time.monotonic() + START_TIMEOUT_S
    while not server.started:
        assert thread.is_alive(), "the application did not start"
        assert time.monotonic() < end, "the application did not start in time"
        time.sleep(0.01)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10.0)
        assert not thread.is_alive()


@contextmanager
def running_api(broker, scope, store):
    """The API as `python -m streams.api.service`, as compose runs it."""
    port = free_ports(1)
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "APSE_KAFKA__SCOPE": scope,
        "APSE_API__PORT": str(port),
        "APSE_API__STORE": store,
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen([sys.executable, "-m", "streams.api.service"], env=environment)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            client.process = process
            wait_until(lambda: answers(client, "/readyz"))
            yield client
    finally:
        process.terminate()
        assert process.wait(STOP_S) in {0, -signal.SIGTERM, -signal.SIGKILL}


def answers(client, path):
    try:
        return client.get(path).status_code == 200
    except OSError:
        return False
