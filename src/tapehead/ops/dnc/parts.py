"""What the Differentiable Neural Computer is made of: its state, weights, switches, interface."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor

from tapehead.ops.calling import Called
from tapehead.ops.ntm.parts import ControllerStep
from tapehead.ops.pytree import saved_by_name
from tapehead.ops.similarity import Similarity


@saved_by_name
class DNCState(NamedTuple):
    """All that a Differentiable Neural Computer carries from one step to the next, batch first.

    `link` is the whole matrix (batch, rows, rows), and `link_columns` has no columns. With sparse
    links of K rows `link` holds K values for each row, and `link_columns` the columns they stand
    in. `hidden` and `cell` hold one entry a layer of an LSTM controller; a feed-forward
    controller has no memory of its own, and its two tensors have zero layers. A recurrent
    controller without a cell state has zero layers of that alone.
    """

    memory: Float[Tensor, "batch rows word"]
    read_weights: Float[Tensor, "batch reads rows"]
    write_weights: Float[Tensor, "batch 1 rows"]
    reads: Float[Tensor, "batch reads word"]
    usage: Float[Tensor, "batch rows"]
    precedence: Float[Tensor, "batch rows"]
    link: Float[Tensor, "batch rows linked"]
    link_columns: Int64[Tensor, "batch rows kept"]
    hidden: Float[Tensor, "batch hidden_layers hidden"]
    cell: Float[Tensor, "batch cell_layers hidden"]


class DNCWeights(NamedTuple):
    """The weights inside the time loop. A layer has 4 hidden gates (order: input, forget, cell,
    output) with an LSTM controller, hidden with a feed-forward one; all layers' rows follow each
    other in `read_weight`. Input weights and biases act before the loop and are not here.
    `norm_gain` and `norm_bias` are empty without layer normalisation; `allocation_strength` is
    beta of the softmax allocation before oneplus.
    """

    read_weight: Float[Tensor, "all_gates reads_times_word"]
    recurrent_weight: Float[Tensor, "recurrent_layers gates hidden"]
    layer_weight: Float[Tensor, "upper_layers gates hidden"]
    interface_weight: Float[Tensor, "interface layers_times_hidden"]
    norm_gain: Float[Tensor, " norm"]
    norm_bias: Float[Tensor, " norm"]
    allocation_strength: Float[Tensor, ""]


@dataclass(frozen=True, kw_only=True)
class DNCSpec:
    """What is fixed about a Differentiable Neural Computer besides its weights.

    `controller`, `similarity`: a name, or what the caller brought along.
    `freeing`: read heads have free gates.
    `sparse_links`: links kept for each row, 0 for the whole link matrix.
    `mask_floor`: the least that a mask lets through.
    `gradient_clip`: the backward pass cuts the gradient of each controller activation to plus or
    minus this; 0 does not.
    `called`: parts whose weights in `DNCWeights` mean nothing, since they must be called.
    """

    num_reads: int
    word_size: int
    controller: str | ControllerStep = "lstm"
    similarity: str | Similarity = "cosine"
    allocation: str = "sort"
    masked: bool = False
    freeing: bool = True
    erase_freed: bool = False
    sharp_links: bool = False
    layer_norm: bool = False
    sparse_links: int = 0
    mask_floor: float = 0.0
    gradient_clip: float = 0.0
    called: Called | None = None

    @property
    def frees(self) -> int:
        """Heads that have a free gate."""
        return self.num_reads if self.freeing else 0

    @property
    def interface_sizes(self) -> list[int]:
        """Lengths of the pieces of the interface vector in the paper's order: read keys and
        strengths, write key and strength, erase, write vector, free gates, allocation gate,
        write gate, read modes; then the masks of all heads (reads first) and the sharpness of
        backward and forward links of each read head, where the switches ask for them."""
        reads, word = self.num_reads, self.word_size
        mask = (reads + 1) * word if self.masked else 0
        sharpness = 2 * reads if self.sharp_links else 0
        paper = [reads * word, reads, word, 1, word, word, self.frees, 1, 1, 3 * reads]
        return [*paper, mask, sharpness]

    @property
    def interface_size(self) -> int:
        """W R + 3 W + 5 R + 3 without switches, as in the paper."""
        return sum(self.interface_sizes)


class Interface(NamedTuple):
    """The interface vector of one step, split and brought into range. Heads: reads, then the write.

    `free_gates`, `mask` and `sharpness` (backward, forward) are None where their switches are off.
    """

    key: Float[Tensor, "batch heads word"]
    strength: Float[Tensor, "batch heads"]
    erase: Float[Tensor, "batch 1 word"]
    add: Float[Tensor, "batch 1 word"]
    free_gates: Float[Tensor, "batch reads"] | None
    allocation_gate: Float[Tensor, " batch"]
    write_gate: Float[Tensor, " batch"]
    read_modes: Float[Tensor, "batch reads 3"]
    mask: Float[Tensor, "batch heads word"] | None
    sharpness: Float[Tensor, "batch reads 2"] | None
