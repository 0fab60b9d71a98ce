"""The gate of the Neural Turing Machine: what its weights and its state must be like."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from tapehead.ops.gate import Admitted, check_alike, check_rank, is_dense, size
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights

WEIGHTS = (
    "input.weight",
    "input.bias",
    "read_weight",
    "recurrent_weight",
    "layer_weight",
    "layer_bias",
    "interface.weight",
    "interface.bias",
    "output.weight",
    "output.bias",
)
"""`NTMWeights` as a machine names them."""

_NAMES = (*WEIGHTS, *(f"state.{name}" for name in NTMState._fields))


_admitted = Admitted()


def admit(x: Tensor, weights: Sequence[Tensor], state: Sequence[Tensor], spec: NTMSpec) -> None:
    """Raise unless weights and state are of the type of x (batch, time, input), on its device, and
    of shapes that fit each other."""
    # Sizes may be symbols in a graph being captured, and those fit into no cache.
    fresh = torch.compiler.is_compiling()
    tensors = (*weights, *state)
    # A shape that has passed is of the right rank.
    if not fresh and is_dense(x) and _admitted.again((spec, x.shape), tensors, like=x):
        return
    check_rank("x", x, "batch", "time", "input")
    key = (spec, x.shape)
    named = NTMWeights(*weights)
    outputs = size("output.weight", named.output_weight, 0)
    layers = size("layer_weight", named.layer_weight, 0) + 1
    rows = size("state.memory", state[0], 1)
    batch, _, inputs = x.shape
    if spec.called:
        # The cache must not keep a machine's parts alive.
        spec = replace(spec, called=None)
    if callable(spec.controller):
        # Which states it has is its own affair, and the cache must not keep it alive.
        hidden = size("interface.weight", named.interface_weight, 1)
        spec = replace(spec, controller="own", similarity="own")
        own = (size("state.hidden", state[4], 1), size("state.cell", state[5], 1))
    else:
        gates = size("read_weight", named.read_weight, 0)
        hidden = gates // (4 if spec.controller == "lstm" else 1)
        own = None
    shapes = (_shapes.__wrapped__ if fresh else _shapes)(
        spec, batch, inputs, outputs, rows, hidden, layers, own
    )
    check_alike(_NAMES, tensors, shapes, like=x)
    if not fresh and key[0] is spec:
        _admitted.remember(key, tensors)


@lru_cache(maxsize=256)
def _shapes(
    spec: NTMSpec,
    batch: int,
    inputs: int,
    outputs: int,
    rows: int,
    hidden: int,
    layers: int,
    own: tuple[int, int] | None = None,
) -> tuple[tuple[int, ...], ...]:
    """Of every weight, and of every part of the state.

    Args:
        own: layers with a hidden state and with a cell, of a controller that was brought along.
    """
    recurrent, gates = (layers, 4 * hidden) if spec.controller == "lstm" else (0, hidden)
    if own is not None:
        gates = 0
    with_hidden, with_cell = (recurrent, recurrent) if own is None else own
    reads, writes, word = spec.num_reads, spec.num_writes, spec.word_size
    interface = sum(spec.interface_sizes)
    weights = dict(  # noqa: C408
        input_weight=(gates, inputs),
        input_bias=(gates,),
        read_weight=(gates, reads * word),
        recurrent_weight=(recurrent, gates, hidden),
        layer_weight=(layers - 1, gates, hidden),
        layer_bias=(layers - 1, gates),
        interface_weight=(interface, hidden),
        interface_bias=(interface,),
        output_weight=(outputs, hidden + reads * word),
        output_bias=(outputs,),
    )
    state = dict(  # noqa: C408
        memory=(batch, rows, word),
        read_weights=(batch, reads, rows),
        write_weights=(batch, writes, rows),
        reads=(batch, reads, word),
        hidden=(batch, with_hidden, hidden),
        cell=(batch, with_cell, hidden),
    )
    ordered = [weights[name] for name in NTMWeights._fields]
    return (*ordered, *(state[name] for name in NTMState._fields))
