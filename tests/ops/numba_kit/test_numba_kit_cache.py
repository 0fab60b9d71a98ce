"""Whatever stands in the folder of compiled kernels, a kernel is whole when it runs."""

import errno
import logging
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import pytest
import tiny_kernel

from tapehead.ops.numba_kit import cache, native

PROGRAM = tiny_kernel.__file__


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache, and a process that has compiled nothing."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(native, "_compiled", {})
    monkeypatch.setattr(cache, "_said", set())
    # On a busy machine even this kernel takes longer than a compilation may in silence.
    monkeypatch.setattr(native._notice, "PATIENCE", 600.0)
    return tmp_path / "tapehead"


@pytest.fixture
def compilations(monkeypatch):
    """Grows by one with each compilation."""
    seen, save = [], cache.KernelCache.save_overload

    def counted(self, *arguments):
        seen.append(self)
        save(self, *arguments)

    monkeypatch.setattr(cache.KernelCache, "save_overload", counted)
    return seen


def use_anew():
    native._compiled.clear()
    assert tiny_kernel.works()


def the_file(folder):
    (file,) = folder.glob("*.nbc")
    return file


def process(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, PROGRAM, *map(str, arguments)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


def test_a_kernel_is_compiled_once_and_then_loaded(folder, compilations, caplog):
    use_anew()
    use_anew()
    assert len(compilations) == 1
    assert [path.name for path in folder.iterdir()] == [the_file(folder).name]
    assert caplog.messages == []


def test_a_compilation_that_takes_long_is_said_once(folder, monkeypatch, caplog):
    monkeypatch.setattr(native._notice, "_said", set())
    monkeypatch.setattr(native._notice, "PATIENCE", 0.0)
    said = threading.Event()
    monkeypatch.setattr(cache.KernelCache, "save_overload", lambda *_: said.wait(60))
    listener = logging.Handler()
    listener.emit = lambda record: said.set()
    logger = logging.getLogger("tapehead")
    logger.addHandler(listener)
    try:
        use_anew()
        use_anew()
    finally:
        logger.removeHandler(listener)
    (message,) = caplog.messages
    assert message == "compiling the tiny kernel for this machine, once: up to 20 seconds"


def no_longer_whole():
    return {
        "empty": lambda content: b"",
        "cut short": lambda content: content[:100],
        "without its last byte": lambda content: content[:-1],
        "longer": lambda content: content + b"\0",
        "another file": lambda content: pickle.dumps({"numba": "0.1"}),
        "of another format": lambda content: content.replace(b" kernel 1", b" kernel 0"),
    }  # fmt: skip


@pytest.mark.parametrize("how", no_longer_whole())
def test_a_damaged_file_is_replaced_and_named_once(folder, compilations, caplog, how):
    use_anew()
    file = the_file(folder)
    whole = file.read_bytes()
    file.write_bytes(no_longer_whole()[how](whole))
    use_anew()
    use_anew()
    assert len(compilations) == 2
    assert the_file(folder) == file
    (message,) = caplog.messages
    assert message == f"{file} is damaged (its checksum is wrong): the kernel is compiled anew"


def test_a_file_that_numba_cannot_load_though_it_is_whole(folder, compilations, caplog):
    use_anew()
    file, made = the_file(folder), compilations[0]
    data = pickle.dumps(("nonsense",))
    file.write_bytes(cache._MAGIC + made._digest(data) + data)
    use_anew()
    assert len(compilations) == 2
    assert len(caplog.messages) == 1


def test_a_file_that_cannot_be_read_or_replaced(folder, caplog):
    use_anew()
    file = the_file(folder)
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    use_anew()
    damaged, uncached = caplog.messages
    assert damaged.startswith(f"{file} is damaged (Is a directory)")
    assert uncached.startswith(f"compiled kernels cannot be kept in {folder} (Is a directory)")


def test_the_file_of_another_kernel_is_not_taken(folder, compilations):
    """Also one of an older version, of other sources or for another processor: all are its key."""
    use_anew()
    file = the_file(folder)
    other = cache.KernelCache(tiny_kernel.build(), b"other sources")
    file.rename(folder / other._file)
    assert other.load_overload(None, native.CFunc._targetdescr.target_context) is None


def test_a_change_of_versions_or_sources_is_another_kernel(monkeypatch):
    def key(ingredients=b"sources"):
        return cache.KernelCache(tiny_kernel.build(), ingredients).key

    assert key() == key()
    assert key() != key(b"changed")
    before = key()
    monkeypatch.setattr(numba, "__version__", "99.0")
    assert key() != before


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_folder_is_said_once(folder, monkeypatch, caplog, problem):
    def refuse(*_):
        raise OSError(problem, os.strerror(problem))

    monkeypatch.setattr(cache, "_write", refuse)
    use_anew()
    use_anew()
    (message,) = caplog.messages
    assert message == (
        f"compiled kernels cannot be kept in {folder} ({os.strerror(problem)}), so that every "
        "process compiles its own; NUMBA_CACHE_DIR names another folder"
    )


def test_a_write_that_fails_half_way_leaves_nothing(folder, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", fail)
    use_anew()
    assert list(folder.iterdir()) == []


def test_where_no_folder_was_chosen_the_first_that_takes_a_file_has_it(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    beside, users, temporary = cache.cache_folders(Path("/somewhere/forward.py"))
    assert beside == Path("/somewhere/__pycache__")
    assert users == tmp_path / "home" / "tapehead"
    assert temporary.parent == tmp_path
    assert temporary.stat().st_mode & 0o777 == 0o700
    temporary.chmod(0o777)  # anybody could put machine code there
    assert cache.cache_folders(Path("/somewhere/forward.py")) == [beside, users]


def test_old_files_of_a_kernel_go_and_those_of_others_stay(folder):
    use_anew()
    file = the_file(folder)
    stem = file.name.split(".")[0] + "." + file.name.split(".")[1]
    for age in range(cache._KEPT + 3):
        old = folder / f"{stem}.{age}.nbc"
        old.write_bytes(b"")
        os.utime(old, (1e9 - age, 1e9 - age))
    unfinished = folder / f"{stem}.x.tmp"
    unfinished.write_bytes(b"")
    os.utime(unfinished, (1e9, 1e9))
    (folder / "other_kernel.py311.0.nbc").write_bytes(b"")
    file.unlink()
    use_anew()
    names = {path.name for path in folder.iterdir()}
    assert file.name in names
    assert "other_kernel.py311.0.nbc" in names
    assert unfinished.name not in names
    assert names >= {f"{stem}.{age}.nbc" for age in range(cache._KEPT - 1)}
    assert f"{stem}.{cache._KEPT - 1}.nbc" not in names


def test_threads_that_want_a_kernel_at_once_get_one(folder, compilations):
    ready = threading.Barrier(4)

    def use(_):
        ready.wait()
        return tiny_kernel.works()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(use, range(4)))
    assert len(compilations) == 1


def test_processes_that_compile_at_once_both_work(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: process(tmp_path), range(2)))
    assert [one.stdout for one in told] == ["works\n"] * 2
    assert "damaged" not in told[0].stderr + told[1].stderr
    assert the_file(tmp_path / "tapehead").stat().st_size > 1000
    assert list((tmp_path / "tapehead").glob("*.tmp")) == []


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path):
    """A real one, in a process of its own; of what it says there is a test above."""
    wall = tmp_path / "file"
    wall.write_text("in the way")
    told = process(wall / "folder", TMPDIR=str(tmp_path))
    assert told.stdout == "works\n"
    assert wall.read_text() == "in the way"


def test_a_bit_turned_over_anywhere_ends_no_process(tmp_path):
    """Forked processes, each of which loads the file as it stands then."""
    process(tmp_path)
    file = the_file(tmp_path / "tapehead")
    told = process(tmp_path, "flips", file, 24)
    assert told.stdout == "[0]\n", told
    assert told.stderr.count("is damaged (its checksum is wrong)") == 24


def test_a_child_forked_while_another_thread_compiles_can_compile(folder, monkeypatch):
    begun, usual = threading.Event(), native._native

    def slow(*arguments):
        begun.set()
        return usual(*arguments)

    monkeypatch.setattr(native, "_native", slow)
    thread = threading.Thread(target=tiny_kernel.works)
    thread.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        logging.disable()
        native._compiled.clear()
        os._exit(0 if tiny_kernel.works() else 1)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
