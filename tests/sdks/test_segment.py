"""Segment's SDKs: what they were given is what has landed."""

import unittest

from harness import node, python
from tracking import BrowserSdk, ServerSdk, TrackingTest


class Node(ServerSdk, TrackingTest):
    """@segment/analytics-node"""

    driver = node("segment-node.mjs")


class Python(ServerSdk, TrackingTest):
    """segment-analytics-python"""

    driver = python("segment-python.py")


class Browser(BrowserSdk, TrackingTest):
    """@segment/analytics-next"""

    sdk = "segment"
    modes = modes_that_retry = ("standard", "batching")
    modes_that_outlive = ("batching",)


if __name__ == "__main__":
    unittest.main()
