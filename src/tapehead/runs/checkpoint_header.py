"""The header of a checkpoint, progress.json: what it must say, and which formats can be read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.runs.sealed import BrokenSeal, read_sealed

FORMAT = 2
"""Of what is written today, checkpoints and run directories."""
FIRST_SEALED = 2
"""Formats before this one have no seal, and are tied to no run."""
KIND = "tapehead checkpoint"
PROGRESS = "progress.json"


class DamagedCheckpoint(TapeheadError):
    """A checkpoint whose files are missing, cut short or altered."""


def read_header(path: Path) -> dict[str, Any]:
    """What progress.json in the folder of a checkpoint holds; its files are yet to be checked.

    Raises:
        DamagedCheckpoint: it is missing, cut short or altered.
        TapeheadError: it is of no checkpoint, or a newer tapehead wrote it.
    """
    try:
        header, sealed = read_sealed(path / PROGRESS, "checkpoint")
    except BrokenSeal as error:
        raise DamagedCheckpoint(
            f"the checkpoint {path} is damaged: the contents of {PROGRESS} have changed"
        ) from error
    except TapeheadError as error:
        raise DamagedCheckpoint(f"the checkpoint {path} is damaged: {error}") from error
    number = header.get("format")
    if header.get("kind") != KIND or not isinstance(number, int):
        raise TapeheadError(f"{path} is not a checkpoint of tapehead")
    if number > FORMAT:
        raise TapeheadError(
            f"{path} was written by a newer tapehead (checkpoint format {number}; "
            f"this one reads up to {FORMAT}): update tapehead"
        )
    if not sealed and not 0 < number < FIRST_SEALED:
        raise DamagedCheckpoint(
            f"the checkpoint {path} is damaged: the contents of {PROGRESS} have changed"
        )
    if not _is_well_formed(header):
        raise TapeheadError(f"{path} is not a checkpoint of tapehead")
    return header


def _is_well_formed(header: Mapping[str, Any]) -> bool:
    return (
        isinstance(header.get("step"), int)
        and isinstance(header.get("progress"), dict)
        and isinstance(header.get("settings", {}), dict)
        and isinstance(header.get("files"), dict)
        and all(
            # A plain name: no header may point out of its folder.
            Path(file).name == file
            and isinstance(fingerprint, dict)
            and isinstance(fingerprint.get("bytes"), int)
            for file, fingerprint in header["files"].items()
        )
    )
