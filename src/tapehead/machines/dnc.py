"""The Differentiable Neural Computer (Graves, Wayne et al., Nature 538:471-476, 2016)."""

from dataclasses import replace
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout

from tapehead.checks import (
    Count,
    Finite,
    Layers,
    NotNegative,
    Share,
    Size,
    choice,
    choice_or_function,
)
from tapehead.machines.cells import MAKER, MakeController
from tapehead.machines.controlled import CONTROLLERS, Controlled
from tapehead.machines.layers import read_backwards
from tapehead.machines.machine import Trace, check_range, glorot_
from tapehead.machines.options import configured
from tapehead.machines.plain import is_plain
from tapehead.machines.recurrent import check_batch_size
from tapehead.machines.sizes import dnc_numbers
from tapehead.ops.allocation import ALLOCATIONS
from tapehead.ops.backends import BACKENDS, Choice
from tapehead.ops.calling import Called
from tapehead.ops.dnc import DNCSpec, DNCState, DNCWeights, backend_choice, implementation
from tapehead.ops.similarity import MEASURE, SIMILARITIES, Similarity

INITIAL_ALLOCATION_STRENGTH = 10.0
"""beta of the softmax allocation before training: a free row outweighs a full one by e^10."""


class DNC(Controlled):
    """A controller with a memory that keeps track of what is in use and in which order it was
    written.

    Trace names, all (batch, time, ...), heads ordered reads first, then the one write head:
    `hidden` (layers * hidden), `key` (reads + 1, word), `strength` (reads + 1),
    `content_weights` (reads + 1, rows), `read_weights`, `forward_weights`, `backward_weights`
    (reads, rows), `write_weights` (1, rows), `erase`, `add` (1, word), `reads` (reads, word),
    `free_gates` (reads; only with `freeing`), `allocation_gate`, `write_gate`, `read_modes`
    (reads; backward, content, forward), `allocation`, `usage` (rows), and after the step
    `precedence` (rows), `link` (rows, rows), `memory` (rows, word). With `masked_lookup` also
    `mask` (reads + 1, word), with `sharp_links` also `sharpness` (reads; backward, forward).

    Nothing learned depends on the number of rows, so `machine.memory_size = 512` gives a trained
    machine another memory; a state from before no longer fits.

    Args:
        input_size: numbers per input step.
        output_size: numbers per output step (logits).
        memory_size: rows of the memory, the paper's N.
        word_size: numbers per row, the paper's W.
        num_reads: read heads, the paper's R. There is one write head.
        controller: "lstm", "feedforward", or a function (input_size, hidden_size) -> module that
            makes a layer, such as `torch.nn.GRUCell`; see `tapehead.machines.cells`. Each layer
            sees the input, the previous reads and the layer below; output and interface come from
            all layers. A controller brought along has the reference alone.
        hidden_size: units of each controller layer.
        num_layers: controller layers.
        similarity: "cosine" (the paper's), "dot", "euclidean", "manhattan", or a function of keys
            (batch, heads, word) and memory (batch, rows, word) that gives scores (batch, heads,
            rows); with it too there is the reference alone.
        allocation: "sort" (the paper's), "proportional" or "softmax" with a learned strength; see
            `tapehead.ops.allocation`.
        masked_lookup: each head compares only what a mask it emits lets through (Csordas &
            Schmidhuber 2019).
        freeing: each read head has a free gate, by which rows that it read are given back. Turned
            off, only the write gate keeps rows: for tasks whose rows are read more than once.
        erase_freed: freed rows lose their content, not only their usage (the same). Without
            `freeing` no row is freed.
        sharp_links: each read head sharpens where the links lead (the same).
        layer_norm: normalise the interface vector (Franke, Niehues & Waibel 2018).
        bypass_dropout: probability that a controller unit is hidden from the output while
            training, so that the memory has to carry the answer (the same).
        bidirectional: a second LSTM reads the inputs backwards, and interface and output see it
            too (the same). Such a machine needs each sequence whole: it has no `step`, and a
            sequence run in pieces is not the sequence run at once.
        sparse_links: links kept for each row, the paper's K (8 is enough there); 0 keeps the whole
            link matrix. Cost of a step in the rows: O(N K) instead of O(N^2).
        biases: whether output and interface have biases; the paper's have none.
        forget_bias: the forget gates' bias at the start; 1 holds them open, the paper names none.
        mask_floor: the least that a mask of `masked_lookup` lets through, from 0 to below 1.
        gradient_clip: the backward pass cuts the gradient of each controller activation to plus or
            minus this (the paper: 10); 0 leaves clipping to the optimiser.
        backend: "auto", "reference" or "cpu"; see `tapehead.ops.backends`.

    >>> import torch
    >>> from tapehead import DNC
    >>> machine = DNC(input_size=9, output_size=8, memory_size=16, word_size=6, num_reads=2)
    >>> y, state = machine(torch.rand(4, 10, 9))
    >>> y.shape, state.usage.shape
    (torch.Size([4, 10, 8]), torch.Size([4, 16]))
    >>> machine.memory_size = 64
    >>> machine(torch.rand(4, 10, 9))[1].usage.shape
    torch.Size([4, 64])
    """

    norm_gain: Tensor
    norm_bias: Tensor
    allocation_strength: Tensor
    ahead: nn.LSTM | None
    ahead_interface: nn.Linear | None
    changeable = ("backend", "bypass_dropout")

    @configured(dnc_numbers)
    def __init__(
        self,
        input_size: Size,
        output_size: Size,
        *,
        memory_size: Size = 64,
        word_size: Size = 20,
        num_reads: Size = 1,
        controller: Annotated[
            str | MakeController, choice_or_function(CONTROLLERS, MAKER)
        ] = "lstm",
        hidden_size: Size = 100,
        num_layers: Layers = 1,
        similarity: Annotated[
            str | Similarity, choice_or_function(SIMILARITIES, MEASURE)
        ] = "cosine",
        allocation: Annotated[str, choice(ALLOCATIONS)] = "sort",
        masked_lookup: bool = False,
        freeing: bool = True,
        erase_freed: bool = False,
        sharp_links: bool = False,
        layer_norm: bool = False,
        bypass_dropout: Share = 0.0,
        bidirectional: bool = False,
        sparse_links: Count = 0,
        biases: bool = True,
        forget_bias: Finite = 1.0,
        mask_floor: Share = 0.0,
        gradient_clip: NotNegative = 0.0,
        backend: Annotated[str, choice(BACKENDS)] = "auto",
    ):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.memory_size = memory_size
        self.bypass_dropout = bypass_dropout
        self.forget_bias = forget_bias
        self.backend = backend
        read_numbers = num_reads * word_size
        self._make_controller(
            controller, read_numbers, all_see_input=True, gradient_clip=gradient_clip
        )
        self.spec = DNCSpec(
            num_reads=num_reads,
            word_size=word_size,
            controller=self.controller,
            similarity=similarity,
            allocation=allocation,
            masked=masked_lookup,
            freeing=freeing,
            erase_freed=erase_freed,
            sharp_links=sharp_links,
            layer_norm=layer_norm,
            sparse_links=sparse_links,
            mask_floor=mask_floor,
            gradient_clip=gradient_clip,
        )

        hidden, interface = num_layers * hidden_size, self.spec.interface_size
        ahead = hidden_size if bidirectional else 0
        self.interface = nn.Linear(hidden, interface, bias=biases)
        self._register("norm_gain", interface if layer_norm else 0)
        self._register("norm_bias", interface if layer_norm else 0)
        if allocation == "softmax":
            self.allocation_strength = nn.Parameter(torch.empty(()))
        else:
            self.register_buffer("allocation_strength", torch.zeros(()), persistent=False)
        self.output = nn.Linear(hidden + ahead + read_numbers, output_size, bias=biases)
        self.ahead = nn.LSTM(input_size, ahead, batch_first=True) if bidirectional else None
        self.ahead_interface = nn.Linear(ahead, interface, bias=False) if bidirectional else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights afresh, but for those of a controller that was brought along."""
        hidden, all_hidden = self.hidden_size, self.interface.in_features
        with torch.no_grad():
            self._draw_controller(self.forget_bias)
            glorot_(self.interface.weight, all_hidden, self.interface.out_features)
            glorot_(self.output.weight, self.output.in_features, self.output_size)
            for bias in (self.interface.bias, self.output.bias, self.norm_bias):
                if bias is not None:
                    bias.zero_()
            self.norm_gain.fill_(1.0)
            if self.spec.allocation == "softmax":
                # oneplus of a number this large is the number plus one.
                self.allocation_strength.fill_(INITIAL_ALLOCATION_STRENGTH - 1)
            if self.ahead is not None and self.ahead_interface is not None:
                self.ahead.reset_parameters()
                glorot_(self.ahead_interface.weight, hidden, self.interface.out_features)

    def initial_state(self, batch_size: int) -> DNCState:
        check_batch_size(self, batch_size)
        rows, word, reads = self.memory_size, self.spec.word_size, self.spec.num_reads
        sparse = self.spec.sparse_links
        kept = min(sparse, rows)
        with_hidden, with_cell = self._state_layers
        zeros = self._weight().new_zeros
        return DNCState(
            memory=zeros(batch_size, rows, word),
            read_weights=zeros(batch_size, reads, rows),
            write_weights=zeros(batch_size, 1, rows),
            reads=zeros(batch_size, reads, word),
            usage=zeros(batch_size, rows),
            precedence=zeros(batch_size, rows),
            link=zeros(batch_size, rows, kept if sparse else rows),
            link_columns=zeros(batch_size, rows, kept, dtype=torch.int64),
            hidden=zeros(batch_size, with_hidden, self.hidden_size),
            cell=zeros(batch_size, with_cell, self.hidden_size),
        )

    def step(
        self, x_t: Float[Tensor, "batch input"], state: DNCState
    ) -> tuple[Float[Tensor, "batch output"], DNCState]:
        if self.ahead is not None:
            raise ValueError(
                "bidirectional must be False for single steps, got True: "
                "the backward LSTM needs the whole sequence"
            )
        return super().step(x_t, state)

    def _forward(
        self, x: Tensor, state: DNCState, lengths: Tensor | None
    ) -> tuple[Tensor, DNCState]:
        module, arguments, ahead = self._prepare(x, state, lengths)
        features, state = module.dnc(*arguments)
        return self._output(features, ahead), state

    def _trace(self, x: Tensor, state: DNCState, lengths: Tensor | None) -> Trace:
        module, arguments, ahead = self._prepare(x, state, lengths)
        features, state, inner = module.dnc_trace(*arguments)
        return Trace(self._output(features, ahead), state, inner)

    def _weight(self) -> Tensor:
        return self.read_weight if isinstance(self.controller, str) else super()._weight()

    def _check_weights(self) -> None:
        super()._check_weights()
        parts = self._modules
        if parts.get("ahead") is not None or "controller" in parts:
            self._check_shapes()
            return
        # The operation looks at all but these two, and that costs less.
        shapes = vars(self).get("_shapes", {})
        for name, part in (("input.bias", parts["input"]), ("output.bias", parts["output"])):
            bias = None if part is None else part._parameters.get("bias")
            if bias is not None and shapes.get(name, bias.shape) != bias.shape:
                self._check_shapes()

    def _check_whole_numbers(self, state: DNCState) -> None:
        check_range("state.link_columns", state.link_columns, 0, self.memory_size - 1)

    def _prepare(self, x, state, lengths):
        projected = self.input(x) if isinstance(self.controller, str) else x
        spec = self._spec()
        bias = None if spec.called else self.interface.bias
        if bias is None:
            bias = projected.new_zeros(spec.interface_size)
        elif bias.shape != (spec.interface_size,):
            raise ValueError(
                f"interface.bias must have shape ({spec.interface_size},), got {tuple(bias.shape)}"
            )
        offset = bias.expand(*x.shape[:2], -1)
        ahead = None
        if self.ahead is not None and self.ahead_interface is not None:
            ahead = read_backwards("ahead", self.ahead, x, lengths)
            offset = offset + self.ahead_interface(ahead)
        module = implementation(self.backend, projected, spec)
        return module, (projected, offset, self._weights(spec), state, spec, lengths), ahead

    def _spec(self) -> DNCSpec:
        """`spec`, and in it the interface if it must be called; the other parts always are."""
        interface = self._modules["interface"]
        if is_plain(interface, bias=False):
            return self.spec
        return replace(self.spec, called=Called(interface=interface))

    def backend_choice(self) -> Choice:
        return backend_choice(self.backend, self._weight(), self._spec())

    def _output(self, features: Tensor, ahead: Tensor | None) -> Tensor:
        """y = W_y [h^1; ...; h^L] + W_r [r^1; ...; r^R] (+ bias)."""
        if ahead is None and not self.bypass_dropout:
            return self.output(features)
        hidden, reads = features.tensor_split([self.num_layers * self.hidden_size], dim=-1)
        if ahead is not None:
            hidden = torch.cat([hidden, ahead], -1)
        if self.bypass_dropout:
            hidden = dropout(hidden, self.bypass_dropout, self.training)
        return self.output(torch.cat([hidden, reads], -1))

    def _weights(self, spec: DNCSpec | None = None) -> DNCWeights:
        spec = spec or self.spec
        if spec.called:
            # Of what is called only the shape.
            shape = (spec.interface_size, self.num_layers * self.hidden_size)
            interface = self._weight().new_empty(()).expand(shape)
        else:
            interface = self.interface.weight
        return DNCWeights(
            *self._controller_weights(),
            interface,
            self.norm_gain,
            self.norm_bias,
            self.allocation_strength,
        )
