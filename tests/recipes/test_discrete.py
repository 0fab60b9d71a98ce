"""The discrete studies in small: runs repeat, watching changes nothing, results are written."""

import dataclasses
import json
import math
from dataclasses import replace

import pytest
import torch

from tapehead.errors import TapeheadError
from tapehead.machines import DiscreteNTM
from tapehead.machines.ntm import NTM
from tapehead.recipes import discrete, recipe, tapes, tardis
from tapehead.runs.build import build_machine, build_task
from tapehead.runs.config import TrainConfig
from tapehead.tasks import TASKS
from tapehead.tasks.tapes import TAPE_TASKS
from tapehead.training.objectives import MoveChoices, RowChoices, Supervised, make_objective

TASK = replace(TASKS["copy"](), num_bits=2, max_length=2)
SHORT = discrete.Schedule(
    max_sequences=32, batch_size=4, check_every=4, check_sequences=8, samples=4, lesson_mark=0.5
)
# Compiling kernels would take longer than all else here.
SMALL = {"memory_size": 4, "word_size": 3, "hidden_size": 5, "backend": "reference"}


def contestant(name):
    kind, options, _ = discrete.contestants()[name]
    return kind, options | SMALL


@pytest.mark.parametrize("name", ["discrete-ntm relax", "ntm soft"])
def test_a_run_reports_its_checks_and_repeats(name):
    one = discrete.train(*contestant(name), TASK, SHORT, 3)
    assert [row["sequences"] for row in one["rows"]] == [16, 32]
    assert one["value"] == one["rows"][-1]["bit_errors"] > 0.1
    assert not one["solved"]
    # Measuring the variance of the gradient more finely does not change what is learned.
    finer = discrete.train(*contestant(name), TASK, replace(SHORT, samples=9), 3)
    for row, other in zip(one["rows"], finer["rows"], strict=True):
        assert row["bit_errors"] == other["bit_errors"]
        if name == "ntm soft":
            assert row["log_variance"] is None
        else:
            assert math.isfinite(row["log_variance"])
            assert row["log_variance"] != other["log_variance"]


def test_log_variance_is_that_of_the_mean_square_around_the_mean():
    torch.manual_seed(0)
    machine = DiscreteNTM(3, 2, **SMALL)
    options = {"estimator": "reinforce", "baseline": "moving-average"}
    objective = make_objective(machine, TASK, **options)
    found = discrete.log_variance(machine, objective, TASK, samples=2000)
    # Twice the cost is four times the variance.
    double = dataclasses.make_dataclass("Double", [], bases=(type(TASK),), frozen=True)
    double.step_costs = lambda self, outputs, batch: 2 * TASK.step_costs(outputs, batch)
    twice = double(num_bits=2, max_length=2)
    other = discrete.log_variance(machine, objective, twice, samples=2000)
    assert other - found == pytest.approx(math.log(4), abs=0.05)
    assert machine.training
    assert objective.training
    assert objective.address_estimator.average == 0
    plain = NTM(3, 2, **SMALL)
    assert discrete.log_variance(plain, make_objective(plain, TASK), TASK, samples=2) is None


def test_the_curriculum_climbs_until_the_task_is_solved():
    """A mark that everyone meets leads to the last level at once, but not to a solved task."""
    easy = replace(SHORT, lesson_mark=99.0)
    task = replace(TASKS["copy"](), num_bits=2, max_length=6)
    run = discrete.train(*contestant("ntm soft"), task, easy, 0)
    assert [row["level"] for row in run["rows"]] == [1, 6]
    assert not run["solved"]
    hard = discrete.train(*contestant("ntm soft"), task, replace(SHORT, lesson_mark=0.0), 0)
    assert [row["level"] for row in hard["rows"]] == [1, 1]


def test_an_annealed_machine_is_not_done_while_it_is_soft():
    """With a mark that everyone meets the run goes on until every batch is discrete."""
    forgiving = dataclasses.make_dataclass("Forgiving", [], bases=(type(TASK),), frozen=True)
    forgiving.solved = lambda self, means: True
    task = forgiving(num_bits=2, max_length=2)
    long = replace(SHORT, max_sequences=1000, lessons=False)
    kind, options = contestant("annealed discrete-ntm reinforce")
    done = {}
    for soft_batches in (0, 20):
        phases = {"soft_batches": soft_batches, "annealing": 9}
        done[soft_batches] = discrete.train(kind, options | phases, task, long, 0)["sequences"]
    # Looked at every 4 batches of 4 sequences.
    assert done == {0: 48, 20: 128}
    assert discrete.train(*contestant("discrete-ntm rebar"), task, long, 0)["sequences"] == 16
    assert discrete.train(*contestant("ntm soft"), task, long, 0)["sequences"] == 16


