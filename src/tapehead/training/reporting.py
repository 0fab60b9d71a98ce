"""Who tells the world how training goes: nobody, plain lines or JSON. `progress.py` is for eyes."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import TextIOBase
from typing import Any

from tapehead.tasks.metrics import SOLVED, Metric, PassMark
from tapehead.training.files import to_json


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What a reporter may want to say about a run before it starts.

    resumed_at: sequences done before; 0 for a fresh run.
    pass_mark: the metric and the threshold that decide whether the task is solved.
    backend: what computes the machine's operation, and why nothing quicker does.
    """

    task: str
    machine: str
    seed: int
    parameters: int
    device: str
    threads: int
    processes: int
    max_sequences: int
    stop_when_solved: bool
    pass_mark: PassMark
    resumed_at: int
    path: str | None
    backend: str = ""


class Reporter:
    """Is told what happens; this one keeps silent, and is the base of the others.

    One run calls `started`, then `progressed` a few times a second and `reported` for each row of
    metrics, then `finished` unless it failed, and `ended` in any case.
    """

    def started(self, info: RunInfo) -> None:
        """Training is about to begin."""

    def progressed(self, sequences: int, seconds: float) -> None:
        """So many sequences are done, after so many seconds of training."""

    def reported(self, row: Mapping[str, Any]) -> None:
        """A row of metrics.jsonl was written."""

    def noted(self, text: str) -> None:
        """Something a user should know."""

    def finished(self, result: Mapping[str, Any]) -> None:
        """Training has come to its end; `result` is that of result.json."""

    def ended(self) -> None:
        """Nothing more will come, whether training finished, failed or was stopped."""

    def for_seed(self, seed: int) -> "Reporter":
        """The reporter for one of several runs of which some may go on at the same time."""
        return self


class QuietReporter(Reporter):
    """Says only what a user should know, on standard error."""

    def noted(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


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
    """A plain line for each row."""

    def __init__(self, file: TextIOBase | None = None, label: str = "", every: float = QUIET_FOR):
        super().__init__(file, every)
        self._label = label
        self._info: RunInfo | None = None
        self._widths: list[int] = []

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

    def for_seed(self, seed: int) -> Reporter:
        return LineReporter(self._file, f"seed {seed}: ", self._every)

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
    """One JSON object a line, for programs; `event` says which of the reporter's calls it was."""

    def __init__(
        self,
        file: TextIOBase | None = None,
        seed: int | None = None,
        every: float = QUIET_FOR,
    ):
        super().__init__(file, every)
        self._seed = seed

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

    def for_seed(self, seed: int) -> Reporter:
        return JsonReporter(self._file, seed, self._every)

    def _beat(self) -> None:
        sequences, seconds = self._now
        self._say("progressed", {"sequences": sequences, "seconds": round(seconds, 3)})

    def _say(self, event: str, values: Mapping[str, Any]) -> None:
        seed = {} if self._seed is None else {"seed": self._seed}
        line = to_json({"event": event, **seed, **values})
        self._print(line)


def describe(info: RunInfo) -> str:
    parts = [
        f"{info.machine} on {info.task}",
        f"seed {info.seed}",
        f"{info.parameters:,} parameters",
        f"{info.device}, {count(info.threads, 'thread')}",
    ]
    if info.processes > 1:
        parts.append(f"{info.processes} processes")
    if info.backend:
        parts.append(f"backend {info.backend}")
    if info.resumed_at:
        parts.append(f"resumed at {info.resumed_at:,} sequences")
    if info.path:
        parts.append(info.path)
    return "   ".join(parts)


def describe_validation(row: Mapping[str, Any], info: RunInfo) -> str:
    metric = info.pass_mark.metric
    verdict = "solved" if row["passed"] else f"not yet {info.pass_mark}"
    value = f"{metric.shown(row[metric.name])} {metric.label}"
    return f"validation at {row['sequences']:,}: {value}, {verdict}"


def describe_result(result: Mapping[str, Any]) -> str:
    ending = "solved" if result["solved"] else "not solved"
    return f"{ending} after {result['sequences']:,} sequences in {clock(result['seconds'])}"


def told_metrics(info: RunInfo) -> tuple[Metric, ...]:
    """What live lines say beside the loss: the pass mark's metric, and the share solved."""
    return tuple(dict.fromkeys((info.pass_mark.metric, SOLVED)))


def count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def clock(seconds: float, *, whole: bool = False) -> str:
    """Seconds as 9.8 s (0:10 if whole), 3:05 or 2:03:05."""
    if seconds < 60 and not whole:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
