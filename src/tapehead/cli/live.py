"""A training to watch in a browser while it goes on."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from tapehead.machines.machine import Machine
from tapehead.runs import TrainConfig
from tapehead.runs.provenance import provenance
from tapehead.tasks import Task
from tapehead.training import Reporter, RunInfo
from tapehead.viewing.page.document import document
from tapehead.viewing.page.panels import Recording
from tapehead.viewing.page.serving import PageServer
from tapehead.viewing.problems import recorded
from tapehead.viewing.view import choose_settings, headed, typical_size, varied_size

EVERY = 3.0
"""Seconds from one episode to the next, at least."""
SHARE = 0.03
"""Of the time of training that is spent on episodes and on showing them, at most; nothing while
nobody watches."""


class LivePage(Reporter):
    """The page of a run that goes on: its curve, and every few seconds a fresh episode.

    The machine is run between two steps of training, under the test stream's own random numbers;
    the page is made in a thread of the server. What is learned is the same to the bit.
    """

    def __init__(self, config: TrainConfig, server: PageServer):
        self._config, self._server = config, server
        self._rows: list[dict[str, Any]] = []
        self._facts: dict[str, Any] = {}
        self._result: Mapping[str, Any] | None = None
        self._machine: Machine | None = None
        self._task: Task | None = None
        self._recording: Callable[[], Recording] | None = None
        self._count, self._last, self._took = 0, 0.0, 0.0

    def started(self, info: RunInfo) -> None:
        self._facts = {**provenance(), "parameters": info.parameters, "backend": info.backend}

    def watching(self, machine: Machine, task: Task) -> None:
        self._machine, self._task = machine, task
        self._record()

    def progressed(self, sequences: int, seconds: float) -> None:
        if self._server.watched and time.monotonic() >= self._due:
            self._record()

    @property
    def _due(self) -> float:
        """When the next episode may be run."""
        return self._last + max(EVERY, (self._took + self._server.cost) / SHARE)

    def reported(self, row: Mapping[str, Any]) -> None:
        self._rows = [*self._rows, dict(row)]
        self._show()

    def finished(self, result: Mapping[str, Any]) -> None:
        self._result = result
        self._record()

    def ended(self) -> None:
        self._machine = None

    def close(self) -> None:
        """The page keeps what it has fetched."""
        self._server.wait_until_seen()
        self._server.close()

    def _record(self) -> None:
        machine, task = self._machine, self._task
        if machine is None or task is None:
            return
        began = time.monotonic()
        settings = choose_settings(task)
        label = typical_size(settings, varied_size(task))
        modes = [(part, part.training) for part in machine.modules()]
        machine.eval()
        try:
            self._recording = recorded(machine, settings[label], seed=self._count, label=label)
        finally:
            for part, mode in modes:
                part.training = mode
        self._count += 1
        self._last = time.monotonic()
        self._took = self._last - began
        self._show()

    def _show(self) -> None:
        config, task, rows = self._config, self._task, self._rows
        facts, result, recording = self._facts, self._result, self._recording
        if task is None:
            return

        def make() -> dict[str, Any]:
            return document(
                **headed(config, task, choose_settings(task)),
                config=config,
                task=task,
                recordings=[recording()] if recording else [],
                rows=rows,
                facts=facts,
                result=result,
                live=result is None,
            )

        self._server.show(make)
