import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from tapehead.errors import TapeheadError
from tapehead.runs import TrainConfig, directory, read_config, read_metrics, read_result
from tapehead.runs.checkpoint import DamagedCheckpoint
from tapehead.runs.directory import RunDirectory, is_in_use
from tapehead.runs.provenance import _commit, provenance

CONFIG = TrainConfig(task_options={"max_length": 3}, max_sequences=240)
RESULT = {
    "seed": 0, "solved": False, "solved_after": None, "sequences": 4, "steps": 1, "seconds": 0.1,
    "scores": {"bits": 1.5}, "evaluation": {},
}  # fmt: skip


def begun(path):
    run = RunDirectory(path)
    run.begin(CONFIG, {"parameters": 3})
    return run


def test_rows_are_read_back_even_while_one_is_being_written(tmp_path):
    with begun(tmp_path / "run") as run:
        run.append({"a": 1.5})
        run.append({"a": 0.1 + 0.2})
        assert read_metrics(tmp_path / "run") == [{"a": 1.5}, {"a": 0.1 + 0.2}]
        with open(tmp_path / "run" / "metrics.jsonl", "ab") as file:
            file.write(b'{"a": 0.')
        assert read_metrics(tmp_path / "run") == [{"a": 1.5}, {"a": 0.1 + 0.2}]


def test_rows_after_a_checkpoint_are_cut_off(tmp_path):
    with begun(tmp_path / "run") as run:
        run.append({"row": 1})
        length, check = run.sync_metrics()
        run.append({"row": 2})
    with RunDirectory(tmp_path / "run") as run:
        assert run.know() == (CONFIG, None)
        run.check_metrics(length, check)
        run.cut_metrics(length, check)
        run.append({"row": 3})
        assert read_metrics(tmp_path / "run") == [{"row": 1}, {"row": 3}]
        with pytest.raises(DamagedCheckpoint, match=r"it has 80 bytes, .* knows of 1,000"):
            run.check_metrics(1_000, check)
        with pytest.raises(DamagedCheckpoint, match="its rows are not those that the checkpoint"):
            run.check_metrics(length, "0" * 16)


def test_a_directory_in_use_names_the_process(tmp_path):
    with (
        begun(tmp_path / "run"),
        pytest.raises(TapeheadError, match=rf"run is in use by process {os.getpid()} on \S+: wait"),
    ):
        RunDirectory(tmp_path / "run")
    RunDirectory(tmp_path / "run").close()  # given up at the end


def test_a_lock_dies_with_its_process(tmp_path):
    code = "import sys; from tapehead.runs.directory import RunDirectory as R; R(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], check=True)
    RunDirectory(tmp_path / "run").close()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("chapter 1")
    with pytest.raises(TapeheadError, match=r"not a run directory and not empty .*thesis\.tex"):
        RunDirectory(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "chapter 1"


def test_a_folder_that_cannot_be_made_or_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TapeheadError, match=r"cannot write to the run directory .*Not a directory"):
        RunDirectory(tmp_path / "file" / "run")
    with pytest.raises(TapeheadError, match=r"cannot write to the run directory /proc/run"):
        RunDirectory("/proc/run")


def test_what_a_kill_left_half_written_is_cleared_away(tmp_path):
    begun(tmp_path / "run").close()
    (tmp_path / "run" / ".result.json.tmp").write_text("{")
    RunDirectory(tmp_path / "run").close()
    assert not (tmp_path / "run" / ".result.json.tmp").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 1, "con', r"config\.json is damaged: not JSON"),
        ("[]", r"config\.json is no run: a JSON object is expected"),
        ('{"name": "app"}', r"config\.json was not written by tapehead"),
        ('{"kind": "tapehead machine"}', "is a saved machine, not a run"),
        ('{"format": 3, "config": {}}', r"newer tapehead \(format 3; this one reads up to 2\)"),
        ('{"format": 2, "config": {}}', r"config\.json is damaged: it has changed since"),
        ('{"format": 0, "config": {}}', r"config\.json is damaged: it has changed since"),
        ("[" * 100_000, r"config\.json is damaged: its JSON is nested too deeply"),
        ('{"format": NaN}', r"config\.json is damaged: not JSON \(NaN is no number"),
        ('{"format": 1, "config": {"colour": 1}}', "unknown option 'colour'; allowed: task, "),
        ('{"format": 1, "config": {"seed": -1}}', "seed must be a whole number of at least 0"),
    ],
)
def test_settings_that_cannot_be_read_say_why(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TapeheadError, match=message) as caught:
        read_config(tmp_path)
    assert "\n" not in str(caught.value)


