"""The Neural Turing Machine (Graves, Wayne, Danihelka, arXiv 1410.5401)."""

from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from tapehead.checks import Count, Layers, NotNegative, Size, choice, choice_or_function
from tapehead.machines.cells import MAKER, MakeController
from tapehead.machines.controlled import CONTROLLERS, Controlled
from tapehead.machines.machine import Trace, glorot_
from tapehead.machines.options import configured
from tapehead.machines.plain import is_plain, weight_of
from tapehead.machines.recurrent import CONTROLLER_INITS, check_batch_size
from tapehead.machines.resizable import EMPTY, logits_at, rows_at
from tapehead.machines.sizes import ntm_numbers
from tapehead.ops.backends import BACKENDS, Choice
from tapehead.ops.calling import Called, Map
from tapehead.ops.ntm import NTMSpec, NTMState, NTMWeights, backend_choice, implementation
from tapehead.ops.similarity import MEASURE, SIMILARITIES, Similarity

MEMORY_INITS = ("constant", "learned", "random", "uniform")
HEAD_INITS = ("focused", "random")

FOCUS = 8.0
"""Logit of the first row over the others in a "focused" start: about 0.95 of the weight at 128
rows, and a slope that lets training undo it."""

_NONE_CALLED = Called()


class NTM(Controlled):
    """A controller that reads and writes a matrix of memory by attention.

    Trace names, all (batch, time, ...), heads ordered reads first, then writes:
    `hidden` (hidden), `key` (heads, word), `strength`, `gate`, `sharpening` (heads),
    `shift` (heads, shifts), `content_weights` (heads, rows), `read_weights` (reads, rows),
    `write_weights` (writes, rows), `erase`, `add` (writes, word), `reads` (reads, word),
    `memory` (rows, word) after the step.

    `machine.memory_size = 512` gives a trained machine another memory; a state from before no
    longer fits. New rows come after the old ones and are empty, 1e-6 everywhere. Heads still begin
    on the old rows: what their first weightings give all new rows together is lost in rounding.
    Fewer rows are the first ones, with what these have learned; they share the first weightings in
    the same proportions. So more rows and then fewer again change nothing. Initial memory and
    weightings become new parameters: an optimiser or an objective that was made before does not
    know them.

    Args:
        input_size: numbers per input step.
        output_size: numbers per output step (logits).
        memory_size: rows of the memory, the paper's N.
        word_size: numbers per row, the paper's M.
        num_reads: read heads.
        num_writes: write heads.
        controller: "lstm", "feedforward", or a function (input_size, hidden_size) -> module that
            makes a layer, such as `torch.nn.GRUCell`; see `tapehead.machines.cells`. Such a
            machine has the reference alone.
        hidden_size: units of each controller layer.
        num_layers: controller layers.
        shift_range: furthest step of a head in one time step; 1 allows -1, 0 and +1.
        similarity: "cosine" (the paper's), "dot", "euclidean", "manhattan", or a function of keys
            (batch, heads, word) and memory (batch, rows, word) that gives scores (batch, heads,
            rows), as those of `tapehead.ops.similarity`; with it too there is the reference alone.
        read_first: read the memory before this step's write; if false, after it, as in eq. 2 of
            the paper (docs/departures.md says why not).
        memory_init: the memory at the start. "constant" 1e-6 everywhere; "learned" the same, but
            trained (the paper's); "random" drawn once from a normal of deviation 0.5 cut at two
            deviations (these three after Collier & Beel 2018); "uniform" drawn once from
            +-1/sqrt(memory_size + word_size).
        controller_init: the controller's state at the start: "zeros", or "learned", which begins as
            zeros (the paper's; a feed-forward controller has none).
        head_init: where the heads point before training; the weightings are learned. "focused": all
            on the first row, so that shifting has an effect from the first step on; "random":
            nearly everywhere at once, the softmax of standard normals.
        backend: "auto", "reference" or "cpu"; see `tapehead.ops.backends`.
        memory_checkpoint_every: on the CPU backend, the memory is kept every so many steps for the
            backward pass, and computed again in between. Results are the same to the bit; a number
            near the root of the steps of a sequence takes the least space. None: what is quick.
            The reference keeps every memory, whatever this says.
        gradient_clip: in the backward pass each number of the gradient that a step passes to the
            state it began with is cut to plus or minus this (section 4.6); 0 cuts nothing. Over
            long sequences that gradient can grow without bound, and swamp all else before an
            optimiser could clip the whole. A loss averaged over many answers wants a small bound.

    >>> import torch
    >>> from tapehead import NTM
    >>> machine = NTM(input_size=9, output_size=8, memory_size=16, word_size=6)
    >>> y, state = machine(torch.rand(4, 10, 9))  # (batch, time, input) -> logits
    >>> y.shape, state.memory.shape
    (torch.Size([4, 10, 8]), torch.Size([4, 16, 6]))
    >>> y, state = machine(torch.rand(4, 5, 9), state)  # goes on from there
    >>> machine.trace(torch.rand(1, 5, 9)).read_weights.shape  # (batch, time, heads, rows)
    torch.Size([1, 5, 1, 16])
    """

    initial_memory: Tensor
    initial_hidden: Tensor
    initial_cell: Tensor
    changeable = ("backend", "memory_checkpoint_every")

    @configured(ntm_numbers)
    def __init__(
        self,
        input_size: Size,
        output_size: Size,
        *,
        memory_size: Size = 128,
        word_size: Size = 20,
        num_reads: Size = 1,
        num_writes: Size = 1,
        controller: Annotated[
            str | MakeController, choice_or_function(CONTROLLERS, MAKER)
        ] = "lstm",
        hidden_size: Size = 100,
        num_layers: Layers = 1,
        shift_range: Count = 1,
        similarity: Annotated[
            str | Similarity, choice_or_function(SIMILARITIES, MEASURE)
        ] = "cosine",
        read_first: bool = True,
        memory_init: Annotated[str, choice(MEMORY_INITS)] = "constant",
        controller_init: Annotated[str, choice(CONTROLLER_INITS)] = "zeros",
        head_init: Annotated[str, choice(HEAD_INITS)] = "focused",
        backend: Annotated[str, choice(BACKENDS)] = "auto",
        memory_checkpoint_every: Size | None = None,
        gradient_clip: NotNegative = 0.0,
    ):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.memory_size, self.word_size = memory_size, word_size
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.memory_init, self.head_init = memory_init, head_init
        self.backend = backend
        self.memory_checkpoint_every = memory_checkpoint_every
        self.controller_init = controller_init
        read_numbers = num_reads * word_size
        self._make_controller(controller, read_numbers)
        self.spec = NTMSpec(
            num_reads=num_reads,
            num_writes=num_writes,
            word_size=word_size,
            shift_range=shift_range,
            controller=self.controller,
            similarity=similarity,
            read_first=read_first,
            gradient_clip=gradient_clip,
        )

        interface = sum(self.spec.interface_sizes)
        self.interface = nn.Linear(hidden_size, interface)
        self.output = nn.Linear(hidden_size + read_numbers, output_size)

        memory = torch.full((memory_size, word_size), EMPTY)
        if memory_init == "learned":
            self.initial_memory = nn.Parameter(memory)
        else:
            self.register_buffer("initial_memory", memory)
        self.initial_reads = nn.Parameter(torch.empty(num_reads, word_size))
        self.initial_read_logits = nn.Parameter(torch.empty(num_reads, memory_size))
        self.initial_write_logits = nn.Parameter(torch.empty(num_writes, memory_size))
        if controller_init == "learned":
            with_hidden, with_cell = self._state_layers
            self._register("initial_hidden", with_hidden, hidden_size)
            self._register("initial_cell", with_cell, hidden_size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights afresh, but for those of a controller that was brought along."""
        hidden, reads = self.hidden_size, self.initial_reads.numel()
        with torch.no_grad():
            self._draw_controller()
            glorot_(self.interface.weight, hidden, self.interface.out_features)
            glorot_(self.output.weight, hidden + reads, self.output_size)
            self.interface.bias.zero_()
            self.output.bias.zero_()
            if self.controller_init == "learned":
                self.initial_hidden.zero_()
                self.initial_cell.zero_()
            if self.memory_init == "random":
                nn.init.trunc_normal_(self.initial_memory, std=0.5, a=-1.0, b=1.0)
            elif self.memory_init == "uniform":
                bound = (self.memory_size + self.word_size) ** -0.5
                self.initial_memory.uniform_(-bound, bound)
            self.initial_reads.uniform_(-0.05, 0.05)
            for logits in (self.initial_read_logits, self.initial_write_logits):
                logits.normal_()
                if self.head_init == "focused":
                    logits[:, 0] += FOCUS

    def _resized(self, rows: int) -> dict[str, Tensor]:
        return {
            "initial_memory": rows_at(rows, self.initial_memory),
            "initial_read_logits": logits_at(rows, self.initial_read_logits),
            "initial_write_logits": logits_at(rows, self.initial_write_logits),
        }

    def initial_state(self, batch_size: int) -> NTMState:
        check_batch_size(self, batch_size)

        def repeated(tensor: Tensor) -> Tensor:
            return tensor.expand(batch_size, *tensor.shape)

        if self.controller_init == "learned":
            hidden, cell = repeated(self.initial_hidden), repeated(self.initial_cell)
        else:
            with_hidden, with_cell = self._state_layers
            hidden = cell = self.initial_reads.new_zeros(batch_size, with_hidden, self.hidden_size)
            if with_cell != with_hidden:
                cell = hidden.new_zeros(batch_size, with_cell, self.hidden_size)
        return NTMState(
            memory=repeated(self.initial_memory),
            read_weights=repeated(self.initial_read_logits.softmax(-1)),
            write_weights=repeated(self.initial_write_logits.softmax(-1)),
            reads=repeated(self.initial_reads),
            hidden=hidden,
            cell=cell,
        )

    def backend_choice(self) -> Choice:
        return backend_choice(self.backend, self.initial_reads, self.spec)

    def _forward(
        self, x: Tensor, state: NTMState, lengths: Tensor | None
    ) -> tuple[Tensor, NTMState]:
        spec, every = self._spec(), self.memory_checkpoint_every
        module = implementation(self.backend, x, spec)
        return module.ntm(x, self._weights(spec), state, spec, lengths, checkpoint_every=every)

    def _trace(self, x: Tensor, state: NTMState, lengths: Tensor | None) -> Trace:
        spec = self._spec()
        module = implementation(self.backend, x, spec)
        return Trace(*module.ntm_trace(x, self._weights(spec), state, spec, lengths))

    def _weight(self) -> Tensor:
        name = "read_weight" if isinstance(self.controller, str) else "initial_reads"
        return weight_of(self, name)

    def _check_weights(self) -> None:
        """The operation does, but for those of a controller that was brought along."""
        if not isinstance(self.controller, str):
            super()._check_weights()
            self._check_shapes()

    def _spec(self) -> NTMSpec:
        """`spec`, and in it the parts that must be called."""
        parts = self._modules
        own = not isinstance(self.controller, str)
        plain = [
            own or is_plain(parts["input"]),
            is_plain(parts["interface"]),
            is_plain(parts["output"]),
        ]
        if all(plain):
            return self.spec
        names = ("input", "interface", "output")
        called = {name: parts[name] for name, is_so in zip(names, plain, strict=True) if not is_so}
        return replace(self.spec, called=Called(**called))

    def _weights(self, spec: NTMSpec | None = None) -> NTMWeights:
        called = (spec or self.spec).called or _NONE_CALLED
        if isinstance(self.controller, str):
            first, bias = self._map("input", called.input), weight_of(self, "layer_bias")
        else:
            none = self.initial_reads.new_empty
            first, bias = (none(0, self.input_size), none(0)), none(0, 0)
        return NTMWeights(
            *first,
            *self._controller_weights(),
            bias,
            *self._map("interface", called.interface),
            *self._map("output", called.output),
        )

    def _map(self, name: str, called: Map | None) -> tuple[Tensor, Tensor]:
        """Weight and bias of a part; of one that is called, tensors that only have their shapes."""
        if called is None:
            part: Any = self._modules[name]
            return weight_of(part, "weight"), weight_of(part, "bias")
        if name == "input":
            shape = (len(self.read_weight), self.input_size)
        elif name == "interface":
            shape = (sum(self.spec.interface_sizes), self.hidden_size)
        else:
            shape = (self.output_size, self.hidden_size + self.initial_reads.numel())
        nothing = self.initial_reads.new_empty(())
        return nothing.expand(shape), nothing.expand(shape[:1])
