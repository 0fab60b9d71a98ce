"""Opening a run directory for a new run or for going on with an old one."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.training.checkpoint import forget_after, load_checkpoint, load_latest
from tapehead.training.config import TrainConfig
from tapehead.training.reporting import Reporter
from tapehead.training.run import RunDirectory, read_config, read_result
from tapehead.training.session import Session

MANNER = ("checkpoint_every", "device", "threads", "deterministic")
"""Options that say how a run is done, not what comes out of it."""
MAY_CHANGE = ("max_sequences", "stop_when_solved", "test_sequences", *MANNER)
"""Options that a resumed run may change; any other would make it a run of neither setting."""


def open_run(
    path: Path | str, config: TrainConfig, facts: Mapping[str, Any], *, resume: bool
) -> RunDirectory:
    """The run directory, locked, with config.json in it.

    Raises:
        TapeheadError: it holds a run already and `resume` is false, or that run has other
            settings, or the directory cannot be used.
    """
    run = RunDirectory(path)
    try:
        if not run.has_run:
            run.begin(config, facts)
        elif not resume:
            raise TapeheadError(f"{path} holds a run already: resume it, or choose another folder")
        else:
            earlier = read_config(path)
            check_resumable(earlier, config)
            if earlier != config or read_result(path) is None:
                run.go_on(config)
    except BaseException:
        run.close()
        raise
    return run


def restore_latest(
    session: Session, path: Path, run: RunDirectory | None, reporter: Reporter
) -> None:
    """Bring a session to the last whole checkpoint, and the files of the run with it.

    Args:
        run: the directory at `path`, in the process that writes to it; None in the others.
    """
    folder, checkpoint = path / "checkpoint", None
    if run is not None:
        checkpoint, warning = load_latest(folder)
        if warning:
            reporter.noted(f"warning: {warning}")
    if session.fabric.world_size > 1:
        step = session.fabric.broadcast(checkpoint.step if checkpoint else None)
        if run is None and step is not None:
            checkpoint = load_checkpoint(folder, step)
    if checkpoint is not None:
        session.restore(checkpoint)
    if run is not None:
        forget_after(folder, session.progress.step)
        run.cut_metrics(session.progress.metrics_bytes)


def check_resumable(earlier: TrainConfig, config: TrainConfig) -> None:
    """
    Raises:
        TapeheadError: a run of the earlier settings cannot go on with these.
    """
    allowed = list(MAY_CHANGE)
    if config.schedule != "constant" or config.curriculum == "linear":
        allowed.remove("max_sequences")  # it decides the course of these
    for option in differing(earlier, config):
        if option not in allowed:
            before, now = getattr(earlier, option), getattr(config, option)
            raise TapeheadError(
                f"cannot resume: {option} was {before!r} and is now {now!r}; "
                f"only {', '.join(allowed)} may change"
            )


def differing(earlier: TrainConfig, config: TrainConfig) -> list[str]:
    """Names of the options that two settings do not share."""
    return [
        option.name
        for option in fields(TrainConfig)
        if getattr(earlier, option.name) != getattr(config, option.name)
    ]
