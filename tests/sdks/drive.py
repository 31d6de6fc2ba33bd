"""What every driver in Python shares: the calls to make, and an end in bounded time.

    python3 tests/sdks/NAME.py ENDPOINT WRITEKEY SEED

prints what it gave to the SDK, one JSON object a call, and exits with 0 once the SDK says that all is delivered.
"""

import json
import os
import pathlib
import sys
import threading
from datetime import datetime, timedelta, timezone

DEADLINE_S = 60


def arguments():
    """ENDPOINT, WRITEKEY and SEED."""
    if len(sys.argv) != 4:
        sys.exit("usage: NAME.py ENDPOINT WRITEKEY SEED")
    return sys.argv[1:]


def calls(name, seed):
    """The calls of a file here; ids are other ones for another seed."""
    text = (pathlib.Path(__file__).parent / name).read_text(encoding="utf-8")
    return json.loads(text.replace("{seed}", seed))


def batches(seed):
    """Some hundred calls more, which no SDK sends in one request."""
    start = datetime(2026, 11, 22, 20, 8, tzinfo=timezone.utc)
    return [
        {
            "type": "track",
            "messageId": f"{seed}-many-{index}",
            "userId": f"u-{index % 7}",
            "event": "One of Many",
            "properties": {"index": index, "text": "x" * index},
            "timestamp": (start + timedelta(milliseconds=index)).isoformat(timespec="milliseconds"),
        }
        for index in range(250)
    ]


def given(call):
    """Notes what was given to the SDK."""
    print(json.dumps(call))


def be_bounded():
    """Ends the process with a failure after a minute: SDKs would try for hours."""

    def over():
        print(f"not delivered within {DEADLINE_S} s", file=sys.stderr, flush=True)
        os._exit(3)

    timer = threading.Timer(DEADLINE_S, over)
    timer.daemon = True
    timer.start()
