"""A job that cannot be done: exit code 1 and one line; a stopped one ends as shells expect."""

import os
import signal
import subprocess
import sys
import time

import pytest
from calls import TINY, complaint, process

from full_disk import FULL_AT_4_KB
from tapehead.cli import main
from tapehead.runs.directory import RunDirectory

PATIENCE = 250  # seconds: processes import for a while where all cores are busy
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
    outcome = process(*TRAIN, "--quiet", "--out=run", folder=tmp_path, prefix=FULL_AT_4_KB)
    assert "run/checkpoint: File too large" in complaint(outcome, 1)


def test_an_error_that_nobody_foresaw(call, monkeypatch):
    def break_down(argv):
        raise RuntimeError("the roof fell in\nand the walls")

    monkeypatch.setattr("tapehead.cli.list_.run", break_down)
    line = complaint(call("list"), 1)
    assert line == "tapehead list: RuntimeError: the roof fell in (TAPEHEAD_DEBUG=1 shows where)"
    monkeypatch.setenv("TAPEHEAD_DEBUG", "1")
    with pytest.raises(RuntimeError, match="roof"):
        main(["list"])


@pytest.mark.parametrize("command", [["list"], ["train", "copy", "--help-all"]])
def test_a_reader_who_has_seen_enough(tmp_path, command):
    """`tapehead list | head -1` must not end in a traceback."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "tapehead", *command],
        cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_signal_or_a_closed_pipe_saves_and_says_so(tmp_path, training):
    """`train | head` is told by the pipe, a closed terminal by SIGHUP."""
    wanted = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGPIPE: 141}
    trainings = {}
    for number in wanted:  # all at once: it takes a while until they train
        trainings[number] = training(number.name, piped=number == signal.SIGPIPE)
    for number, code in wanted.items():
        _wait_for_rows(tmp_path / number.name)
        if number == signal.SIGPIPE:
            trainings[number].stdout.readline()
            trainings[number].stdout.close()
        else:
            trainings[number].send_signal(number)
        err = trainings[number].stderr.read()
        assert trainings[number].wait(timeout=PATIENCE) == code
        assert err.startswith(f"tapehead train: stopped by {number.name} after ")
        assert len(err.splitlines()) == 1
        assert list((tmp_path / number.name / "checkpoint").iterdir())
        trainings[number].stderr.close()


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path, training):
    running = training("run", before="trap '' HUP;")
    _wait_for_rows(tmp_path / "run")
    running.send_signal(signal.SIGHUP)
    rows = (tmp_path / "run" / "metrics.jsonl").stat().st_size
    deadline = time.monotonic() + PATIENCE
    while (tmp_path / "run" / "metrics.jsonl").stat().st_size == rows:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.terminate()
    assert "stopped by SIGTERM" in running.communicate(timeout=PATIENCE)[1]


@pytest.fixture
def training(tmp_path):
    """Starts a training without end, which the end of the test ends."""
    started = []

    def start(out, *, before="", piped=False):
        command = f'{before} exec "$0" -m tapehead "$@"'
        started.append(subprocess.Popen(
            ["bash", "-c", command, sys.executable, *TRAIN, "--max-sequences=100000000",
             f"--out={out}"],
            # A pipe that nobody reads fills up, and holds the training up where no signal ends it.
            cwd=tmp_path, stdout=subprocess.PIPE if piped else subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        ))  # fmt: skip
        return started[-1]

    yield start
    for running in started:
        running.kill()
        running.wait()
        for pipe in filter(None, (running.stdout, running.stderr)):
            pipe.close()


def _wait_for_rows(run):
    metrics, deadline = run / "metrics.jsonl", time.monotonic() + PATIENCE
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_where_there_is_nothing_to_save(call, monkeypatch, number, code):
    monkeypatch.setattr("tapehead.cli.list_.run", lambda argv: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    assert complaint(call("list"), code) == f"tapehead list: stopped by {number.name}"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("where", "saved"),
    [
        ("session.Session.warm_up", "nothing is saved"),
        ("loop.evaluate_settings", "resume to go on with what is saved in run"),
    ],
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_or_after_the_steps(call, monkeypatch, where, saved, number, code):
    with monkeypatch.context() as patch:
        stop = lambda *values, **options: os.kill(os.getpid(), number)  # noqa: E731
        patch.setattr(f"tapehead.training.{where}", stop)
        line = complaint(call(*TRAIN, "--out", "run", "--quiet"), code)
    assert line == f"tapehead train: stopped by {number.name} before or after its steps; {saved}"
    assert call(*TRAIN, "--out", "run", "--quiet", "--resume").code == 0
