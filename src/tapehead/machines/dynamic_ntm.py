"""The Dynamic Neural Turing Machine (Gulcehre, Chandar, Cho, Bengio, arXiv 1607.00036).

| name | symbol | shape |
|---|---|---|
| address | A | rows, address |
| content | C | batch, rows, word |
| key | k | batch, heads, address + word |
| strength | beta | batch, heads |
| recency | v | batch, heads, rows |
| recency_gate | gamma | batch, heads |
| erase, candidate | e, c bar | batch, writes, word |
| reads | r | batch, reads, address + word |
"""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad, softplus

from tapehead.checks import (
    Size,
    choice,
    choice_or_function,
)
from tapehead.machines.cells import CELLS, MAKER, Cell, MakeController
from tapehead.machines.discrete import ADDRESSINGS, DiscreteMachine, Run
from tapehead.machines.machine import glorot_
from tapehead.machines.options import configured
from tapehead.machines.recurrent import check_batch_size
from tapehead.machines.sizes import dynamic_ntm_numbers
from tapehead.ops.estimators.addresses import Chooser
from tapehead.ops.pytree import saved_by_name
from tapehead.ops.similarity import cosine

RECENCY_DECAY = 0.1
"""v_t = 0.1 v_{t-1} + 0.9 z_t. The authors' code has 0.04 and 0.96."""


