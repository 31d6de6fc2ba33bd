"""Drives `rudder-sdk-python`."""

from rudderstack.analytics.client import Client

from spec import drive

drive(Client)
