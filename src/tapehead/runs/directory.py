"""The run directory: everything a training run leaves behind, never half-written.

config.json      the run's id, all settings, versions, commit
metrics.jsonl    a row for each report and validation
checkpoint/      see checkpoint.py
figures/         pictures, drawn later
result.json      how it ended
.lock            held while a process trains here

config.json and result.json are sealed and each row of metrics has a check, see sealed.py: a changed
digit is found when they are read. The id ties them to the checkpoints of the same run.
"""

import os
import re
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.files import (
    clear_errors,
    is_there,
    read_file,
    refuse_special,
    to_json,
    write_json,
)
from tapehead.runs.checkpoint_header import FORMAT, DamagedCheckpoint
from tapehead.runs.config import TrainConfig
from tapehead.runs.provenance import provenance
from tapehead.runs.records import (
    CONFIG,
    METRICS,
    RESULT,
    EditedConfig,
    read_config,
    read_start,
)
from tapehead.runs.sealed import chained, unchained, write_sealed

try:
    import fcntl
except ImportError:  # not a Unix: two processes in one directory go unnoticed there
    fcntl = None

_LOCK = ".lock"


class RunInUse(TapeheadError):
    """Another process trains in a run directory."""


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
        self.id: str | None = None
        """Of the run, once it has begun or is known; None if it is from before there were ids."""
        self._check = ""
        with clear_errors(f"write to the run directory {self.path}"):
            self.path.mkdir(parents=True, exist_ok=True)
            refuse_special(self.path / _LOCK)
            self._lock = open(self.path / _LOCK, "a+")  # noqa: SIM115
        try:
            self._take_lock()
            with clear_errors(f"read the run directory {self.path}"):
                others = [path.name for path in self.path.iterdir() if path.name not in _OURS]
            if others and not self.has_run:
                raise TapeheadError(
                    f"{self.path} is not a run directory and not empty (it holds {others[0]}): "
                    "choose another folder"
                )
            with clear_errors(f"write to the run directory {self.path}"):
                for path in self.path.glob(".*.tmp"):
                    path.unlink()
            with clear_errors(f"write to {self.path / METRICS}"):
                refuse_special(self.path / METRICS)
                # Unbuffered: after a failed write nothing is left to be written at the close.
                self._metrics = open(self.path / METRICS, "ab", buffering=0)  # noqa: SIM115
        except BaseException:
            self._lock.close()
            raise

    @property
    def has_run(self) -> bool:
        return is_there(self.path / CONFIG)

    def know(self) -> tuple[TrainConfig, str | None]:
        """Settings of the run that is here, and a warning if its config.json had to be mended.

        Raises:
            TapeheadError: see `read_config`.
        """
        warning = None
        try:
            value = read_start(self.path)
        except EditedConfig as error:
            if not error.same_settings:
                raise
            warning, value = f"{error}; written anew", error.value
            with clear_errors(f"write to the run directory {self.path}"):
                write_sealed(self.path / CONFIG, value)
        self.id = value.get("run")
        self._check = self.id or ""
        return read_config(self.path), warning

    def begin(self, config: TrainConfig, facts: Mapping[str, Any]) -> None:
        """Write config.json: the settings and what else decides or explains the numbers."""
        self.id = secrets.token_hex(8)
        self._check = self.id
        value = {"format": FORMAT, "run": self.id, "config": config.to_dict()}
        with clear_errors(f"write to the run directory {self.path}"):
            self.figures.mkdir(exist_ok=True)
            write_sealed(self.path / CONFIG, {**value, **facts, **provenance()})

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row to metrics.jsonl."""
        line = to_json(row).encode() + b"\n"
        if self.id is not None:
            line, self._check = chained(to_json(row), self._check)
        with clear_errors(f"write to {self.path / METRICS}"):
            while line:
                line = line[self._metrics.write(line) :]

    def sync_metrics(self) -> tuple[int, str]:
        """Wait until the disk has all rows; returns the file's length and the last row's check."""
        with clear_errors(f"write to {self.path / METRICS}"):
            os.fsync(self._metrics.fileno())
            return self._metrics.tell(), self._check

    def check_metrics(self, length: int, check: str) -> None:
        """Compare the rows with what `sync_metrics` returned when a checkpoint was taken.

        Raises:
            DamagedCheckpoint: rows from before the checkpoint are missing or have changed.
        """
        file = self.path / METRICS
        with clear_errors(f"read {file}"):
            data = read_file(file)
        reason, found = None, self.id or ""
        if len(data) < length:
            reason = f"it has {len(data):,} bytes, the checkpoint knows of {length:,}"
        try:
            for _, found in unchained(data[:length].split(b"\n")[:-1], self.id):  # noqa: B007
                pass
        except ValueError as error:
            reason = reason or str(error)
        if reason is None and self.id is not None and found != check:
            reason = "its rows are not those that the checkpoint knows"
        if reason is not None:
            raise DamagedCheckpoint(f"{file} is damaged: {reason}")

    def cut_metrics(self, length: int, check: str) -> None:
        """Drop the rows after a checkpoint: training will write them again."""
        with clear_errors(f"write to {self.path / METRICS}"):
            self._metrics.truncate(length)
            self._metrics.seek(length)
        self._check = check or self.id or ""

    def go_on(self, config: TrainConfig) -> None:
        """Note in config.json with which settings and versions a resumed run goes on."""
        value = read_start(self.path)
        value |= {
            "config": config.to_dict(),
            "resumed": [*value.get("resumed", []), provenance()],
        }
        with clear_errors(f"write to the run directory {self.path}"):
            (write_json if self.id is None else write_sealed)(self.path / CONFIG, value)

    def forget_result(self) -> None:
        with clear_errors(f"remove {self.path / RESULT}"):
            (self.path / RESULT).unlink(missing_ok=True)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json."""
        with clear_errors(f"write to {self.path / RESULT}"):
            if self.id is None:
                write_json(self.path / RESULT, result)
            else:
                write_sealed(self.path / RESULT, {"run": self.id, **result})

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
            raise RunInUse(
                f"the run directory {self.path} is in use by {holder}: wait, or choose another"
            ) from None
        except OSError:
            return  # a file system without locks
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._lock.flush()


def is_in_use(path: Path | str) -> bool:
    """Whether a process trains in a run directory now.

    A process that was killed holds its lock no more. Where locks cannot be had or are of no use,
    the process that the lock names must be there; one on another machine is believed to be.
    """
    try:
        with open(Path(path) / _LOCK) as file:
            holder = _HOLDER.match(file.read())
            # Looking takes the lock for a moment, in which no training could begin: so not of a
            # process that has gone, where nobody would notice.
            if (
                holder is not None
                and holder["host"] == socket.gethostname()
                and not _is_alive(int(holder["process"]))
            ):
                return False
            if fcntl is None:
                return True
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:
                return True  # a file system without locks
    except OSError:
        pass
    return False


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


_HOLDER = re.compile(r"process (?P<process>\d+) on (?P<host>\S+)\n")
_OURS = {_LOCK, METRICS, "figures", "view.html", f".{CONFIG}.tmp"}
