"""Reading a run directory: its settings, rows and result, each checked as it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapehead.checks import shown
from tapehead.errors import TapeheadError
from tapehead.files import is_there, read_bytes
from tapehead.runs.checkpoint import checkpoint_steps, latest_start
from tapehead.runs.checkpoint_header import FIRST_SEALED, FORMAT
from tapehead.runs.config import TrainConfig
from tapehead.runs.result import checked_result
from tapehead.runs.sealed import BrokenSeal, read_sealed, unchained

CONFIG, METRICS, RESULT = "config.json", "metrics.jsonl", "result.json"


class EditedConfig(TapeheadError):
    """A config.json that is not as tapehead wrote it; the message names the setting that changed.

    value: what it holds now, without its seal.
    same_settings: whether id and settings are those of the last checkpoint, so that nothing is
        lost by writing it anew.
    """

    def __init__(self, path: Path, value: Mapping[str, Any]):
        self.value = {name: entry for name, entry in value.items() if name != "sha256"}
        self.same_settings = False
        file, config = path / CONFIG, value.get("config")
        known = latest_start(path / "checkpoint")
        if known is None or not isinstance(config, dict):
            super().__init__(f"{file} is damaged: it has changed since tapehead wrote it")
            return
        changed = next(
            (n for n in {**known.settings, **config} if known.settings.get(n) != config.get(n)),
            None,
        )
        if changed is None:
            self.same_settings = value.get("run") == known.run and value.get("format") == FORMAT
            comfort = "its settings are whole" if self.same_settings else "its id is another"
            super().__init__(f"{file} was edited, but for its settings: {comfort}")
            return
        super().__init__(
            f"{file} was edited: {changed} is {shown(config.get(changed))} and was "
            f"{shown(known.settings.get(changed))} at step {known.step:,}; put it back, and give "
            "what a resumed run may change as an option"
        )


def read_start(path: Path | str) -> dict[str, Any]:
    """All that config.json of a run holds: `config`, `run` (its id), versions and so on.

    Raises:
        TapeheadError: the folder holds no run, its config.json is damaged or was edited, or a newer
            tapehead wrote it.
    """
    path = Path(path)
    if not is_there(path) or not path.is_dir():
        raise TapeheadError(f"there is no run directory {path}")
    try:
        value, sealed = read_sealed(path / CONFIG, "run")
    except BrokenSeal as error:
        raise EditedConfig(path, error.value) from None
    number = value.get("format")
    if "kind" in value:
        from tapehead.machines.pretrained import KIND

        if value["kind"] == KIND:
            raise TapeheadError(f"{path} is a saved machine, not a run: it has no task to run on")
    if not isinstance(value.get("config"), dict) or not isinstance(number, int):
        raise TapeheadError(f"{path / CONFIG} was not written by tapehead")
    if number > FORMAT:
        raise TapeheadError(
            f"{path} was written by a newer tapehead (format {number}; this one reads "
            f"up to {FORMAT}): update tapehead"
        )
    whole = isinstance(value.get("run"), str) if sealed else 0 < number < FIRST_SEALED
    if not whole:
        raise EditedConfig(path, value)
    return value


def read_config(path: Path | str, *, to_resume: bool = False) -> TrainConfig:
    """The settings of a run.

    Args:
        to_resume: let an edit pass that changed no setting, which resuming mends.

    Raises:
        TapeheadError: the folder holds no run, its config.json is damaged or was edited, or a newer
            tapehead wrote it.
    """
    try:
        value = read_start(path)
    except EditedConfig as error:
        if not (to_resume and error.same_settings):
            raise
        value = error.value
    try:
        return TrainConfig.from_dict(value["config"])
    except (TypeError, ValueError) as error:
        raise TapeheadError(f"{Path(path) / CONFIG} does not fit this tapehead: {error}") from error


def run_id(path: Path | str) -> str | None:
    """What ties the files of a run together; None for a run from before there were ids."""
    return read_start(path).get("run")


def read_metrics(path: Path | str) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl so far, while it is being written too.

    Raises:
        TapeheadError: there are none, a row is damaged, or some that a checkpoint knows are gone.
    """
    path = Path(path)
    file = path / METRICS
    known = latest_start(path / "checkpoint")  # before the rows, which may become more meanwhile
    data = read_bytes(file, "metrics")
    *lines, unfinished = data.split(b"\n")
    start = run_id(path) if is_there(path / CONFIG) else None
    try:
        rows = [row for row, _ in unchained(lines, start)]
    except ValueError as error:
        raise TapeheadError(f"{file} is damaged: {error}") from error
    whole = len(data) - len(unfinished)
    if known is not None and known.run == start and whole < known.metrics_bytes:
        raise TapeheadError(
            f"{file} is damaged: whole rows take {whole:,} bytes, the checkpoint of step "
            f"{known.step:,} knows of {known.metrics_bytes:,}"
        )
    return rows


def read_result(path: Path | str, *, of_any_step: bool = False) -> dict[str, Any] | None:
    """A run's result.json, or None if it has not ended yet.

    Args:
        of_any_step: even one of a step whose checkpoint is no longer there, or not yet.

    Raises:
        TapeheadError: it is damaged, was edited, belongs to another run, or to a step beyond the
            last checkpoint, as after a copy of some of the files.
    """
    path = Path(path)
    file = path / RESULT
    if not is_there(file):
        return None
    value, sealed = read_sealed(file, "result")
    run = run_id(path) if is_there(path / CONFIG) else None
    if run is not None and not sealed:
        raise BrokenSeal(file, value)
    if value.pop("run", None) != run and run is not None:
        raise TapeheadError(
            f"{file} belongs to another run: remove it, and resume to have it again"
        )
    result = checked_result(value, file)
    steps = [] if of_any_step else checkpoint_steps(path / "checkpoint")
    if steps and result["steps"] > steps[-1]:
        raise TapeheadError(
            f"{file} is of step {result['steps']:,}, the last checkpoint of step {steps[-1]:,}: "
            "remove it, and resume to have it again"
        )
    return result
