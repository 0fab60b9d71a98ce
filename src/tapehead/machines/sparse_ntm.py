"""The sparse NTM: sparse access memory, SAM (Rae et al. 2016, "Scaling Memory-Augmented Neural
Networks with Sparse Reads and Writes", arXiv 1610.09027)."""

from typing import Annotated

import torch
from torch import Tensor, nn

from tapehead.checks import NotNegative, Size, choice
from tapehead.machines.machine import Trace, check_range, glorot_
from tapehead.machines.options import configured
from tapehead.machines.plain import is_plain, weight_of
from tapehead.machines.recurrent import check_batch_size
from tapehead.machines.resizable import Resizable
from tapehead.machines.sizes import sparse_ntm_numbers
from tapehead.ops.backends import BACKENDS, Choice
from tapehead.ops.sparse_ntm import (
    SparseNTMSpec,
    SparseNTMState,
    SparseNTMWeights,
    backend_choice,
    implementation,
)


class SparseNTM(Resizable):
    """A controller whose heads read and write a few rows of a memory of up to millions.

    In each step a head writes: to the rows that it has just read, and to the row that was not
    accessed for longest, which is emptied before. Then it reads the `rows_per_head` rows that are
    most like its key, found by looking at all of them. Weights, tape and gradients of a step hold
    these rows alone. No weight depends on the number of rows: `machine.memory_size = 10**6` gives a
    trained machine another memory; a state from before no longer fits.

    Trace names, all (batch, time, ...): `hidden` (hidden), `key`, `add`, `reads` (heads, word),
    `strength`, `write_gate`, `gate` (heads), `read_weights`, `write_weights` (heads, rows), `kept`
    (rows; 0 where a row was emptied, else 1), `accessed` (rows; the step in which it last was),
    `memory` (rows, word) after the step.

    Args:
        input_size: numbers per input step.
        output_size: numbers per output step (logits).
        memory_size: rows of the memory, the paper's N.
        word_size: numbers per row, the paper's M.
        num_heads: heads, each of which reads and writes.
        rows_per_head: rows that a head reads in a step, the paper's K.
        hidden_size: units of the LSTM.
        threshold: the paper's delta: a row counts as accessed in a step in which it is read and
            written with more than this altogether.
        backend: "auto", "reference" or "cpu"; see `tapehead.ops.backends`. The reference touches
            all rows in every step.

    >>> import torch
    >>> from tapehead import SparseNTM
    >>> machine = SparseNTM(input_size=9, output_size=8, memory_size=1000, word_size=6)
    >>> y, state = machine(torch.rand(4, 10, 9))
    >>> state.memory.shape, state.read_rows.shape  # (batch, heads, rows that each has read)
    (torch.Size([4, 1000, 6]), torch.Size([4, 1, 4]))
    >>> machine.memory_size = 5000
    >>> y, state = machine(torch.rand(4, 10, 9))
    """

    changeable = ("backend",)

    @configured(sparse_ntm_numbers)
    def __init__(
        self,
        input_size: Size,
        output_size: Size,
        *,
        memory_size: Size = 1024,
        word_size: Size = 32,
        num_heads: Size = 1,
        rows_per_head: Size = 4,
        hidden_size: Size = 100,
        threshold: NotNegative = 0.005,
        backend: Annotated[str, choice(BACKENDS)] = "auto",
    ):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.memory_size, self.word_size = memory_size, word_size
        self.num_heads, self.hidden_size = num_heads, hidden_size
        self.rows_per_head, self.threshold = rows_per_head, threshold
        self.backend = backend
        read = num_heads * word_size
        self.input = nn.Linear(input_size, 4 * hidden_size)
        self.read_weight = nn.Parameter(torch.empty(4 * hidden_size, read))
        self.recurrent_weight = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.interface = nn.Linear(hidden_size, sum(self._spec().interface_sizes))
        self.output = nn.Linear(hidden_size + read, output_size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights afresh."""
        hidden, read = self.hidden_size, self.read_weight.shape[1]
        below = self.input_size + read
        with torch.no_grad():
            glorot_(self.input.weight, below, hidden)
            glorot_(self.read_weight, below, hidden)
            glorot_(self.recurrent_weight, hidden, hidden)
            for layer in (self.interface, self.output):
                glorot_(layer.weight, layer.in_features, layer.out_features)
                layer.bias.zero_()
            self.input.bias.zero_()
            # An open forget gate (Gers, Schmidhuber & Cummins 2000).
            self.input.bias[hidden : 2 * hidden] = 1.0

    def initial_state(self, batch_size: int) -> SparseNTMState:
        check_batch_size(self, batch_size)
        zero, device = self._weight().new_zeros(()).detach(), self._weight().device
        none = torch.zeros((), dtype=torch.int64, device=device)
        heads, kept = self.num_heads, min(self.rows_per_head, self.memory_size)
        # A memory that nobody has written to is one number: a million rows cost nothing yet.
        return SparseNTMState(
            memory=zero.expand(batch_size, self.memory_size, self.word_size),
            accessed=none.expand(batch_size, self.memory_size),
            clock=none.expand(batch_size),
            read_rows=torch.arange(kept, device=device).expand(batch_size, heads, kept),
            read_weights=zero.expand(batch_size, heads, kept),
            reads=zero.expand(batch_size, heads, self.word_size),
            hidden=zero.expand(batch_size, self.hidden_size),
            cell=zero.expand(batch_size, self.hidden_size),
        )

    def backend_choice(self) -> Choice:
        return backend_choice(self.backend, self._weight(), self._spec())

    def _check_weights(self) -> None:
        super()._check_weights()
        self._check_shapes()

    def _check_whole_numbers(self, state: SparseNTMState) -> None:
        check_range("state.read_rows", state.read_rows, 0, self.memory_size - 1)

    def _spec(self) -> SparseNTMSpec:
        part = self._modules.get("interface")
        return SparseNTMSpec(
            num_heads=self.num_heads,
            kept=self.rows_per_head,
            word_size=self.word_size,
            threshold=self.threshold,
            interface=None if part is None or is_plain(part) else part,
        )

    def _weights(self, spec: SparseNTMSpec) -> SparseNTMWeights:
        read, recurrent = weight_of(self, "read_weight"), weight_of(self, "recurrent_weight")
        if spec.interface is None:
            part = self.interface
            return SparseNTMWeights(
                read, recurrent, weight_of(part, "weight"), weight_of(part, "bias")
            )
        nothing, asked = read.new_empty(()), sum(spec.interface_sizes)
        return SparseNTMWeights(
            read, recurrent, nothing.expand(asked, self.hidden_size), nothing.expand(asked)
        )

    def _forward(
        self, x: Tensor, state: SparseNTMState, lengths: Tensor | None
    ) -> tuple[Tensor, SparseNTMState]:
        spec = self._spec()
        module = implementation(self.backend, x, spec)
        features, state = module.sparse_ntm(
            self.input(x), self._weights(spec), state, spec, lengths
        )
        return self.output(features), state

    def _trace(self, x: Tensor, state: SparseNTMState, lengths: Tensor | None) -> Trace:
        spec = self._spec()
        module = implementation(self.backend, x, spec)
        features, state, inner = module.sparse_ntm_trace(
            self.input(x), self._weights(spec), state, spec, lengths
        )
        return Trace(self.output(features), state, inner)
