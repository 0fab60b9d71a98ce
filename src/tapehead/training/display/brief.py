"""For logs of many runs: a line when one begins or ends, and now and then one in between."""

import math
import sys
import time
from collections.abc import Mapping
from io import TextIOBase
from typing import Any

from tapehead.training.display.reporter import Reporter, RunInfo
from tapehead.training.display.words import describe_preparing, described_row, ending

EVERY = 60.0
"""Seconds between two lines of a run."""


class BriefReporter(Reporter):
    """See `LineReporter` for a line for each row.

    >>> import io
    >>> from tapehead.training import TrainConfig, train
    >>> from tapehead.training.display import BriefReporter
    >>> lines = io.StringIO()
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> train(config, reporter=BriefReporter(lines, "seed 0: ")).steps
    2
    >>> lines.getvalue().splitlines()
    ['seed 0: under way', 'seed 0: not solved after 16 sequences']
    """

    def __init__(self, file: TextIOBase | None = None, label: str = "", every: float = EVERY):
        self._file, self._label, self._every = file, label, every
        self._told = -math.inf

    def preparing(self, done: int, total: int, seconds_left: float | None) -> None:
        if done == total or time.monotonic() >= self._told + self._every:
            self._told = time.monotonic()
            self._say(describe_preparing(done, total, seconds_left))

    def started(self, info: RunInfo) -> None:
        self._info, self._told = info, time.monotonic()
        self._say("under way")

    def reported(self, row: Mapping[str, Any]) -> None:
        if row["kind"] == "train" and time.monotonic() >= self._told + self._every:
            self._told = time.monotonic()
            self._say(described_row(row, self._info))

    def noted(self, text: str) -> None:
        self._say(text)

    def finished(self, result: Mapping[str, Any]) -> None:
        self._say(ending(result))

    def failed(self, reason: str) -> None:
        self._say(f"failed: {reason}")

    def for_run(self, name: str, seed: int) -> Reporter:
        return BriefReporter(self._file, f"{name}: ", self._every)

    def _say(self, text: str) -> None:
        print(self._label + text, file=self._file or sys.stdout, flush=True)
