"""Drives `cloudevents` for Python: each event in binary and in structured mode, and all in a batch.

The SDK makes messages and leaves sending them to the application: this one sends again what was not taken.
"""

import json
import time
from datetime import datetime

import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from drive import arguments, be_bounded, calls, given

SOURCE = "/tests/cloudevents-python"
BATCH = {"content-type": "application/cloudevents-batch+json"}


def events(mode, seed):
    """The events to send in this mode."""
    for index, call in enumerate(calls("events.json", seed)):
        data = call.pop("data")
        # Not what HTTP's headers could hold as it is: the SDK has to encode it.
        subject = {"subject": f"sübject {index} %"} if "subject" in call else {}
        when = f"2026-11-22T20:07:{10 + index}.123+00:00"
        attributes = {"type": "sdk_event", "source": SOURCE, "time": when, **call, **subject, "id": f"{call['id']}-{mode}"}
        given({"mode": mode, **attributes, "data": data})
        attributes["time"] = datetime.fromisoformat(when)
        yield CloudEvent({**attributes, "datacontenttype": "application/json"}, data)


def post(endpoint, headers, body):
    """Sends a message until it is taken."""
    while True:
        try:
            reply = requests.post(f"{endpoint}/v1/events", data=body, headers=headers, timeout=10)
        except requests.ConnectionError:
            time.sleep(0.05)
            continue
        if reply.status_code == 200:
            return
        if reply.status_code not in (429, 503):
            raise RuntimeError(f"{reply.status_code}: {reply.text}")
        time.sleep(float(reply.headers["retry-after"]))


def main():
    endpoint, _, seed = arguments()
    be_bounded()
    for event in events("binary", seed):
        message = to_binary_event(event)
        post(endpoint, message.headers, message.body)
    for event in events("structured", seed):
        message = to_structured_event(event)
        post(endpoint, message.headers, message.body)
    batch = [json.loads(to_structured_event(event).body) for event in events("batch", seed)]
    post(endpoint, BATCH, json.dumps(batch))


main()
