"""Files that show when they were changed: JSON that ends in a digest of itself, and chained rows.

They guard against damage and against edits by hand, not against someone who counts digests anew.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.files import parse_json, read_bytes, to_lines, write_atomically

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]+', re.DOTALL)
_SEALED = re.compile(r'(.*),"sha256":"([0-9a-f]{64})"\}', re.DOTALL)
_ROW = re.compile(rb'(\{.*), "check": "([0-9a-f]{16})"\}', re.DOTALL)


class BrokenSeal(TapeheadError):
    """A file has changed since it was written; `value` is what it holds now."""

    def __init__(self, path: Path, value: dict[str, Any]):
        super().__init__(f"{path} is damaged: it has changed since tapehead wrote it")
        self.value = value


def seal(text: str) -> bytes:
    """A JSON object, not an empty one, with one more entry: `sha256`, a digest of the others.

    The digest is of the text without its layout, so that every changed digit or letter shows, and
    a file that an editor has only indented anew is still whole.
    """
    body = text.rstrip().removesuffix("}").rstrip()
    return f'{body},\n  "sha256": "{_digest(_tight(body))}"\n}}\n'.encode()


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Replace `path` by sealed JSON, or leave it as it was."""
    write_atomically(path, seal(to_lines(value)))


def read_sealed(path: Path, what: str) -> tuple[dict[str, Any], bool]:
    """The JSON object in a file without its seal, and whether it had one.

    Args:
        what: what the file should hold, in words.

    Raises:
        BrokenSeal: it has changed since it was sealed.
        TapeheadError: the file is missing, unreadable or not a JSON object.
    """
    data = read_bytes(path, what)
    value = parse_json(data, path, what)
    if "sha256" not in value:
        return value, False
    match = _SEALED.fullmatch(_tight(data.decode()))
    if match is None or _digest(match[1]) != match[2]:
        raise BrokenSeal(path, value)
    del value["sha256"]
    return value, True


def chained(row: str, before: str) -> tuple[bytes, str]:
    """A line for a row of JSON, with a `check` of itself and of all rows before it.

    Args:
        before: the check of the row before, or the run's id.

    Returns:
        The line and its check.
    """
    body = row.removesuffix("}").encode()
    check = _check(body, before)
    return body + f', "check": "{check}"}}\n'.encode(), check


def unchained(lines: Iterable[bytes], start: str | None) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of chained lines, each with its check.

    Args:
        start: the run's id; None for rows without checks, from before there were any.

    Raises:
        ValueError: a line has changed, or is not JSON.
    """
    before = start
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else error
            raise ValueError(f"row {number} is not JSON ({reason})") from error
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is not a JSON object")
        if before is not None:
            match = _ROW.fullmatch(line)
            if match is None or _check(match[1], before).encode() != match[2]:
                raise ValueError(f"row {number} has changed since it was written, or one before it")
            before = row.pop("check")
        elif "check" in row:
            raise ValueError(f"row {number} cannot be checked without the run's config.json")
        yield row, before or ""


def _tight(text: str) -> str:
    """JSON without the blanks between its parts."""
    return "".join(_TOKENS.findall(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check(body: bytes, before: str) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()[:16]
