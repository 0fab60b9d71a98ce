"""Gated recurrent units over sequences of different lengths: the reference against PyTorch."""

import torch
from torch import nn

from tapehead.ops.gru import reference
from tapehead.ops.ragged import Ragged


def test_the_reference_is_pytorchs_gru():
    counts, time, size = [7] * 11 + [2] * 7 + [0], 9, 33
    torch.manual_seed(0)
    theirs = nn.GRU(5, size, batch_first=True).double()
    x = torch.randn(len(counts), time, 5, dtype=torch.float64)
    ragged = Ragged.of(torch.tensor(counts), time)
    of_x = nn.functional.linear(ragged.rows(x), theirs.weight_ih_l0, theirs.bias_ih_l0)
    states = reference.gru(of_x, theirs.weight_hh_l0, theirs.bias_hh_l0, ragged)
    assert torch.allclose(states, ragged.rows(theirs(x)[0]), rtol=1e-12, atol=1e-12)
