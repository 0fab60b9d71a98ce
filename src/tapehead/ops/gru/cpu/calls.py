"""The kernels as functions of tensors, without autograd."""

from ctypes import addressof
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from tapehead.ops import numba_kit
from tapehead.ops.gate import check_rank, check_type
from tapehead.ops.gru.cpu import kernel
from tapehead.ops.numba_kit.native import Kernel, compile_kernel, kernel_files
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES
from tapehead.ops.storage import address, dense_all

PACK, FORWARD, BACKWARD = range(3)


class Run(NamedTuple):
    """What a forward pass leaves for the backward pass; rows are padded to whole vectors.

    tape: the gates, see `kernel`.
    """

    states: Tensor
    tape: Tensor
    packed: Tensor


def forward(
    inputs: Tensor, attention: Tensor | None, weight: Tensor, bias: Tensor, starts: Tensor
) -> tuple[Tensor, Run]:
    """All states, and what `backward` needs; arguments as of `reference.gru` or, with an
    attention, `reference.attention_gru`."""
    _check(inputs, attention, weight, bias, starts)
    gates, size, padded = _sizes(weight, inputs)
    rows = len(inputs)
    run = Run(
        inputs.new_empty(rows, padded),
        inputs.new_empty(rows, (gates + 1) * padded),
        inputs.new_zeros(2, padded * gates * padded),
    )
    arguments, kept = _arguments(inputs, attention, weight, bias, starts, run)
    _call(inputs.dtype, arguments, PACK)
    _call(inputs.dtype, arguments, FORWARD)
    del kept
    return run.states[:, :size], run


def backward(
    run: Run,
    inputs: Tensor,
    attention: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    starts: Tensor,
    d_states: Tensor,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """The gradients of inputs, attention, weight and bias."""
    gates, size, padded = _sizes(weight, inputs)
    rows = len(inputs)
    arguments, kept = _arguments(inputs, attention, weight, bias, starts, run)
    (d_states,) = dense_all([pad(d_states, (0, padded - size)) if padded > size else d_states])
    d_inputs = inputs.new_empty(rows, gates, padded)
    d_hidden = inputs.new_empty(rows, gates, padded)
    d_attention = None if attention is None else inputs.new_empty(rows)
    arguments.d_states = address("d_states", d_states)
    arguments.d_inputs = address("d_inputs", d_inputs)
    arguments.d_hidden = address("d_hidden", d_hidden)
    if d_attention is not None:
        arguments.d_attention = address("d_attention", d_attention)
    _call(inputs.dtype, arguments, BACKWARD)
    del kept
    # The state before each row; before a sequence there is none.
    before = run.states.new_zeros(rows, padded)
    before[1:] = run.states[:-1]
    before[starts[:-1][starts[:-1] < rows]] = 0
    d_weight = (d_hidden.flatten(1).mT @ before).view(gates, padded, padded)
    return (
        _cut(d_inputs, size).reshape(rows, gates * size),
        d_attention,
        d_weight[:, :size, :size].reshape(gates * size, size),
        _cut(d_hidden.sum(0), size).reshape(-1),
    )


def prepare(direction: str, dtype: torch.dtype) -> None:
    """Compile the kernel now, or load it; there is one for both directions."""
    _kernel(dtype)


def _cut(tensor: Tensor, size: int) -> Tensor:
    return tensor if tensor.shape[-1] == size else tensor[..., :size]


def _check(
    inputs: Tensor, attention: Tensor | None, weight: Tensor, bias: Tensor, starts: Tensor
) -> None:
    """Raise a TypeError or ValueError that names the first input that the kernel cannot read."""
    gates, size = (3 if attention is None else 2), weight.shape[-1]
    shapes = {
        "hidden_weight": (weight, (gates * size, size)),
        "hidden_bias": (bias, (gates * size,)),
    }
    if attention is not None:
        shapes["attention"] = attention, (len(inputs),)
    if inputs.dim() != 2 or inputs.shape[1] != gates * size:
        raise ValueError(f"inputs must be (rows, {gates * size}), got shape {tuple(inputs.shape)}")
    for name, (tensor, shape) in shapes.items():
        if len(inputs) or name != "attention":
            check_rank(name, tensor, *shape)
        check_type(name, tensor, inputs.dtype, inputs.device, "where the inputs are")
    check_type("starts", starts, torch.int64, inputs.device, "where the inputs are")


def _sizes(weight: Tensor, inputs: Tensor) -> tuple[int, int, int]:
    """Gates, numbers of a state, and these in whole vectors."""
    size, width = weight.shape[1], VECTOR_BYTES // inputs.element_size()
    return len(weight) // size, size, -(-size // width) * width


def _arguments(
    inputs: Tensor,
    attention: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    starts: Tensor,
    run: Run,
) -> tuple[kernel.Arguments, list[Tensor]]:
    """The block of arguments, and the tensors that must outlive it."""
    gates, size, padded = _sizes(weight, inputs)
    more = padded - size
    if more:
        inputs = pad(inputs.unflatten(1, (gates, size)), (0, more))
        weight = pad(weight.unflatten(0, (gates, size)), (0, 0, 0, more))
        bias = pad(bias.view(gates, size), (0, more))
    starts, order = starts.contiguous(), starts.diff().argsort(descending=True, stable=True)
    inputs, weight, bias = dense_all([inputs, weight, bias])
    work_size = padded + gates * padded + padded
    work = inputs.new_empty((len(order) + kernel.BLOCK) * work_size)
    kept = [inputs, weight, bias, starts, order, work]
    arguments = kernel.Arguments(
        items=len(order), gates=gates, size=size, pad=padded, work_size=work_size,
        inputs=address("inputs", inputs), weight=address("hidden_weight", weight),
        bias=address("hidden_bias", bias), packed=address("packed", run.packed),
        starts=starts.data_ptr(), order=order.data_ptr(), states=address("states", run.states),
        tape=address("tape", run.tape), work=address("work", work),
    )  # fmt: skip
    if attention is not None:
        (attention,) = dense_all([attention])
        kept.append(attention)
        arguments.attention = address("attention", attention)
    return arguments, kept


def _call(dtype: torch.dtype, arguments: kernel.Arguments, phase: int) -> None:
    blocks = -(-arguments.items // kernel.BLOCK)
    threads = 1 if phase == PACK else max(1, min(torch.get_num_threads(), blocks))
    arguments.phase, arguments.next = phase, 0
    _kernel(dtype)(addressof(arguments), threads)


@cache
def _kernel(dtype: torch.dtype) -> Kernel:
    files = kernel_files(Path(numba_kit.__file__).parent, Path(__file__).parent)
    build = kernel.single if dtype == torch.float32 else kernel.double
    return compile_kernel("the kernel of GRUs", build, files)
