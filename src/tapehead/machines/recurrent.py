"""What every machine offers that goes from step to step with a state."""

import collections.abc
import itertools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from tapehead.checks import whole
from tapehead.forms import Sequence
from tapehead.machines.explaining import FAILURES, misshapen, plainer, well_shaped
from tapehead.machines.machine import Machine, Trace
from tapehead.ops import gate
from tapehead.ops.lengths import admit_lengths, within_lengths
from tapehead.ops.storage import check_storage, has_storage
from tapehead.room import check_room

_BATCH_SIZE = whole(1)
_MANY = 2**16
"""A batch from which on it is asked whether memory can hold it: smaller ones pay nothing."""


CONTROLLER_INITS = ("zeros", "learned")
"""How the state of a controller can begin."""


class Recurrent(Machine):
    """A recurrent network used like `torch.nn.LSTM(batch_first=True)`; it reads a `Sequence`.

    State goes in and comes out as a `NamedTuple` of batch-first tensors; nothing mutable hides in
    the module, so a sequence may be run whole or in pieces, and two sequences never mix.
    Outputs are logits.

    >>> import torch
    >>> from tapehead import LSTM
    >>> machine, x = LSTM(input_size=9, output_size=8, hidden_size=32), torch.rand(4, 10, 9)
    >>> whole, _ = machine(x)
    >>> first, state = machine(x[:, :6])
    >>> second, state = machine(x[:, 6:], state)
    >>> torch.allclose(whole, torch.cat([first, second], dim=1), atol=1e-6)
    True
    """

    reads = Sequence
    input_size: int
    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step, for `batch_size` sequences."""

    def forward(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any = None,
        *,
        lengths: Int[Tensor, " batch"] | collections.abc.Sequence[int] | None = None,
    ) -> tuple[Float[Tensor, "batch time output"], Any]:
        """Run a batch of sequences.

        Args:
            x: inputs, of the type and on the device of the machine's weights.
            state: where to go on from; None starts afresh.
            lengths: steps of each sequence when they differ, whole numbers from 1 to time. What
                stands in x past its length is not looked at, a sequence keeps its state there,
                and its outputs there mean nothing.

        Inside `torch.autocast` a machine computes in the type of its weights, and outputs and state
        have that type; x may then be of half precision, as a layer before it left it.

        Returns:
            The output logits of every step and the state after the last.

        Raises:
            TypeError, ValueError: an argument is none that the machine can take; one line names it.
        """
        return self.admitted(self._forward, x, state, lengths)

    def trace(
        self,
        x: Float[Tensor, "batch time input"],
        state: Any = None,
        *,
        lengths: Int[Tensor, " batch"] | collections.abc.Sequence[int] | None = None,
    ) -> Trace:
        """As `forward`, keeping every named inner tensor of every step.

        Gradients flow through all of them: where one may be asked for, it is the reference that
        runs, whatever the backend.
        """
        return self.admitted(self._trace, x, state, lengths)

    def _forward(self, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        """`forward` of what has passed the gate: a state there is, zeros past the lengths, and
        lengths that are the machine's own, int64, or None where all sequences are whole.

        Every machine here has this and `_trace`; one that has a gate of its own may have `forward`
        and `trace` instead.
        """
        raise NotImplementedError

    def _trace(self, x: Tensor, state: Any, lengths: Tensor | None) -> Trace:
        """`trace` of what has passed the gate."""
        raise NotImplementedError

    @property
    def state_numbers(self) -> int:
        with torch.no_grad():
            return sum(part.numel() for part in tree_leaves(self.initial_state(1)))

    def step(
        self, x_t: Float[Tensor, "batch input"], state: Any
    ) -> tuple[Float[Tensor, "batch output"], Any]:
        """One step: `(x_t, state) -> (y_t, state)`."""
        gate.check_rank("x_t", x_t, "batch", self.input_size)
        check_storage("x_t", x_t)
        y, state = self(x_t[:, None], state)
        return y[:, 0], state

    def admitted(self, run: Callable, x: Any, state: Any, lengths: Any) -> Any:
        """`run(x, state, lengths)` of arguments that have passed the gate, as `_forward`'s have."""
        if torch.compiler.is_compiling():
            return self._gated(run, x, state, lengths)
        try:
            return self._gated(run, x, state, lengths)
        except FAILURES as error:
            clear = plainer(error, self, x, state) or self._blamed_weight()
            if clear is None:
                raise
            raise clear from error

    def _gated(self, run: Callable, x: Any, state: Any, lengths: Any) -> Any:
        """Through the gate, and outside autocast."""
        if not gate.autocasting(x):
            return run(*self._begin(x, state, lengths))
        with torch.autocast(x.device.type, enabled=False):
            if x.dtype in (torch.float16, torch.bfloat16):
                x = x.to(self._weight().dtype)
            return run(*self._begin(x, state, lengths))

    def _begin(self, x: Any, state: Any, lengths: Any) -> tuple[Tensor, Any, Tensor | None]:
        """The gate of every machine: x, the state to start from, and lengths, as they may be used.

        An operation with a gate of its own looks at weights and shapes of the state once more.
        """
        if not self._takes(x):
            gate.check_rank("x", x, "batch", "time", self.input_size)
            gate.check_numbers("x", x, self._weight(), "the machine's weights")
            gate.check_room("x", x, self.output_size)
            check_storage("x", x)
        self._check_weights()
        start = self.initial_state(x.shape[0])
        if state is not None:
            check_state(state, start)
            self._check_whole_numbers(state)
            start = state
        if lengths is not None:
            lengths = admit_lengths(lengths, x)
            x = within_lengths(x, lengths)
        return x, start, lengths

    def _takes(self, x: Any) -> bool:
        """Whether x is plain to be taken, as it most often is: all that is asked of it at once."""
        if torch.compiler.is_compiling() or not gate.is_dense(x):
            return False
        like = self._weight()
        try:
            return (
                x.dim() == 3
                and x.shape[2] == self.input_size
                and 0 < x.numel() < gate.MANY
                and x.dtype is like.dtype
                and x.is_cpu
                and like.is_cpu
                and x.data_ptr() != 0
            )
        except RuntimeError:  # a tensor that wraps another has no address
            return False

    def _blamed_weight(self) -> Exception | None:
        """What is wrong with the weights, if anything is, where no operation has looked at them."""
        try:
            Recurrent._check_weights(self)
        except (TypeError, ValueError, RuntimeError) as error:
            return error
        return None

    def _check_weights(self) -> None:
        """Raise unless all floating weights are of one type and on one device."""
        like = self._weight()
        if not torch.compiler.is_compiling() and gate.alike(self, like):
            return
        for name, weight in itertools.chain(self.named_parameters(), self.named_buffers()):
            parameter = isinstance(weight, nn.Parameter)
            if parameter or gate.computes(weight) or weight.device != like.device:
                gate.check_numbers(name, weight, like, "the other weights")
                check_storage(name, weight)

    def _check_shapes(self) -> None:
        """Raise unless every weight has the shape that it was made with, where no kernel looks:
        PyTorch repeats a single number as often as it is needed."""
        if torch.compiler.is_compiling() or well_shaped(self, vars(self).get("_shapes", {})):
            return
        error = misshapen(self)
        assert error is not None
        raise error

    def _check_whole_numbers(self, state: Any) -> None:
        """Raise unless the parts of a state that are whole numbers lie within their range."""


