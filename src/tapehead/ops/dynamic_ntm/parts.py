"""What a Dynamic NTM is made of: its state, weights, what is fixed, head parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from tapehead.ops.calling import Map, must_be_called
from tapehead.ops.estimators.addresses import Addresses
from tapehead.ops.pytree import saved_by_name

ControllerStep = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""A controller that is called, one step: input (batch, numbers), hidden and cell (batch, hidden) ->
hidden, cell."""


@saved_by_name
class DynamicNTMState(NamedTuple):
    """All that the machine carries from step to step, batch first.

    `recency` is the running average of each head's logits, by which it shuns rows used of late.
    A controller without a cell hands `cell` back as it was.
    """

    content: Float[Tensor, "batch rows word"]
    recency: Float[Tensor, "batch heads rows"]
    reads: Float[Tensor, "batch reads cell"]
    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class DynamicNTMWeights(NamedTuple):
    """All weights. `known` is input, hidden and what the reads hold, in this order; `seen` is input
    and reads; `numbers` of a head are its key, strength and recency gate. `gates` is hidden for a
    feed-forward controller, 3 hidden (reset, update, candidate) for a GRU, 4 hidden (input, forget,
    cell, output) for an LSTM; a feed-forward one has no `recurrent_gates`. Those of a part that is
    called mean nothing.
    """

    address: Float[Tensor, "rows address"]
    read_weight: Float[Tensor, "reads_times_numbers known"]
    read_bias: Float[Tensor, " reads_times_numbers"]
    input_weight: Float[Tensor, "gates seen"]
    input_bias: Float[Tensor, " gates"]
    recurrent_weight: Float[Tensor, "recurrent_gates hidden"]
    recurrent_bias: Float[Tensor, " recurrent_gates"]
    write_weight: Float[Tensor, "writes_times_numbers hidden"]
    write_bias: Float[Tensor, " writes_times_numbers"]
    erase_weight: Float[Tensor, "writes_times_word hidden"]
    erase_bias: Float[Tensor, " writes_times_word"]
    candidate_weight: Float[Tensor, "writes_times_word hidden"]
    candidate_bias: Float[Tensor, " writes_times_word"]
    shown_weight: Float[Tensor, "writes_times_word input"]
    gate_weight: Float[Tensor, "writes input_and_hidden"]
    gate_bias: Float[Tensor, " writes"]
    output_weight: Float[Tensor, "output features"]
    output_bias: Float[Tensor, " output"]


class DynamicNTMCalled(NamedTuple):
    """The parts of a machine that are called; None: its weights are all there is to it."""

    read_interface: Map | None = None
    controller: ControllerStep | None = None
    write_interface: Map | None = None
    erase: Map | None = None
    candidate: Map | None = None
    candidate_input: Map | None = None
    input_gate: Map | None = None
    output: Map | None = None

    @property
    def obstacle(self) -> str | None:
        """Why a kernel cannot run, or None if it can: the output is no part of it."""
        inside = self._replace(output=None)
        if all(part is None for part in inside):
            return None
        return must_be_called(inside)


@dataclass(frozen=True, kw_only=True)
class DynamicNTMSpec:
    """What is fixed about a Dynamic NTM besides its weights.

    `controller`: "gru", "lstm", "feedforward", or "own" for one that the caller brought along.
    `no_operation`: the last row keeps nothing.
    `called`: parts whose weights in `DynamicNTMWeights` mean nothing, since they must be called.
    """

    num_reads: int
    num_writes: int
    reading_steps: int
    word_size: int
    controller: str
    no_operation: bool
    least_recently_used: bool
    called: DynamicNTMCalled | None = None

    @property
    def num_heads(self) -> int:
        return self.num_reads + self.num_writes

    @property
    def choices(self) -> int:
        """Addresses in a step."""
        return self.num_reads * self.reading_steps + self.num_writes


class HeadParameters(NamedTuple):
    """What heads ask for."""

    key: Float[Tensor, "batch heads cell"]
    strength: Float[Tensor, "batch heads"]
    recency_gate: Float[Tensor, "batch heads"]


class Chosen(NamedTuple):
    """A run. `logits` and `weights` hold every address before and after its choice, in the order of
    choosing; `context` is what the machine knew before its first choice of a step, input and
    hidden. Past a sequence's length these three mean nothing."""

    y: Float[Tensor, "batch time output"]
    state: DynamicNTMState
    logits: Addresses
    weights: Addresses
    context: Float[Tensor, "batch time context"]