@saved_by_name
class DynamicNTMState(NamedTuple):
    """All that the machine carries from step to step, batch first.

    `recency` is the running average of each head's logits, by which it shuns rows used of late.
    """

    content: Float[Tensor, "batch rows word"]
    recency: Float[Tensor, "batch heads rows"]
    reads: Float[Tensor, "batch reads cell"]
    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class DynamicNTM(DiscreteMachine):
    """An NTM whose rows have a learned address beside their content, and no shifts.

    Each step reads (several times over, if `reading_steps` says so: each later reading sees what
    the one before it found), then updates the controller, then writes.

    Trace names, all (batch, time, ...), heads ordered reads first, then writes: `hidden` (hidden),
    `read_weights` (reads, rows; of the last reading step), `write_weights` (writes, rows),
    `erase`, `candidate` (writes, word), `strength`, `recency_gate` (heads), `reads` (reads,
    address + word), `memory` (rows, word) after the step, `logits` and `weights` (choices, rows):
    every address before and after its choice, in the order of choosing. With a no-operation cell
    it is the last row.

    Args:
        input_size: numbers per input step.
        output_size: numbers per output step (logits).
        memory_size: rows, without the no-operation cell.
        word_size: numbers of content in each row.
        address_size: numbers of learned address in each row.
        num_reads: read heads.
        num_writes: write heads.
        reading_steps: readings in each step, one after the other.
        controller: "gru", "lstm", "feedforward", or a function (input_size, hidden_size) -> module;
            see `tapehead.machines.cells`.
        hidden_size: units of the controller.
        no_operation: have a row that keeps nothing: to read or write it is to do neither.
        least_recently_used: let each head subtract its recent logits from its present ones.
        addressing: "discrete", one row at a time, or "soft", all rows at once.

    >>> import torch
    >>> from tapehead import DynamicNTM
    >>> machine = DynamicNTM(input_size=9, output_size=8, memory_size=16, word_size=6)
    >>> trace = machine.trace(torch.rand(1, 5, 9))
    >>> trace.reads.shape[-1] == machine.address_size + machine.word_size
    True
    """

    changeable = ("least_recently_used",)

    @configured(dynamic_ntm_numbers)
    def __init__(
        self,
        input_size: Size,
        output_size: Size,
        *,
        memory_size: Size = 128,
        word_size: Size = 20,
        address_size: Size = 20,
        num_reads: Size = 1,
        num_writes: Size = 1,
        reading_steps: Size = 1,
        controller: Annotated[str | MakeController, choice_or_function(CELLS, MAKER)] = "gru",
        hidden_size: Size = 100,
        no_operation: bool = True,
        least_recently_used: bool = True,
        addressing: Annotated[str, choice(ADDRESSINGS)] = "soft",
    ):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.memory_size, self.word_size = memory_size, word_size
        self.num_reads, self.num_writes = num_reads, num_writes
        self.reading_steps, self.hidden_size = reading_steps, hidden_size
        self.no_operation, self.least_recently_used = no_operation, least_recently_used
        self.choices = num_reads * reading_steps + num_writes
        width = address_size + word_size
        # Before its first reading the machine knows its input and its last hidden state.
        context = input_size + hidden_size
        # Of each head: key, strength, recency gate.
        self.read_interface = nn.Linear(context + num_reads * width, num_reads * (width + 2))
        self.controller = Cell(controller, input_size + num_reads * width, hidden_size)
        self.write_interface = nn.Linear(hidden_size, num_writes * (width + 2))
        self.erase = nn.Linear(hidden_size, num_writes * word_size)
        self.candidate = nn.Linear(hidden_size, num_writes * word_size)
        self.candidate_input = nn.Linear(input_size, num_writes * word_size, bias=False)
        self.input_gate = nn.Linear(context, num_writes)
        self.output = nn.Linear(hidden_size + num_reads * width, output_size)
        self.address = nn.Parameter(torch.empty(self.rows, address_size))
        self.initial_hidden = nn.Parameter(torch.zeros(hidden_size))
        self.reset_parameters()
        self.addressing, self.context_size = addressing, context

    @property
    def rows(self) -> int:
        return self.memory_size + self.no_operation

    def reset_parameters(self) -> None:
        """Draw the weights afresh, but for the controller's."""
        with torch.no_grad():
            for layer in (
                self.read_interface,
                self.write_interface,
                self.erase,
                self.candidate,
                self.candidate_input,
                self.input_gate,
                self.output,
            ):
                glorot_(layer.weight, layer.in_features, layer.out_features)
                if layer.bias is not None:
                    layer.bias.zero_()
            # Rows must differ from the start: nothing else tells empty ones apart.
            self.address.normal_()

    def initial_state(self, batch_size: int) -> DynamicNTMState:
        check_batch_size(self, batch_size)
        new = self.address.new_zeros
        heads = self.num_reads + self.num_writes
        width = self.address.shape[1] + self.word_size
        return DynamicNTMState(
            content=new(batch_size, self.rows, self.word_size),
            recency=new(batch_size, heads, self.rows),
            reads=new(batch_size, self.num_reads, width),
            hidden=self.initial_hidden.expand(batch_size, -1),
            cell=new(batch_size, self.hidden_size),
        )

    def run(
        self,
        x: Float[Tensor, "batch time input"],
        state: DynamicNTMState,
        choose: Chooser,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        offset: Float[Tensor, "batch time choices rows"] | None = None,
        keep: bool = False,
    ) -> Run:
        return self.unroll(x, state, choose, lengths=lengths, offset=offset, keep=keep)

    def one_step(self, x_t, state, choose, time, offset):
        """One step: output logits, the new state, and the inner tensors by name."""
        batch = x_t.shape[0]
        asked: list[tuple[Tensor, Tensor]] = []

        def address(head, key, memory, first, heads):
            logits = head.strength[..., None] * cosine(key, memory)
            after = RECENCY_DECAY * state.recency[:, heads] + (1 - RECENCY_DECAY) * logits
            if self.least_recently_used:
                logits = logits - head.recency_gate[..., None] * state.recency[:, heads]
            if offset is not None:
                logits = logits + offset[:, first : first + logits.shape[1]]
            weights = choose(logits, time, first)
            asked.append((logits, weights))
            return weights, after

        known = torch.cat([x_t, state.hidden], -1)
        rows = self.address.expand(batch, -1, -1)
        memory = torch.cat([rows, state.content], -1)
        reading, writing = slice(None, self.num_reads), slice(self.num_reads, None)
        # The first reading of a step starts from what the last step found.
        reads, readings = state.reads, []
        for turn in range(self.reading_steps):
            read_head = _head(
                self.read_interface(torch.cat([known, reads.flatten(1)], -1)), self.num_reads
            )
            read_weights, read_recency = address(
                read_head, read_head.key, memory, turn * self.num_reads, reading
            )
            readings.append((read_head, read_weights, read_recency))
            kept = self.without_no_operation(read_weights)
            reads = torch.einsum("bhn,bnw->bhw", kept, memory)
        read_head, read_weights, read_recency = readings[-1]

        hidden, cell = self.controller(
            torch.cat([x_t, reads.flatten(1)], -1), state.hidden, state.cell
        )
        write_head = _head(self.write_interface(hidden), self.num_writes)
        write_weights, write_recency = address(
            write_head, write_head.key, memory, self.reading_steps * self.num_reads, writing
        )
        erase = self.erase(hidden).sigmoid().unflatten(-1, (self.num_writes, -1))
        gate = self.input_gate(torch.cat([x_t, hidden], -1)).sigmoid()[..., None]
        candidate = (
            self.candidate(hidden).unflatten(-1, (self.num_writes, -1))
            + gate * self.candidate_input(x_t).unflatten(-1, (self.num_writes, -1))
        ).relu()
        content = write(state.content, self.without_no_operation(write_weights), erase, candidate)
        recency = torch.cat([read_recency, write_recency], 1)
        y = self.output(torch.cat([hidden, reads.flatten(1)], -1))
        inner = {
            "logits": torch.cat([logits for logits, _ in asked], 1),
            "weights": torch.cat([weights for _, weights in asked], 1),
            "context": known,
            "hidden": hidden,
            "read_weights": read_weights,
            "write_weights": write_weights,
            "erase": erase,
            "candidate": candidate,
            "strength": torch.cat([read_head.strength, write_head.strength], 1),
            "recency_gate": torch.cat([read_head.recency_gate, write_head.recency_gate], 1),
            "reads": reads,
            "memory": content,
        }
        return y, DynamicNTMState(content, recency, reads, hidden, cell), inner

    def without_no_operation(self, weights: Tensor) -> Tensor:
        """Weights over rows, of which the cell that keeps nothing has none."""
        if not self.no_operation:
            return weights
        return pad(weights[..., :-1], (0, 1))


class Head(NamedTuple):
    """What a head asks for."""

    key: Float[Tensor, "batch heads cell"]
    strength: Float[Tensor, "batch heads"]
    recency_gate: Float[Tensor, "batch heads"]


def _head(interface: Float[Tensor, "batch numbers"], heads: int) -> Head:
    """k as it is, beta = softplus + 1, gamma = sigmoid."""
    numbers = interface.unflatten(-1, (heads, -1))
    return Head(numbers[..., :-2], softplus(numbers[..., -2]) + 1.0, numbers[..., -1].sigmoid())


def write(
    content: Float[Tensor, "batch rows word"],
    weights: Float[Tensor, "batch writes rows"],
    erase: Float[Tensor, "batch writes word"],
    candidate: Float[Tensor, "batch writes word"],
) -> Float[Tensor, "batch rows word"]:
    """C(j) <- (1 - e u(j)) C(j) + u(j) c bar, for one write head after the other."""
    for head in range(weights.shape[1]):
        at = weights[:, head, :, None]
        content = content * (1 - at * erase[:, head, None]) + at * candidate[:, head, None]
    return content
