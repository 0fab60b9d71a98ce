"""Live progress in a terminal: the pictures of all runs under way, redrawn in place."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tapehead.training.display.picture import INDENT, Picture
from tapehead.training.display.reporter import Reporter, RunInfo
from tapehead.training.display.words import count, describe_preparing


class RichReporter(Reporter):
    """Redraws when told of something new: no thread of its own takes time from training.

    >>> import io
    >>> from rich.console import Console
    >>> from tapehead.training import RichReporter, TrainConfig, train
    >>> screen = io.StringIO()
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> train(config, reporter=RichReporter(Console(file=screen))).steps
    2
    >>> "lstm" in screen.getvalue()
    True
    """

    def __init__(self, console: Console | None = None):
        self._console = console or Console()
        self._runs: dict[str, Picture] = {}
        self._count: tuple[int, int, int] | None = None
        self._preparing: Text | None = None
        self._live: Live | None = None
        self._headings: list[list[str]] = []
        self._unicode = self._console.encoding.startswith("utf")

    def preparing(self, done: int, total: int, seconds_left: float | None) -> None:
        text = " " * INDENT + describe_preparing(done, total, seconds_left)
        self._preparing = Text(text) if done < total else None
        self._open()
        self._draw()

    def started(self, info: RunInfo) -> None:
        self._start(f"seed {info.seed}", info)

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

    def failed(self, reason: str) -> None:
        self._fail(self._only, reason)

    def for_run(self, name: str, seed: int) -> Reporter:
        return _OneOfSeveral(self, name)

    def counted(self, done: int, failed: int, total: int) -> None:
        self._count = (done, failed, total)
        self._draw()

    @property
    def _only(self) -> str:
        return next(iter(self._runs), "")

    def _start(self, name: str, info: RunInfo) -> None:
        self._runs[name] = Picture(info, name, unicode=self._unicode)
        heading = _heading(info)
        if heading not in self._headings:  # the same for every seed of one experiment
            what, *details = heading
            dot = " · " if self._unicode else "   "
            rest = "".join(dot + detail for detail in details)
            text = Text(f"\n{' ' * INDENT}{what}", style="bold").append(f"{rest}\n", "not bold")
            self._console.print(text)
            self._headings.append(heading)
        self._open()
        self._draw()

    def _open(self) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()

    def _progress(self, name: str, sequences: int, seconds: float) -> None:
        self._runs[name].progressed(sequences, seconds)
        self._draw()

    def _report(self, name: str, row: Mapping[str, Any]) -> None:
        self._runs[name].reported(row)  # drawn with the next progress: rows may come fast

    def _finish(self, name: str, result: Mapping[str, Any]) -> None:
        self._runs[name].finished(result)
        self._draw()

    def _fail(self, name: str, reason: str) -> None:
        self._console.print(Text(f"{' ' * INDENT}{name}: failed: {reason}", style="red"))

    def _end(self, name: str) -> None:
        """Leave the last state of a run on the screen, and the live part to the others."""
        run = self._runs.pop(name, None)
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
            parts: list[Picture | Text] = list(self._runs.values())
            if self._preparing is not None:
                parts.append(self._preparing)
            if self._count is not None:
                parts.append(_counted(*self._count))
            self._live.update(Group(*parts), refresh=True)


class _OneOfSeveral(Reporter):
    """Tells a shared display about one of the runs on it."""

    def __init__(self, display: RichReporter, name: str):
        self._display, self._name = display, name

    def preparing(self, done: int, total: int, seconds_left: float | None) -> None:
        self._display.preparing(done, total, seconds_left)

    def started(self, info: RunInfo) -> None:
        self._display._start(self._name, info)

    def progressed(self, sequences: int, seconds: float) -> None:
        self._display._progress(self._name, sequences, seconds)

    def reported(self, row: Mapping[str, Any]) -> None:
        self._display._report(self._name, row)

    def noted(self, text: str) -> None:
        self._display.noted(f"{self._name}: {text}")

    def finished(self, result: Mapping[str, Any]) -> None:
        self._display._finish(self._name, result)

    def failed(self, reason: str) -> None:
        self._display._fail(self._name, reason)

    def ended(self) -> None:
        self._display._end(self._name)


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


def _counted(done: int, failed: int, total: int) -> Text:
    text = Text(f"{' ' * INDENT}{done + failed} of {total} runs have ended", style="dim")
    return text.append(f", {failed} failed", style="red") if failed else text
