"""The gate of the Neural Turing Machine: what its weights and its state must be like."""

from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor

from tapehead.ops.gate import check_alike, check_rank, size
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


def admit(x: Tensor, weights: Sequence[Tensor], state: Sequence[Tensor], spec: NTMSpec) -> None:
    """Raise unless weights and state are of the type of x (batch, time, input), on its device, and
    of shapes that fit each other."""
    check_rank("x", x, "batch", "time", "input")
    named = NTMWeights(*weights)
    hidden = size(named.read_weight, 0) // (4 if spec.controller == "lstm" else 1)
    outputs, layers = size(named.output_weight, 0), size(named.layer_weight, 0) + 1
    batch, _, inputs = x.shape
    shapes, after = _shapes(spec, inputs, outputs, size(state[0], 1), hidden, layers)
    check_alike(
        _NAMES, (*weights, *state), [*shapes, *((batch, *sizes) for sizes in after)], like=x
    )


Shapes = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=256)
def _shapes(
    spec: NTMSpec, inputs: int, outputs: int, rows: int, hidden: int, layers: int
) -> tuple[Shapes, Shapes]:
    """Of every weight, and of every part of the state of one sequence."""
    recurrent, gates = (layers, 4 * hidden) if spec.controller == "lstm" else (0, hidden)
    reads, writes, word = spec.num_reads, spec.num_writes, spec.word_size
    interface = sum(spec.interface_sizes)
    weights = NTMWeights(
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
    state = NTMState(
        memory=(rows, word),
        read_weights=(reads, rows),
        write_weights=(writes, rows),
        reads=(reads, word),
        hidden=(recurrent, hidden),
        cell=(recurrent, hidden),
    )
    return tuple(weights), tuple(state)
