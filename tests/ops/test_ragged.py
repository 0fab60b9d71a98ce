"""Rows of sequences of different lengths, and the same numbers padded."""

import torch

from tapehead.ops.ragged import Ragged


def test_rows_and_padded_places_are_the_same_numbers():
    ragged = Ragged.of(torch.tensor([2, 0, 3]), 4)
    padded = torch.arange(12.0).view(3, 4)
    rows = ragged.rows(padded)
    assert rows.tolist() == [0, 1, 8, 9, 10]
    assert (ragged.item.tolist(), ragged.step.tolist()) == ([0, 0, 2, 2, 2], [0, 1, 0, 1, 2])
    assert ragged.padded(rows, -1.0).tolist() == [[0, 1, -1, -1], [-1] * 4, [8, 9, 10, -1]]
    assert ragged.sums(rows[:, None]).tolist() == [[1], [0], [27]]
    assert ragged.last(rows[:, None]).tolist() == [[1], [0], [10]]
    meta = Ragged.of(torch.tensor([2, 0, 3], device="meta"), 4)
    assert meta.kept.shape == (12,)
    assert meta.rows(padded.to("meta")).shape == (12,)
