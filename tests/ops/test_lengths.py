"""Lengths, checked and made the library's own."""

import torch

from tapehead.ops.lengths import admit_lengths, within_lengths


def test_lengths_are_the_librarys_own():
    x = torch.rand(3, 4, 2)
    given = torch.tensor([1, 2, 3])
    own = admit_lengths(given, x)
    given.fill_(9)
    assert own.tolist() == [1, 2, 3]
    assert own.dtype == torch.int64
    assert admit_lengths(torch.tensor([4, 4, 4]), x) is None


def test_lengths_without_values_stay_so():
    x = torch.rand(2, 4, 3, device="meta")
    assert admit_lengths(torch.tensor([4, 9], device="meta"), x).is_meta


def test_padding_is_copied_only_where_there_is_some():
    x = torch.rand(2, 3, 4)
    assert within_lengths(x, None) is x
    cleared = within_lengths(x, torch.tensor([1, 3]))
    assert torch.equal(cleared[0, 0], x[0, 0])
    assert cleared[0, 1:].eq(0).all()
    assert torch.equal(cleared[1], x[1])
