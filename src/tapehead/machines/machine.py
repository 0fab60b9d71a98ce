"""What every machine offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tapehead.checks import whole
from tapehead.machines.options import Configured

_BATCH_SIZE = whole(1)


@dataclass(frozen=True)
class Trace:
    """What a machine did, step by step.

    Every entry of `tensors` is (batch, time, ...), and reads as an attribute too:
    `trace.read_weights`. Each machine's docstring lists its names and shapes.
    """

    y: Float[Tensor, "batch time output"]
    state: tuple[Tensor, ...]
    tensors: Mapping[str, Tensor]

    def __getattr__(self, name: str) -> Tensor:
        if not name.startswith("_") and name in self.tensors:
            return self.tensors[name]
        raise AttributeError(f"this trace has no {name!r}; it has {', '.join(self.tensors)}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tensors]


class Machine(Configured, ABC):
    """A recurrent network used like `torch.nn.LSTM(batch_first=True)`.

    State goes in and comes out as a `NamedTuple` of batch-first tensors; nothing mutable hides in
    the module, so a sequence may be run whole or in pieces, and two sequences never mix.
    Outputs are logits.
    """

    input_size: int
    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step, for `batch_size` sequences."""

    @abstractmethod
    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], Any]:
        """Run a batch of sequences.

        Args:
            x: inputs.
            state: where to go on from; None starts afresh.
            lengths: steps of each sequence when they differ. Past its length a sequence keeps its
                state, and its outputs there mean nothing.

        Returns:
            The output logits of every step and the state after the last.
        """

    @abstractmethod
    def trace(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any = None,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Trace:
        """As `forward`, keeping every named inner tensor of every step."""

    def step(
        self, x_t: Float[Tensor, "batch input"], state: Any
    ) -> tuple[Float[Tensor, "batch output"], Any]:
        """One step: `(x_t, state) -> (y_t, state)`."""
        if x_t.dim() != 2:
            raise ValueError(f"x_t must be (batch, input_size), got shape {tuple(x_t.shape)}")
        y, state = self(x_t[:, None], state)
        return y[:, 0], state

    def _check_input(self, x: Tensor, lengths: Tensor | None) -> None:
        if x.dim() != 3 or x.shape[-1] != self.input_size or 0 in x.shape[:2]:
            raise ValueError(
                f"x must be (batch, time, {self.input_size}) with at least one of each, "
                f"got shape {tuple(x.shape)}"
            )
        if lengths is None:
            return
        if lengths.shape != x.shape[:1]:
            raise ValueError(
                f"lengths must hold one number for each of {x.shape[0]} sequences, "
                f"got shape {tuple(lengths.shape)}"
            )
        # Values cannot be looked at while a graph is captured.
        if not torch.compiler.is_compiling():
            shortest, longest = (int(end) for end in lengths.aminmax())
            if shortest < 1 or longest > x.shape[1]:
                raise ValueError(
                    f"lengths must lie between 1 and {x.shape[1]}, the steps of x, "
                    f"got {shortest} to {longest}"
                )


def check_batch_size(batch_size: int) -> None:
    """Raise a ValueError or TypeError unless it is a whole number of at least 1."""
    # A size that is a symbol in a graph being captured would be tied to what is asked of it.
    if not (torch.compiler.is_compiling() or isinstance(batch_size, torch.SymInt)):
        _BATCH_SIZE("batch_size", batch_size)


def check_state(state: Any, expected: Any) -> None:
    """Raise a ValueError that names the first tensor of a given state that does not fit."""
    if type(state) is not type(expected):
        raise TypeError(
            f"state must be {type(expected).__name__}, got {type(state).__name__}; "
            "start from machine.initial_state(batch_size) or leave it out"
        )
    for name, got, want in zip(expected._fields, state, expected, strict=True):
        if got.shape != want.shape:
            raise ValueError(
                f"state.{name} must have shape {tuple(want.shape)}, got {tuple(got.shape)}"
            )


def glorot_(weight: Tensor, fan_in: int, fan_out: int) -> None:
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010), whatever its shape."""
    bound = (6.0 / (fan_in + fan_out)) ** 0.5
    with torch.no_grad():
        weight.uniform_(-bound, bound)
