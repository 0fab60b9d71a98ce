"""Checkpoints: folders of plain tensors and JSON that are whole or recognised as damaged.

    checkpoint/1200/weights.safetensors     the machine, by parameter name
    checkpoint/1200/moving.safetensors      where weights is their average, those themselves
    checkpoint/1200/optimiser.safetensors   its state, by parameter name
    checkpoint/1200/random.safetensors      every random generator
    checkpoint/1200/scores.safetensors      scores since the last report
    checkpoint/1200/progress.json           position, the run's id and settings, size and SHA-256 of
                                            the other files, and of itself

A folder is filled under another name, flushed to disk and renamed, so the one with the highest
number is always whole. Nothing in it is code, and loading runs none.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
from torch import Tensor

from tapehead.errors import TapeheadError
from tapehead.files import clear_errors, fingerprint, read_file, remove, sync_folder, write_through
from tapehead.runs.checkpoint_header import (
    FORMAT,
    KIND,
    PROGRESS,
    DamagedCheckpoint,
    read_header,
)
from tapehead.runs.sealed import seal

_STEP = re.compile("0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """All that training needs to go on.

    step: number of steps done.
    parts: name of a part (`weights`, `optimiser`, `random`, `scores`) to its tensors by name.
    progress: everything that is not a tensor, as JSON values.
    run: id of the run that it belongs to; None for a run from before there were any.
    settings: those of the run.
    """

    step: int
    parts: Mapping[str, Mapping[str, Tensor]]
    progress: Mapping[str, Any]
    run: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: Collection[int] = ()) -> None:
    """Add a checkpoint and remove all but the last two and those named in `keep`.

    Raises:
        TapeheadError: the folder cannot be written. Earlier checkpoints are as they were.
    """
    earlier = [step for step in checkpoint_steps(folder) if step != checkpoint.step]
    temporary = folder / f".{checkpoint.step}.tmp"
    final = folder / str(checkpoint.step)
    try:
        folder.mkdir(exist_ok=True)
        remove(temporary)
        temporary.mkdir()
        files = {}
        for part, tensors in checkpoint.parts.items():
            whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            data = safetensors.torch.save(whole, metadata={"kind": KIND})
            write_through(temporary / f"{part}.safetensors", data)
            files[f"{part}.safetensors"] = fingerprint(data)
        header = {
            "kind": KIND,
            "format": FORMAT,
            "run": checkpoint.run,
            "step": checkpoint.step,
            "files": files,
            "settings": checkpoint.settings,
            "progress": checkpoint.progress,
        }
        write_through(temporary / PROGRESS, seal(json.dumps(header, indent=1, allow_nan=False)))
        sync_folder(temporary)
        remove(final)  # of before the last row, or left by a run that was resumed from before it
        os.rename(temporary, final)
        sync_folder(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        safe = f"; the checkpoint of step {earlier[-1]} is intact" if earlier else ""
        raise TapeheadError(
            f"cannot save a checkpoint in {folder}: {error.strerror or error}{safe}"
        ) from error
    with clear_errors(f"remove old checkpoints from {folder}"):
        for step in earlier[:-1]:
            if step not in keep:
                remove(folder / str(step))


def load_checkpoint(folder: Path, step: int, run: str | None = None) -> Checkpoint:
    """Read one checkpoint and check it against its fingerprints.

    Args:
        run: id of the run that it must belong to; None takes that of any run.

    Raises:
        DamagedCheckpoint: files are missing, cut short or altered.
        TapeheadError: it is not a checkpoint, or one of another run, or a newer tapehead wrote it.
    """
    path = folder / str(step)
    header = read_header(path)
    if header["step"] != step:
        raise DamagedCheckpoint(f"the checkpoint {path} is damaged: it is of step {header['step']}")
    if run is not None and header.get("run") != run:
        raise TapeheadError(f"the checkpoint {path} belongs to another run: take it out of there")
    parts = {}
    for file, known in header["files"].items():
        try:
            data = read_file(path / file)
        except OSError as error:
            raise DamagedCheckpoint(
                f"the checkpoint {path} is damaged: cannot read {file}: {error.strerror}"
            ) from error
        if len(data) != known["bytes"]:
            raise DamagedCheckpoint(
                f"the checkpoint {path} is damaged: {file} has {len(data):,} bytes "
                f"instead of {known['bytes']:,}"
            )
        if fingerprint(data) != known:
            raise DamagedCheckpoint(
                f"the checkpoint {path} is damaged: the contents of {file} have changed"
            )
        try:
            parts[file.removesuffix(".safetensors")] = safetensors.torch.load(data)
        except Exception as error:  # whatever that library makes of bytes of another kind
            raise DamagedCheckpoint(
                f"the checkpoint {path} is damaged: {file} holds no tensors ({error})"
            ) from error
    return Checkpoint(
        step=step,
        parts=_of_today(parts),
        progress=header["progress"],
        run=header.get("run"),
        settings=header.get("settings", {}),
    )


def _of_today(parts: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Parts as they are called today: until tapehead 0.1.0 machines held what is now learned by
    their objectives."""
    old = ("address_estimator.", "batches_seen")
    weights = parts.get("weights", {})
    moved = {name: tensor for name, tensor in weights.items() if name.startswith(old)}
    if not moved:
        return parts
    kept = {name: tensor for name, tensor in weights.items() if name not in moved}
    optimiser = {
        name.replace("/address_estimator.", "/objective.address_estimator."): tensor
        for name, tensor in parts.get("optimiser", {}).items()
    }
    return {**parts, "weights": kept, "optimiser": optimiser, "objective": moved}


