"""Drives `segment-analytics-python`."""

from segment.analytics.client import Client

from spec import drive

drive(Client)
