"""A published experiment run again, on a budget of a few steps."""

import dataclasses
import json

import pytest
from calls import complaint

from tapehead.recipes import EXPERIMENTS
from tapehead.runs import TrainConfig

TINY = ["--machines", "lstm", "--max-sequences=16", "--test-sequences=1"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Validations of a few sequences: those of the recipe take most of the time."""
    monkeypatch.setattr("tapehead.recipes.ntm.TESTING", {"validation_sequences": 2})


def test_from_nothing_to_result_and_figure(call, tmp_path):
    done = call("reproduce", "ntm/copy", *TINY, "--num-seeds=2", "--workers=2")
    assert (done.code, done.err) == (0, "")
    for text in ("lstm, seed 1: not solved after 16 sequences", "as trained", "0/2"):
        assert text in done.out
    folder = tmp_path / "results" / "ntm" / "copy"
    result = json.loads((folder / "result.json").read_text())
    assert (folder / "figure.png").stat().st_size > 1000
    assert result["experiment"] == "ntm/copy"
    assert result["command"].startswith("tapehead reproduce ntm/copy --machines lstm")
    assert str(tmp_path) not in json.dumps(result)
    assert {"commit", "versions", "hardware"} <= set(result)
    assert [cell["test"] for cell in result["cells"]] == [None, "10", "20", "30", "50", "120"]
    for cell in result["cells"]:
        assert (cell["machine"], cell["task"], cell["setting"]) == ("lstm", "copy", "fast")
        assert (cell["seeds"], cell["solved"], cell["sequences"]) == ([0, 1], 0, [16, 16])
    for seed in (0, 1):
        run = json.loads(
            (tmp_path / f"runs/ntm/copy/fast/lstm/seed-{seed}/result.json").read_text()
        )
        assert result["cells"][0]["values"][seed] == run["scores"]["bits"]
        assert result["cells"][5]["values"][seed] == run["evaluation"]["120"]["bits"]
    assert result["cells"][0]["published"] == 4.8

    line = complaint(call("reproduce", "ntm/copy", *TINY, "--num-seeds=2"), 1)
    assert "already holds a run: --resume goes on with it" in line

    # More seeds: the two runs that are done stay as they are.
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.jsonl")}
    more = call("reproduce", "ntm/copy", *TINY, "--num-seeds=3", "--resume", "--json")
    assert more.code == 0
    assert more.json[0]["cells"][0]["seeds"] == [0, 1, 2]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps

    line = complaint(
        call("reproduce", "ntm/copy", *TINY, "--max-sequences=24", "--num-seeds=3", "--resume"), 1
    )
    assert "seed-0: cannot resume: --max-sequences was 16 and is now 24" in line


def test_the_settings_of_a_number_are_shown_without_training(call, tmp_path):
    shown = call("reproduce", "ntm/priority-sort", "--show", "--machines", "ntm-lstm")
    assert (shown.code, shown.err) == (0, "")
    assert "ntm-lstm on priority-sort, fast:" in shown.out
    assert "num_reads=5" in shown.out
    paper = ["--setting=paper", "--tasks=traversal", "--machines", "dnc"]
    (found,) = call("reproduce", "dnc/graphs", "--show", *paper, "--json").json[0]
    config = TrainConfig.from_dict(found["settings"])
    wanted = EXPERIMENTS["dnc/graphs"].recipe("traversal", "dnc", "paper")
    assert config == dataclasses.replace(wanted, threads=1)
    assert not list(tmp_path.iterdir())


def test_the_other_setting_keeps_its_cells(call, tmp_path):
    folder = tmp_path / "results" / "ntm" / "copy"
    folder.mkdir(parents=True)
    earlier = {"machine": "lstm", "task": "copy", "setting": "fast", "values": [7.0]}
    (folder / "result.json").write_text(json.dumps({"cells": [earlier]}))
    done = call("reproduce", "ntm/copy", *TINY, "--num-seeds=1", "--setting=paper", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    cells = json.loads((folder / "result.json").read_text())["cells"]
    assert cells[0] == earlier
    assert [cell["setting"] for cell in cells[1:]] == ["paper"] * 6
    assert "--setting=paper" in cells[1]["command"]
    assert [path.name for path in folder.glob("*.png")] == ["figure-paper.png"]


def test_a_result_that_cannot_be_added_to_is_refused_before_training(call, tmp_path):
    folder = tmp_path / "results" / "ntm" / "copy"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text("{")
    line = complaint(call("reproduce", "ntm/copy", *TINY, "--num-seeds=1"), 1)
    assert "result.json is damaged: not JSON" in line
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_run_that_fails_fails_the_experiment(call, tmp_path):
    (tmp_path / "runs" / "lstm").mkdir(parents=True)
    (tmp_path / "runs" / "lstm" / "seed-0").touch()
    line = complaint(call("reproduce", "ntm/copy", *TINY, "--num-seeds=2", "--runs=runs"), 1)
    assert "1 of 2 runs failed; lstm, seed 0: cannot write to the run directory" in line
    assert not (tmp_path / "results").exists()
    assert (tmp_path / "runs" / "lstm" / "seed-1" / "result.json").exists()


def test_machines_that_choose_race_like_all_others(call, tmp_path, monkeypatch):
    """Part by part: what was there stays, and the figure shows both."""
    from tapehead.recipes import discrete

    short = {"validation_sequences": 2, "keep_every": 16, "machine_options": {"hidden_size": 4}}
    monkeypatch.setattr(discrete, "TRAINING", discrete.TRAINING | short)
    usual = ["--max-sequences=32", "--num-seeds=1", "--json"]
    for machine in ("ntm soft", "discrete-ntm reinforce"):
        done = call("reproduce", "discrete/copy", "--machines", machine, *usual)
        assert (done.code, done.err) == (0, "")
    soft, chooser = done.json[0]["cells"]
    assert (soft["machine"], chooser["machine"]) == ("ntm soft", "discrete-ntm reinforce")
    for cell in (soft, chooser):
        assert (cell["sequences"], cell["unit"]) == ([32], "wrong bits per sequence")
        assert cell["curves"][0][-1]["bit_errors"] == cell["values"][0]
    assert (soft["variances"], len(chooser["variances"][0])) == ([[]], 1)
    assert (tmp_path / "results/discrete/copy/figure.png").stat().st_size > 10_000
    line = complaint(call("reproduce", "discrete/copy", "--machines", "ntm soft", *usual), 1)
    assert "runs/discrete/copy/fast/ntm-soft/seed-0 already holds a run: --resume" in line
    again = call("reproduce", "discrete/copy", "--machines", "ntm soft", *usual, "--resume")
    values = {cell["machine"]: cell["values"] for cell in again.json[0]["cells"]}
    assert values == {cell["machine"]: cell["values"] for cell in (soft, chooser)}


def test_a_calculation_runs_by_its_own_rules(call, tmp_path, monkeypatch):
    def reproduce(folder, *, seeds, command):
        folder.mkdir(parents=True)
        cell = {
            "machine": "relax", "setting": "t=0.45", "metric": "expected cost", "unit": "1",
            "seeds": list(seeds), "values": [0.2] * len(seeds), "solved": 1, "sequences": [9],
            "seconds": [1], "published": 0.25, "command": command,
        }  # fmt: skip
        return {"experiment": "estimators/bernoulli", "cells": [cell]}

    monkeypatch.setattr("tapehead.recipes.bernoulli.reproduce", reproduce)
    done = call("reproduce", "estimators/bernoulli", "--num-seeds=3", "--json")
    assert done.code == 0
    cell = done.json[0]["cells"][0]
    assert cell["seeds"] == [0, 1, 2]
    assert cell["command"] == "tapehead reproduce estimators/bernoulli --num-seeds=3 --json"
    usual = call("reproduce", "estimators/bernoulli", "--out=again", "--json").json[0]
    assert len(usual["cells"][0]["seeds"]) == 10
