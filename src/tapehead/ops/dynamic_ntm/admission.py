"""The gate of the Dynamic NTM: what its weights and its state must be like."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from tapehead.ops.dynamic_ntm.parts import DynamicNTMSpec, DynamicNTMState, DynamicNTMWeights
from tapehead.ops.gate import check_alike, check_rank, size

_CELL = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
WEIGHTS = (
    "address",
    "read_interface.weight",
    "read_interface.bias",
    *(f"controller.layer.{name}" for name in _CELL),
    "write_interface.weight",
    "write_interface.bias",
    "erase.weight",
    "erase.bias",
    "candidate.weight",
    "candidate.bias",
    "candidate_input.weight",
    "input_gate.weight",
    "input_gate.bias",
    "output.weight",
    "output.bias",
)
"""`DynamicNTMWeights` as a machine names them."""

_NAMES = (*WEIGHTS, *(f"state.{name}" for name in DynamicNTMState._fields))


def admit(
    x: Tensor, weights: Sequence[Tensor], state: Sequence[Tensor], spec: DynamicNTMSpec
) -> None:
    """Raise unless weights and state are of the type of x (batch, time, input), on its device, and
    of shapes that fit each other."""
    check_rank("x", x, "batch", "time", "input")
    named, start = DynamicNTMWeights(*weights), DynamicNTMState(*state)
    batch, _, inputs = x.shape
    # Sizes may be symbols in a graph being captured, and those fit into no cache.
    shapes = (_shapes.__wrapped__ if torch.compiler.is_compiling() else _shapes)(
        (spec.num_reads, spec.num_writes, spec.word_size, spec.controller),
        batch,
        inputs,
        size("output.weight", named.output_weight, 0),
        size("address", named.address, 0),
        size("address", named.address, 1),
        size("state.hidden", start.hidden, 1),
    )
    check_alike(_NAMES, (*weights, *state), shapes, like=x)


@lru_cache(maxsize=256)
def _shapes(
    fixed: tuple[int, int, int, str],
    batch: int,
    inputs: int,
    outputs: int,
    rows: int,
    address: int,
    hidden: int,
) -> tuple[tuple[int, ...], ...]:
    """Of every weight, and of every part of the state."""
    reads, writes, content, controller = fixed
    word = address + content
    gates = {"own": 0, "feedforward": 1, "gru": 3, "lstm": 4}[controller] * hidden
    recurrent = gates if controller in ("gru", "lstm") else 0
    written, numbers, read = writes * content, word + 2, reads * word
    weights = dict(  # noqa: C408
        address=(rows, address),
        read_weight=(reads * numbers, inputs + hidden + read),
        read_bias=(reads * numbers,),
        input_weight=(gates, inputs + read),
        input_bias=(gates,),
        recurrent_weight=(recurrent, hidden),
        recurrent_bias=(recurrent,),
        write_weight=(writes * numbers, hidden),
        write_bias=(writes * numbers,),
        erase_weight=(written, hidden),
        erase_bias=(written,),
        candidate_weight=(written, hidden),
        candidate_bias=(written,),
        shown_weight=(written, inputs),
        gate_weight=(writes, inputs + hidden),
        gate_bias=(writes,),
        output_weight=(outputs, hidden + read),
        output_bias=(outputs,),
    )
    state = dict(  # noqa: C408
        content=(batch, rows, content),
        recency=(batch, reads + writes, rows),
        reads=(batch, reads, word),
        hidden=(batch, hidden),
        cell=(batch, hidden),
    )
    ordered = [weights[name] for name in DynamicNTMWeights._fields]
    return (*ordered, *(state[name] for name in DynamicNTMState._fields))
