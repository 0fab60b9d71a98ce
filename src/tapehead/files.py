"""Files that are either whole or not there: written under another name, flushed, then renamed."""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError

LINE = 100
"""Characters of a line of JSON that is written for people."""


def user_cache() -> Path:
    """Where a user's copies are of what can be made again.

    Raises:
        RuntimeError: there is no home folder.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapehead"


def fingerprint(data: bytes) -> dict[str, Any]:
    """Length and digest of what a file holds, to know it again."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, or leave it as it was: also when killed half-way."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write_through(temporary, data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    write_atomically(path, (to_lines(value) + "\n").encode())


def to_json(value: Any) -> str:
    """JSON as it is defined, in one line: numbers that are not finite become null."""
    return json.dumps(_with_null(value), allow_nan=False)


def to_lines(value: Any) -> str:
    """The same for people to read: what fits into a line of 100 stands in one, as a row of a table
    does."""
    return _laid_out(json.loads(to_json(value)), "")


def _laid_out(value: Any, indent: str) -> str:
    line = json.dumps(value)
    if len(indent) + len(line) <= LINE or not line.startswith(("{", "[")):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {_laid_out(each, inner)}" for name, each in value.items()]
    else:
        parts = [_laid_out(each, inner) for each in value]
    body = f",\n{inner}".join(parts)
    return f"{line[0]}\n{inner}{body}\n{indent}{line[-1]}"


def _with_null(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _with_null(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_null(item) for item in value]
    return value


def write_through(path: Path, data: bytes) -> None:
    """Write and wait until the disk has it."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names in a folder; a rename is not safe before."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove what is there, if anything is; a folder in one move first, so that a kill leaves no
    half of it under its name."""
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    doomed = path.with_name(f".{path.name.strip('.')}.doomed.tmp")
    shutil.rmtree(doomed, ignore_errors=True)
    os.rename(path, doomed)
    shutil.rmtree(doomed)


def is_there(path: Path) -> bool:
    """Whether there is something by that name; a link to nothing is nothing.

    Raises:
        TapeheadError: nobody may look.
    """
    with clear_errors(f"read {path}"):
        return path.exists()


def refuse_special(path: Path) -> None:
    """Raise an OSError if what is there is neither a file nor a folder: to open a pipe may take for
    ever."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "not a file", str(path))


def read_file(path: Path) -> bytes:
    """All of a file.

    Raises:
        OSError: it is missing or unreadable, or no file.
    """
    refuse_special(path)
    return path.read_bytes()


def read_bytes(path: Path, what: str) -> bytes:
    """All of a file that should hold `what`.

    Raises:
        TapeheadError: the file is missing or unreadable, or no file.
    """
    try:
        return read_file(path)
    except FileNotFoundError:
        raise TapeheadError(f"{path.parent} holds no {what}: {path.name} is missing") from None
    except OSError as error:
        raise TapeheadError(f"cannot read {path}: {error.strerror}") from error


def parse_json(data: bytes, path: Path, what: str) -> dict[str, Any]:
    """The JSON object in the bytes of a file.

    Raises:
        TapeheadError: they are something else.
    """
    try:
        value = json.loads(data.decode(), parse_constant=_no_number)
    except RecursionError:
        raise TapeheadError(f"{path} is damaged: its JSON is nested too deeply") from None
    except ValueError as error:  # not UTF-8, or not JSON
        raise TapeheadError(f"{path} is damaged: not JSON ({error})") from error
    if not isinstance(value, Mapping):
        raise TapeheadError(f"{path} is no {what}: a JSON object is expected")
    return dict(value)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


@contextmanager
def clear_errors(doing: str, comfort: str = "") -> Iterator[None]:
    """Turn an error of the operating system into one line: what failed, why, what is still safe."""
    try:
        yield
    except OSError as error:
        raise TapeheadError(f"cannot {doing}: {error.strerror or error}{comfort}") from error
