"""One large buffer that is used again and again."""

import weakref

import numpy as np
import torch
from torch import Tensor

SMALLEST = 2**16
"""Bytes; the C library hands out less without asking the system for it."""

LARGEST = 2**28
"""Bytes of the largest buffer that is worth keeping."""

_spare: list[np.ndarray] = []
"""The largest buffer that is not in use, if there is one; bytes."""


def borrow(like: Tensor, count: int) -> Tensor:
    """A vector of `count` undefined numbers of the type of `like`, on the CPU.

    The system clears each page of fresh memory at first touch: of a buffer beyond 32 MiB, which the
    C library always asks for afresh, that takes as long as a forward pass itself. Memory comes back
    by itself once nothing holds the tensor any more, whoever held it last.
    """
    size = count * like.element_size()
    if size < SMALLEST:
        return like.new_empty(count)
    spare = _take()
    if spare is None or spare.size < size:
        spare = torch.empty(size, dtype=torch.uint8, device="cpu").numpy()
    lent = spare[:size]
    # The tensor holds this array, and not the other way round: it goes when the tensor's memory is
    # let go, be that by a graph, a copy of the tensor or a view of it.
    loan = _Loan(lent, _returned)
    loan.whole = spare
    _lent[id(loan)] = loan
    return torch.from_numpy(lent).view(like.dtype)


class _Loan(weakref.ref):
    """Knows what an array that is gone was a part of."""

    __slots__ = ("whole",)
    whole: np.ndarray


_lent: dict[int, _Loan] = {}


def _returned(loan: _Loan) -> None:
    del _lent[id(loan)]
    _give_back(loan.whole)


def _take() -> np.ndarray | None:
    try:
        return _spare.pop()
    except IndexError:
        return None


def _give_back(whole: np.ndarray) -> None:
    if whole.size > LARGEST:
        return
    other = _take()
    if other is not None and other.size > whole.size:
        whole = other
    _spare[:] = [whole]
