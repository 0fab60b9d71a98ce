"""For logs, pipes and programs: plain lines, or JSON."""

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from io import TextIOBase
from typing import Any

from tapehead.files import to_json
from tapehead.training.display.reporter import Reporter, RunInfo
from tapehead.training.display.words import (
    clock,
    describe,
    describe_preparing,
    describe_result,
    describe_validation,
    told_metrics,
)

QUIET_FOR = 10.0
"""Seconds after which a run that has nothing to report says at least how far it is."""


class _Pulse(threading.Thread):
    """Calls `beat` whenever nothing was said for a while, whatever the run is busy with."""

    def __init__(self, every: float, beat: Callable[[], None]):
        super().__init__(name="tapehead-pulse", daemon=True)
        self._every, self._beat = every, beat
        self._over = threading.Event()
        self.said()

    def said(self) -> None:
        self._last = time.monotonic()

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        # Where there is nothing to write to, the run itself finds out.
        with contextlib.suppress(Exception):
            while not self._over.wait(max(self._last + self._every - time.monotonic(), 0.02)):
                if time.monotonic() >= self._last + self._every:
                    self.said()
                    self._beat()


class _Spoken(Reporter):
    """For logs and pipes: one line after the other, the next at most `QUIET_FOR` seconds later."""

    def __init__(self, file: TextIOBase | None, every: float):
        self._file, self._every = file, every
        self._pulse: _Pulse | None = None
        self._now = self._before = (0, 0.0)
        self._prepared = -math.inf

    def preparing(self, done: int, total: int, seconds_left: float | None) -> None:
        now = time.monotonic()
        if done == total or now >= self._prepared + self._every:
            self._prepared = now
            self._prepare(done, total, seconds_left)

    def started(self, info: RunInfo) -> None:
        self._now = self._before = (info.resumed_at, 0.0)
        self._pulse = _Pulse(self._every, self._beat)
        self._pulse.start()

    def progressed(self, sequences: int, seconds: float) -> None:
        if self._before[1] == 0.0:
            self._before = (sequences, seconds)
        self._now = (sequences, seconds)

    def reported(self, row: Mapping[str, Any]) -> None:
        if row["kind"] == "train":
            self._now = self._before = (row["sequences"], row["seconds"])

    def ended(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None

    def _prepare(self, done: int, total: int, seconds_left: float | None) -> None:
        """Say how far the making of problems is."""

    def _beat(self) -> None:
        """Say how far the run is."""

    def _speed(self) -> float | None:
        """Sequences a second since the last row; None where none was done."""
        (sequences, seconds), (start, begun) = self._now, self._before
        if sequences <= start or seconds <= begun:
            return None
        return (sequences - start) / (seconds - begun)

    def _print(self, text: str) -> None:
        if self._pulse is not None:
            self._pulse.said()
        print(text, file=self._file or sys.stdout, flush=True)


class LineReporter(_Spoken):
    """A plain line for each row.

    >>> import io
    >>> from tapehead.training import LineReporter, TrainConfig, train
    >>> lines = io.StringIO()
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> train(config, reporter=LineReporter(lines)).steps
    2
    >>> lines.getvalue().split()[:3]
    ['lstm', 'on', 'copy']
    """

    def __init__(self, file: TextIOBase | None = None, label: str = "", every: float = QUIET_FOR):
        super().__init__(file, every)
        self._label = label
        self._info: RunInfo | None = None
        self._widths: list[int] = []
        self._level = 0

    def started(self, info: RunInfo) -> None:
        super().started(info)
        self._info = info
        self._say(describe(info))
        scores = [metric.label for metric in told_metrics(info)]
        head = ["sequences", "loss", *scores, "per second", "time left"]
        self._widths = [max(12, len(name) + 2) for name in head]
        self._row(head)

    def reported(self, row: Mapping[str, Any]) -> None:
        super().reported(row)
        assert self._info is not None
        if row["kind"] == "validation":
            self._say(describe_validation(row, self._info))
            return
        level = row.get("difficulty", 1)
        if self._info.levels > 1 and level != self._level:
            self._level = level
            self._say(f"level {level} of {self._info.levels}")
        left = (self._info.max_sequences - row["sequences"]) / row["sequences_per_second"]
        cells = [
            f"{row['sequences']:,}",
            f"{row['loss']:.5f}",
            *(
                metric.shown(row[metric.name]) if metric.name in row else ""
                for metric in told_metrics(self._info)
            ),
            f"{row['sequences_per_second']:,.0f}",
            clock(left, whole=True),
        ]
        self._row(cells)

    def noted(self, text: str) -> None:
        self._say(text)

    def finished(self, result: Mapping[str, Any]) -> None:
        self._say(describe_result(result))

    def failed(self, reason: str) -> None:
        self._say(f"failed: {reason}")

    def for_run(self, name: str, seed: int) -> Reporter:
        return LineReporter(self._file, f"{name}: ", self._every)

    def _prepare(self, done: int, total: int, seconds_left: float | None) -> None:
        self._say(describe_preparing(done, total, seconds_left))

    def _beat(self) -> None:
        assert self._info is not None
        sequences, speed = self._now[0], self._speed()
        cells = [f"{sequences:,}", *[""] * (len(self._widths) - 3)]
        if speed is None:
            cells += ["", ""]
        else:
            left = (self._info.max_sequences - sequences) / speed
            cells += [f"{speed:,.3g}" if speed < 10 else f"{speed:,.0f}", clock(left, whole=True)]
        self._row(cells)

    def _row(self, cells: Sequence[str]) -> None:
        pairs = zip(cells, self._widths, strict=True)
        self._say("".join(f"{cell:>{width}}" for cell, width in pairs))

    def _say(self, text: str) -> None:
        self._print(self._label + text)


class JsonReporter(_Spoken):
    """One JSON object a line, for programs; `event` says which of the reporter's calls it was.

    >>> import io, json
    >>> from tapehead.training import JsonReporter, TrainConfig, train
    >>> lines = io.StringIO()
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> train(config, reporter=JsonReporter(lines)).steps
    2
    >>> [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
    ['started', 'reported', 'reported', 'finished']
    """

    def __init__(
        self,
        file: TextIOBase | None = None,
        seed: int | None = None,
        every: float = QUIET_FOR,
        name: str = "",
    ):
        super().__init__(file, every)
        self._which: dict[str, Any] = {} if seed is None else {"seed": seed}
        if name and name != f"seed {seed}":
            self._which["run"] = name

    def started(self, info: RunInfo) -> None:
        super().started(info)
        metric, threshold = info.pass_mark
        self._say("started", asdict(info) | {"pass_mark": [metric.name, threshold]})

    def reported(self, row: Mapping[str, Any]) -> None:
        super().reported(row)
        self._say("reported", row)

    def noted(self, text: str) -> None:
        self._say("noted", {"text": text})

    def finished(self, result: Mapping[str, Any]) -> None:
        self._say("finished", result)

    def failed(self, reason: str) -> None:
        self._say("failed", {"reason": reason})

    def for_run(self, name: str, seed: int) -> Reporter:
        return JsonReporter(self._file, seed, self._every, name)

    def _prepare(self, done: int, total: int, seconds_left: float | None) -> None:
        left = None if seconds_left is None else round(seconds_left, 3)
        self._say("preparing", {"done": done, "total": total, "seconds_left": left})

    def _beat(self) -> None:
        sequences, seconds = self._now
        self._say("progressed", {"sequences": sequences, "seconds": round(seconds, 3)})

    def _say(self, event: str, values: Mapping[str, Any]) -> None:
        line = to_json({"event": event, **self._which, **values})
        self._print(line)
