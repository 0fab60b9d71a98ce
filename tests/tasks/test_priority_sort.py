"""The layout and the chances of priority sort."""

import torch
from chance import UNLIKELY, assert_fair, assert_uniform
from scipy import stats

from tapehead.tasks import PrioritySort
from tapehead.tasks.metrics import BITS


def test_layout_of_one_sequence():
    task = PrioritySort(num_bits=2, num_vectors=3, num_answers=2)
    batch = task.batch(torch.Generator().manual_seed(2), 1)
    shown = batch.inputs.x[0, :3].tolist()
    assert not batch.inputs.x[0, 3:].any()
    by_priority = sorted(shown, key=lambda row: -row[2])
    assert by_priority != shown
    assert batch.targets[0].tolist() == [[0, 0]] * 3 + [row[:2] for row in by_priority[:2]]
    assert batch.mask[0].tolist() == [False, False, False, True, True]
    assert batch.inputs.lengths.tolist() == [5]


def test_papers_sizes():
    task = PrioritySort()
    assert (task.input_size, task.output_size) == (9, 8)
    assert task.channel_names[-1] == "priority"
    batch = task.batch(torch.Generator(), 2)
    assert batch.inputs.lengths.tolist() == [36, 36]
    assert batch.mask.sum(dim=1).tolist() == [16, 16]
    assert task.pass_mark == (BITS, 20.0)
    assert list(task.test_settings().values()) == [task]


def test_whole_vectors_are_sorted_never_bit_columns():
    """Every answer is a vector that was shown; columns sorted one by one make new vectors."""
    task = PrioritySort()
    batch = task.batch(torch.Generator().manual_seed(0), 200)
    for inputs, targets in zip(batch.inputs.x, batch.targets, strict=True):
        shown = [tuple(row) for row in inputs[:20, :8].tolist()]
        answers = [tuple(row) for row in targets[20:].tolist()]
        for answer in answers:
            shown.remove(answer)
        assert len(shown) == 4
    # Nor is the answer a code of its own: each of its columns is as fair as the input's.
    assert_fair(batch.targets[batch.mask])


def test_answers_fall_in_priority_from_the_highest():
    task = PrioritySort(num_bits=12)
    batch = task.batch(torch.Generator().manual_seed(0), 50)
    codes = 2.0 ** torch.arange(12)
    for inputs, targets in zip(batch.inputs.x, batch.targets, strict=True):
        shown = (inputs[:20, :12] @ codes).tolist()
        if len(set(shown)) < 20:
            continue
        priorities = dict(zip(shown, inputs[:20, 12].tolist(), strict=True))
        said = [priorities[code] for code in (targets[20:] @ codes).tolist()]
        assert said == sorted(priorities.values(), reverse=True)[:16]


def test_of_equal_priorities_the_earlier_comes_first():
    task = PrioritySort(num_bits=8, num_vectors=20, num_answers=20)
    vectors = torch.randint(0, 2, (4, 20, 8)).float()
    priorities = torch.randint(0, 3, (4, 20)).float() - 1
    batch = task.batch(torch.Generator(), 4)
    inputs = torch.zeros_like(batch.inputs.x)
    inputs[:, :20] = torch.cat([vectors, priorities.unsqueeze(-1)], dim=-1)
    answer = (
        task.oracle(batch._replace(inputs=batch.inputs._replace(x=inputs)))[:, 20:] > 0
    ).float()
    for shown, said, keys in zip(vectors, answer, priorities.tolist(), strict=True):
        order = sorted(range(20), key=lambda i: -keys[i])
        assert torch.equal(said, shown[order])


def test_priorities_positions_and_bits_are_uniform():
    task = PrioritySort()
    batch = task.batch(torch.Generator().manual_seed(0), 5000)
    priorities = batch.inputs.x[:, :20, 8].double()
    uniform = stats.uniform(loc=-1, scale=2)
    assert stats.kstest(priorities.flatten().numpy(), uniform.cdf).pvalue > UNLIKELY
    assert_uniform(priorities.argmax(dim=1), 0, 19)
    assert_fair(batch.inputs.x[:, :20, :8].flatten(1))


def test_levels_add_vectors():
    task = PrioritySort()
    sizes = [
        (easier.num_vectors, easier.num_answers)
        for easier in (task.with_difficulty(level) for level in (1, 10, 18, 20))
    ]
    assert sizes == [(1, 1), (10, 10), (18, 16), (20, 16)]
    # Two vectors of 8 bits are 16 bits: the whole task's mark would pass any guess at all.
    assert task.with_difficulty(2).pass_mark == (BITS, 2.5)
