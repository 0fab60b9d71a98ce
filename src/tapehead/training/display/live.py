"""Live progress in a terminal: the pictures of all runs under way, redrawn in place."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tapehead.training.display.picture import INDENT, Picture
from tapehead.training.display.reporter import Reporter, RunInfo
from tapehead.training.display.words import count


class RichReporter(Reporter):
    """Redraws when told of something new: no thread of its own takes time from training."""

    def __init__(self, console: Console | None = None):
        self._console = console or Console()
        self._runs: dict[int, Picture] = {}
        self._live: Live | None = None
        self._heading: list[str] | None = None
        self._unicode = self._console.encoding.startswith("utf")

    def started(self, info: RunInfo) -> None:
        self._start(info.seed, info)

    def progressed(self, sequences: int, seconds: float) -> None:
        self._progress(self._only, sequences, seconds)

    def reported(self, row: Mapping[str, Any]) -> None:
        self._report(self._only, row)

    def noted(self, text: str) -> None:
        self._console.print(Text(text, style="yellow"))

    def finished(self, result: Mapping[str, Any]) -> None:
        self._finish(self._only, result)

    def ended(self) -> None:
        self._end(self._only)

    def for_seed(self, seed: int) -> Reporter:
        return _OneOfSeveral(self, seed)

    @property
    def _only(self) -> int:
        return next(iter(self._runs), 0)

    def _start(self, seed: int, info: RunInfo) -> None:
        self._runs[seed] = Picture(info, unicode=self._unicode)
        heading = _heading(info)
        if heading != self._heading:  # the same for every seed of one experiment
            what, *details = heading
            dot = " · " if self._unicode else "   "
            rest = "".join(dot + detail for detail in details)
            text = Text(f"\n{' ' * INDENT}{what}", style="bold").append(f"{rest}\n", "not bold")
            self._console.print(text)
            self._heading = heading
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._draw()

    def _progress(self, seed: int, sequences: int, seconds: float) -> None:
        self._runs[seed].progressed(sequences, seconds)
        self._draw()

    def _report(self, seed: int, row: Mapping[str, Any]) -> None:
        self._runs[seed].reported(row)  # drawn with the next progress: rows may come fast

    def _finish(self, seed: int, result: Mapping[str, Any]) -> None:
        self._runs[seed].finished(result)
        self._draw()

    def _end(self, seed: int) -> None:
        """Leave the last state of a run on the screen, and the live part to the others."""
        run = self._runs.pop(seed, None)
        try:
            if run is not None:
                self._console.print(run)
            if self._runs:
                self._draw()
            elif self._live is not None:
                self._live.update(Text(), refresh=True)
        finally:
            if not self._runs and self._live is not None:
                live, self._live = self._live, None
                live.stop()

    def _draw(self) -> None:
        if self._live is not None:
            pictures = [self._runs[seed] for seed in sorted(self._runs)]
            self._live.update(Group(*pictures), refresh=True)


class _OneOfSeveral(Reporter):
    """Tells a shared display about one of the runs on it."""

    def __init__(self, display: RichReporter, seed: int):
        self._display, self._seed = display, seed

    def started(self, info: RunInfo) -> None:
        self._display._start(self._seed, info)

    def progressed(self, sequences: int, seconds: float) -> None:
        self._display._progress(self._seed, sequences, seconds)

    def reported(self, row: Mapping[str, Any]) -> None:
        self._display._report(self._seed, row)

    def noted(self, text: str) -> None:
        self._display.noted(f"seed {self._seed}: {text}")

    def finished(self, result: Mapping[str, Any]) -> None:
        self._display._finish(self._seed, result)

    def ended(self) -> None:
        self._display._end(self._seed)


def _heading(info: RunInfo) -> list[str]:
    parts = [
        f"{info.machine} on {info.task}",
        f"{info.parameters:,} parameters",
        f"{info.device}, {count(info.threads, 'thread')}",
    ]
    if info.processes > 1:
        parts.append(f"{info.processes} processes")
    if info.backend:
        parts.append(f"backend {info.backend}")
    return parts