def test_rows_that_are_damaged_or_missing(tmp_path):
    with pytest.raises(TapeheadError, match=r"holds no metrics: metrics\.jsonl is missing"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"a": 1}\n{"a": \n{"a": 3}\n')
    with pytest.raises(TapeheadError, match=r"metrics\.jsonl is damaged: row 2 is not JSON"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("[" * 100_000 + "\n")
    with pytest.raises(TapeheadError, match=r"row 1 is not JSON \(nested too deeply\)"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("3\n")
    with pytest.raises(TapeheadError, match="row 1 is not a JSON object"):
        read_metrics(tmp_path)


def test_a_run_that_has_not_ended_has_no_result(tmp_path):
    with begun(tmp_path / "run") as run:
        assert read_result(tmp_path / "run") is None
        run.finish(RESULT)
        assert read_result(tmp_path / "run") == RESULT


def test_the_commit_is_that_of_our_own_checkout_only(tmp_path, monkeypatch):
    def git(*arguments):
        names = ["-c", "user.name=a", "-c", "user.email=b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", tmp_path, *names, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    for package in ("src/tapehead", "environment/tapehead"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "result.json").write_text("{}")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    monkeypatch.setattr("tapehead.__file__", str(tmp_path / "src/tapehead/__init__.py"))
    assert _commit.__wrapped__() == (git("rev-parse", "HEAD"), False)
    (tmp_path / "results" / "result.json").write_text('{"newer": true}')
    assert _commit.__wrapped__() == (git("rev-parse", "HEAD"), False)
    (tmp_path / "src/tapehead/__init__.py").write_text("changed")
    assert _commit.__wrapped__() == (git("rev-parse", "HEAD"), True)
    monkeypatch.setattr("tapehead.__file__", str(tmp_path / "environment/tapehead/__init__.py"))
    assert _commit.__wrapped__() == (None, None)


def test_a_number_names_its_origin():
    facts = provenance()
    assert {"python", "torch", "numpy", "tapehead"} <= set(facts["versions"])
    assert json.loads(json.dumps(facts)) == facts


HOLD = """
import sys
from tapehead.runs.directory import RunDirectory, is_in_use
held = RunDirectory(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_directory_is_in_use_until_the_process_that_holds_it_is_gone(tmp_path):
    assert not is_in_use(tmp_path / "none")
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert is_in_use(tmp_path)
        holder.kill()
    assert not is_in_use(tmp_path)


def test_a_lock_that_cannot_be_asked_is_believed_if_its_process_may_be_there(tmp_path, monkeypatch):
    lock = tmp_path / ".lock"

    def broken(*_):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(directory.fcntl, "flock", broken)
    for process, host, used in (
        (os.getpid(), socket.gethostname(), True),
        (2**22 + 7, socket.gethostname(), False),  # more than Linux gives
        (2**22 + 7, "elsewhere", True),
    ):
        lock.write_text(f"process {process} on {host}\n")
        assert is_in_use(tmp_path) is used


def test_looking_whether_a_directory_is_in_use_does_not_keep_it(tmp_path):
    for _ in range(2):
        with RunDirectory(tmp_path):
            assert is_in_use(tmp_path)
        assert not is_in_use(tmp_path)
