"""The layout and the chances of associative recall."""

import torch
from chance import assert_fair, assert_uniform

from tapehead.tasks import AssociativeRecall


def items_and_queries(task, batch):
    """Number of items, and position of the query in the list, of each sequence."""
    width, size = task.num_bits, task.item_length
    counts = batch.inputs.x[:, :, width].sum(dim=1).long()
    queries = []
    for inputs, count in zip(batch.inputs.x, counts.tolist(), strict=True):
        start = (size + 1) * count
        items = inputs[:start, :width].reshape(count, size + 1, width)[:, 1:]
        query = inputs[start + 1 : start + 1 + size, :width]
        (places,) = (items == query).flatten(1).all(dim=1).nonzero(as_tuple=True)
        queries.append(int(places[0]))
    return counts, torch.tensor(queries)


def test_layout_of_one_sequence():
    task = AssociativeRecall(num_bits=2, item_length=2, min_items=2, max_items=2)
    batch = task.batch(torch.Generator().manual_seed(1), 1)
    a, b, c, d = (batch.inputs.x[0, t, :2].tolist() for t in (1, 2, 4, 5))
    # Bits, item delimiter, query delimiter. Of two items only the first can be asked for.
    assert batch.inputs.x[0].tolist() == [
        [0, 0, 1, 0],
        [*a, 0, 0],
        [*b, 0, 0],
        [0, 0, 1, 0],
        [*c, 0, 0],
        [*d, 0, 0],
        [0, 0, 0, 1],
        [*a, 0, 0],
        [*b, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert batch.targets[0, 10:].tolist() == [c, d]
    assert batch.mask[0].tolist() == [False] * 10 + [True] * 2
    assert batch.inputs.lengths.tolist() == [12]


def test_papers_sizes():
    task = AssociativeRecall()
    assert (task.input_size, task.output_size) == (8, 6)
    # Figure 12: items are delimited in row 7, the query in row 8.
    assert task.channel_names[6:] == ["item", "query"]
    counts = {name: setting.max_items for name, setting in task.test_settings().items()}
    assert counts == {"6": 6, "8": 8, "10": 10, "12": 12, "15": 15, "20": 20}
    batch = task.batch(torch.Generator(), 100)
    # The paper's learning curves start at 18 bits.
    assert (batch.mask.sum(dim=1) * task.output_size == 18).all()


def test_delimiters_stand_alone_and_between_all_items():
    task = AssociativeRecall()
    batch = task.batch(torch.Generator().manual_seed(0), 300)
    delimiters = batch.inputs.x[:, :, 6:]
    assert not batch.inputs.x[:, :, :6][delimiters.any(dim=-1)].any()
    assert (delimiters.sum(dim=-1) <= 1).all()
    counts, _ = items_and_queries(task, batch)
    for sequence, count in zip(delimiters, counts.tolist(), strict=True):
        (item, query) = (sequence[:, kind].nonzero().flatten().tolist() for kind in (0, 1))
        assert item == [4 * position for position in range(count)]
        assert query == [4 * count, 4 * count + 4]


def test_items_queries_and_bits_are_uniform():
    task = AssociativeRecall()
    batch = task.batch(torch.Generator().manual_seed(0), 20_000)
    counts, queries = items_and_queries(task, batch)
    assert_uniform(counts, 2, 6)
    assert (queries <= counts - 2).all(), "the last item has no successor"
    for count in range(3, 7):
        assert_uniform(queries[counts == count], 0, count - 2)
    assert_fair(batch.inputs.x[counts >= 3][:, [1, 2, 3, 5, 6, 7, 9, 10, 11], :6].flatten(1))
    assert_fair(batch.targets[batch.mask])


def test_of_equal_items_the_first_is_meant():
    task = AssociativeRecall(num_bits=1, item_length=1, min_items=12, max_items=12)
    batch = task.batch(torch.Generator().manual_seed(0), 200)
    for inputs, targets in zip(batch.inputs.x, batch.targets, strict=True):
        items, query = inputs[1:24:2, 0].tolist(), inputs[25, 0].item()
        assert targets[27, 0].item() == items[items.index(query) + 1]


def test_levels_add_items():
    task = AssociativeRecall(max_items=5)
    assert task.max_difficulty == 4
    assert [task.with_difficulty(level).max_items for level in (1, 4)] == [2, 5]