def load_latest(
    folder: Path,
    run: str | None = None,
    check: Callable[[Checkpoint], None] = lambda checkpoint: None,
) -> tuple[Checkpoint | None, str | None]:
    """The last whole checkpoint, and a warning if a later one is damaged.

    Training from an earlier one arrives at the same weights, so going on is safe.

    Args:
        run: see `load_checkpoint`.
        check: raises DamagedCheckpoint if something else that a checkpoint needs is damaged.

    Returns:
        (None, None) if there is none yet.

    Raises:
        DamagedCheckpoint: none of them is whole.
        TapeheadError: the last is no checkpoint, or of another run, or a newer tapehead wrote it.
    """
    damage: DamagedCheckpoint | None = None
    for step in reversed(checkpoint_steps(folder)):
        try:
            checkpoint = load_checkpoint(folder, step, run)
            check(checkpoint)
        except DamagedCheckpoint as error:
            damage = damage or error
            continue
        warning = f"{damage}; going on from step {step} instead" if damage else None
        return checkpoint, warning
    if damage is not None:
        raise DamagedCheckpoint(f"{damage}; no earlier one is whole: train again from the start")
    return None, None


class Start(NamedTuple):
    """What a checkpoint says of its run; `metrics_bytes` is the length of metrics.jsonl then."""

    step: int
    run: str | None
    settings: Mapping[str, Any]
    metrics_bytes: int


def latest_start(folder: Path) -> Start | None:
    """Of the last checkpoint whose progress.json is whole, if there is one."""
    for step in reversed(checkpoint_steps(folder)):
        try:
            header = read_header(folder / str(step))
        except TapeheadError:
            continue
        if "settings" in header:
            length = header["progress"].get("metrics_bytes", 0)
            return Start(step, header["run"], header["settings"], length)
    return None


def checkpoint_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder, ascending; none if there is no folder yet.

    Raises:
        TapeheadError: it cannot be read, or is no folder.
    """
    with clear_errors(f"read {folder}"):
        if not os.path.lexists(folder):
            return []
        names = [path.name for path in folder.iterdir()]
    return sorted(int(name) for name in names if _STEP.fullmatch(name))


def forget_after(folder: Path, step: int) -> None:
    """Remove checkpoints later than `step`, and half-written ones."""
    with clear_errors(f"write to {folder}"):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.suffix == ".tmp" or (_STEP.fullmatch(path.name) and int(path.name) > step):
                remove(path)
