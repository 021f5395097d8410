"""The ingest process as a test starts it: it says when it is ready, and when it has ended."""

import signal
import sys
import threading

from streams.ingest.service import run
from streams.observe.log import configure_logging
from streams.settings import load_settings

if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings.log, process="ingest")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run(settings, stop, lambda: sys.stdout.write("ready\n") and sys.stdout.flush())
    sys.stdout.write("stopped\n")
