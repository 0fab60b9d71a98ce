"""Compiled kernels on disk: each in a file of its own, which is checked before it is run.

Numba's own cache trusts what it finds: a file cut short ends in an error of the unpickler, and a
bit turned over in the machine code ends the process.
"""

import contextlib
import hashlib
import logging
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import serialize
from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target

from tapehead.files import user_cache

_log = logging.getLogger("tapehead")

_MAGIC = b"tapehead kernel 1\n"
_KEPT = 8
"""Files of one kernel that stay when another is added: for other machines and versions."""
_FORGOTTEN = 3600
"""Seconds after which an unfinished file belongs to a process that died."""


class KernelCache:
    """What Numba asks for a compiled function before it compiles, and gives it afterwards.

    Any number of processes may use the same folders: a file appears whole, or not at all, and two
    that compile the same kernel at once write the same.

    Args:
        function: what is compiled.
        ingredients: bytes that decide the machine code, besides versions and processor.
    """

    def __init__(self, function: Callable, ingredients: bytes):
        self._source = Path(function.__code__.co_filename)
        self._stem = f"{function.__name__}.py{sys.version_info[0]}{sys.version_info[1]}"
        context: Any = cpu_target.target_context
        codegen = context.codegen()
        versions = f"{numba.__version__} {llvmlite.__version__} {sys.version_info[:2]}"
        name = f"{function.__module__} {function.__qualname__}"
        facts = f"{name} {versions} {codegen.magic_tuple()}".encode()
        self.key = hashlib.sha256(facts + hashlib.sha256(ingredients).digest()).hexdigest()
        self._file = f"{self._stem}.{self.key[:32]}.nbc"

    def load_overload(self, signature: Any, target_context: Any) -> CompileResult | None:
        """The compiled function of the first folder that has it whole."""
        target_context.refresh()
        for folder in cache_folders(self._source):
            path = folder / self._file
            try:
                if not path.exists():
                    continue
                data = self._checked(path.read_bytes())
                return CompileResult._rebuild(target_context, *pickle.loads(data))
            except Exception as problem:
                reason = getattr(problem, "strerror", None) or problem
                _log.warning("%s is damaged (%s): the kernel is compiled anew", path, reason)
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Write into the first folder that takes it; say so once where none does."""
        if compiled.library.has_dynamic_globals:
            return
        data = serialize.dumps(compiled._reduce())
        content = _MAGIC + self._digest(data) + data
        problems: dict[Path, OSError] = {}
        for folder in cache_folders(self._source):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _write(folder / self._file, content)
            except OSError as problem:
                problems[folder] = problem
            else:
                self._tidy(folder)
                return
        _say_uncached(problems)

    def _digest(self, data: bytes) -> bytes:
        return hashlib.sha256(self.key.encode() + data).digest()

    def _checked(self, content: bytes) -> bytes:
        """Raises ValueError unless the file is whole and belongs to this kernel."""
        start = len(_MAGIC) + hashlib.sha256().digest_size
        data = content[start:]
        if not content.startswith(_MAGIC) or content[len(_MAGIC) : start] != self._digest(data):
            raise ValueError("its checksum is wrong")
        return data

    def _tidy(self, folder: Path) -> None:
        """Delete the oldest files of this kernel, and unfinished ones of processes that died."""
        with contextlib.suppress(OSError):
            ages = {path: path.stat().st_mtime for path in folder.glob(f"{self._stem}.*.nbc")}
            stale = sorted(ages, key=lambda path: ages[path])[:-_KEPT]
            now = time.time()
            stale += [
                path
                for path in folder.glob(f"{self._stem}.*.tmp")
                if path.stat().st_mtime < now - _FORGOTTEN
            ]
            for path in stale:
                path.unlink(missing_ok=True)


def cache_folders(source: Path) -> list[Path]:
    """Where a kernel from this file is kept, best first: NUMBA_CACHE_DIR alone if that is set; or
    beside the file, where the user keeps caches, in the temporary folder."""
    # Numba makes its settings when it is imported.
    chosen: str = getattr(numba.config, "CACHE_DIR", "")
    if chosen:
        return [Path(chosen) / "tapehead"]
    folders = [source.parent / "__pycache__"]
    with contextlib.suppress(RuntimeError):  # no home
        folders.append(user_cache())
    with contextlib.suppress(OSError):
        folders.append(_own_temporary_folder())
    return folders


def _own_temporary_folder() -> Path:
    """A folder that nobody else can write to: machine code will be loaded from it."""
    user = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / f"tapehead-{'cache' if user is None else user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if user is not None and (status.st_uid != user or status.st_mode & 0o022):
        raise OSError(f"{folder} belongs to somebody else")
    return folder


def _write(path: Path, content: bytes) -> None:
    """The whole file, or none."""
    handle, unfinished = tempfile.mkstemp(".tmp", f"{path.stem}.", path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


_said: set[Path] = set()


def _say_uncached(problems: dict[Path, OSError]) -> None:
    folder, problem = next(iter(problems.items()))
    if folder not in _said:
        _said.add(folder)
        _log.warning(
            "compiled kernels cannot be kept in %s (%s), so that every process compiles its own; "
            "NUMBA_CACHE_DIR names another folder",
            folder,
            problem.strerror or problem,
        )
