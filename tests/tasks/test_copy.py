"""The layout and the chances of copy."""

import torch
from chance import assert_fair, assert_uniform

from tapehead.tasks import Copy
from tapehead.tasks.metrics import BIT_ERRORS


def test_layout_of_one_sequence():
    task = Copy(num_bits=2, min_length=2, max_length=2)
    batch = task.batch(torch.Generator().manual_seed(3), 1)
    first, second = batch.inputs.x[0, 0, :2].tolist(), batch.inputs.x[0, 1, :2].tolist()
    assert batch.inputs.x[0].tolist() == [
        [*first, 0],
        [*second, 0],
        [0, 0, 1],
        [0, 0, 0],
        [0, 0, 0],
    ]
    assert batch.targets[0].tolist() == [[0, 0], [0, 0], [0, 0], first, second]
    assert batch.mask[0].tolist() == [False, False, False, True, True]
    assert batch.inputs.lengths.tolist() == [5]


def test_papers_sizes():
    task = Copy()
    assert (task.input_size, task.output_size) == (9, 8)
    assert task.channel_names[-1] == "delimiter"
    assert task.pass_mark == (BIT_ERRORS, 0.1)
    lengths = {name: setting.max_length for name, setting in task.test_settings().items()}
    assert lengths == {"10": 10, "20": 20, "30": 30, "50": 50, "120": 120}
    batch = task.test_settings()["120"].batch(torch.Generator(), 2)
    assert batch.inputs.lengths.tolist() == [241, 241]


def test_lengths_and_bits_are_uniform():
    batch = Copy().batch(torch.Generator().manual_seed(0), 20_000)
    assert_uniform((batch.inputs.lengths - 1) // 2, 1, 20)
    long = batch.inputs.lengths >= 21
    assert_fair(batch.inputs.x[long, :10, :8].flatten(1))
    assert_fair(batch.targets[batch.mask])


def test_one_length_per_batch_is_uniform_too():
    generator = torch.Generator().manual_seed(0)
    task = Copy(num_bits=1, min_length=3, max_length=8, mixed_lengths=False)
    lengths = torch.stack([task.batch(generator, 2).inputs.lengths for _ in range(1200)])
    assert torch.equal(lengths[:, 0], lengths[:, 1])
    assert_uniform((lengths[:, 0] - 1) // 2, 3, 8)


def test_levels_lengthen_the_longest():
    task = Copy(min_length=3, max_length=20)
    assert task.max_difficulty == 18
    assert [task.with_difficulty(level).max_length for level in (1, 2, 18)] == [3, 4, 20]
    assert task.with_difficulty(2).min_length == 3
