"""An average of the weights is what a run is judged by and keeps; training goes on from its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_ins import StopAt, rows, tiny
from torch import nn

from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint
from tapehead.runs.evaluation import mean_scores
from tapehead.runs.randomness import Stream
from tapehead.tasks import Copy
from tapehead.training import NonFiniteError, Stopped, TrainConfig, load_run, train
from tapehead.training.averaging import WeightAverage
from tapehead.training.curriculum import CurriculumSchedule
from tapehead.training.failures import non_finite_in
from tapehead.training.flat import FlatParameters
from tapehead.training.rows import VALIDATION_BATCH, VALIDATION_SEED

SETTINGS = {
    "batch_size": 4, "max_sequences": 40, "report_every": 20, "keep_every": 4,
    "learning_rate": 0.05,
}  # fmt: skip


def parts(path, step, part):
    whole = load_checkpoint(path / "checkpoint", step, None).parts[part]
    return {name: tensor.double().numpy() for name, tensor in whole.items()}


def test_a_plain_mean_at_first_and_then_an_exponential_one():
    layer = nn.Linear(2, 1, bias=False)
    flat = FlatParameters(layer)
    average = WeightAverage(flat, 40)
    generator, values, expected = np.random.default_rng(0), [], np.zeros(2)
    for step in range(1, 13):
        values.append(generator.normal(size=2))
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(values[-1])[None])
        average.add(10, 10 * step)
        share = max(10 / 40, 1 / step)
        expected = (1 - share) * expected + share * values[-1]
        with average.in_place():
            found = layer.weight.detach()[0].double().numpy().copy()
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        if step <= 4:
            np.testing.assert_allclose(found, np.mean(values, 0), rtol=1e-5)
        np.testing.assert_allclose(layer.weight.detach()[0], values[-1], rtol=1e-6)


def test_it_is_the_average_of_the_weights_of_a_run_that_goes_on_as_ever(tmp_path):
    config = tiny(**SETTINGS)
    train(config, tmp_path / "plain")
    result = train(replace(config, weight_average=16), tmp_path / "averaged")
    steps = checkpoint_steps(tmp_path / "plain" / "checkpoint")
    assert sorted(steps) == list(range(1, 11))
    expected = None
    for step in sorted(steps):
        own = parts(tmp_path / "plain", step, "weights")
        share = max(4 / 16, 1 / step)
        expected = expected or own
        expected = {name: (1 - share) * expected[name] + share * own[name] for name in own}
        kept = parts(tmp_path / "averaged", step, "weights")
        moving = parts(tmp_path / "averaged", step, "moving")
        for name, value in moving.items():
            np.testing.assert_array_equal(value, own[name])
            np.testing.assert_allclose(kept[name], expected[name], rtol=1e-4, atol=1e-6)
    _, machine, task = load_run(tmp_path / "averaged", step="latest")
    for name, value in machine.state_dict().items():
        assert torch.equal(value, result.machine.state_dict()[name])
    scores = mean_scores(machine, task, 16, VALIDATION_BATCH, VALIDATION_SEED, Stream.VALIDATION)
    assert result.scores == scores


def test_a_resumed_run_is_the_same_to_the_bit(tmp_path):
    config = tiny(**SETTINGS, weight_average=16, curriculum="look-back")
    whole = train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "stopped", reporter=StopAt(5))
    again = train(config, tmp_path / "stopped", resume=True)
    assert again.scores == whole.scores
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")
    for part in ("weights", "moving"):
        before, now = (parts(tmp_path / run, 10, part) for run in ("whole", "stopped"))
        for name in before:
            np.testing.assert_array_equal(before[name], now[name])


def test_a_run_that_begins_anew_has_a_new_average(tmp_path):
    config = tiny(**SETTINGS, weight_average=1_000, restart_after=20)
    train(config, tmp_path)
    assert load_checkpoint(tmp_path / "checkpoint", 6, None).progress["began"] == 20
    kept, moving = parts(tmp_path, 6, "weights"), parts(tmp_path, 6, "moving")
    for name, value in moving.items():
        np.testing.assert_array_equal(kept[name], value)


def test_lessons_are_passed_by_the_average_too():
    solved, unsolved = {"bit_errors": 0.05}, {"bit_errors": 3.0}
    settings = {"curriculum": "look-back", "curriculum_start": 4}
    schedule = CurriculumSchedule(TrainConfig(**settings), Copy(max_length=5))
    passes, fails = (lambda task: solved), (lambda task: unsolved)
    for means, fresh in ((solved, fails), (unsolved, passes)):
        assert not schedule.reported(means, fresh)
        assert not schedule.reported(means, fresh, fails)
        assert schedule.level == 4
    assert not schedule.reported(unsolved, fails, passes)
    assert schedule.finished
    assert schedule.reported(unsolved, fails, passes)
    assert not schedule.reported(unsolved, passes, fails)
    assert schedule.reported(solved, fails)
    # The task as it is has no lessons, whose end would have to be looked for.
    plain = CurriculumSchedule(TrainConfig(), Copy(max_length=5))
    assert not plain.reported(unsolved, passes, passes)
    leaping = CurriculumSchedule(TrainConfig(curriculum="leaping"), Copy(max_length=5))
    leaping.reported(solved, passes, fails)
    assert leaping.level == 1
    leaping.reported(unsolved, fails, passes)
    assert leaping.finished


def test_a_solved_run_that_cools_down_looks_at_no_more_lessons(tmp_path, monkeypatch):
    asked, good = [], {"bit_errors": 0.0, "bits": 0.0, "loss": 0.0, "solved": 1.0}

    def fresh(own, task):
        asked.append(own._session.progress.sequences)
        return good

    monkeypatch.setattr("tapehead.training.rows.Rows._fresh_scores", fresh)
    monkeypatch.setattr("tapehead.training.rows.mean_scores", lambda *_: good)
    config = tiny(
        batch_size=4, max_sequences=200, report_every=20, weight_average=16, cooldown=60,
        curriculum="naive", task_options={"max_length": 2},
    )  # fmt: skip
    result = train(config, tmp_path)
    assert result.solved_after["sequences"] == 40
    assert result.sequences == 100
    assert asked == [20, 40]


def test_weights_that_are_not_finite_are_not_kept():
    broken = torch.tensor([1.0, torch.nan])
    parts = {"weights": {}, "moving": {"inner.bias": broken}, "optimiser": {}}
    error = non_finite_in(parts, 3, None)
    assert isinstance(error, NonFiniteError)
    assert "inner.bias of the moving is not finite" in str(error)