def check_batch_size(machine: Recurrent, batch_size: int) -> None:
    """Raise a ValueError or TypeError unless it is a whole number of at least 1, and memory can
    hold the state of so many sequences."""
    # A size that is a symbol in a graph being captured would be tied to what is asked of it.
    if torch.compiler.is_compiling() or isinstance(batch_size, torch.SymInt):
        return
    _BATCH_SIZE("batch_size", batch_size)
    if batch_size < _MANY:
        return
    with torch.no_grad():
        two = machine.initial_state(2)
    for device in (two[0].device, torch.device("meta")):
        # What all sequences share is in memory once, but is counted as if it were not.
        parts = [part for part in two if device.type == "meta" or part.stride(0) != 0]
        each = sum(part[0].numel() for part in parts)
        check_room(
            lambda batch_size, each=each: batch_size * each,
            {"batch_size": batch_size},
            what="the state of so many sequences",
            device=device,
            dtype=two[0].dtype,
        )


def check_state(state: Any, expected: Any) -> None:
    """Raise an error that names the first tensor of a given state that does not fit."""
    if type(state) is not type(expected):
        raise TypeError(
            f"state must be {type(expected).__name__}, got {type(state).__name__}; "
            "start from machine.initial_state(batch_size) or leave it out"
        )
    for name, got, want in zip(expected._fields, state, expected, strict=True):
        gate.check_alike([f"state.{name}"], [got], [want.shape], want, "the machine's own")
    if not torch.compiler.is_compiling() and not all(map(has_storage, state)):
        for name, got in zip(expected._fields, state, strict=True):
            check_storage(f"state.{name}", got)
