"""A run that a tracker follows: metrics.jsonl stays the truth, the tracker has a copy of it."""

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.checks import choice
from tapehead.errors import TapeheadError
from tapehead.files import write_json
from tapehead.ops.backends import in_one_line
from tapehead.runs.records import read_metrics, read_start
from tapehead.training.display.reporter import Reporter, RunInfo
from tapehead.training.tracking.sinks import FOLDER, Sink, Source, to_tensorboard, to_trackio

NOTE = "tracking.json"
"""In a run directory: for each tracker the last row that it was told."""


class Tracker(NamedTuple):
    """What is known of one before it is asked for.

    package: that must be installed.
    open: begins, or goes on with what the tracker has of the same run.
    folder: in the run directory, where it keeps what it has, and drops the rows that a resumed
        run writes again; None: it keeps it elsewhere, and drops nothing.
    """

    package: str
    open: Callable[[Source], Sink]
    folder: str | None


TRACKERS: dict[str, Tracker] = {
    "tensorboard": Tracker("tensorboard", to_tensorboard, FOLDER),
    "trackio": Tracker("trackio", to_trackio, None),
}


def check_tracker(name: str) -> None:
    """
    Raises:
        ValueError: there is no such tracker.
        TapeheadError: its package is not installed; names the extra that brings it.
    """
    choice(TRACKERS)("track", name)
    package = TRACKERS[name].package
    if find_spec(package) is None:
        raise TapeheadError(
            f"tracking with {name} needs the package {package}: install tapehead with its extra "
            f"[{name}]"
        )


class Position(NamedTuple):
    """Of a row in metrics.jsonl; rows are written in this order, each position once."""

    step: int
    kind: str


NOTHING = Position(-1, "")


class Tracking(Reporter):
    """Tells a tracker each row of a run.

    A run that goes on goes on in the tracker too: rows that it has are not told twice, and rows
    from before it was asked are told first. What the tracker could not take is tried again with
    the next row. Errors are raised as TapeheadErrors, for a `Shielded` to catch.

    Args:
        name: of the tracker, one of TRACKERS.

    >>> import tempfile
    >>> from tapehead.training import TrainConfig, train
    >>> from tapehead.training.tracking import Tracking
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     train(config, folder, reporter=Tracking("tensorboard")).steps
    2
    """

    def __init__(self, name: str):
        self._name, self._tracker = name, TRACKERS[name]
        self._source: Source | None = None
        self._sink: Sink | None = None
        self._told = NOTHING
        self._rows: list[Mapping[str, Any]] = []

    def for_run(self, name: str, seed: int) -> "Tracking":
        return Tracking(self._name)

    def started(self, info: RunInfo) -> None:
        if info.path is None:
            raise TapeheadError(f"{self._name} follows only runs that have a run directory")
        path = Path(info.path)
        start = read_start(path)
        earlier = [row for row in _rows_of(path) if row["sequences"] <= info.resumed_at]
        self._told = _noted(path).get(self._name, NOTHING)
        folder = self._tracker.folder
        if folder is not None:
            kept = earlier and (path / folder).exists()
            self._told = min(self._told, _position(earlier[-1])) if kept else NOTHING
        self._source = Source(path, start["config"], str(start.get("run")), info.resumed_at)
        self._rows = [*earlier]
        self._tell()

    def reported(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        self._tell()

    def ended(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            self._try(sink.close)

    def _tell(self) -> None:
        """Give the tracker what it lacks."""
        self._rows = [row for row in self._rows if _position(row) > self._told]
        if not self._rows or self._source is None:
            return
        if self._sink is None:
            self._sink = self._try(self._tracker.open, self._source)
        while self._rows:
            row = self._rows[0]
            numbers = {
                name: float(value)
                for name, value in row.items()
                if name not in ("step", "sequences") and isinstance(value, bool | int | float)
            }
            self._try(self._sink.add, row["kind"], row["sequences"], numbers)
            self._told = _position(self._rows.pop(0))
        notes = _noted(self._source.path) | {self._name: self._told}
        write_json(self._source.path / NOTE, notes)

    def _try(self, what: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return what(*arguments)
        except Exception as error:  # of whatever kind: a broken pipe of its own is none of ours
            raise TapeheadError(f"{self._name}: {in_one_line(error)}") from error


def _position(row: Mapping[str, Any]) -> Position:
    return Position(row["step"], row["kind"])


def _rows_of(path: Path) -> list[dict[str, Any]]:
    try:
        return read_metrics(path)
    except TapeheadError:  # none yet
        return []


def _noted(path: Path) -> dict[str, Position]:
    try:
        notes = json.loads((path / NOTE).read_text(encoding="utf-8"))
        return {name: Position(int(step), str(kind)) for name, (step, kind) in notes.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # none, or none of ours
        return {}
