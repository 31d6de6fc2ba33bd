"""The calls of Segment's specification, made on a client in Python: RudderStack's has the same methods."""

from datetime import datetime

from drive import batches, be_bounded, calls, given

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


def drive(client, seed):
    """Makes every call, and waits until the client has delivered all, or says that it has not."""
    be_bounded()
    more = [{**call, "messageId": call["messageId"].replace("{seed}", seed)} for call in MORE]
    for call in calls("calls.json", seed) + more + batches(seed):
        arguments = {NAMES.get(name, name): value for name, value in call.items() if name != "type"}
        if "timestamp" in arguments:
            arguments["timestamp"] = datetime.fromisoformat(arguments["timestamp"].replace("Z", "+00:00"))
        queued, message = getattr(client, call["type"])(**arguments)
        if not queued:
            raise RuntimeError(f"the client's queue is full at {call}")
        given({**call, "messageId": message["messageId"]} | ({"userId": str(call["userId"])} if "userId" in call else {}))
    client.shutdown()
