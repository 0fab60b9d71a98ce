"""Triples as digits, and back."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead.tasks.graphs.coding import BLANK, decode, digits_of, encode


@given(st.lists(st.lists(st.integers(-1, 999), min_size=3, max_size=3), min_size=1, max_size=5))
def test_triples_are_coded_as_nine_digits_and_back(triples):
    triples = torch.tensor(triples)
    coded = encode(triples)
    assert coded.shape == (len(triples), 90)
    assert torch.equal(coded.sum(-1), 3.0 * (triples != BLANK).sum(-1))
    assert torch.equal(decode(coded), triples)


def test_digits_come_hundreds_first():
    coded = encode(torch.tensor([[123, BLANK, 7]])).unflatten(-1, (3, 3, 10))[0]
    assert coded[0].argmax(-1).tolist() == [1, 2, 3]
    assert coded[1].sum() == 0
    assert coded[2].argmax(-1).tolist() == [0, 0, 7]
    assert digits_of(torch.tensor([[123, 45, 7]])).tolist() == [[1, 2, 3, 0, 4, 5, 0, 0, 7]]
