"""What trackers make of rows. Each is imported when it is asked for."""

import contextlib
import contextvars
import io
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

FOLDER = "tensorboard"
"""In a run directory: the event files."""


class Source(NamedTuple):
    """The run that is followed.

    settings: all of them, as plain values.
    run: its id.
    resumed_at: sequences done before.
    """

    path: Path
    settings: Mapping[str, Any]
    run: str
    resumed_at: int


@runtime_checkable
class Sink(Protocol):
    """A tracker that is open."""

    def add(self, kind: str, sequences: int, numbers: Mapping[str, float]) -> None:
        """A row: "train" or "validation", after so many sequences."""

    def close(self) -> None: ...


class _TensorBoard:
    """Event files in the run directory; rows past the point where a run goes on are purged."""

    def __init__(self, source: Source):
        writer = import_module("torch.utils.tensorboard").SummaryWriter
        purge = source.resumed_at + 1 if (source.path / FOLDER).exists() else None
        self._writer = writer(str(source.path / FOLDER), purge_step=purge)
        if purge is None:
            settings = json.dumps(source.settings, indent=2)
            self._writer.add_text("settings", f"```\n{settings}\n```")

    def add(self, kind: str, sequences: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            self._writer.add_scalar(f"{kind}/{name}", number, sequences)
        # A killed process leaves its rows behind, as it does in metrics.jsonl.
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Trackio:
    """A run of the project tapehead-TASK, in the folder that trackio keeps on this machine.

    Rows that a resumed run writes again are not told again. Of a process that is killed, trackio
    may lose what it was told in the last half second.
    """

    def __init__(self, source: Source):
        settings = source.settings
        name = f"{settings['machine']}-seed-{settings['seed']}-{source.run[:8]}"
        # A context of its own: a second run of this process would end the first.
        context = contextvars.copy_context()
        begin = import_module("trackio").init
        with contextlib.redirect_stdout(io.StringIO()):
            self._run = context.run(
                begin,
                project=f"tapehead-{settings['task']}",
                name=name,
                config=dict(settings),
                resume="allow",
            )

    def add(self, kind: str, sequences: int, numbers: Mapping[str, float]) -> None:
        self._run.log({f"{kind}/{name}": number for name, number in numbers.items()}, sequences)

    def close(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self._run.finish()


def to_tensorboard(source: Source) -> Sink:
    return _TensorBoard(source)


def to_trackio(source: Source) -> Sink:
    return _Trackio(source)
