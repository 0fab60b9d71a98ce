"""What only shows may fail: a pane too narrow, a terminal that is gone, a full disk behind a pipe.

The job it tells of goes on. A closed pipe is another matter: who closed it wants no more.
"""

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tapehead.machines.machine import Machine
from tapehead.ops.backends import in_one_line
from tapehead.signals import StopRequest
from tapehead.tasks import Task
from tapehead.training.display.reporter import Reporter, RunInfo


class Showing:
    """Calls what shows; says once that it failed, and tries again when there is more to show.

    Args:
        stop: is told of a closed pipe, so that `train | head` saves and ends; without it the error
            is passed on.

    Attributes:
        failed: whether something could not be shown.
    """

    def __init__(self, stop: StopRequest | None = None) -> None:
        self.failed, self._stop = False, stop

    def __call__(self, show: Callable[..., Any], *details: Any) -> None:
        try:
            show(*details)
        except BrokenPipeError:
            if self._stop is None:
                raise
            self._stop.broken_pipe()
        except Exception as error:
            said, self.failed = self.failed, True
            if not said:
                _complain(f"showing this failed, the job goes on: {in_one_line(error)}")


def _complain(text: str) -> None:
    # A display may have put itself in place of the first.
    for stream in (sys.stderr, sys.__stderr__):
        with contextlib.suppress(Exception):
            print(text, file=stream, flush=True)
            return


class Shielded(Reporter):
    """A reporter whose errors end no run."""

    def __init__(self, reporter: Reporter, showing: Showing | None = None):
        self._reporter, self._showing = reporter, showing or Showing()

    def preparing(self, done: int, total: int, seconds_left: float | None) -> None:
        self._showing(self._reporter.preparing, done, total, seconds_left)

    def started(self, info: RunInfo) -> None:
        self._showing(self._reporter.started, info)

    def watching(self, machine: Machine, task: Task) -> None:
        self._showing(self._reporter.watching, machine, task)

    def progressed(self, sequences: int, seconds: float) -> None:
        self._showing(self._reporter.progressed, sequences, seconds)

    def reported(self, row: Mapping[str, Any]) -> None:
        self._showing(self._reporter.reported, row)

    def noted(self, text: str) -> None:
        self._showing(self._reporter.noted, text)

    def restarted(self, text: str) -> None:
        self._showing(self._reporter.restarted, text)

    def finished(self, result: Mapping[str, Any]) -> None:
        self._showing(self._reporter.finished, result)

    def ended(self) -> None:
        self._showing(self._reporter.ended)

    def failed(self, reason: str) -> None:
        self._showing(self._reporter.failed, reason)

    def for_run(self, name: str, seed: int) -> Reporter:
        return Shielded(self._reporter.for_run(name, seed), self._showing)

    def counted(self, done: int, failed: int, total: int) -> None:
        self._showing(self._reporter.counted, done, failed, total)
