"""The layout of chained copy, and what it asks of a memory."""

import torch
from chance import assert_fair, assert_uniform

from tapehead.tasks import ChainedCopy


def test_layout_of_two_episodes():
    task = ChainedCopy(num_bits=1, length=2, min_copies=2, max_copies=2)
    batch = task.batch(torch.Generator().manual_seed(3), 1)
    a, b, c, d = (batch.inputs.x[0, t, 0].item() for t in (0, 1, 5, 6))
    assert batch.inputs.x[0].tolist() == [
        [a, 0], [b, 0], [0, 1], [0, 0], [0, 0],
        [c, 0], [d, 0], [0, 1], [0, 0], [0, 0],
    ]  # fmt: skip
    assert batch.targets[0, :, 0].tolist() == [0, 0, 0, a, b, 0, 0, 0, c, d]
    assert batch.mask[0].int().tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 1, 1]
    assert batch.inputs.lengths.tolist() == [10]


def test_papers_sizes():
    """Ten sequences of five vectors, so that ten rows cannot hold them all."""
    task = ChainedCopy()
    assert task.length * task.max_copies == 50
    assert task.test_settings()["10"].max_copies == 10
    assert task.max_difficulty == 10
    assert task.with_difficulty(3).max_copies == 3


def test_numbers_of_episodes_and_bits_are_uniform():
    task = ChainedCopy(num_bits=4, length=2, max_copies=5)
    batch = task.batch(torch.Generator().manual_seed(0), 10_000)
    assert_uniform(batch.inputs.lengths // 5, 1, 5)
    assert_fair(batch.targets[batch.mask])
    # Each episode has vectors of its own.
    whole = batch.targets[batch.inputs.lengths == 25]
    assert (whole[:, 3:5] != whole[:, 8:10]).any((1, 2)).float().mean() > 0.99
