#!/usr/bin/env python3
"""moto's server: AWS Glue in memory, on a free port, until standard input ends.

Prints `GLUE_ENDPOINT=http://127.0.0.1:PORT` when it listens. It ends with whoever started it.
"""

import logging
import sys

from moto.server import ThreadedMotoServer


def main():
    # A line for each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    print(f"GLUE_ENDPOINT=http://127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
