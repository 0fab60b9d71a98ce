"""The experiments with machines that choose, in small: their settings, and what becomes of runs."""

import dataclasses
import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tapehead.errors import TapeheadError
from tapehead.forms import Tape
from tapehead.machines import DiscreteNTM
from tapehead.machines.ntm import NTM
from tapehead.recipes import discrete, recipe, tapes, tardis
from tapehead.recipes.jobs import plan
from tapehead.recipes.races import log_variance, variances
from tapehead.recipes.reproduce import reproduce
from tapehead.recipes.results import read_result
from tapehead.runs import load_run, read_metrics
from tapehead.runs.build import build_machine, build_task
from tapehead.tasks import TASKS
from tapehead.training import Reporter, Stopped, train
from tapehead.training.fleet import Here, Processes
from tapehead.training.objectives import MoveChoices, RowChoices, Supervised, make_objective

TASK = replace(TASKS["copy"](), num_bits=2, max_length=2)
# Compiling kernels would take longer than all else here.
SMALL = {"memory_size": 4, "word_size": 3, "hidden_size": 5, "backend": "reference"}


def small(task, contestant, setting):
    """The recipe of a machine of a few numbers, for a moment."""
    config = discrete.recipe(task, contestant, setting)
    return replace(
        config,
        task_options={"num_bits": 2, "max_length": 2},
        machine_options=config.machine_options | SMALL,
        batch_size=4,
        max_sequences=48,
        report_every=16,
        validate_every=16,
        validation_sequences=4,
        keep_every=16,
    )


def test_every_contestant_can_be_built():
    experiment = discrete.EXPERIMENT
    assert len(set(experiment.contestants)) == len(experiment.contestants) == 13
    for each in (experiment, tardis.EXPERIMENT):
        for job in plan(each, "fast", [0], Path("runs")):
            config = job.config
            task = build_task(config)
            machine = build_machine(config, task)
            objective = make_objective(machine, task, **config.objective_options)
            chooses = config.machine not in ("ntm", "lstm")
            assert isinstance(objective, RowChoices if chooses else Supervised)
            assert objective.still_soft == job.contestant.startswith("annealed")
            if chooses:
                assert job.contestant.endswith(f" {objective.address_estimator.name}")
            assert (config.curriculum != "none") == (config.lesson_mark is not None)
    assert recipe("copy", "annealed dynamic-ntm relax").choosing_epsilon == 1e-4
    assert recipe("associative-recall", "tardis reinforce").task_options == {"max_items": 3}
    # A machine that has a recipe for itself keeps it.
    assert recipe("copy", "lstm").machine_options["hidden_size"] != 128
    with pytest.raises(ValueError, match="setting must be fast for copy, got 'paper'"):
        recipe("copy", "ntm soft", "paper")


def test_log_variance_is_that_of_the_mean_square_around_the_mean():
    torch.manual_seed(0)
    machine = DiscreteNTM(3, 2, **SMALL)
    options = {"estimator": "reinforce", "baseline": "moving-average"}
    objective = make_objective(machine, TASK, **options)
    found = log_variance(machine, objective, TASK, samples=2000)
    # Twice the cost is four times the variance.
    double = dataclasses.make_dataclass("Double", [], bases=(type(TASK),), frozen=True)
    double.step_costs = lambda self, outputs, batch: 2 * TASK.step_costs(outputs, batch)
    twice = double(num_bits=2, max_length=2)
    other = log_variance(machine, objective, twice, samples=2000)
    assert other - found == pytest.approx(math.log(4), abs=0.05)
    assert machine.training
    assert objective.training
    assert objective.address_estimator.average == 0
    plain = NTM(3, 2, **SMALL)
    assert log_variance(plain, make_objective(plain, TASK), TASK, samples=2) is None


def test_the_variance_is_measured_at_the_checkpoints_that_were_kept(tmp_path):
    """With what the objective had learned by then, and the same however often one asks."""
    config = replace(small("copy", "discrete-ntm relax", "fast"), checkpoint_every=0.0)
    train(config, tmp_path / "run")
    rows = variances(tmp_path / "run", samples=9)
    assert [row["sequences"] for row in rows] == [16, 32, 48]
    assert rows == variances(tmp_path / "run", samples=9)
    assert all(math.isfinite(row["log_variance"]) for row in rows)
    _, machine, task = load_run(tmp_path / "run", step=8)
    untrained = make_objective(machine, task, **config.objective_options)
    assert rows[1]["log_variance"] != log_variance(machine, untrained, task, samples=9)
    train(small("copy", "ntm soft", "fast"), tmp_path / "soft")
    assert variances(tmp_path / "soft") == []


