"""What every machine offers."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.machines.pretrained import Pretrained
from tapehead.ops import gate
from tapehead.ops.backends import Choice

Own = TypeVar("Own", bound="Machine")


@dataclass(frozen=True, eq=False)
class Trace:
    """What a machine did, step by step.

    Every entry of `tensors` is (batch, time, ...), and reads as an attribute too:
    `trace.read_weights`. Each machine's docstring lists its names and shapes.

    >>> import torch
    >>> from tapehead import LSTM
    >>> trace = LSTM(input_size=9, output_size=8, hidden_size=32).trace(torch.rand(4, 10, 9))
    >>> trace
    Trace(y (4, 10, 8), hidden (4, 10, 32), state LSTMState)
    >>> trace.hidden.shape
    torch.Size([4, 10, 32])
    """

    y: Float[Tensor, "batch time output"]
    state: Any
    tensors: Mapping[str, Tensor]

    def __getattr__(self, name: str) -> Tensor:
        # While it is being copied or unpickled a trace has no `tensors` yet.
        tensors = self.__dict__.get("tensors", {})
        if name in tensors:
            return tensors[name]
        raise AttributeError(f"this trace has no {name!r}; it has {', '.join(tensors)}")

    def __repr__(self) -> str:
        shapes = {"y": self.y, **self.tensors}
        listed = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in shapes.items())
        return f"{type(self).__name__}({listed}, state {type(self.state).__name__})"

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tensors]


class Machine(Pretrained, ABC):
    """A network that reads a form and answers in logits: what training and viewing need of it.

    >>> from tapehead import NTM, RLNTM, Machine
    >>> issubclass(NTM, Machine), NTM.reads.__name__, RLNTM.reads.__name__
    (True, 'Sequence', 'Tape')
    >>> RLNTM.trained_by
    'moves'
    """

    reads: ClassVar[type]
    """The form that it reads (`tapehead.forms`), whose fields its `forward` takes by name."""
    trained_by: ClassVar[str] = "supervised"
    """How it is trained: the name of an objective (`tapehead.training.objectives`)."""

    width: ClassVar[str] = "hidden_size"
    """Its option that makes it wider, so that it can have as many parameters as another machine."""

    resizable: ClassVar[bool] = False
    """Whether its memory can be given another number of rows, by `set_rows`."""

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> tuple[Float[Tensor, "batch time output"], Any]:
        """Output logits, beside the targets of a task step by step, and what else there is."""

    @abstractmethod
    def trace(self, *args: Any, **kwargs: Any) -> Trace:
        """As `forward`, keeping every named inner tensor of every step."""

    def backend_choice(self) -> Choice:
        """The backend that runs this machine as it is now, and why no quicker one does.

        Raises:
            RuntimeError: a backend was forced that cannot run.
        """
        return Choice("reference", "this machine has no kernel")

    @property
    def objective(self) -> str:
        """As `trained_by`, of this machine as it is."""
        return self.trained_by

    @property
    def objective_sizes(self) -> Mapping[str, int]:
        """What of the objective this machine decides: arguments of its constructor."""
        return {}

    @property
    def state_numbers(self) -> int:
        """How many numbers it carries from step to step for each sequence."""
        return 0

    @classmethod
    def has_weights_of_rows(cls) -> bool:
        """Whether some weights depend on the rows, so that new rows have to be learned."""
        return False

    @property
    def settable_rows(self) -> int | None:
        """Rows of its memory as it is; None of a machine that is not `resizable`."""
        return None

    def set_rows(self, rows: int) -> None:
        """Give its memory so many rows; a state from before no longer fits.

        Raises:
            ValueError: it is not `resizable`, or cannot have so many.
        """
        raise ValueError(
            f"memory_size must be left as it is for {type(self).__name__}, whose memory is fixed, "
            f"got {rows}"
        )

    def with_rows(self: Own, rows: int | None) -> Own:
        """A copy with so many rows; of None, the machine itself.

        Raises:
            ValueError: as `set_rows`.
        """
        if rows is None:
            return self
        other = copy.deepcopy(self)
        other.set_rows(rows)
        return other

    def _weight(self) -> Tensor:
        """One of the weights, whose type and device are the machine's."""
        weight = next(self.parameters(), None)
        # All of them quantised: then it computes in single precision.
        return torch.empty((), dtype=torch.float32, device="cpu") if weight is None else weight

    def _register(self, name: str, count: int, *shape: int) -> None:
        """A parameter, or if empty a constant: an optimiser or a data-parallel wrapper that waits
        for its gradient would wait for ever."""
        weight = torch.empty(count, *shape)
        if count:
            self.register_parameter(name, nn.Parameter(weight))
        else:
            self.register_buffer(name, weight, persistent=False)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        # With `assign=True` weights leave the meta device, but constants are in no state dict.
        like = self._weight()
        for name in self._non_persistent_buffers_set:
            constant = getattr(self, name)
            if constant.is_meta and not like.is_meta:
                setattr(self, name, like.new_zeros(constant.shape))


def check_range(name: str, numbers: Tensor, least: int, most: int) -> None:
    """Raise a ValueError unless the numbers are in range, as far as they can be looked at."""
    if numbers.numel() and gate.values_known(numbers):
        low, high = (int(value) for value in numbers.aminmax())
        if low < least or high > most:
            raise ValueError(f"{name} must lie between {least} and {most}, got {low} to {high}")


def glorot_(weight: Tensor, fan_in: int, fan_out: int) -> None:
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010), whatever its shape."""
    bound = (6.0 / (fan_in + fan_out)) ** 0.5
    with torch.no_grad():
        weight.uniform_(-bound, bound)
