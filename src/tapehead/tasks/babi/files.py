"""Where the text files of bAbI are: in a folder, in an archive, or to be downloaded once.

The set is that of Weston et al. (2015), version 1.2, in English, under CC BY 3.0.
"""

import hashlib
import json
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath

from tapehead.errors import TapeheadError
from tapehead.tasks.babi.simulation import SIMULATED

ADDRESSES: dict[str, str | None] = {
    "https://parl.ai/downloads/babi/babi.tar.gz": (
        "sha256:f7f0bee187efca0d81c3daac1b162cda4eb7f9505dee5ad6846eabbed3dbf92e"
    ),
    "https://s3.amazonaws.com/text-datasets/babi_tasks_1-20_v1-2.tar.gz": None,
}
"""Tried one after the other, each with its published checksum, if there is one: the text files
inside have their own."""

FOLDER = "TAPEHEAD_BABI"
"""An environment variable: the folder or archive where no `data` is given."""

FOLDERS = {"10k": ("en-valid-10k", "en-10k"), "1k": ("en-valid", "en")}
"""By the size of the set: the folder whose training files have been split into training and
validation, and the one with the files as they were first published."""

_BROKEN = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error)
"""What a damaged archive raises."""

_ARCHIVES = (".tar.gz", ".tgz", ".tar.xz", ".tar", ".zip")


def read_split(data: Path | None, size: str, task: int, split: str) -> tuple[str, str, bool]:
    """The file that holds a split of a task: its text, its name, and whether the validation split
    is still in it.

    Args:
        data: a folder with the files, or with archives of them, or one archive; None: the copy in
            the user's cache, downloaded if it is not there.
        size: "10k" or "1k".
        split: "train", "valid" or "test".

    Raises:
        TapeheadError: nothing is there or can be read; says what was looked for and where.
    """
    divided, whole = FOLDERS[size]
    places = [_downloaded()] if data is None else _places(data)
    names = {
        "train": [f"{divided}/qa{task}_train.txt", f"{whole}/qa{task}_*_train.txt"],
        "valid": [f"{divided}/qa{task}_valid.txt", f"{whole}/qa{task}_*_train.txt"],
        "test": [f"{whole}/qa{task}_*_test.txt", f"{divided}/qa{task}_test.txt"],
    }[split]
    for number, pattern in enumerate(names):
        for place in places:
            name = _name_in(place, pattern)
            if name is None:
                continue
            if split == "valid" and number == 0 and _is_undivided(places, size, task):
                # What was held back there may be among the training stories here.
                continue
            text = _text(place, name, trusted=data is not None)
            return text, f"{place.name}/{name}", split != "test" and number == 1
    where = "the downloaded archive" if data is None else str(data)
    raise TapeheadError(
        f"no file {' or '.join(names)} in {where}: data must be a folder or an archive of "
        "the bAbI tasks, version 1.2"
        + ("; --generated trains on fresh stories" if task in SIMULATED else "")
    )


def _is_undivided(places: Sequence[Path], size: str, task: int) -> bool:
    """Whether training stories are only to be had with those for validation among them."""
    divided, whole = FOLDERS[size]

    def there(pattern: str) -> bool:
        return any(_name_in(place, pattern) for place in places)

    return there(f"{whole}/qa{task}_*_train.txt") and not there(f"{divided}/qa{task}_train.txt")


def _places(data: Path) -> list[Path]:
    """Folders and archives to look into."""
    if not data.exists():
        raise TapeheadError(
            f"data must be a folder or an archive, got {data}, which does not exist"
        )
    if data.is_file():
        if not data.name.endswith(_ARCHIVES):
            allowed = ", ".join(_ARCHIVES)
            raise TapeheadError(f"data must be a folder or an archive ({allowed}), got {data}")
        return [data]
    inside = sorted(each for each in data.iterdir() if each.name.endswith(_ARCHIVES))
    return [data, *inside]


