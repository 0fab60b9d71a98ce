"""What a sparse NTM is made of: its state, weights, what is fixed, head parameters."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from tapehead.ops.calling import Map
from tapehead.ops.pytree import saved_by_name


@saved_by_name
class SparseNTMState(NamedTuple):
    """All that a sparse NTM carries from one step to the next, batch first.

    `clock` counts steps; `accessed` is the number of the step in which each row was last read or
    written, 0 for never. `read_rows` are the rows that each head has just read, the most alike
    first, and `read_weights` their weights: there and zero elsewhere.
    """

    memory: Float[Tensor, "batch rows word"]
    accessed: Int[Tensor, "batch rows"]
    clock: Int[Tensor, " batch"]
    read_rows: Int[Tensor, "batch heads kept"]
    read_weights: Float[Tensor, "batch heads kept"]
    reads: Float[Tensor, "batch heads word"]
    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class SparseNTMWeights(NamedTuple):
    """The weights inside the loop over time; `gates` is 4 hidden: input, forget, cell, output."""

    read_weight: Float[Tensor, "gates reads_times_word"]
    recurrent_weight: Float[Tensor, "gates hidden"]
    interface_weight: Float[Tensor, "interface hidden"]
    interface_bias: Float[Tensor, " interface"]


@dataclass(frozen=True, kw_only=True)
class SparseNTMSpec:
    """What is fixed about a sparse NTM besides its weights.

    `kept`: rows that a head reads in a step, the paper's K, or all rows if there are fewer.
    `threshold`: delta, what a row must be read and written with, together, to count as accessed.
    `interface`: what to call in place of the interface's weights, where these are not all.
    """

    num_heads: int
    kept: int
    word_size: int
    threshold: float
    interface: Map | None = None

    @property
    def interface_sizes(self) -> list[int]:
        """Lengths of the pieces of the interface vector: key and add of all heads, then strength,
        write gate and interpolation gate."""
        heads, word = self.num_heads, self.word_size
        return [heads * word, heads * word, heads, heads, heads]


class HeadParameters(NamedTuple):
    """The interface vector of one step, split and brought into range."""

    key: Float[Tensor, "batch heads word"]
    add: Float[Tensor, "batch heads word"]
    strength: Float[Tensor, "batch heads"]
    write_gate: Float[Tensor, "batch heads"]
    gate: Float[Tensor, "batch heads"]
