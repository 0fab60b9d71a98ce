"""The Neural Turing Machine with its head weightings sampled: one row for each head and step."""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tapehead.checks import (
    Count,
    Layers,
    Size,
    choice,
    choice_or_function,
)
from tapehead.machines.cells import MAKER, MakeController
from tapehead.machines.controlled import CONTROLLERS
from tapehead.machines.discrete import ADDRESSINGS, DiscreteMachine, Run, chooser_module
from tapehead.machines.machine import Trace
from tapehead.machines.ntm import HEAD_INITS, MEMORY_INITS, NTM
from tapehead.machines.options import configured
from tapehead.machines.recurrent import CONTROLLER_INITS, Recurrent
from tapehead.machines.sizes import ntm_numbers
from tapehead.ops.addressing import CHOICE_FLOOR
from tapehead.ops.backends import BACKENDS, Choice
from tapehead.ops.estimators.addresses import Chooser
from tapehead.ops.ntm import (
    NTMState,
    choosing,
    choosing_backend_choice,
    choosing_implementation,
)
from tapehead.ops.similarity import MEASURE, SIMILARITIES, Similarity


class DiscreteNTM(DiscreteMachine, NTM):
    """The plain NTM that reads and writes one row with each head.

    The weighting that an `NTM` would use is the distribution that this one draws from; the
    relaxation that REBAR and RELAX need is the soft machine itself. Weights have the names and
    shapes of `NTM`, so either can go on from where the other was trained.

    Trace names are those of `NTM`, and `logits` and `weights` (choices, rows), every address
    before and after its choice, in the order of choosing.

    `memory_size` may be set at any time, as that of `NTM`.

    Args:
        input_size: numbers per input step.
        output_size: numbers per output step (logits).
        memory_size: rows of the memory.
        word_size: numbers per row.
        num_reads: read heads.
        num_writes: write heads.
        controller: "lstm", "feedforward", or a function that makes a layer; see `NTM`.
        hidden_size: units of each controller layer.
        num_layers: controller layers.
        shift_range: furthest step of a head in one time step; 1 allows -1, 0 and +1.
        similarity: "cosine", "dot", "euclidean", "manhattan", or a function; see `NTM`.
        read_first: read the memory before this step's write; if false, after it.
        memory_init: the memory at the start: "constant", "learned", "random" or "uniform"; see
            `NTM`. Empty rows that differ can be told apart by content.
        controller_init: the controller's state at the start: "zeros" or "learned"; see `NTM`.
        head_init: where the heads point before training: "focused" or "random"; see `NTM`.
        backend: "auto", "reference" or "cpu"; see `NTM`.
        addressing: "discrete", one row at a time, or "soft", all rows at once.

    >>> import torch
    >>> from tapehead import DiscreteNTM
    >>> machine = DiscreteNTM(input_size=9, output_size=8, memory_size=16, word_size=6)
    >>> trace = machine.trace(torch.rand(1, 3, 9))
    >>> trace.read_weights.amax(dim=-1).flatten()  # all of the weight is on one row
    tensor([1., 1., 1.])
    """

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
        memory_init: Annotated[str, choice(MEMORY_INITS)] = "uniform",
        controller_init: Annotated[str, choice(CONTROLLER_INITS)] = "zeros",
        head_init: Annotated[str, choice(HEAD_INITS)] = "focused",
        backend: Annotated[str, choice(BACKENDS)] = "auto",
        addressing: Annotated[str, choice(ADDRESSINGS)] = "discrete",
    ):
        super().__init__(
            input_size,
            output_size,
            memory_size=memory_size,
            word_size=word_size,
            num_reads=num_reads,
            num_writes=num_writes,
            controller=controller,
            hidden_size=hidden_size,
            num_layers=num_layers,
            shift_range=shift_range,
            similarity=similarity,
            read_first=read_first,
            memory_init=memory_init,
            controller_init=controller_init,
            head_init=head_init,
            backend=backend,
        )
        self.choices = num_reads + num_writes
        self.addressing, self.context_size = addressing, hidden_size

    @property
    def rows(self) -> int:
        return self.memory_size

    def backend_choice(self) -> Choice:
        if self.addressing == "discrete":
            return choosing_backend_choice(self.backend, self.initial_reads, self.spec)
        return super().backend_choice()

    def _check_weights(self) -> None:
        Recurrent._check_weights(self)
        self._check_shapes()

    def run_soft(
        self,
        x: Float[Tensor, "batch time input"],
        state: NTMState,
        lengths: Int[Tensor, " batch"] | None,
    ) -> tuple[Float[Tensor, "batch time output"], NTMState]:
        """The plain machine, which has kernels."""
        return NTM._forward(self, x, state, lengths)

    def trace_soft(self, x: Tensor, state: NTMState, lengths: Tensor | None) -> Trace:
        plain = NTM._trace(self, x, state, lengths)
        in_order = ("read_weights", "write_weights")
        in_order = in_order if self.spec.read_first else in_order[::-1]
        weights = torch.cat([plain.tensors[name] for name in in_order], 2)
        # The softmax of a weighting's logarithm is the weighting.
        chosen = {"logits": (weights + CHOICE_FLOOR).log(), "weights": weights}
        return Trace(plain.y, plain.state, {**plain.tensors, **chosen})

    def run(
        self,
        x: Float[Tensor, "batch time input"],
        state: NTMState,
        choose: Chooser,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        offset: Float[Tensor, "batch time choices rows"] | None = None,
        keep: bool = False,
    ) -> Run:
        spec = self._spec()
        given = (x, self._weights(spec), state, spec, choose, lengths, offset)
        module = chooser_module(choosing_implementation, choosing, self.backend, choose, x, spec)
        found, inner = module.ntm_trace(*given) if keep else (module.ntm(*given), {})
        return Run(
            y=found.y,
            state=found.state,
            logits=found.logits,
            weights=found.weights,
            context=found.hidden,
            inner=inner,
        )
