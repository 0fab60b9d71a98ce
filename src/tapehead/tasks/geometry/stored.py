"""Problems that are made once and kept with their answers: in parallel, and gone on with where it
was cut off.

Those of one size have a folder in the user's cache, such as

    ~/.cache/tapehead/tsp/exact-drawn-20-points-seed-0

and in it a file for each PIECE of them, which begins with a checksum of its name and of all that
follows. What a file holds depends on its name alone: whoever makes it, and with how many others,
makes the same bytes. A file that is damaged is made again.
"""

import contextlib
import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Float32, UInt

from tapehead.errors import TapeheadError
from tapehead.files import clear_errors, read_file, user_cache, write_atomically
from tapehead.room import cores
from tapehead.tasks.task import Batch

try:
    import fcntl
except ImportError:  # not a Unix: two processes make the same files twice there
    fcntl = None

PIECE = 500
"""Problems in a file."""
FORMAT = b"tapehead stored problems 1\n"
"""To be counted up when a name comes to mean other problems or other answers."""
POLL, TELL_EVERY = 0.5, 1.0
"""Seconds between two looks at what another process makes, and between two calls of `Tell`."""
STREAM = 0x73746F726564
"""Beside the seed, so that no training or test draws the same numbers (`runs.randomness`)."""

_log = logging.getLogger("tapehead")

Tell = Callable[[int, int, float | None], None]
"""Is told how many problems are made, of how many, and in how many seconds the others will be."""


class Kept(NamedTuple):
    """Problems of one size, and pointers at all of their points in the right order."""

    xy: Float32[np.ndarray, "problems points dims"]
    answers: UInt[np.ndarray, "problems points"]


@dataclass(frozen=True)
class Store:
    """Where problems of one size are kept, and how they are made.

    folder: its name says all that decides them but how many they are.
    seeds: numbers that decide what is drawn.
    count: how many of them are used.
    draw: a batch of so many problems of one size, from a generator alone.
    """

    folder: Path
    seeds: tuple[int, ...]
    count: int
    draw: Callable[[torch.Generator, int], Batch]

    def make(self, number: int) -> None:
        """Write a file."""
        path = file_of(self.folder, number)
        if path.exists():
            _log.warning("%s is damaged: its problems are made again", path)
        sequence = np.random.SeedSequence([STREAM, *self.seeds, number])
        seed = int(sequence.generate_state(1, np.uint64)[0])
        batch = self.draw(torch.Generator("cpu").manual_seed(seed), PIECE)
        xy, answers = batch.inputs.xy.numpy(), batch.targets[:, :-1].numpy()
        kept = Kept(xy, answers.astype(np.min_scalar_type(answers.shape[1])))
        data = safetensors.numpy.save(kept._asdict())
        with clear_errors(f"write {path}"):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, _digest(path, data) + data)


def folder_of(*names: str) -> Path:
    """A folder in the user's cache.

    Raises:
        TapeheadError: the user has none.
    """
    try:
        return user_cache().joinpath(*names)
    except RuntimeError:
        raise TapeheadError(
            "stored problems are kept in the user's cache, and there is no home folder: "
            "XDG_CACHE_HOME names another"
        ) from None


def file_of(folder: Path, number: int) -> Path:
    return folder / f"{number:05}"


def _digest(path: Path, data: bytes) -> bytes:
    name = f"{path.parent.name}/{path.name}\n".encode()
    return hashlib.sha256(FORMAT + name + data).digest()


def _data_of(path: Path) -> bytes | None:
    """What a file holds behind its checksum; None if it is not there or is damaged."""
    with clear_errors(f"read {path}"):
        try:
            content = read_file(path)
        except FileNotFoundError:
            return None
    size = hashlib.sha256().digest_size
    return content[size:] if content[:size] == _digest(path, content[size:]) else None


def _files(count: int) -> range:
    return range(-(-count // PIECE))


class _Incomplete(Exception):
    """A file is not there, or is damaged."""


@lru_cache(maxsize=64)
def _read(folder: Path, count: int) -> Kept:
    found: list[Kept] = []
    for number in _files(count):
        data = _data_of(file_of(folder, number))
        if data is None:
            raise _Incomplete
        found.append(Kept(**safetensors.numpy.load(data)))
    return Kept(*(np.concatenate(parts)[:count] for parts in zip(*found, strict=True)))


def kept(store: Store) -> Kept:
    """The problems of a store, read once a process; made first if they are not there.

    Raises:
        TapeheadError: they cannot be read or written.
    """
    try:
        return _read(store.folder, store.count)
    except _Incomplete:
        make_missing([store])
        return _read(store.folder, store.count)


def make_missing(
    stores: Sequence[Store], tell: Tell | None = None, workers: int | None = None
) -> None:
    """Make the files that are not there or are damaged.

    One process does that at a time, and others wait for it. When it is cut off, what is finished
    stays.

    Args:
        stores: side by side in one folder.
        workers: threads; None: one for each core.

    Raises:
        TapeheadError: they cannot be read or written.
    """
    # Side by side, so that the time that is left can be told.
    wanted = [
        (store, number)
        for number in _files(max(store.count for store in stores))
        for store in stores
        if number in _files(store.count)
    ]
    total, began = len(wanted), time.monotonic()
    told_at = -np.inf

    def made(done: int, fresh: int = 0) -> None:
        nonlocal told_at
        now = time.monotonic()
        if tell is not None and (done == total or now >= told_at + TELL_EVERY):
            left = (now - began) / fresh * (total - done) if fresh else None
            tell(done * PIECE, total * PIECE, left)
            told_at = now

    if not _missing(wanted):
        return
    root = stores[0].folder.parent
    with clear_errors(f"write {root}"):
        root.mkdir(parents=True, exist_ok=True)
    with _alone(
        root / ".lock", lambda: made(sum(file_of(s.folder, n).exists() for s, n in wanted))
    ):
        missing = _missing(wanted)
        there, began = total - len(missing), time.monotonic()
        made(there)
        for fresh in _in_parallel(missing, workers or cores()):
            made(there + fresh, fresh)


def _missing(files: Iterable[tuple[Store, int]]) -> list[tuple[Store, int]]:
    return [(s, number) for s, number in files if _data_of(file_of(s.folder, number)) is None]


def _in_parallel(files: Sequence[tuple[Store, int]], workers: int) -> Iterator[int]:
    """Make files, and say after each how many are done.

    In threads: what takes long does not hold Python's lock. Whoever is interrupted waits for none
    of them.
    """
    waiting: queue.SimpleQueue[tuple[Store, int]] = queue.SimpleQueue()
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for file in files:
        waiting.put(file)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                store, number = waiting.get_nowait()
                try:
                    store.make(number)
                except BaseException as error:
                    ended.put(error)
                    return
                ended.put(None)

    for _ in range(min(workers, len(files))):
        threading.Thread(target=work, name="tapehead-stored", daemon=True).start()
    try:
        for done in range(1, len(files) + 1):
            error = ended.get()
            if error is not None:
                raise error
            yield done
    finally:
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.get_nowait()


@contextlib.contextmanager
def _alone(path: Path, meanwhile: Callable[[], None]) -> Iterator[None]:
    """Hold a lock, when no other process does any more; it is let go of by any way to end."""
    with clear_errors(f"write {path}"):
        file = open(path, "a")  # noqa: SIM115
    with file:
        while fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                meanwhile()
                time.sleep(POLL)
            except OSError:
                break  # a file system without locks
        yield
