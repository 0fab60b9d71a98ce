"""The two kernels as functions of tensors, without autograd."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tapehead.ops.gate import check_kernel_input
from tapehead.ops.lengths import own_lengths
from tapehead.ops.numba_kit.native import Kernels
from tapehead.ops.numba_kit.phases import PACK, RUN, run_phases
from tapehead.ops.sparse_ntm.admission import admit
from tapehead.ops.sparse_ntm.cpu.layout import POINTERS, Arguments, layout
from tapehead.ops.sparse_ntm.parts import SparseNTMSpec, SparseNTMState, SparseNTMWeights
from tapehead.ops.storage import TOO_LARGE, dense, dense_all, room_like, too_large

_WEIGHTS = SparseNTMWeights._fields
_SMALL = ("read_rows", "read_weights", "reads", "hidden", "cell")
"""Parts of the state that are handed over as they are."""

_kernel = Kernels(
    "sparse_ntm.cpu",
    "the sparse NTM's CPU kernels ({kind})",
    "ntm/cpu/controller.py",
    "similarity.py",
)
prepare = _kernel.prepare


class Run(NamedTuple):
    """What the backward pass of a forward pass needs besides weights, state and features."""

    tape: Tensor
    rows: Tensor
    lengths: Tensor | None


def forward(
    projected: Tensor,
    weights: Sequence[Tensor],
    state: SparseNTMState,
    spec: SparseNTMSpec,
    lengths: Tensor | None = None,
    *,
    keep: bool = True,
) -> tuple[Tensor, SparseNTMState, Run]:
    """Features, the last state, and what `backward` needs, if it is to be kept."""
    admit(projected, weights, state, spec)
    check_kernel_input("projected", projected)
    projected, lengths = dense(projected), own_lengths(lengths, projected)
    weights, small = dense_all(weights), dense_all(getattr(state, name) for name in _SMALL)
    batch, rows, _ = state.memory.shape
    plan = _plan(projected, state, keep)
    places = batch * (1 + plan.time * keep)
    new = projected.new_empty
    try:
        run = Run(
            new(places * plan.record),
            torch.zeros(places * plan.row_record, dtype=torch.int64, device="cpu"),
            lengths,
        )
        memory, source = _opened(state.memory)
        accessed = _copied(state.accessed)
    except TOO_LARGE as error:
        raise too_large("state.memory", state.memory, 2 * state.memory.numel()) from error
    features = projected.new_zeros(batch, plan.time, plan.features)
    last = SparseNTMState(
        memory, accessed, state.clock.clone(memory_format=torch.contiguous_format),
        *(room_like(part) for part in small),
    )  # fmt: skip
    threads = _threads(plan)
    scratch = {
        "inverse": _zeros(projected, batch, rows),
        "totals": _zeros(projected, threads, rows),
        "counters": torch.zeros(batch, plan.counter, dtype=torch.int64, device="cpu"),
        "threshold": projected.new_full((1,), spec.threshold),
        "packed": projected.new_zeros(plan.packed_size),
        "work": projected.new_zeros(threads * plan.work_size),
    }
    given = dict(zip((*_WEIGHTS, *_SMALL), (*weights, *small), strict=True))
    after = {f"last_{name}": part for name, part in last._asdict().items()}
    arguments = Arguments.from_buffer_copy(plan)
    if source is not None:
        arguments.memory_stride = source.stride(0)
    tape = {"tape": run.tape, "rows_tape": run.rows, "lengths": lengths, "memory": source}
    tensors = given | after | scratch | tape | {"projected": projected, "features": features}
    POINTERS.write(arguments, tensors)
    run_phases(_kernel("forward", projected.dtype), arguments, PACK | RUN, threads)
    return features, last, run


def backward(
    run: Run,
    weights: Sequence[Tensor],
    state: SparseNTMState,
    features: Tensor,
    d_features: Tensor | None,
    d_last: SparseNTMState,
    *,
    memory_wanted: bool,
) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
    """Gradients of what is projected, of the weights and of the state, None for whole numbers and
    for a memory that is not wanted; a given one of None stands for zeros."""
    plan = _plan(features, state, keep=True)
    weights = dense_all(weights)
    batch, rows, word = state.memory.shape
    shape = (batch, 1 + plan.time, plan.heads, plan.kept + 1)
    of_sequence = torch.arange(batch, device="cpu").view(-1, 1, 1, 1) * rows
    # Where in the memories of all sequences; only what was touched has a gradient of its own.
    touched, slots = (run.rows.view(shape) + of_sequence).unique(return_inverse=True)
    slopes = features.new_zeros(len(touched), plan.word_pad)
    if d_last.memory is not None:
        slopes[:, :word] = d_last.memory.reshape(-1, word)[touched]
    new, threads = features.new_empty, _threads(plan)
    found = {
        "d_projected": features.new_zeros(batch, plan.time, plan.gates),
        "d_interface": features.new_zeros(batch, plan.time, plan.interface),
        **{f"d_{name}": new(getattr(state, name).shape) for name in _SMALL[1:]},
    }
    above = {"d_features": d_features} | {
        f"d_last_{name}": getattr(d_last, name) for name in _SMALL[1:]
    }
    above = {name: None if part is None else dense(part) for name, part in above.items()}
    arguments = Arguments.from_buffer_copy(plan)
    tensors = {
        "tape": run.tape, "lengths": run.lengths, "slots": slots, "slopes": slopes,
        "packed": features.new_zeros(plan.packed_size),
        "work": features.new_zeros(threads * plan.work_size),
        **dict(zip(_WEIGHTS, weights, strict=True)), **found, **above,
    }  # fmt: skip
    POINTERS.write(arguments, tensors)
    run_phases(_kernel("backward", features.dtype), arguments, PACK | RUN, threads)

    d_memory = None
    if memory_wanted:
        given = d_last.memory
        d_memory = features.new_zeros(batch, rows, word) if given is None else given.clone()
        d_memory = d_memory.contiguous()
        d_memory.view(-1, word)[touched] = slopes[:, :word]
    # Whole numbers have no gradient.
    d_state = [d_memory, None, None, None, *(found[f"d_{name}"] for name in _SMALL[1:])]
    return found["d_projected"], _of_weights(found, state, features, plan), d_state


def _of_weights(
    found: dict[str, Tensor], state: SparseNTMState, features: Tensor, plan: Arguments
) -> list[Tensor]:
    """Gradients of the weights: what each was multiplied by, times what came back."""
    d_gates, d_interface = found["d_projected"].flatten(0, 1), found["d_interface"].flatten(0, 1)
    hidden = features[..., : plan.hidden_size]
    reads = features[..., plan.hidden_size :]
    reads_before = torch.cat([state.reads.flatten(1)[:, None], reads[:, :-1]], 1).flatten(0, 1)
    hidden_before = torch.cat([state.hidden[:, None], hidden[:, :-1]], 1).flatten(0, 1)
    return [
        d_gates.mT @ reads_before,
        d_gates.mT @ hidden_before,
        d_interface.mT @ hidden.flatten(0, 1),
        d_interface.sum(0),
    ]


def _plan(tensor: Tensor, state: SparseNTMState, keep: bool) -> Arguments:
    batch, time, _ = tensor.shape
    _, rows, word = state.memory.shape
    _, heads, kept = state.read_rows.shape
    return layout(
        batch, time, rows, word, heads, kept, state.hidden.shape[1], tensor.element_size(), keep
    )


def _zeros(like: Tensor, *shape: int) -> Tensor:
    """Zeros that the system hands out page by page as they are touched; PyTorch touches all."""
    kind = {torch.float32: np.float32, torch.float64: np.float64, torch.int64: np.int64}
    return torch.from_numpy(np.zeros(shape, kind[like.dtype]))


def _one_zero(tensor: Tensor) -> bool:
    """Whether it is a single zero, repeated."""
    return not any(tensor.stride()) and not tensor.flatten()[0].item()


def _opened(memory: Tensor) -> tuple[Tensor, Tensor | None]:
    """Room for a memory that the kernel may change, empty, and what it is to be filled with."""
    room = _zeros(memory, *memory.shape)
    if memory.layout is torch.strided and _one_zero(memory):
        return room, None
    if not memory[0].is_contiguous() or memory.is_neg():
        memory = dense(memory)
    return room, memory


def _copied(accessed: Tensor) -> Tensor:
    if _one_zero(accessed):
        return _zeros(accessed, *accessed.shape)
    return accessed.clone(memory_format=torch.contiguous_format)


def _threads(plan: Arguments) -> int:
    return max(1, min(torch.get_num_threads(), plan.blocks))
