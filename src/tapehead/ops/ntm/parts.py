"""What the Neural Turing Machine is made of: its state, weights, what is fixed, head parameters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from tapehead.ops.calling import Called
from tapehead.ops.pytree import saved_by_name
from tapehead.ops.similarity import Similarity

ControllerStep = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Sequence[Tensor], Tensor, Tensor]]
"""A controller of the caller's own, one step: input (batch, input), reads (batch, reads, word),
hidden and cell (batch, layers, hidden) -> what each layer gives (batch, hidden), hidden, cell."""


@saved_by_name
class NTMState(NamedTuple):
    """All that a Neural Turing Machine carries from one step to the next, batch first.

    `hidden` and `cell` hold one entry a layer of an LSTM controller; a feed-forward controller
    has no memory of its own, and its two tensors have zero layers. A recurrent controller without
    a cell state has zero layers of that alone.
    """

    memory: Float[Tensor, "batch rows word"]
    read_weights: Float[Tensor, "batch reads rows"]
    write_weights: Float[Tensor, "batch writes rows"]
    reads: Float[Tensor, "batch reads word"]
    hidden: Float[Tensor, "batch hidden_layers hidden"]
    cell: Float[Tensor, "batch cell_layers hidden"]


class NTMWeights(NamedTuple):
    """All weights. `gates` is 4 hidden (order: input, forget, cell, output) for an LSTM controller
    and hidden for a feed-forward one; `features` is hidden and what the reads hold. Weights of the
    controller are empty where the caller brought one along, which has its own.
    """

    input_weight: Float[Tensor, "gates input"]
    input_bias: Float[Tensor, " gates"]
    read_weight: Float[Tensor, "gates reads_times_word"]
    recurrent_weight: Float[Tensor, "recurrent_layers gates hidden"]
    layer_weight: Float[Tensor, "upper_layers gates hidden"]
    layer_bias: Float[Tensor, "upper_layers gates"]
    interface_weight: Float[Tensor, "interface hidden"]
    interface_bias: Float[Tensor, " interface"]
    output_weight: Float[Tensor, "output features"]
    output_bias: Float[Tensor, " output"]


@dataclass(frozen=True, kw_only=True)
class NTMSpec:
    """What is fixed about a Neural Turing Machine besides its weights.

    `read_first`: read heads act on M_{t-1}, before this step's write, not on M_t as in eq. 2.
    `gradient_clip`: in the backward pass, each number of the gradient that a step passes to the
    state it began with is cut to plus or minus this (section 4.6); 0 cuts nothing.
    `controller`, `similarity`: a name, or what the caller brought along.
    `called`: parts whose weights in `NTMWeights` mean nothing, since they must be called.
    """

    num_reads: int
    num_writes: int
    word_size: int
    shift_range: int
    controller: str | ControllerStep
    similarity: str | Similarity
    read_first: bool
    gradient_clip: float = 0.0
    called: Called | None = None

    @property
    def num_heads(self) -> int:
        return self.num_reads + self.num_writes

    @property
    def num_shifts(self) -> int:
        return 2 * self.shift_range + 1

    @property
    def interface_sizes(self) -> list[int]:
        """Lengths of the pieces of the interface vector: key, strength, gate, shift and sharpening
        of all heads (reads first, then writes), then erase and add of the write heads."""
        heads, writes, word = self.num_heads, self.num_writes, self.word_size
        return [
            heads * word,
            heads,
            heads,
            heads * self.num_shifts,
            heads,
            writes * word,
            writes * word,
        ]


class HeadParameters(NamedTuple):
    """The interface vector of one step, split and brought into range. Heads: reads, then writes."""

    key: Float[Tensor, "batch heads word"]
    strength: Float[Tensor, "batch heads"]
    gate: Float[Tensor, "batch heads"]
    shift: Float[Tensor, "batch heads shifts"]
    sharpening: Float[Tensor, "batch heads"]
    erase: Float[Tensor, "batch writes word"]
    add: Float[Tensor, "batch writes word"]
