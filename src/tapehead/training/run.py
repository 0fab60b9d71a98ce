"""The run directory: everything a training run leaves behind, never half-written.

config.json      all settings, versions, commit
metrics.jsonl    a row for each report and validation
checkpoint/      see checkpoint.py
figures/         pictures, drawn later
result.json      how it ended
.lock            held while a process trains here
"""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.training.checkpoint import FORMAT
from tapehead.training.config import TrainConfig
from tapehead.training.files import clear_errors, read_json, to_json, write_json
from tapehead.training.provenance import provenance

try:
    import fcntl
except ImportError:  # not a Unix: two processes in one directory go unnoticed there
    fcntl = None

_CONFIG, _METRICS, _RESULT, _LOCK = "config.json", "metrics.jsonl", "result.json", ".lock"


class RunDirectory:
    """A run directory held by this process; use as a context manager to let go of it.

    Raises:
        TapeheadError: it cannot be created or written, another process trains in it, or it holds
            something else than a run.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoint"
        self.figures = self.path / "figures"
        with clear_errors(f"write to the run directory {self.path}"):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / _LOCK, "a+")  # noqa: SIM115
        try:
            self._take_lock()
            others = [path.name for path in self.path.iterdir() if path.name not in _OURS]
            if others and not self.has_run:
                raise TapeheadError(
                    f"{self.path} is not a run directory and not empty (it holds {others[0]}): "
                    "choose another folder"
                )
            with clear_errors(f"write to the run directory {self.path}"):
                for path in self.path.glob(".*.tmp"):
                    path.unlink()
                # Unbuffered: after a failed write nothing is left to be written at the close.
                self._metrics = open(self.path / _METRICS, "ab", buffering=0)  # noqa: SIM115
        except BaseException:
            self._lock.close()
            raise

    @property
    def has_run(self) -> bool:
        return (self.path / _CONFIG).exists()

    def begin(self, config: TrainConfig, facts: Mapping[str, Any]) -> None:
        """Write config.json: the settings and what else decides or explains the numbers."""
        with clear_errors(f"write to the run directory {self.path}"):
            self.figures.mkdir(exist_ok=True)
            write_json(
                self.path / _CONFIG,
                {"format": FORMAT, "config": config.to_dict(), **facts, **provenance()},
            )

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row to metrics.jsonl."""
        with clear_errors(f"write to {self.path / _METRICS}"):
            line = to_json(row).encode() + b"\n"
            while line:
                line = line[self._metrics.write(line) :]

    def sync_metrics(self) -> int:
        """Wait until the disk has all rows; returns the length of the file in bytes."""
        with clear_errors(f"write to {self.path / _METRICS}"):
            os.fsync(self._metrics.fileno())
            return self._metrics.tell()

    def cut_metrics(self, length: int) -> None:
        """Drop the rows after a checkpoint: training will write them again.

        Raises:
            TapeheadError: rows from before the checkpoint are missing.
        """
        with clear_errors(f"write to {self.path / _METRICS}"):
            present = self._metrics.seek(0, os.SEEK_END)
            if present < length:
                raise TapeheadError(
                    f"{self.path / _METRICS} is damaged: it has {present:,} bytes, "
                    f"the checkpoint knows of {length:,}"
                )
            self._metrics.truncate(length)
            self._metrics.seek(length)

    def go_on(self, config: TrainConfig) -> None:
        """Note in config.json with which settings and versions a resumed run goes on."""
        value = read_json(self.path / _CONFIG, "run")
        value |= {
            "config": config.to_dict(),
            "resumed": [*value.get("resumed", []), provenance()],
        }
        with clear_errors(f"write to the run directory {self.path}"):
            write_json(self.path / _CONFIG, value)

    def forget_result(self) -> None:
        with clear_errors(f"write to the run directory {self.path}"):
            (self.path / _RESULT).unlink(missing_ok=True)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json."""
        with clear_errors(f"write to {self.path / _RESULT}"):
            write_json(self.path / _RESULT, result)

    def close(self) -> None:
        self._metrics.close()
        self._lock.close()  # which also gives up the lock

    def __enter__(self) -> "RunDirectory":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _take_lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            raise TapeheadError(
                f"the run directory {self.path} is in use by {holder}: wait, or choose another"
            ) from None
        except OSError:
            return  # a file system without locks
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._lock.flush()


_OURS = {_LOCK, _METRICS, "figures", f".{_CONFIG}.tmp"}


def read_config(path: Path | str) -> TrainConfig:
    """The settings of a run.

    Raises:
        TapeheadError: the folder holds no run, its config.json is damaged, or a newer tapehead
            wrote it.
    """
    path = Path(path)
    if not path.is_dir():
        raise TapeheadError(f"there is no run directory {path}")
    value = read_json(path / _CONFIG, "run")
    if not isinstance(value.get("config"), dict) or not isinstance(value.get("format"), int):
        raise TapeheadError(f"{path / _CONFIG} was not written by tapehead")
    if value["format"] > FORMAT:
        raise TapeheadError(
            f"{path} was written by a newer tapehead (format {value['format']}; this one reads "
            f"up to {FORMAT}): update tapehead"
        )
    try:
        return TrainConfig.from_dict(value["config"])
    except (TypeError, ValueError) as error:
        raise TapeheadError(f"{path / _CONFIG} does not fit this tapehead: {error}") from error


def read_metrics(path: Path | str) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl so far, while it is being written too.

    Raises:
        TapeheadError: there are none, or a row is damaged.
    """
    file = Path(path) / _METRICS
    with clear_errors(f"read {file}"):
        *lines, _unfinished = file.read_bytes().split(b"\n")
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise TapeheadError(f"{file} is damaged: {error}") from error


def read_result(path: Path | str) -> dict[str, Any] | None:
    """A run's result.json, or None if it has not ended yet."""
    file = Path(path) / _RESULT
    return read_json(file, "result") if file.exists() else None
