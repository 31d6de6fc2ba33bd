"""The calls of Segment's specification, made on a client in Python: RudderStack's has the same methods."""

import copy
from datetime import datetime

from drive import arguments, batches, be_bounded, calls, given

# What the methods name otherwise than the messages do.
NAMES = {
    "messageId": "message_id",
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "groupId": "group_id",
    "previousId": "previous_id",
}
# What only Python can say: integers beyond a double's, and numbers as ids, which the SDKs make strings of.
MORE = [
    {"type": "track", "messageId": "{seed}-wide", "userId": 12345, "event": "Wide", "properties": {"wide": 9007199254740993}},
]


def drive(client_class):
    """Makes every call on a client, and waits until it has delivered all, or says that it has not."""
    endpoint, write_key, seed = arguments()
    be_bounded()
    failures = []
    client = client_class(write_key, host=endpoint, on_error=lambda error, batch: failures.append(error))
    more = [{**call, "messageId": call["messageId"].replace("{seed}", seed)} for call in MORE]
    for call in calls("calls.json", seed) + more + batches(seed):
        # The SDKs write into what they are given.
        named = {NAMES.get(name, name): copy.deepcopy(value) for name, value in call.items() if name != "type"}
        if "timestamp" in named:
            named["timestamp"] = datetime.fromisoformat(named["timestamp"].replace("Z", "+00:00"))
        queued, message = getattr(client, call["type"])(**named)
        if not queued:
            raise RuntimeError(f"the client's queue is full at {call}")
        given({**call, "messageId": message["messageId"]} | ({"userId": str(call["userId"])} if "userId" in call else {}))
    client.shutdown()
    if failures:
        raise failures[0]
