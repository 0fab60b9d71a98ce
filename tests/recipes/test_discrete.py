"""The loops of the discrete experiments in small."""

import math
from dataclasses import replace

import pytest
import torch

from tapehead.machines.ntm import NTM
from tapehead.recipes import discrete
from tapehead.tasks import TASKS
from tapehead.tasks.tapes import TapeTask

TASK = replace(TASKS["copy"](), num_bits=2, max_length=2)
SHORT = discrete.Schedule(max_sequences=64, batch_size=8, check_every=4, check_sequences=16)


def test_step_costs_add_up_to_the_loss_of_the_task():
    batch = TASK.batch(torch.Generator().manual_seed(0), 5)
    outputs = torch.randn(*batch.targets.shape)
    total = discrete.step_costs(outputs, batch).sum() / batch.mask.sum()
    torch.testing.assert_close(total, TASK.loss(outputs, batch))


@pytest.mark.parametrize("name", ["discrete-ntm relax", "dynamic-ntm reinforce"])
def test_a_run_reports_its_checks_and_repeats(name):
    build = discrete.contestants()[name]
    one, other = (discrete.train(build, TASK, SHORT, seed=3) for _ in range(2))
    assert [row["sequences"] for row in one["rows"]] == [32, 64]
    assert all(math.isfinite(row["log_variance"]) for row in one["rows"])
    assert [row["bit_errors"] for row in one["rows"]] == [
        row["bit_errors"] for row in other["rows"]
    ]
    assert not one["solved"]


def test_a_soft_machine_has_no_variance_of_choices():
    assert discrete.log_variance(NTM(3, 2, memory_size=4, backend="reference"), TASK) is None


def test_complexities_are_the_published_mixture():
    drawn = discrete.complexities(4, 20, 100_000, torch.Generator().manual_seed(0))
    assert 1 <= drawn.min() <= drawn.max() <= 20
    # Level 4 itself: 65 % and half of e, its share of 1 .. 4 + e, and of everything.
    below = sum(0.5 ** (e + 1) / (4 + e) for e in range(17))
    expected = 0.65 * 0.5 + 0.25 * below + 0.1 / 20
    assert (drawn == 4).float().mean().item() == pytest.approx(expected, abs=0.01)


def test_tapes_are_learned_from_the_easiest_on():
    task = TapeTask(kind="copy", num_symbols=3, max_complexity=2)
    schedule = discrete.TapeSchedule(max_updates=400, batch_size=32, check_every=50)
    result = discrete.train_tapes(task, "direct", schedule, seed=0)
    assert result["solved"]
    assert result["sequences"] == result["rows"][-1]["updates"] * 32


def test_unknown_experiment_is_named():
    with pytest.raises(ValueError, match="experiment must be discrete/rl-ntm or one of"):
        discrete.run_experiment("discrete/none", [0])
