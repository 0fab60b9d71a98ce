"""The picture of one run on a live display: a bar and the last numbers."""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tapehead.training.display.reporter import RunInfo
from tapehead.training.display.words import clock, describe_result, told_metrics

_BLOCKS = "▁▂▃▄▅▆▇█"
_HISTORY = 512
INDENT = 2
_SHORTEST_BAR = 8


class Picture:
    """The picture of one run: a line with its bar and a line with its numbers."""

    def __init__(self, info: RunInfo, name: str, *, unicode: bool):
        self._info, self._name, self._unicode = info, name, unicode
        self._sequences, self._seconds = info.resumed_at, 0.0
        self._start = info.resumed_at
        self._row: Mapping[str, Any] | None = None
        self._validation: Mapping[str, Any] | None = None
        self._history: deque[float] = deque(maxlen=_HISTORY)
        self._first_seconds: float | None = None
        self._result: Mapping[str, Any] | None = None

    def progressed(self, sequences: int, seconds: float) -> None:
        if self._first_seconds is None:
            self._start, self._first_seconds = sequences, seconds
        self._sequences, self._seconds = sequences, seconds

    def reported(self, row: Mapping[str, Any]) -> None:
        if row["kind"] == "validation":
            self._validation = row
            return
        self._row = row
        mark = self._info.pass_mark
        if mark.metric.name in row:
            self._history.append(mark.distance(row[mark.metric.name]))

    def finished(self, result: Mapping[str, Any]) -> None:
        self._result = result

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Text]:
        if self._result is not None:
            yield self._ending(self._result, options.max_width)
            return
        yield self._bar_line(options.max_width - INDENT)
        yield self._numbers_line(options.max_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(20, options.max_width)

    def _bar_line(self, width: int) -> Table:
        total, speed = self._info.max_sequences, self._speed()
        name = Text(" " * INDENT + self._name, style="bold")
        done = f"{self._sequences:,} of {total:,}"
        at_most = "at most " if self._info.stop_when_solved else ""
        rate, left = "preparing", ""
        if speed is not None:
            rate = f"{speed:,.0f}/s"
            left = f"{at_most}{clock(max(total - self._sequences, 0) / speed, whole=True)} left"
        # Widths that do not change with the numbers: the bar stands still.
        fields = [
            (Text(done), 2 * len(f"{total:,}") + 4),
            (Text(left), len(f"{at_most}59:59 left")),
            (Text(rate, style="cyan" if speed else "dim"), 9),
        ]
        room = width - name.cell_len - 2 - _SHORTEST_BAR
        while fields and sum(least + 2 for _, least in fields) > room:
            fields.pop()  # a narrow terminal does without the last
        line = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        line.width = width
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        for _, least in fields:
            line.add_column(justify="right", no_wrap=True, min_width=least)
        bar = ProgressBar(total=total, completed=self._sequences, complete_style="cyan")
        line.add_row(name, bar, *(text for text, _ in fields))
        return line

    def _numbers_line(self, width: int) -> Text:
        line = Text(" " * (INDENT + len(self._name) + 2), no_wrap=True)
        if self._row is None:
            return line.append("waiting for the first report", style="dim")
        if self._info.levels > 1:
            _number(line, "level", f"{self._row.get('difficulty', 1)} of {self._info.levels}")
        _number(line, "loss", f"{self._row['loss']:.4f}")
        mark, row = self._info.pass_mark, self._row
        goal, *others = told_metrics(self._info)
        if goal.name in row:
            style = "bold green" if mark.met(row[goal.name]) else "bold"
            _number(line, goal.label, goal.shown(row[goal.name], 2), style, gap=1)
            line.append(f"(goal {mark.goal})   ", style="dim")
        for metric in others:
            if metric.name in row:
                _number(line, metric.name, f"{row[metric.name]:.0%}")
        if self._validation is not None and goal.name in self._validation:
            _number(line, "validation", goal.shown(self._validation[goal.name], 2))
        room = width - line.cell_len
        if self._unicode and len(self._history) > 1 and room > 8:
            line.append(sparkline(self._history, 1.0, min(room, 32)), style="cyan")
        line.truncate(width)
        return line

    def _ending(self, result: Mapping[str, Any], width: int) -> Text:
        line = Text(" " * INDENT)
        solved = result["solved"]
        mark = ("✓" if solved else "✗") if self._unicode else ("+" if solved else "-")
        line.append(f"{mark} ", style="bold green" if solved else "bold red")
        line.append(f"{self._name}  ", style="bold")
        line.append(describe_result(result))
        metric = self._info.pass_mark.metric
        extras = []
        if metric.name in result["scores"]:
            value = metric.shown(result["scores"][metric.name])
            extras.append((f", {value} {metric.label}", ""))
        if self._info.path:
            extras.append((f"  {self._info.path}", "dim"))
        for text, style in extras:
            if line.cell_len + len(text) <= width:
                line.append(text, style)
        return line

    def _speed(self) -> float | None:
        """Sequences per second, of the last row or since the start; None before the first step."""
        if self._row is not None:
            return self._row["sequences_per_second"]
        if self._first_seconds is None or self._seconds <= self._first_seconds:
            return None
        return (self._sequences - self._start) / (self._seconds - self._first_seconds)


def sparkline(values: Sequence[float], mark: float, width: int) -> str:
    """Values as blocks on a logarithmic scale, from `mark` or less to the largest."""
    width = min(width, len(values))
    values = list(values)
    pieces = [
        values[len(values) * place // width : len(values) * (place + 1) // width]
        for place in range(width)
    ]
    heights = [max(math.log(max(sum(piece), 1e-30) / len(piece) / mark), 0.0) for piece in pieces]
    top = max(*heights, 1.0)
    return "".join(_BLOCKS[round(height / top * (len(_BLOCKS) - 1))] for height in heights)


def _number(line: Text, name: str, value: str, style: str = "bold", gap: int = 3) -> None:
    line.append(f"{name} ", style="dim").append(value, style=style).append(" " * gap)
