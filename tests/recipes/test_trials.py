"""Runs of a study: each written down at once, none done twice, none mistaken for another."""

import dataclasses
import json
import os

import pytest
import torch

from tapehead.errors import TapeheadError
from tapehead.recipes.trials import Trial, run_trials
from tapehead.signals import Stopped

SEEDS = (0, 1, 2)


class Runner:
    """Stands in for training; counts its calls and dies at one of them."""

    def __init__(self, dies_at=None):
        self.calls, self.dies_at = [], dies_at

    def trial(self, machine, **options):
        def run(seed):
            if len(self.calls) == self.dies_at:
                raise KeyboardInterrupt
            self.calls.append((machine, seed))
            rows = [{"sequences": 8, "seconds": 0.1, "error": 5.0 - seed}]
            return {
                "value": 5.0 - seed,
                "solved": seed > 0,
                "sequences": 8 * (seed + 1),
                "seconds": 0.5,
                "rows": rows,
            }

        return Trial(
            machine=machine,
            task="copy",
            setting="fast",
            metric="error",
            unit="errors",
            options=options,
            run=run,
            published=0.5,
            source="a paper",
        )

    def go(self, folder, trials, seeds=SEEDS, **more):
        how = {"workers": 1, "quiet": True} | more
        return run_trials("test/study", "a paper", trials, seeds, folder, "a command", **how)


def by_process(seed):
    """A run that tells how it was run."""
    return {
        "value": float(seed),
        "solved": False,
        "sequences": os.getpid(),
        "seconds": float(torch.get_num_threads()),
        "rows": [],
    }


def failing(seed):
    raise TapeheadError(f"seed {seed} is impossible")


def saved(folder):
    return json.loads((folder / "result.json").read_text())


def test_cells_hold_every_seed_in_order(tmp_path):
    runner = Runner()
    result = runner.go(tmp_path, [runner.trial("a", size=1), runner.trial("b")], seeds=(2, 0))
    assert result == saved(tmp_path)
    assert runner.calls == [("a", 2), ("b", 2), ("a", 0), ("b", 0)]
    first = result["cells"][0]
    assert first["seeds"] == [0, 2]
    assert first["values"] == [5.0, 3.0]
    assert first["sequences"] == [8, 24]
    assert first["solved_by_seed"] == [False, True]
    assert (first["solved"], first["success_rate"]) == (1, 0.5)
    assert (first["published"], first["source"]) == (0.5, "a paper")
    assert first["options"] == {"size": 1}
    assert [rows[0]["error"] for rows in first["curves"]] == [5.0, 3.0]
    assert result["command"] == "a command"


def test_what_was_done_before_a_kill_is_not_done_again(tmp_path):
    killed = Runner(dies_at=4)
    with pytest.raises(Stopped, match="SIGINT with 4 of 6 runs done and written"):
        killed.go(tmp_path, [killed.trial("a"), killed.trial("b")])
    assert [cell["seeds"] for cell in saved(tmp_path)["cells"]] == [[0, 1], [0, 1]]
    again = Runner()
    result = again.go(tmp_path, [again.trial("a"), again.trial("b")])
    assert again.calls == [("a", 2), ("b", 2)]
    fresh = Runner()
    whole = fresh.go(tmp_path / "other", [fresh.trial("a"), fresh.trial("b")])
    assert result["cells"] == whole["cells"]


def test_a_run_with_other_options_is_another_run(tmp_path):
    before = Runner()
    before.go(tmp_path, [before.trial("a", size=1), before.trial("b")])
    after = Runner()
    result = after.go(tmp_path, [after.trial("a", size=2), after.trial("b")])
    assert after.calls == [("a", seed) for seed in SEEDS]
    assert result["cells"][0]["options"] == {"size": 2}
    further = Runner()
    other = dataclasses.replace(further.trial("a", size=2), task="recall")
    further.go(tmp_path, [other])
    assert len(further.calls) == len(SEEDS)


def test_a_run_from_before_an_option_existed_had_its_default(tmp_path):
    before = Runner()
    before.go(tmp_path, [before.trial("a", size=1, schedule={"rate": 0.1})])
    after = Runner()
    now = after.trial("a", size=1, schedule={"rate": 0.1, "epsilon": 1e-8})
    defaults = {"schedule": {"rate": 0.3, "epsilon": 1e-8}}
    result = after.go(tmp_path, [dataclasses.replace(now, defaults=defaults)])
    assert after.calls == []
    assert result["cells"][0]["options"]["schedule"] == {"rate": 0.1, "epsilon": 1e-8}
    changed = after.trial("a", size=1, schedule={"rate": 0.1, "epsilon": 1e-4})
    after.go(tmp_path, [dataclasses.replace(changed, defaults=defaults)])
    assert len(after.calls) == len(SEEDS)


def test_fewer_seeds_lose_no_run(tmp_path):
    runner = Runner()
    runner.go(tmp_path, [runner.trial("a")])
    result = runner.go(tmp_path, [runner.trial("a")], seeds=(1, 5))
    assert result["cells"][0]["seeds"] == [0, 1, 2, 5]
    assert len(runner.calls) == 4


def test_some_machines_now_and_the_rest_later(tmp_path, capsys):
    runner = Runner()
    trials = [runner.trial("a"), runner.trial("b")]
    result = runner.go(tmp_path, trials, machines=("b",), quiet=False)
    assert [cell["machine"] for cell in result["cells"]] == ["b"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "2/3 b, copy, seed 1: solved after 16 sequences, 0 s"
    result = runner.go(tmp_path, trials)
    assert [cell["machine"] for cell in result["cells"]] == ["a", "b"]
    assert len(runner.calls) == 6
    assert capsys.readouterr().out == ""
    with pytest.raises(TapeheadError, match="--machines must be one of a, b, got 'c'"):
        runner.go(tmp_path, trials, machines=("c",))


def test_several_workers_are_processes_of_one_thread_and_order_is_as_alone(tmp_path):
    runner = Runner()
    trial = dataclasses.replace(runner.trial("a"), run=by_process)
    (cell,) = runner.go(tmp_path, [trial], workers=2)["cells"]
    assert cell["seeds"] == [0, 1, 2]
    assert cell["values"] == [0.0, 1.0, 2.0]
    assert os.getpid() not in cell["sequences"]
    assert cell["seconds"] == [1.0, 1.0, 1.0]


def test_a_worker_that_fails_ends_the_study_with_its_error(tmp_path):
    runner = Runner()
    trial = dataclasses.replace(runner.trial("a"), run=failing)
    with pytest.raises(TapeheadError, match=r"seed [012] is impossible"):
        runner.go(tmp_path, [trial], workers=2)