def _name_in(place: Path, pattern: str) -> str | None:
    """The name of the file that fits, in a folder or an archive, whatever lies above it."""
    wanted = re.compile(rf"(?:.*/)?{re.escape(pattern)}$".replace(r"\*", "[^/]*"))
    return next((name for name in _names(place, _changed(place)) if wanted.match(name)), None)


def _changed(place: Path) -> int:
    return place.stat().st_mtime_ns


@cache
def _names(place: Path, changed: int) -> Sequence[str]:
    if place.is_dir():
        return sorted(
            each.relative_to(place).as_posix()
            for pattern in ("*.txt", "*/*.txt", "*/*/*.txt")
            for each in place.glob(pattern)
        )
    return sorted(_members(place, changed))


def _text(place: Path, name: str, *, trusted: bool) -> str:
    content = (place / name).read_bytes() if place.is_dir() else _member(place, name)
    if not trusted:
        _check_sum(name, content)
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise TapeheadError(f"{place}/{name} is no text file of bAbI") from None


def _member(place: Path, name: str) -> bytes:
    return _members(place, _changed(place))[name]


@lru_cache(maxsize=4)
def _members(place: Path, changed: int) -> Mapping[str, bytes]:
    """The text files of an archive, which would be read from its start for each of them."""
    try:
        with _opened(place) as archive:
            if isinstance(archive, zipfile.ZipFile):
                found = {name: archive.read(name) for name in archive.namelist() if _is_ours(name)}
            else:
                members = (each for each in archive if each.isfile() and _is_ours(each.name))
                files = ((each.name, archive.extractfile(each)) for each in members)
                found = {name: file.read() for name, file in files if file is not None}
    except _BROKEN as error:
        raise TapeheadError(f"cannot read {place}: {error}") from error
    return {name.removeprefix("./"): text for name, text in found.items()}


def _is_ours(name: str) -> bool:
    """Whether a file of an archive is one that is ever read: most are in other languages."""
    path = PurePosixPath(name)
    return path.suffix == ".txt" and path.parent.name in chain(*FOLDERS.values())


def _opened(place: Path) -> tarfile.TarFile | zipfile.ZipFile:
    try:
        if place.suffix == ".zip":
            return zipfile.ZipFile(place)
        return tarfile.open(place)
    except _BROKEN as error:
        raise TapeheadError(f"cannot read {place}: {error}") from error


@cache
def checksums() -> dict[str, str]:
    """SHA-256 of each text file, by "folder/file"; of one of them none is known."""
    return json.loads(Path(__file__).with_name("checksums.json").read_bytes())


def _check_sum(name: str, content: bytes) -> None:
    known = checksums().get("/".join(name.split("/")[-2:]))
    if known is not None and hashlib.sha256(content).hexdigest() != known:
        raise TapeheadError(
            f"{name} of the downloaded archive is not the file of bAbI 1.2: its checksum differs"
        )


def _downloaded() -> Path:
    """The archive in the user's cache; downloads it first, with a bar that shows how far it is."""
    try:
        import pooch
    except ImportError:
        raise TapeheadError(
            "to download the bAbI tasks takes pooch: pip install 'tapehead[babi]', "
            "or give --data, a folder or an archive that has them"
        ) from None
    folder = Path(pooch.os_cache("tapehead")) / "babi"
    failures = []
    for address in _in_turn(folder):
        try:
            found = pooch.retrieve(
                address, ADDRESSES[address], fname=address.rsplit("/", 1)[-1], path=folder
            )
        except Exception as error:  # of requests, of the system: the next may have it
            failures.append(f"{address}: {str(error).splitlines()[0] if str(error) else error!r}")
            continue
        return Path(found)
    raise TapeheadError(
        "the bAbI tasks cannot be downloaded; give --data, a folder or an archive that has them. "
        + "; ".join(failures)
    )


def _in_turn(folder: Path) -> Iterator[str]:
    """The addresses, first the one whose archive is there already."""
    here = [each for each in ADDRESSES if (folder / each.rsplit("/", 1)[-1]).exists()]
    yield from dict.fromkeys([*here, *ADDRESSES])
