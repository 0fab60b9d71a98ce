"""A job that cannot be done: exit code 1 and one line; a stopped one ends as shells expect."""

import os
import signal
import subprocess
import sys
import time

import pytest
from calls import TINY, complaint, process

from tapehead.cli import main
from tapehead.training.run import RunDirectory

TRAIN = ["train", "copy", "--machine=lstm", "--hidden-size=4", "--no-figures", *TINY]


def test_a_run_directory_in_use(call, tmp_path):
    with RunDirectory(tmp_path / "run"):
        line = complaint(call(*TRAIN, "--out", "run"), 1)
    assert "run is in use by process" in line


def test_a_folder_that_holds_something_else(call, tmp_path):
    (tmp_path / "thesis.tex").touch()
    line = complaint(call(*TRAIN, "--out", tmp_path), 1)
    assert "is not a run directory and not empty (it holds thesis.tex)" in line


def test_a_folder_that_cannot_be_written(call, tmp_path):
    (tmp_path / "file").touch()
    line = complaint(call(*TRAIN, "--out", "file/run"), 1)
    assert "cannot write to the run directory file/run: Not a directory" in line


def test_a_damaged_run(call, tmp_path):
    (tmp_path / "config.json").write_text("{")
    assert "config.json is damaged" in complaint(call("evaluate", "."), 1)


def test_a_full_disk(tmp_path):
    """A limit on the size of files stands in for a disk that is full in the middle of a run."""
    outcome = process(*TRAIN, "--quiet", "--out=run", folder=tmp_path, prefix="ulimit -f 4;")
    assert "run/checkpoint: File too large" in complaint(outcome, 1)


def test_an_error_that_nobody_foresaw(call, monkeypatch):
    def break_down(argv):
        raise RuntimeError("the roof fell in\nand the walls")

    monkeypatch.setattr("tapehead.cli.listing.run", break_down)
    line = complaint(call("list"), 1)
    assert line == "tapehead list: RuntimeError: the roof fell in (TAPEHEAD_DEBUG=1 shows where)"
    monkeypatch.setenv("TAPEHEAD_DEBUG", "1")
    with pytest.raises(RuntimeError, match="roof"):
        main(["list"])


def test_a_reader_who_has_seen_enough(tmp_path):
    """`tapehead list | head -1` must not end in a traceback."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "tapehead.cli", "list"],
        cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_signal_saves_and_says_so(tmp_path):
    wanted = {signal.SIGINT: 130, signal.SIGTERM: 143}
    trainings = {}
    for number in wanted:  # both at once: it takes a while until they train
        trainings[number] = subprocess.Popen(
            [sys.executable, "-m", "tapehead.cli", *TRAIN, "--max-sequences=100000000",
             f"--out={number.name}"],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    for number, code in wanted.items():
        metrics = tmp_path / number.name / "metrics.jsonl"
        deadline = time.monotonic() + 100
        while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        trainings[number].send_signal(number)
        _, err = trainings[number].communicate(timeout=100)
        assert trainings[number].returncode == code
        assert err.startswith(f"tapehead train: stopped by {number.name} after ")
        assert len(err.splitlines()) == 1
        assert list((tmp_path / number.name / "checkpoint").iterdir())
