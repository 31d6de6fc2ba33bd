"""Drives `snowplow-tracker`: POST with Base64, and GET without."""

import logging
import time

from snowplow_tracker import Emitter, PageView, SelfDescribing, SelfDescribingJson, StructuredEvent, Subject, Tracker

from drive import arguments, be_bounded, calls, given


def build(call):
    """The event of a call."""
    shared = {
        "context": [SelfDescribingJson(each["schema"], each["data"]) for each in call.get("contexts", [])] or None,
        "true_timestamp": call.get("timestamp"),
    }
    if call["type"] == "page_view":
        return PageView(call["url"], call["title"], call["referrer"], **shared)
    if call["type"] == "struct":
        names = ("category", "action", "label", "property", "value")
        return StructuredEvent(*(call.get(name) for name in names), **shared)
    return SelfDescribing(SelfDescribingJson(call["schema"], call["data"]), **shared)


def send(endpoint, method, seed):
    """Makes every call, and waits until all are delivered."""
    delivered = []
    # It tries again by a timer, later and later.
    emitter = Emitter(endpoint, method=method, on_success=delivered.extend, max_retry_delay_seconds=1, request_timeout=10)
    subject = Subject().set_user_id(f"u-{seed}")
    tracker = Tracker(f"python-{method}", emitter, subject, app_id="tests", encode_base64=method == "post")
    many = [{"type": "struct", "category": "many", "action": "one", "value": index} for index in range(40)]
    all_calls = calls("snowplow.json", seed) + many
    for call in all_calls:
        event_id = tracker.track(build(call))
        given({**call, "method": method, "id": event_id, "userId": f"u-{seed}", "namespace": f"python-{method}"})
    while len({event["eid"] for event in delivered}) < len(all_calls):
        tracker.flush()
        time.sleep(0.05)


def main():
    endpoint, _, seed = arguments()
    logging.getLogger("snowplow_tracker").setLevel(logging.WARNING)
    be_bounded()
    send(endpoint, "post", seed)
    send(endpoint, "get", seed)


main()
