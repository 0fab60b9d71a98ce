"""The discrete studies in small: runs repeat, watching changes nothing, results are written."""

import dataclasses
import json
import math
from dataclasses import replace

import pytest
import torch

from tapehead.machines import DiscreteNTM
from tapehead.machines.ntm import NTM
from tapehead.recipes import discrete, tapes, tardis
from tapehead.tasks import TASKS
from tapehead.tasks.tapes import KINDS, TapeTask

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
    machine = DiscreteNTM(3, 2, **SMALL, estimator="reinforce", baseline="moving-average")
    found = discrete.log_variance(machine, TASK, samples=2000)
    # Twice the cost is four times the variance.
    double = dataclasses.make_dataclass("Double", [], bases=(type(TASK),), frozen=True)
    double.step_costs = lambda self, outputs, batch: 2 * TASK.step_costs(outputs, batch)
    twice = double(num_bits=2, max_length=2)
    other = discrete.log_variance(machine, twice, samples=2000)
    assert other - found == pytest.approx(math.log(4), abs=0.05)
    assert machine.training
    assert machine.address_estimator.average == 0
    assert discrete.log_variance(NTM(3, 2, **SMALL), TASK, samples=2) is None


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
    adam, loss_of = torch.optim.Adam, discrete.loss_of

    def making(*args, lr, eps=1e-8):
        made.append((len(seen), eps))
        return adam(*args, lr=lr, eps=eps)

    monkeypatch.setattr(torch.optim, "Adam", making)
    monkeypatch.setattr(discrete, "loss_of", lambda *a: seen.append(a) or loss_of(*a))

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


def test_lessons_judge_a_machine_soft_while_it_has_never_chosen():
    kind, options, _ = discrete.contestants()["annealed dynamic-ntm reinforce"]
    options = {**options, "soft_batches": 3, "annealing": 2}
    machine = discrete.MACHINES[kind](TASK.input_size, TASK.output_size, **options)
    largest = []

    def watch(run):
        def watched(*args, **kwargs):
            done = run(*args, **kwargs)
            largest.append(done.weights.amax(-1).min().item())
            return done

        return watched

    machine.run = watch(machine.run)

    def hard(**how):
        largest.clear()
        discrete.errors_of(machine, TASK, 5, 0, **how)
        assert machine.training
        return largest == [1.0]

    assert hard()
    assert not hard(as_trained=True)
    machine.batches_seen.fill_(3)  # the first coin is still sure to say soft
    assert not hard(as_trained=True)
    machine.batches_seen.fill_(4)
    assert hard(as_trained=True)


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
        machine = discrete.MACHINES[kind](3, 2, **options)
        assert not hasattr(machine, "chooses") or machine.chooses


# --- tapes ---------------------------------------------------------------------------------------


def test_complexities_are_the_published_mixture():
    drawn, of_level = tapes.complexities(4, 20, 100_000, torch.Generator().manual_seed(0))
    assert 1 <= drawn.min() <= drawn.max() <= 20
    # Level 4 itself: 65 % and half of e, its share of 1 .. 4 + e, and of everything.
    below = sum(0.5 ** (e + 1) / (4 + e) for e in range(17))
    expected = 0.65 * 0.5 + 0.25 * below + 0.1 / 20
    assert (drawn == 4).float().mean().item() == pytest.approx(expected, abs=0.01)
    # The level is judged by the 65 %, none of them below it.
    assert of_level.float().mean().item() == pytest.approx(0.65, abs=0.01)
    assert drawn[of_level].min() == 4


def test_the_reward_for_entropy_falls_to_its_last_value_and_stays():
    schedule = tapes.Schedule(entropy=0.5, last_entropy=0.1, entropy_updates=4)
    rewards = [schedule.entropy_at(updates) for updates in range(7)]
    assert rewards == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1])


def test_tapes_are_learned_from_the_easiest_on():
    task = TapeTask(kind="copy", num_symbols=3, max_complexity=2)
    schedule = tapes.Schedule(max_updates=300, batch_size=32, check_every=50)
    result = tapes.train_tapes(task, "direct", schedule, 0)
    assert result["solved"]
    assert result["value"] >= 0.95
    assert result["sequences"] == result["rows"][-1]["updates"] * 32
    unsolved = tapes.train_tapes(task, "direct", replace(schedule, max_updates=2, check_every=1), 0)
    assert not unsolved["solved"]
    assert [row["updates"] for row in unsolved["rows"]] == [1, 2]


def test_every_task_meets_either_controller():
    trials = tapes.trials()
    assert {(trial.machine, trial.task) for trial in trials} == {
        (f"rl-ntm-{controller}", kind) for controller in ("direct", "lstm") for kind in KINDS
    }
    solved = {trial.task for trial in trials if trial.machine == "rl-ntm-lstm" and trial.published}
    assert solved == {"copy", "duplicated-input"}
