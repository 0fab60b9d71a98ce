"""Opening a run directory for a new run or for going on with an old one."""

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.training.checkpoint import (
    Checkpoint,
    forget_after,
    load_checkpoint,
    load_latest,
)
from tapehead.training.config import TrainConfig
from tapehead.training.records import read_result, run_id
from tapehead.training.reporting import Reporter
from tapehead.training.run import RunDirectory
from tapehead.training.session import Session

MANNER = ("checkpoint_every", "device", "threads", "deterministic")
"""Options that say how a run is done, not what comes out of it."""
MAY_CHANGE = ("max_sequences", "stop_when_solved", "test_sequences", *MANNER)
"""Options that a resumed run may change; any other would make it a run of neither setting."""


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
        elif not resume:
            raise TapeheadError(f"{path} holds a run already: resume it, or choose another folder")
        else:
            earlier, warning = run.know()
            if warning:
                reporter.noted(f"warning: {warning}")
            check_resumable(earlier, config)
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
    if session.fabric.world_size > 1:
        step = session.fabric.broadcast(checkpoint.step if checkpoint else None)
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
    if checkpoint.settings:
        check_resumable(TrainConfig.from_dict(dict(checkpoint.settings)), config)
    run.check_metrics(
        checkpoint.progress.get("metrics_bytes", 0), checkpoint.progress.get("metrics_check", "")
    )


def check_resumable(earlier: TrainConfig, config: TrainConfig) -> None:
    """
    Raises:
        TapeheadError: a run of the earlier settings cannot go on with these.
    """
    for option in differing(earlier, config):
        before, now = getattr(earlier, option), getattr(config, option)
        what = f"cannot resume: {option} was {before!r} and is now {now!r}"
        if option not in MAY_CHANGE:
            raise TapeheadError(f"{what}; only {', '.join(MAY_CHANGE)} may change")
        bound = _bound_to_length(earlier)
        if option == "max_sequences" and bound is not None:
            raise TapeheadError(
                f"{what}, but {bound}: from its first step a longer run is another one, so train "
                "it in a folder of its own"
            )


def _bound_to_length(config: TrainConfig) -> str | None:
    """How a run's course depends on max_sequences, in words."""
    if config.schedule != "constant":
        return f"the {config.schedule} schedule of the learning rate ends at max_sequences"
    if config.curriculum == "linear" and config.curriculum_sequences is None:
        return "the linear curriculum ends half-way to max_sequences"
    return None


def differing(earlier: TrainConfig, config: TrainConfig) -> list[str]:
    """Names of the options that two settings do not share."""
    return [
        option.name
        for option in fields(TrainConfig)
        if getattr(earlier, option.name) != getattr(config, option.name)
    ]
