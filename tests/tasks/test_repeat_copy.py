"""The layout and the chances of repeat copy, and the number that says how often."""

import pytest
import torch
from chance import assert_fair, assert_uniform

from tapehead.tasks import RepeatCopy


def numbers(task, batch):
    return batch.inputs.x[:, :, task.num_bits + 1].sum(dim=1)


def test_layout_of_one_sequence():
    task = RepeatCopy(num_bits=1, min_length=2, max_length=2, min_repeats=3, max_repeats=3)
    batch = task.batch(torch.Generator().manual_seed(2), 1)
    first, second = batch.inputs.x[0, 1, 0].item(), batch.inputs.x[0, 2, 0].item()
    assert first != second
    # Bits, delimiter, number: of a fixed number of repeats, nothing is left to say.
    assert batch.inputs.x[0, :5].tolist() == [
        [0, 1, 0],
        [first, 0, 0],
        [second, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
    ]
    assert batch.targets[0, 4:].tolist() == [*([[first, 0], [second, 0]] * 3), [0, 1]]
    assert batch.mask[0].tolist() == [False] * 4 + [True] * 7
    assert batch.inputs.lengths.tolist() == [11]


def test_papers_sizes():
    task = RepeatCopy()
    assert (task.input_size, task.output_size) == (10, 9)
    assert task.channel_names[8:] == ["delimiter", "repeats"]
    assert task.output_names[8:] == ["end"]
    sizes = {
        name: (setting.max_length, setting.max_repeats)
        for name, setting in task.test_settings().items()
    }
    assert sizes == {
        "length 10, repeats 10": (10, 10),
        "length 20, repeats 10": (20, 10),
        "length 10, repeats 20": (10, 20),
    }


def test_lengths_and_repeats_are_uniform_and_independent():
    task = RepeatCopy()
    batch = task.batch(torch.Generator().manual_seed(0), 20_000)
    lengths = batch.inputs.x[:, 1:, 8].argmax(dim=1)
    repeats = (batch.inputs.lengths - 3) // lengths - 1
    assert torch.equal(batch.inputs.lengths, lengths * (repeats + 1) + 3)
    assert_uniform(10 * (lengths - 1) + repeats - 1, 0, 99)
    long = lengths >= 5
    assert_fair(batch.inputs.x[long, 1:6, :8].flatten(1))


@pytest.mark.parametrize(("least", "most"), [(1, 10), (2, 6), (1, 2)])
def test_number_has_mean_zero_and_variance_one_in_training(least, most):
    task = RepeatCopy(min_repeats=least, max_repeats=most)
    mean, deviation = task.normalisation
    every = torch.tensor([(r - mean) / deviation for r in range(least, most + 1)])
    torch.testing.assert_close(every.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(every.square().mean(), torch.tensor(1.0))
    shown = numbers(task, task.batch(torch.Generator().manual_seed(0), 20_000))
    assert set(shown.tolist()) == set(every.tolist())
    assert abs(float(shown.mean())) < 6 / 20_000**0.5
    assert float(shown.square().mean()) == pytest.approx(1, abs=0.05)


def test_number_keeps_its_scale_when_repeats_leave_the_training_range():
    task = RepeatCopy()
    shown = {}
    for name, setting in task.test_settings().items():
        (shown[name],) = set(numbers(setting, setting.batch(torch.Generator(), 3)).tolist())
    assert shown["length 10, repeats 10"] == shown["length 20, repeats 10"]
    assert shown["length 10, repeats 10"] == pytest.approx(4.5 / 8.25**0.5)
    # Never seen in training: there the number is at most 1.57.
    assert shown["length 10, repeats 20"] == pytest.approx(14.5 / 8.25**0.5)


def test_number_keeps_its_scale_at_every_level():
    task = RepeatCopy(max_length=4, min_repeats=2, max_repeats=9)
    assert task.max_difficulty == 8
    easy = task.with_difficulty(2)
    assert (easy.max_length, easy.max_repeats) == (2, 3)
    assert (task.with_difficulty(8).max_length, task.with_difficulty(8).max_repeats) == (4, 9)
    assert easy.normalisation == task.normalisation
    shown = set(numbers(easy, easy.batch(torch.Generator(), 99)).tolist())
    assert sorted(shown) == pytest.approx([-3.5 / 5.25**0.5, -2.5 / 5.25**0.5])
    # A test of an easier level, too, is on the scale of the whole task.
    test = easy.test_settings()["length 10, repeats 10"]
    assert test.normalisation == task.normalisation


def test_number_of_zero_still_ends_the_sequence():
    """Three of 1 to 5 repeats normalises to 0; only the delimiter tells it from a zero vector."""
    task = RepeatCopy(num_bits=1, max_repeats=5)
    batch = task.batch(torch.Generator().manual_seed(0), 200)
    assert (numbers(task, batch) == 0).any()
    assert (batch.inputs.x[:, :, 1].sum(dim=1) == 2).all()
    assert task.scores(task.oracle(batch), batch)["solved"].all()


def test_end_marker_is_asked_once_after_the_last_copy_and_scored():
    task = RepeatCopy()
    batch = task.batch(torch.Generator().manual_seed(0), 50)
    ends = batch.targets[:, :, 8]
    assert torch.equal(ends.argmax(dim=1), batch.inputs.lengths - 1)
    assert (ends.sum(dim=1) == 1).all()
    always = task.oracle(batch)
    always[:, :, 8] = 1.0
    answers = batch.mask.sum(dim=1)
    assert torch.equal(task.scores(always, batch)["bit_errors"], (answers - 1).float())
