"""Edits of a run directory: what disks, editors, copying tools and curious people do to it."""

import contextlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from tapehead.runs.sealed import chained, seal


class Edit(NamedTuple):
    """What was done, in words.

    forged: digests were computed anew, so that nothing can tell.
    names: what an error about it may name.
    """

    what: str
    forged: bool = False
    names: tuple[str, ...] = ()


JUNK = 1 << 16
"""Bytes of a file that is made longer, at most."""


def edit(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    """Change something in a run directory.

    Args:
        others: run directories from which foreign files come.
    """
    while True:
        name = draw.choice(tuple(_EDITS))
        # Not every edit can be made of what an earlier one left.
        with contextlib.suppress(*_IMPOSSIBLE):
            made = _EDITS[name](draw, run, others)
            return made._replace(what=f"{name} {made.what}")


class _Impossible(Exception):
    pass


_IMPOSSIBLE = (_Impossible, OSError, ValueError, TypeError, LookupError, AttributeError,
               RecursionError, SafetensorError)  # fmt: skip


def files_of(run: Path) -> list[Path]:
    return sorted(path for path in run.rglob("*") if path.is_file() and not path.is_symlink())


def _file(draw: random.Random, run: Path) -> Path:
    """A file: each name alike, however many checkpoints there are."""
    files = files_of(run)
    name = draw.choice(sorted({path.name for path in files}))
    return draw.choice([path for path in files if path.name == name])


def _anything(draw: random.Random, run: Path) -> Path:
    return draw.choice([run / "figures", run / "checkpoint", *sorted(run.rglob("*"))])


def _on_bytes(change: Callable[[random.Random, bytes], bytes]) -> Any:
    def made(draw: random.Random, run: Path, others: list[Path]) -> Edit:
        file = _file(draw, run)
        before = file.read_bytes()
        after = change(draw, before)
        if after == before:
            raise _Impossible
        file.write_bytes(after)
        return _of(run, file)

    return made


def _of(run: Path, *paths: Path) -> Edit:
    return Edit(", ".join(str(path.relative_to(run)) for path in paths))


def _flipped(draw: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
    return bytes(found)


def _inserted(draw: random.Random, data: bytes) -> bytes:
    place = draw.randrange(len(data) + 1)
    what = draw.choice((b" ", b"\n", b"\0", b"0", b"x", b'"', b",", b"}", b"\xff"))
    return data[:place] + what + data[place:]


def _cut_out(draw: random.Random, data: bytes) -> bytes:
    first, last = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:first] + data[last:]


def _lines(draw: random.Random, data: bytes) -> bytes:
    """Lines that are gone, doubled or in another order."""
    lines = data.splitlines(keepends=True)
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    how = draw.choice(("gone", "doubled", "swapped"))
    if how == "gone":
        del lines[one]
    elif how == "doubled":
        lines.insert(other, lines[one])
    else:
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _encoded(draw: random.Random, data: bytes) -> bytes:
    text = data.decode()
    how = draw.choice(("utf-8-sig", "utf-16", "utf-32", "crlf", "cr"))
    if how in ("crlf", "cr"):
        return text.replace("\n", "\r\n" if how == "crlf" else "\r").encode()
    return text.encode(how)


def _laid_out(draw: random.Random, data: bytes) -> bytes:
    """The same JSON, as an editor would lay it out."""
    return json.dumps(json.loads(data), indent=draw.choice((None, 0, 1, 7))).encode()


def _of_two(change: Callable[[Path, Path], None]) -> Any:
    def made(draw: random.Random, run: Path, others: list[Path]) -> Edit:
        one, other = _file(draw, run), _file(draw, run)
        if one == other or one.read_bytes() == other.read_bytes():
            raise _Impossible
        change(one, other)
        return _of(run, one, other)

    return made


def _swap(one: Path, other: Path) -> None:
    one_bytes, other_bytes = one.read_bytes(), other.read_bytes()
    one.write_bytes(other_bytes)
    other.write_bytes(one_bytes)


def _removed(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    path = _anything(draw, run)
    _remove(path)
    return _of(run, path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _replaced(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    """A file or folder by something of another kind."""
    path = _anything(draw, run)
    away = run.parent / f"away-{draw.getrandbits(40)}"
    shutil.move(path, away)
    how = draw.choice(("folder", "full folder", "file", "pipe", "nowhere", "itself", *_DEVICES,
                       "link", "link into itself"))  # fmt: skip
    if how in ("folder", "full folder"):
        path.mkdir()
        if how == "full folder":
            (path / "file").write_bytes(b"x")
    elif how == "file":
        path.write_bytes(b"" if draw.random() < 0.5 else b"x")
    elif how == "pipe":
        os.mkfifo(path)
    else:
        targets = {
            "nowhere": run / "nowhere",
            "itself": path,
            "link": away,
            "link into itself": run,
        }
        path.symlink_to(targets.get(how, Path(how)))
    return Edit(f"{path.relative_to(run)} by {how}")


_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


def _unreadable(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    path = draw.choice((run, _anything(draw, run), _anything(draw, run)))
    mode = draw.choice((0, 0o100, 0o200, 0o400, 0o444, 0o555))
    path.chmod(mode, follow_symlinks=True)
    return Edit(f"{path.relative_to(run)} {mode:o}")


def _renamed(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    """A checkpoint that says it is of another step, or a file with another name."""
    path = _anything(draw, run)
    names = ("60", "80", "0", "-1", "040", "4_0", "٤٠", "1e2", str(10**18), str(10**30), "best")
    new = draw.choice((*names, path.name.upper(), f".{path.name}.tmp", f"{path.name}~"))
    path.rename(path.with_name(new))
    return Edit(f"{path.relative_to(run)} to {new}", names=(new,))


def _added(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    """Something that does not belong there."""
    folder = draw.choice((run, run / "checkpoint", *sorted((run / "checkpoint").iterdir())))
    names = ("notes.txt", ".DS_Store", "100", "1000.tmp", ".1000.tmp", ".100.doomed.tmp", "7",
             ".config.json.tmp", "more.safetensors", "seed-0")  # fmt: skip
    path = folder / draw.choice(names)
    if os.path.lexists(path):
        raise _Impossible
    if draw.random() < 0.5:
        path.mkdir()
    else:
        path.write_bytes(draw.randbytes(draw.choice((0, 10))))
    return Edit(f"{path.relative_to(run)}", names=(path.name,))


def _foreign(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    """A file, a checkpoint or all checkpoints of another run."""
    other = draw.choice(others)
    path = draw.choice([other / "checkpoint", *sorted(other.rglob("*"))])
    here = run / path.relative_to(other)
    if path.name == ".lock" or path.name == "figures":
        raise _Impossible
    if path.is_file() and here.is_file() and path.read_bytes() == here.read_bytes():
        raise _Impossible
    if here.parent.is_dir() and os.path.lexists(here):
        _remove(here)
    if path.is_dir():
        shutil.copytree(path, here)
    else:
        here.parent.mkdir(exist_ok=True)
        shutil.copy(path, here)
    # Settings of another run are refused by their names.
    names = ("cannot resume",) if path.name == "config.json" else ()
    return Edit(f"{path.relative_to(other)} of {other.name}", names=names)


NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "1e-400", "0x10", "01")
"""As JSON or Python might write them, put where a value stood."""


def _values(draw: random.Random, before: Any) -> Any:
    """Something in place of a value of JSON."""
    near: list[Any] = [None]
    if isinstance(before, bool):
        near = [not before, int(before)]
    elif isinstance(before, int | float):
        near = [before + 1, -before, before - 1, str(before), float(before), [before]]
    elif isinstance(before, str):
        near = [before + "x", before.upper(), before[1:], before[::-1]]
    elif isinstance(before, list):
        near = [before[1:], before * 2, before[::-1], before[:-1]]
    elif isinstance(before, dict):
        near = [dict(list(before.items())[1:]), list(before), before | {"more": 1}]
    far = (None, True, False, 0, 1, -1, 0.5, 1e308, 10**30, 2**63, -(2**63), "", "x" * 2000,
           "two\nlines", "\0", "\ud800", "../../../etc/passwd", "cuda:99", "lstm", [], {}, [[]],
           [1, "a"], {"": 0}, _deep(draw.choice((10, 2000))))  # fmt: skip
    return draw.choice(near if draw.random() < 0.6 else far)


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def changed_json(draw: random.Random, value: Any) -> list[str]:
    """Change one value of nested JSON, take it out, or put one in; returns where."""
    path: list[str] = []
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        keys = [key for key in keys if key not in ("sha256", "check")]
        key = draw.choice(keys)
        path.append(str(key))
        inner = value[key]
        if not (isinstance(inner, dict | list) and inner and draw.random() < 0.75):
            break
        value = inner
    how = draw.choice(("value", "value", "value", "value", "gone", "more"))
    if how == "gone":
        del value[key]
    elif how == "more" and isinstance(value, dict):
        value["another"] = _values(draw, inner)
        path.append("another")
    else:
        value[key] = _values(draw, inner)
    return path


def _json(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    """A value of a JSON file, with its digest as it was."""
    file = _file(draw, run)
    text = file.read_text()
    if file.suffix == ".jsonl":
        lines = text.splitlines()
        number = draw.randrange(len(lines))
        row = json.loads(lines[number])
        path = changed_json(draw, row)
        lines[number] = json.dumps(row)
        file.write_text("\n".join(lines) + "\n")
    else:
        value = json.loads(text)
        path = changed_json(draw, value)
        if value == json.loads(text):
            raise _Impossible
        text = json.dumps(value, indent=2)
        if draw.random() < 0.1:
            text = _with_number(draw, text)
        file.write_text(text)
    return Edit(f"{file.relative_to(run)} {'.'.join(path)}", names=tuple(path))


def _with_number(draw: random.Random, text: str) -> str:
    parts = text.split(": ")
    place = draw.randrange(1, len(parts))
    rest = parts[place].partition(",")
    parts[place] = draw.choice(NUMBERS) + rest[1] + rest[2]
    return ": ".join(parts)


def _forged(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    """A value of a JSON file, and its digest computed anew."""
    file = _file(draw, run)
    value = json.loads(file.read_text()) if file.suffix == ".json" else None
    if file.suffix == ".jsonl":
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        path = changed_json(draw, rows)
        _chain(run, file, rows)
    elif value is not None:
        path = changed_json(draw, value)
        _reseal(file, value)
    else:
        path = _forge_tensors(draw, file)
    return Edit(f"{file.relative_to(run)} {'.'.join(path)}", forged=True, names=tuple(path))


def _reseal(file: Path, value: dict[str, Any]) -> None:
    body = {name: entry for name, entry in value.items() if name != "sha256"}
    file.write_bytes(seal(json.dumps(body, indent=1)))


def _chain(run: Path, file: Path, rows: list[Any]) -> None:
    """Rows with new checks, and the checkpoints told of them."""
    check = json.loads((run / "config.json").read_text())["run"]
    data = b""
    for row in rows:
        body = {name: entry for name, entry in row.items() if name != "check"}
        line, check = chained(json.dumps(body), check)
        data += line
    headers = {}
    for progress in run.glob("checkpoint/*/progress.json"):
        headers[progress] = json.loads(progress.read_text())
        headers[progress]["progress"] |= {"metrics_bytes": len(data), "metrics_check": check}
    # Not before all of it has been read: what an edit cannot finish it must not begin.
    file.write_bytes(data)
    for progress, header in headers.items():
        _reseal(progress, header)


def _forge_tensors(draw: random.Random, file: Path) -> list[str]:
    """Another tensor in a safetensors file, whose fingerprint is computed anew."""
    import hashlib

    tensors = safetensors.numpy.load(file.read_bytes())
    name = draw.choice(sorted(tensors))
    tensor = tensors[name]
    how = draw.choice(("type", "shape", "numbers", "special", "gone", "more", "empty", "scalar"))
    with np.errstate(all="ignore"):
        if how == "type":
            kinds = ("float64", "float32", "float16", "int64", "int32", "uint8", "bool")
            tensors[name] = tensor.astype(draw.choice(kinds))
        elif how == "shape":
            tensors[name] = np.ascontiguousarray(tensor[..., None])
        elif how == "numbers":
            tensors[name] = np.ascontiguousarray(tensor[::-1]) if tensor.ndim else tensor + 1
        elif how == "special":
            values = (np.nan, np.inf, -1, 1e30, 2**62, 2**40, 255)
            tensors[name] = np.full_like(
                tensor, np.float64(draw.choice(values)).astype(tensor.dtype)
            )
        elif how == "gone":
            del tensors[name]
        elif how == "empty":
            tensors[name] = tensor.reshape(-1)[:0].copy()
        elif how == "scalar":
            tensors[name] = tensor.reshape(-1)[:1].reshape(()).copy()
        else:
            tensors["another"] = tensor
    data = safetensors.numpy.save(tensors, metadata={"kind": "tapehead checkpoint"})
    progress = file.with_name("progress.json")
    header = json.loads(progress.read_text())
    digest = hashlib.sha256(data).hexdigest()
    header["files"][file.name] = {"bytes": len(data), "sha256": digest}
    file.write_bytes(data)
    _reseal(progress, header)
    return [*name.split("/"), "another" if how == "more" else how]


def _rewritten(draw: random.Random, run: Path, others: list[Path]) -> Edit:
    """Other JSON altogether."""
    file = _file(draw, run)
    texts = ("null", "[]", "{}", '""', "0", "[" * 100_000, '{"a":' * 100_000, "{} {}", "\n",
             '{"sha256": 1}', '{"sha256": "0"}', '{"format": 2}',
             '{"format": 99, "config": {}}')  # fmt: skip
    file.write_text(draw.choice(texts))
    return _of(run, file)


_EDITS: dict[str, Callable[[random.Random, Path, list[Path]], Edit]] = {
    "flip": _on_bytes(_flipped),
    "flip again": _on_bytes(_flipped),
    "insert": _on_bytes(_inserted),
    "cut": _on_bytes(lambda draw, data: data[: draw.randrange(len(data))]),
    "cut out": _on_bytes(_cut_out),
    "double": _on_bytes(lambda draw, data: data + data),
    "empty": _on_bytes(lambda draw, data: b""),
    "zeros": _on_bytes(lambda draw, data: bytes(len(data))),
    "random": _on_bytes(lambda draw, data: draw.randbytes(len(data))),
    "append": _on_bytes(lambda draw, data: data + draw.randbytes(draw.randrange(1, JUNK))),
    "lines": _on_bytes(_lines),
    "encode": _on_bytes(_encoded),
    "lay out": _on_bytes(_laid_out),
    "swap": _of_two(_swap),
    "copy": _of_two(lambda one, other: other.write_bytes(one.read_bytes())),
    "remove": _removed,
    "replace": _replaced,
    "protect": _unreadable,
    "rename": _renamed,
    "add": _added,
    "foreign": _foreign,
    "json": _json,
    "json again": _json,
    "forge": _forged,
    "forge again": _forged,
    "rewrite": _rewritten,
}