def timeless(cell):
    """A cell without its seconds, which no two runs share."""
    curves = [[{**row, "seconds": 0} for row in rows] for rows in cell["curves"]]
    return {**cell, "seconds": 0, "curves": curves}


def test_a_killed_experiment_goes_on_and_comes_to_the_same_result(tmp_path):
    experiment = replace(
        discrete.EXPERIMENT,
        recipe=small,
        contestants=("ntm soft", "annealed discrete-ntm reinforce"),
    )

    def go(name, **more):
        options = {"seeds": (0, 1), "runs": tmp_path / name / "runs", "out": tmp_path / name}
        return reproduce(experiment, **options | {"engine": lambda jobs: Here()} | more)

    class Interrupts(Reporter):
        """In the middle of the third of the four runs."""

        def for_run(self, name, seed):
            self.runs = getattr(self, "runs", 0) + 1
            return self

        def reported(self, row):
            if self.runs == 3 and row["sequences"] == 32:
                os.kill(os.getpid(), signal.SIGTERM)

    whole = go("whole")
    with pytest.raises(Stopped):
        go("pieces", reporter=Interrupts())
    assert not (tmp_path / "pieces" / "result.json").exists()
    with pytest.raises(TapeheadError, match="already holds a run: --resume goes on with it"):
        go("pieces")
    pieces = go("pieces", resume=True)

    assert [timeless(cell) for cell in pieces.cells] == [timeless(cell) for cell in whole.cells]
    assert json.loads((tmp_path / "whole" / "result.json").read_text()) == whole.result
    assert (tmp_path / "whole" / "figure.png").stat().st_size > 10_000

    soft, chooser = whole.cells
    assert (soft["machine"], chooser["machine"]) == experiment.contestants
    assert soft["seeds"] == [0, 1]
    assert soft["values"] == [rows[-1]["bit_errors"] for rows in soft["curves"]]
    metrics = read_metrics(tmp_path / "whole" / "runs" / "ntm-soft" / "seed-1")
    assert soft["curves"][1] == [
        {
            "sequences": row["sequences"],
            "seconds": round(row["cpu_seconds"], 2),
            "bit_errors": row["bit_errors"],
        }
        for row in metrics
        if row["kind"] == "validation"
    ]
    assert soft["seconds"][1] == soft["curves"][1][-1]["seconds"]
    assert [len(rows) for rows in (*soft["variances"], *chooser["variances"])] == [0, 0, 3, 3]
    # 1,000 soft batches and 500 of annealing, of 4 sequences.
    assert (soft["soft_until"], chooser["soft_until"]) == (0, 6000)


# --- tapes ---------------------------------------------------------------------------------------


def test_every_task_meets_either_controller():
    experiment = tapes.EXPERIMENT
    assert set(experiment.tasks) == {name for name, kind in TASKS.items() if kind.tells is Tape}
    solved = {
        task for task in experiment.tasks if experiment.published_of(task, "rl-ntm-lstm").value
    }
    assert solved == {"copy-tape", "duplicated-tape"}
    for name in experiment.tasks:
        for contestant in experiment.contestants:
            config = experiment.recipe(name, contestant, "fast")
            task = build_task(config)
            machine = build_machine(config, task)
            assert isinstance(make_objective(machine, task), MoveChoices)
            assert machine.memory == task.one_way
            assert recipe(name, contestant) == config
    assert recipe("reverse-tape", "rl-ntm").machine_options == {"controller": "direct"}
    with pytest.raises(ValueError, match="setting must be fast for copy-tape, got 'paper'"):
        recipe("copy-tape", "rl-ntm", "paper")


def test_an_experiment_of_several_tasks_writes_its_result_and_figure(tmp_path):
    options = {"seeds": (0, 1), "machines": ("rl-ntm-direct",), "out": tmp_path / "out"}
    options |= {"runs": tmp_path / "runs", "max_sequences": 128}
    options |= {"engine": lambda jobs: Processes(2)}
    result = reproduce(tapes.EXPERIMENT, **options).result
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == result
    assert tuple(cell["task"] for cell in result["cells"]) == tapes.EXPERIMENT.tasks
    for cell in result["cells"]:
        assert cell["sequences"] == [128, 128]
        assert cell["solved"] == 0
        assert cell["published"] == 1.0
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000
    with pytest.raises(TapeheadError, match="already holds a run: --resume goes on with it"):
        reproduce(tapes.EXPERIMENT, **options)
    again = reproduce(tapes.EXPERIMENT, **options, resume=True)
    assert again.result["cells"] == result["cells"]
    assert read_result(tmp_path / "out") == again.result
