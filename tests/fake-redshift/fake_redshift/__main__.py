"""Runs a fake until it is told to end. tests/services/redshift.sh starts it, with a PostgreSQL behind it."""

import signal
import sys
import threading

from . import http_front, wire
from .engine import Engine
from .settings import parse


def main():
    """Serves both fronts until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    engine = Engine(parse(sys.argv[1:]))
    fronts = [http_front.Server(engine), wire.Server(engine)]
    for front in fronts:
        front.start()
    print("ready", flush=True)
    stop.wait()


main()
