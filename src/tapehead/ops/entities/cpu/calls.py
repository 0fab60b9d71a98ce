"""The kernels as functions of tensors, without autograd."""

from collections.abc import Sequence
from ctypes import addressof
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from tapehead.ops import numba_kit
from tapehead.ops.entities.cpu import kernel
from tapehead.ops.gate import check_rank, check_type
from tapehead.ops.lending import borrow
from tapehead.ops.numba_kit.native import Kernel, compile_kernel, kernel_files
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES
from tapehead.ops.storage import address, dense_all

PACK, FORWARD, BACKWARD = range(3)
_NAMES = (
    "facts", "likeness", "own", "keys", "of_keys", "hidden_weight", "slope", "told", "known",
)  # fmt: skip


class Run(NamedTuple):
    """What a forward pass leaves for the backward pass; rows are padded to whole vectors.

    tape: states, sums, gates and norms, each sentence's; then what the slots held at the end of
        each story.
    """

    tape: Tensor
    packed: Tensor
    starts: Tensor


class _Plan(NamedTuple):
    """Sizes, and where in the tape each part of it begins."""

    batch: int
    time: int
    asked: int
    slots: int
    size: int
    pad: int
    total: int

    @property
    def block(self) -> int:
        return self.slots * self.pad

    @property
    def places(self) -> tuple[int, int, int, int, int]:
        """Of states, sums, gates, norms and last states."""
        wide, narrow = self.total * self.block, self.total * self.slots
        return 0, wide, 2 * wide, 2 * wide + narrow, 2 * wide + 2 * narrow

    @property
    def tape_size(self) -> int:
        return self.places[-1] + self.batch * self.block


def forward(*inputs: Tensor) -> tuple[Tensor, Run]:
    """What the slots hold at each question, and what `backward` needs; arguments as of
    `reference.entities`."""
    _check(inputs)
    tensors = dense_all(inputs)
    starts = _starts(tensors[-1])
    plan = _plan(tensors, starts)
    held = tensors[0].new_empty(plan.batch, plan.asked, plan.slots, plan.size)
    packed = tensors[0].new_zeros(2, plan.size, plan.pad)
    run = Run(borrow(tensors[0], plan.tape_size), packed, starts)
    arguments, kept = _arguments(tensors, plan, run)
    arguments.held = address("held", held)
    _call(held.dtype, arguments, PACK, 1)
    _call(held.dtype, arguments, FORWARD, _threads(plan))
    del kept
    return held, run


def backward(run: Run, inputs: Sequence[Tensor], d_held: Tensor) -> list[Tensor]:
    """The gradients of the inputs that are no numbers of sentences."""
    tensors = dense_all(inputs)
    (d_held,) = dense_all([d_held])
    plan = _plan(tensors, run.starts)
    facts, slots, size, padded = tensors[0], plan.slots, plan.size, plan.pad
    arguments, kept = _arguments(tensors, plan, run)
    d_sums = facts.new_empty(plan.total, slots, padded)
    d_facts, d_own = facts.new_empty(2, plan.total, padded)
    d_likeness = facts.new_empty(plan.total, slots)
    d_keys = facts.new_empty(plan.batch, slots, padded)
    d_slope = facts.new_empty(plan.batch, padded)
    for name, tensor in (
        ("d_held", d_held), ("d_sums", d_sums), ("d_facts", d_facts), ("d_own", d_own),
        ("d_likeness", d_likeness), ("d_keys", d_keys), ("d_slope", d_slope),
    ):  # fmt: skip
        setattr(arguments, name, address(name, tensor))
    _call(facts.dtype, arguments, BACKWARD, _threads(plan))
    del kept
    states = run.tape[: d_sums.numel()].view(-1, padded)
    told = _told(tensors[-2], run.starts)
    by_row = (
        facts.new_zeros(len(facts), wide).index_add_(0, told, each)[:, :narrow]
        for each, wide, narrow in (
            (d_facts, padded, size), (d_likeness, slots, slots), (d_own, padded, size)
        )
    )  # fmt: skip
    d_weight = d_sums.view(-1, padded).mT @ states
    return [
        *by_row,
        d_keys.sum(0)[:, :size],
        d_sums.sum(0)[:, :size],
        d_weight[:size, :size],
        d_slope.sum(0)[:size],
    ]


