"""Checkpoints: folders of plain tensors and JSON that are whole or recognised as damaged.

    checkpoint/1200/weights.safetensors     the machine, by parameter name
    checkpoint/1200/optimiser.safetensors   its state, by parameter name
    checkpoint/1200/random.safetensors      every random generator
    checkpoint/1200/scores.safetensors      scores since the last report
    checkpoint/1200/progress.json           format, position, size and SHA-256 of the other files

A folder is filled under another name, flushed to disk and renamed, so the one with the highest
number is always whole. Nothing in it is code, and loading runs none.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from tapehead.errors import TapeheadError
from tapehead.training.files import read_json, sync_folder, write_through

FORMAT = 1
KIND = "tapehead checkpoint"
_PROGRESS = "progress.json"


class DamagedCheckpoint(TapeheadError):
    """A checkpoint whose files are missing, cut short or altered."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """All that training needs to go on.

    step: number of steps done.
    parts: name of a part (`weights`, `optimiser`, `random`, `scores`) to its tensors by name.
    progress: everything that is not a tensor, as JSON values.
    """

    step: int
    parts: Mapping[str, Mapping[str, Tensor]]
    progress: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: Collection[int] = ()) -> None:
    """Add a checkpoint and remove all but the last two and those named in `keep`.

    Raises:
        TapeheadError: the folder cannot be written. Earlier checkpoints are as they were.
    """
    earlier = checkpoint_steps(folder)
    temporary = folder / f".{checkpoint.step}.tmp"
    final = folder / str(checkpoint.step)
    try:
        folder.mkdir(exist_ok=True)
        _remove(temporary)
        temporary.mkdir()
        files = {}
        for part, tensors in checkpoint.parts.items():
            whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            data = safetensors.torch.save(whole, metadata={"kind": KIND})
            write_through(temporary / f"{part}.safetensors", data)
            files[f"{part}.safetensors"] = _fingerprint(data)
        header = {"kind": KIND, "format": FORMAT, "step": checkpoint.step, "files": files}
        text = json.dumps({**header, "progress": checkpoint.progress}, indent=1, allow_nan=False)
        write_through(temporary / _PROGRESS, text.encode())
        sync_folder(temporary)
        _remove(final)  # left by a run that was resumed from before it
        os.rename(temporary, final)
        sync_folder(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        safe = f"; the checkpoint of step {earlier[-1]} is intact" if earlier else ""
        raise TapeheadError(
            f"cannot save a checkpoint in {folder}: {error.strerror or error}{safe}"
        ) from error
    for step in earlier[:-1]:
        if step not in keep:
            _remove(folder / str(step))


def load_checkpoint(folder: Path, step: int) -> Checkpoint:
    """Read one checkpoint and check it against its fingerprints.

    Raises:
        DamagedCheckpoint: files are missing, cut short or altered.
        TapeheadError: it is not a checkpoint, or a newer tapehead wrote it.
    """
    path = folder / str(step)
    try:
        header = read_json(path / _PROGRESS, "checkpoint")
    except TapeheadError as error:
        raise DamagedCheckpoint(f"the checkpoint {path} is damaged: {error}") from error
    if header.get("kind") != KIND or not isinstance(header.get("format"), int):
        raise TapeheadError(f"{path} is not a checkpoint of tapehead")
    if header["format"] > FORMAT:
        raise TapeheadError(
            f"{path} was written by a newer tapehead (checkpoint format {header['format']}; "
            f"this one reads up to {FORMAT}): update tapehead"
        )
    if not _is_well_formed(header):
        raise TapeheadError(f"{path} is not a checkpoint of tapehead")
    parts = {}
    for file, fingerprint in header["files"].items():
        try:
            data = (path / file).read_bytes()
        except OSError as error:
            raise DamagedCheckpoint(
                f"the checkpoint {path} is damaged: cannot read {file}: {error.strerror}"
            ) from error
        if len(data) != fingerprint["bytes"]:
            raise DamagedCheckpoint(
                f"the checkpoint {path} is damaged: {file} has {len(data):,} bytes "
                f"instead of {fingerprint['bytes']:,}"
            )
        if _fingerprint(data) != fingerprint:
            raise DamagedCheckpoint(
                f"the checkpoint {path} is damaged: the contents of {file} have changed"
            )
        parts[file.removesuffix(".safetensors")] = safetensors.torch.load(data)
    return Checkpoint(step=header["step"], parts=parts, progress=header["progress"])


def load_latest(folder: Path) -> tuple[Checkpoint | None, str | None]:
    """The last whole checkpoint, and a warning if a later one is damaged.

    Training from an earlier one arrives at the same weights, so going on is safe.

    Returns:
        (None, None) if there is none yet.

    Raises:
        DamagedCheckpoint: none of them is whole.
        TapeheadError: the last is no checkpoint, or a newer tapehead wrote it.
    """
    damage: DamagedCheckpoint | None = None
    for step in reversed(checkpoint_steps(folder)):
        try:
            checkpoint = load_checkpoint(folder, step)
        except DamagedCheckpoint as error:
            damage = damage or error
            continue
        warning = f"{damage}; going on from step {step} instead" if damage else None
        return checkpoint, warning
    if damage is not None:
        raise DamagedCheckpoint(f"{damage}; no earlier one is whole: train again from the start")
    return None, None


def checkpoint_steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in a folder, ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def forget_after(folder: Path, step: int) -> None:
    """Remove checkpoints later than `step`, and half-written ones."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix == ".tmp" or (path.name.isdecimal() and int(path.name) > step):
            _remove(path)


def _is_well_formed(header: Mapping[str, Any]) -> bool:
    return (
        isinstance(header.get("step"), int)
        and isinstance(header.get("progress"), dict)
        and isinstance(header.get("files"), dict)
        and all(
            # A plain name: no header may point out of its folder.
            Path(file).name == file and isinstance(fingerprint, dict) and "bytes" in fingerprint
            for file, fingerprint in header["files"].items()
        )
    )


def _fingerprint(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _remove(path: Path) -> None:
    """Remove a folder in one move first, so that a kill leaves no half of it under its name."""
    if not path.exists():
        return
    doomed = path.with_name(f".{path.name.strip('.')}.doomed.tmp")
    shutil.rmtree(doomed, ignore_errors=True)
    os.rename(path, doomed)
    shutil.rmtree(doomed)