def test_a_fresh_optimiser_comes_once_as_an_annealed_machine_begins_to_choose(monkeypatch):
    made, seen = [], []
    adam = torch.optim.Adam

    def making(*args, lr, eps=1e-8):
        made.append((len(seen), eps))
        return adam(*args, lr=lr, eps=eps)

    monkeypatch.setattr(torch.optim, "Adam", making)
    for kind in (RowChoices, Supervised):
        forward = kind.forward
        monkeypatch.setattr(
            kind, "forward", lambda *a, forward=forward: seen.append(a) or forward(*a)
        )

    def when(name, **phases):
        made.clear()
        seen.clear()
        kind, options = contestant(name)
        fresh = replace(SHORT, fresh_optimiser=True, choosing_epsilon=0.5, lessons=False)
        discrete.train(kind, options | phases, TASK, fresh, 0)
        return list(made)

    # The batch after the soft ones is sure to be soft too.
    assert when("annealed discrete-ntm reinforce", soft_batches=3, annealing=2) == [
        (0, 1e-8),
        (4, 0.5),
    ]
    assert when("annealed discrete-ntm reinforce", soft_batches=30, annealing=2) == [(0, 1e-8)]
    assert when("ntm soft") == [(0, 1e-8)]


def test_a_study_writes_its_result_and_figure(tmp_path):
    trials = [
        discrete.trial(name, *contestant(name), TASK, SHORT)
        for name in ("ntm soft", "discrete-ntm reinforce")
    ]
    result = discrete.reproduce(tmp_path, seeds=(0,), chosen=trials, workers=1, quiet=True)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert [cell["machine"] for cell in result["cells"]] == ["ntm soft", "discrete-ntm reinforce"]
    assert result["cells"][1]["options"]["machine"]["estimator"] == "reinforce"
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_every_contestant_can_be_built():
    names = [trial.machine for trial in discrete.trials()]
    assert len(names) == len(set(names)) == 1 + len(discrete.CHOOSERS) * 4
    for trial in tardis.trials():
        assert trial.task in ("copy", "associative-recall")
    contestants = [found[:2] for found in discrete.contestants().values()]
    for kind, options in [*contestants, *tardis.CONTESTANTS.values()]:
        both = TrainConfig.from_dict({"machine": kind, "machine_options": options})
        machine = discrete.MACHINES[kind](3, 2, **both.machine_options)
        objective = make_objective(machine, TASK, **both.objective_options)
        assert isinstance(objective, RowChoices if "ntm" != kind != "lstm" else Supervised)


# --- tapes ---------------------------------------------------------------------------------------


def test_every_task_meets_either_controller():
    assert {(name, each.task) for each in tapes.TASKS for name in each.contestants} == {
        (f"rl-ntm-{controller}", kind.name)
        for controller in ("direct", "lstm")
        for kind in TAPE_TASKS
    }
    solved = {each.task for each in tapes.TASKS if each.published["rl-ntm-lstm"].value}
    assert solved == {"copy-tape", "duplicated-tape"}
    for experiment in tapes.TASKS:
        for contestant in experiment.contestants:
            config = experiment.recipe(experiment.task, contestant, "fast")
            task = build_task(config)
            machine = build_machine(config, task)
            assert isinstance(make_objective(machine, task), MoveChoices)
            assert machine.memory == task.one_way
            assert recipe(experiment.task, contestant) == config
    assert recipe("reverse-tape", "rl-ntm").machine_options == {"controller": "direct"}
    with pytest.raises(ValueError, match="setting must be fast for copy-tape, got 'paper'"):
        recipe("copy-tape", "rl-ntm", "paper")


def test_the_study_of_tapes_writes_its_result_and_figure(tmp_path):
    options = {"seeds": (0, 1), "machines": ("rl-ntm-direct",), "workers": 2, "quiet": True}
    options |= {"runs": tmp_path / "runs", "max_sequences": 128}
    result = tapes.reproduce(tmp_path / "out", **options)
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == result
    assert [cell["task"] for cell in result["cells"]] == [each.task for each in tapes.TASKS]
    for cell in result["cells"]:
        assert cell["sequences"] == [128, 128]
        assert cell["solved"] == 0
        assert cell["published"] == 1.0
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000
    with pytest.raises(TapeheadError, match="already holds a run: --resume goes on with it"):
        tapes.reproduce(tmp_path / "out", **options)
    again = tapes.reproduce(tmp_path / "out", **options, resume=True)
    assert again["cells"] == result["cells"]
    with pytest.raises(TapeheadError, match="--machines must be one of rl-ntm-direct, rl-ntm-lstm"):
        tapes.reproduce(tmp_path / "out", machines=("rl-ntm",))