def prepare(direction: str, dtype: torch.dtype) -> None:
    """Compile the kernel now, or load it; there is one for both directions."""
    _kernel(dtype)


def _check(inputs: Sequence[Tensor]) -> None:
    """Raise a TypeError or ValueError that names the first input that the kernel cannot read. The
    numbers of sentences are not looked at."""
    facts, _, _, keys, *_, told, _ = inputs
    distinct, size, slots = len(facts), facts.shape[-1], len(keys)
    shapes = (
        (distinct, size), (distinct, slots), (distinct, size), (slots, size), (slots, size),
        (size, size), (size,), (len(told), "time"), (len(told), "asked"),
    )  # fmt: skip
    for name, tensor, shape in zip(_NAMES, inputs, shapes, strict=True):
        dtype = torch.int64 if name in ("told", "known") else facts.dtype
        check_rank(name, tensor, *shape)
        check_type(name, tensor, dtype, facts.device, "where the facts are")


def _starts(known: Tensor) -> Tensor:
    """Where the sentences of each story begin among all that a question knows of, and the end."""
    return pad(known.amax(1).cumsum(0), (1, 0))


def _told(told: Tensor, starts: Tensor) -> Tensor:
    """The numbers of those sentences, story after story."""
    time = torch.arange(told.shape[1], device="cpu")
    return told[time < starts.diff()[:, None]]


def _plan(tensors: Sequence[Tensor], starts: Tensor) -> _Plan:
    keys, told, known = tensors[3], tensors[-2], tensors[-1]
    width = VECTOR_BYTES // keys.element_size()
    slots, size = keys.shape
    batch, time = told.shape
    padded = -(-size // width) * width
    return _Plan(batch, time, known.shape[1], slots, size, padded, int(starts[-1]))


def _arguments(
    tensors: Sequence[Tensor], plan: _Plan, run: Run
) -> tuple[kernel.Arguments, list[Tensor]]:
    """The block of arguments, and the tensors that must outlive it."""
    facts, likeness, own, keys, of_keys, weight, slope, told, known = tensors
    more = (0, plan.pad - plan.size)
    kept = [pad(each, more) if more[1] else each for each in (facts, own, keys, of_keys, slope)]
    names = ("facts", "own", "keys", "of_keys", "slope")
    arguments = kernel.Arguments(
        batch=plan.batch, time=plan.time, asked=plan.asked, slots=plan.slots, size=plan.size,
        pad=plan.pad,
        **{name: address(name, tensor) for name, tensor in zip(names, kept, strict=True)},
        likeness=address("likeness", likeness), weight=address("hidden_weight", weight),
        packed=address("packed", run.packed), told=told.data_ptr(), known=known.data_ptr(),
        starts=address("starts", run.starts),
    )  # fmt: skip
    tape = address("tape", run.tape)
    for name, place in zip(("states", "sums", "gates", "norms", "last"), plan.places, strict=True):
        setattr(arguments, name, tape + place * run.tape.element_size())
    return arguments, kept


def _threads(plan: _Plan) -> int:
    return max(1, min(torch.get_num_threads(), plan.batch))


def _call(dtype: torch.dtype, arguments: kernel.Arguments, phase: int, threads: int) -> None:
    arguments.phase, arguments.next = phase, 0
    _kernel(dtype)(addressof(arguments), threads)


@cache
def _kernel(dtype: torch.dtype) -> Kernel:
    files = kernel_files(Path(numba_kit.__file__).parent, Path(__file__).parent)
    build = kernel.single if dtype == torch.float32 else kernel.double
    return compile_kernel("the kernel of EntNet", build, files)
