"""The gate of the sparse NTM: what its weights and its state must be like."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tapehead.ops.gate import check_alike, check_rank, size
from tapehead.ops.sparse_ntm.parts import SparseNTMSpec, SparseNTMState, SparseNTMWeights

_WHOLE = ("accessed", "clock", "read_rows")
"""Parts of the state that are whole numbers."""
_NAMES = (
    "read_weight",
    "recurrent_weight",
    "interface.weight",
    "interface.bias",
    *(f"state.{name}" for name in SparseNTMState._fields if name not in _WHOLE),
)


def admit(
    projected: Tensor,
    weights: Sequence[Tensor],
    state: SparseNTMState,
    spec: SparseNTMSpec,
) -> None:
    """Raise unless weights and state are of the type of `projected` (batch, time, gates), on its
    device, and of shapes that fit each other."""
    check_rank("projected", projected, "batch", "time", "gates")
    named = SparseNTMWeights(*weights)
    batch, hidden = projected.shape[0], size("recurrent_weight", named.recurrent_weight, 1)
    rows, heads, word = size("state.memory", state.memory, 1), spec.num_heads, spec.word_size
    gates, kept = 4 * hidden, min(spec.kept, rows)
    check_rank("projected", projected, "batch", "time", gates)
    interface = sum(spec.interface_sizes)
    numbers = [part for name, part in state._asdict().items() if name not in _WHOLE]
    shapes = [
        (gates, heads * word),
        (gates, hidden),
        (interface, hidden),
        (interface,),
        (batch, rows, word),
        (batch, heads, kept),
        (batch, heads, word),
        (batch, hidden),
        (batch, hidden),
    ]
    check_alike(_NAMES, (*weights, *numbers), shapes, like=projected)
    whole = torch.empty(0, dtype=torch.int64, device=projected.device)
    check_alike(
        [f"state.{name}" for name in _WHOLE],
        [getattr(state, name) for name in _WHOLE],
        [(batch, rows), (batch,), (batch, heads, kept)],
        like=whole,
        leader="whole numbers",
    )
