"""Lengths of the sequences of a batch: checked, made the library's own, cut off by, and turned
round within."""

import operator
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from tapehead.ops.gate import kind_of, refuse_layout, refuse_type, values_known
from tapehead.ops.storage import check_storage, dense

WHOLE = (
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)
"""Types that lengths may have."""


def admit_lengths(lengths: Any, x: Tensor) -> Tensor | None:
    """Lengths as an operation may keep them: a copy, int64, on the device of x (batch, time, ...).

    None if every sequence fills the batch, as far as values can be looked at.

    Args:
        lengths: whole numbers from 1 to time, one for each sequence: a tensor or a list.
    """
    batch, time = x.shape[:2]
    if isinstance(lengths, list | tuple) and not isinstance(lengths, PackedSequence):
        lengths = _tensor_of(lengths, batch, time)
    elif not isinstance(lengths, Tensor):
        refuse_type("lengths", "whole numbers, one for each sequence", lengths)
    if lengths.dtype not in WHOLE:
        raise ValueError(f"lengths must be whole numbers, got {lengths.dtype}")
    if lengths.layout is not torch.strided or lengths.is_nested:
        refuse_layout("lengths", lengths)
    _check_count(lengths, batch)
    check_storage("lengths", lengths)
    if lengths.is_meta and not x.is_meta:
        raise ValueError(f"lengths must hold values that x on {x.device} can use, got them on meta")
    # The caller may change his own before the backward pass reads them.
    own = lengths.to(torch.int64, copy=True)
    if values_known(own):
        values = own.tolist()
        _check_range(values, time)
        if min(values) == time:
            return None
    return own.to(x.device)


def within_lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x (batch, time, ...) with zeros past each sequence's length, and no gradient from there."""
    if lengths is None:
        return x
    steps = torch.arange(x.shape[1], device=x.device)
    past = steps >= lengths[:, None]
    return x.masked_fill(past.view(*past.shape, *[1] * (x.dim() - 2)), 0.0)


def turned_round(
    step: Int64[Tensor, "*#steps"], count: Int64[Tensor, "*#steps"]
) -> Int64[Tensor, "*#steps"]:
    """The step at which a sequence told from its last item to its first has what it has at `step`;
    what lies past its end stays behind it."""
    return torch.where(step < count, count - 1 - step, step)


def own_lengths(lengths: Tensor | None, x: Tensor) -> Tensor | None:
    """Lengths that a kernel and its backward pass can read, whatever becomes of the caller's.

    Their values are for the kernel to keep within the steps there are.
    """
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor) or lengths.dtype not in WHOLE or lengths.device != x.device:
        raise ValueError(f"lengths must be whole numbers on {x.device}, got {kind_of(lengths)}")
    _check_count(lengths, x.shape[0])
    return dense(lengths.to(torch.int64, copy=True))


def _tensor_of(lengths: Sequence[Any], batch: int, time: int) -> Tensor:
    values = []
    for value in lengths:
        try:
            whole = operator.index(value)
        except TypeError:
            whole = None
        if whole is None or isinstance(value, bool):
            raise TypeError(f"lengths must be whole numbers, got {value!r}")
        values.append(whole)
    if len(values) != batch:
        raise ValueError(
            f"lengths must hold one number for each of {batch} sequences, got {len(values)}"
        )
    _check_range(values, time)
    return torch.tensor(values, dtype=torch.int64, device="cpu")


def _check_count(lengths: Tensor, batch: int) -> None:
    if lengths.shape != (batch,):
        raise ValueError(
            f"lengths must hold one number for each of {batch} sequences, "
            f"got shape {tuple(lengths.shape)}"
        )


def _check_range(values: list[int], time: int) -> None:
    shortest, longest = min(values), max(values)
    if shortest < 1 or longest > time:
        raise ValueError(
            f"lengths must lie between 1 and {time}, the steps of x, got {shortest} to {longest}"
        )
