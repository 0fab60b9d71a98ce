"""Trackers of other makers: they are told the rows of metrics.jsonl as these are written."""

from tapehead.training.tracking.tracking import TRACKERS, Tracking, check_tracker

__all__ = ["TRACKERS", "Tracking", "check_tracker"]
