"""Sizes of one's own choice, paths as one writes them, names in any writing."""

import json

import pytest
from calls import TINY, process

from tapehead.tasks import make_task
from tapehead.training import evaluate, load_run

LSTM = ["train", "copy", "--machine=lstm", "--hidden-size=4", "--no-figures", "--quiet", *TINY]


def test_a_run_is_scored_at_the_sizes_asked_for(call, tmp_path):
    assert call(*LSTM, "--out=run").code == 0
    scores = call("evaluate", "run", "--length", 3, 7, "--sequences=4", "--json").json[0]
    assert list(scores["evaluation"]) == ["length 3", "length 7"]
    _, machine, task = load_run(tmp_path / "run")
    wanted = evaluate(machine, task.resized(min_length=7, max_length=7), sequences=4)
    assert scores["evaluation"]["length 7"] == wanted
    both = call("evaluate", "run", "--max-length=5", "--no-mixed-lengths", "--sequences=2")
    assert "max length 5, mixed lengths False" in both.out
    screen = call("evaluate", "run", "--help").out
    assert "--length none" in screen
    assert "--max-length 2" in screen  # as the run had it


NTM = ["train", "copy", "--hidden-size=4", "--memory-size=6", "--no-figures", "--quiet", *TINY]


def test_a_run_is_scored_with_more_rows(call, tmp_path):
    assert call(*NTM, "--out=ntm").code == 0
    asked = ["evaluate", "ntm", "--memory-size=11", "--length=7", "--sequences=4"]
    scores = call(*asked, "--json").json[0]
    assert scores["memory_size"] == 11
    _, machine, task = load_run(tmp_path / "ntm")
    task = task.resized(min_length=7, max_length=7)
    before = evaluate(machine, task, sequences=4)
    machine.memory_size = 11
    wanted = evaluate(machine, task, sequences=4)
    assert scores["evaluation"]["length 7"] == wanted != before
    assert "ntm on copy with 11 rows, 4 sequences" in call(*asked).out


@pytest.mark.parametrize(
    ("machine", "rows", "words"),
    [
        (NTM, 0, "--memory-size must be a whole number of at least 1, got 0"),
        (NTM, 10**12, "--memory-size must be small enough for"),
        (LSTM, 7, "--memory-size must be left out for lstm, whose memory is fixed, got 7"),
    ],
)
def test_rows_that_it_cannot_have_are_a_wrong_call(call, machine, rows, words):
    assert call(*machine, "--out=run").code == 0
    outcome = call("evaluate", "run", f"--memory-size={rows}", "--sequences=1")
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_machine_that_does_not_point_has_no_beam(call):
    assert call(*LSTM, "--out=run").code == 0
    outcome = call("evaluate", "run", "--beam-width=2", "--sequences=1")
    assert outcome.code == 2
    assert "--beam-width must be left out for lstm, which has none, got 2" in outcome.err
    assert outcome.err.count("\n") == 1


def test_repeats_stay_normalised_as_in_training():
    task = make_task("repeat-copy")
    other = task.resized(min_repeats=20, max_repeats=20)
    assert other.normalisation == task.normalisation
    assert (other.min_repeats, other.max_repeats) == (20, 20)


def test_a_tilde_is_the_home_folder_also_behind_an_equals_sign(call, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert call(*LSTM, "--out=~/run").code == 0
    assert (tmp_path / "home" / "run" / "result.json").exists()
    assert not (tmp_path / "~").exists()
    assert call("evaluate", "~/run", "--length=3", "--sequences=1").code == 0


def test_several_runs_and_a_folder_of_seeds(call, tmp_path):
    assert call(*LSTM, "--num-seeds=2", "--workers=1", "--out=both").code == 0
    for arguments in (["both"], ["both/seed-0", "both/seed-1"]):
        drawn = call("view", *arguments, "--sizes", "2", "--json")
        assert (drawn.code, drawn.err) == (0, "")
        files = drawn.json[0]["figures"]
        assert files[-1] == "both/learning.png"
        assert "both/seed-1/figures/bits.png" in files
        assert all((tmp_path / file).is_file() for file in files)


def test_names_in_any_writing(tmp_path):
    """Whatever encoding the terminal has: never a UnicodeEncodeError."""
    for prefix in ("LC_ALL=C", "PYTHONIOENCODING=ascii"):
        done = process("evaluate", "läufe", folder=tmp_path, prefix=prefix)
        assert done.code == 2
        assert "there is no run directory l" in done.err
        assert "Traceback" not in done.err
    listed = process("list", "--json", folder=tmp_path, prefix="PYTHONIOENCODING=ascii")
    assert json.loads(listed.out)
    talking = [word for word in LSTM if word != "--quiet"]
    said = process(*talking, "--out=läufe", folder=tmp_path, prefix="PYTHONIOENCODING=ascii")
    assert (said.code, said.err) == (0, "")
