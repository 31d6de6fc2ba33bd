"""RudderStack's SDKs: what they were given is what has landed."""

import unittest

from harness import node, python
from tracking import BrowserSdk, ServerSdk, TrackingTest


class Node(ServerSdk, TrackingTest):
    """@rudderstack/rudder-sdk-node"""

    driver = node("rudderstack-node.mjs")


class Python(ServerSdk, TrackingTest):
    """rudder-sdk-python"""

    driver = python("rudderstack-python.py")
    identify_traits = ("context", "traits")


class Browser(BrowserSdk, TrackingTest):
    """@rudderstack/analytics-js"""

    sdk = "rudderstack"
    calls = TrackingTest.calls - {"screen"}
    identify_traits = ("context", "traits")
    modes = ("xhr", "batch", "beacon")
    # Nobody learns what became of a beacon.
    modes_that_retry = ("xhr", "batch")
    modes_that_outlive = ("beacon",)


if __name__ == "__main__":
    unittest.main()
