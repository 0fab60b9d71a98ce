"""The Dynamic Neural Turing Machine (Gulcehre, Chandar, Cho, Bengio, arXiv 1607.00036)."""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tapehead.checks import (
    Size,
    choice,
    choice_or_function,
)
from tapehead.machines.cells import CELLS, MAKER, Cell, MakeController
from tapehead.machines.discrete import ADDRESSINGS, DiscreteMachine, Run, chooser_module
from tapehead.machines.machine import glorot_
from tapehead.machines.options import configured
from tapehead.machines.plain import is_plain, weight_of
from tapehead.machines.recurrent import check_batch_size
from tapehead.machines.sizes import dynamic_ntm_numbers
from tapehead.ops.backends import BACKENDS, Choice
from tapehead.ops.dynamic_ntm import (
    DynamicNTMCalled,
    DynamicNTMSpec,
    DynamicNTMState,
    DynamicNTMWeights,
    backend_choice,
    implementation,
    reference,
)
from tapehead.ops.estimators.addresses import Chooser

_MAPS = (
    "read_interface",
    "write_interface",
    "erase",
    "candidate",
    "candidate_input",
    "input_gate",
    "output",
)
"""Linear layers."""


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
        backend: "auto", "reference" or "cpu"; see `tapehead.ops.backends`.

    >>> import torch
    >>> from tapehead import DynamicNTM
    >>> machine = DynamicNTM(input_size=9, output_size=8, memory_size=16, word_size=6)
    >>> trace = machine.trace(torch.rand(1, 5, 9))
    >>> trace.reads.shape[-1] == machine.address_size + machine.word_size
    True
    """

    changeable = ("backend", "least_recently_used")

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
        backend: Annotated[str, choice(BACKENDS)] = "auto",
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
        self.backend = backend

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
        spec = self._spec()
        given = (x, self._weights(spec), state, spec, choose, lengths, offset)
        module = chooser_module(implementation, reference, self.backend, choose, x, spec)
        if keep:
            found, inner = module.dynamic_ntm_trace(*given)
        else:
            found, inner = module.dynamic_ntm(*given), {}
        return Run(
            y=found.y,
            state=found.state,
            logits=found.logits,
            weights=found.weights,
            context=found.context,
            inner=inner,
        )

    def backend_choice(self) -> Choice:
        return backend_choice(self.backend, self.address, self._spec())

    def _spec(self) -> DynamicNTMSpec:
        parts = {name: getattr(self, name) for name in _MAPS}
        called = {name: part for name, part in parts.items() if not is_plain(part)}
        shown = self.candidate_input
        if is_plain(shown, bias=False) and shown.bias is None:
            del called["candidate_input"]
        else:
            called["candidate_input"] = shown
        if not self.controller.is_plain:
            called["controller"] = self.controller
        return DynamicNTMSpec(
            num_reads=self.num_reads,
            num_writes=self.num_writes,
            reading_steps=self.reading_steps,
            word_size=self.word_size,
            controller=self.controller.controller,
            no_operation=self.no_operation,
            least_recently_used=self.least_recently_used,
            called=DynamicNTMCalled(**called) if called else None,
        )

    def _weights(self, spec: DynamicNTMSpec) -> DynamicNTMWeights:
        return DynamicNTMWeights(
            weight_of(self, "address"),
            *self._linear(spec, "read_interface"),
            *self._controller_weights(spec),
            *self._linear(spec, "write_interface"),
            *self._linear(spec, "erase"),
            *self._linear(spec, "candidate"),
            *self._linear(spec, "candidate_input", bias=False),
            *self._linear(spec, "input_gate"),
            *self._linear(spec, "output"),
        )

    def _linear(self, spec: DynamicNTMSpec, name: str, *, bias: bool = True) -> list[Tensor]:
        """Weight and bias of a layer; of one that is called, stand-ins in their shapes."""
        part, wanted = getattr(self, name), ("weight", "bias") if bias else ("weight",)
        if spec.called is None or getattr(spec.called, name) is None:
            return [weight_of(part, each) for each in wanted]
        return [*self._stand_ins(*self._shape_of(name))][: len(wanted)]

    def _controller_weights(self, spec: DynamicNTMSpec) -> list[Tensor]:
        """Of what it sees, and of its hidden state; a feed-forward one has no such."""
        hidden, read = self.hidden_size, self._shape_of("output")[1] - self.hidden_size
        gates = {"own": 0, "feedforward": 1, "gru": 3, "lstm": 4}[spec.controller] * hidden
        recurrent = gates if spec.controller in ("gru", "lstm") else 0
        if spec.called and spec.called.controller:
            own = self._stand_ins(gates, self.input_size + read)
            return [*own, *self._stand_ins(recurrent, hidden)]
        layer = self.controller.layer
        if spec.controller == "feedforward":
            own = weight_of(layer, "weight"), weight_of(layer, "bias")
            return [*own, *self._stand_ins(recurrent, hidden)]
        names = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
        return [weight_of(layer, name) for name in names]

    def _stand_ins(self, outputs: int, inputs: int) -> tuple[Tensor, Tensor]:
        nothing = weight_of(self, "address").new_empty(())
        return nothing.expand(outputs, inputs), nothing.expand(outputs)

    def _shape_of(self, name: str) -> tuple[int, int]:
        """Outputs and inputs of a linear layer."""
        width = self.address.shape[1] + self.word_size
        hidden, read, writes = self.hidden_size, self.num_reads * width, self.num_writes
        written = writes * self.word_size
        return {
            "read_interface": (self.num_reads * (width + 2), self.context_size + read),
            "write_interface": (writes * (width + 2), hidden),
            "erase": (written, hidden),
            "candidate": (written, hidden),
            "candidate_input": (written, self.input_size),
            "input_gate": (writes, self.context_size),
            "output": (self.output_size, hidden + read),
        }[name]

    def without_no_operation(self, weights: Tensor) -> Tensor:
        """Weights over rows, of which the cell that keeps nothing has none."""
        return reference.without_no_operation(weights) if self.no_operation else weights
