"""Opening a run directory for a new run or for going on with an old one."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.files import is_there
from tapehead.runs.checkpoint import (
    Checkpoint,
    forget_after,
    load_checkpoint,
    load_latest,
)
from tapehead.runs.config import TrainConfig
from tapehead.runs.directory import RunDirectory
from tapehead.runs.records import CONFIG, read_config, read_result, run_id
from tapehead.runs.resumable import check_resumable
from tapehead.training.display.reporter import Reporter
from tapehead.training.progress import progress_of
from tapehead.training.session import Session


def check_run_folder(path: Path | str, config: TrainConfig, *, resume: bool) -> None:
    """Refuse early what `open_run` would, and change nothing.

    Raises:
        TapeheadError: the folder holds a run, and it is not to be resumed or has other settings.
    """
    if not is_there(Path(path) / CONFIG):
        return
    if not resume:
        raise TapeheadError(f"{path} holds a run already: resume it, or choose another folder")
    check_resumable(read_config(path, to_resume=True), config)


def open_run(
    path: Path | str,
    config: TrainConfig,
    facts: Mapping[str, Any],
    *,
    resume: bool,
    reporter: Reporter | None = None,
) -> RunDirectory:
    """The run directory, locked, with config.json in it.

    Raises:
        TapeheadError: it holds a run already and `resume` is false, or that run has other
            settings, or the directory cannot be used.
    """
    reporter = reporter or Reporter()
    run = RunDirectory(path)
    try:
        if not run.has_run:
            run.begin(config, facts)
        else:
            check_run_folder(path, config, resume=resume)
            earlier, warning = run.know()
            if warning:
                reporter.noted(f"warning: {warning}")
            if earlier != config or not _has_whole_result(run, reporter):
                run.go_on(config)
    except BaseException:
        run.close()
        raise
    return run


def _has_whole_result(run: RunDirectory, reporter: Reporter) -> bool:
    """Whether the run has come to its end; a damaged result.json is removed, to be had again."""
    try:
        return read_result(run.path) is not None
    except TapeheadError as error:
        reporter.noted(f"warning: {error}; it is written anew")
        run.forget_result()
        return False


def restore_latest(
    session: Session, path: Path, run: RunDirectory | None, reporter: Reporter
) -> None:
    """Bring a session to the last whole checkpoint, and the files of the run with it.

    Args:
        run: the directory at `path`, in the process that writes to it; None in the others.
    """
    folder, checkpoint = path / "checkpoint", None
    if run is not None:
        checkpoint, warning = load_latest(folder, run.id, partial(_check, run, session.config))
        if warning:
            reporter.noted(f"warning: {warning}")
    if session.processes.world_size > 1:
        step = session.processes.broadcast(checkpoint.step if checkpoint else None)
        if run is None and step is not None:
            checkpoint = load_checkpoint(folder, step, run_id(path))
    if checkpoint is not None:
        session.restore(checkpoint)
    if run is not None:
        forget_after(folder, session.progress.step)
        run.cut_metrics(session.progress.metrics_bytes, session.progress.metrics_check)


def _check(run: RunDirectory, config: TrainConfig, checkpoint: Checkpoint) -> None:
    """Compare a checkpoint with what else there is of its run.

    Raises:
        DamagedCheckpoint: rows of metrics from before it are missing or have changed.
        TapeheadError: it was saved with settings that a resumed run may not change.
    """
    try:
        saved = TrainConfig.from_dict(dict(checkpoint.settings)) if checkpoint.settings else None
        progress = progress_of(checkpoint)
    except (TypeError, ValueError) as error:
        raise TapeheadError(
            f"the checkpoint of step {checkpoint.step} does not fit this tapehead: {error}"
        ) from error
    if saved is not None:
        check_resumable(saved, config)
    run.check_metrics(progress.metrics_bytes, progress.metrics_check)
