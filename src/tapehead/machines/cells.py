"""Controllers that step in Python: GRU, LSTM, feed-forward, and those that a caller brings along.

What a caller brings along is a function `(input_size, hidden_size) -> torch.nn.Module`, called once
a layer. The tensors that the module's `forward` takes say what it is:

| `forward` | is |
|---|---|
| `(inputs) -> hidden` | feed-forward |
| `(inputs, hidden) -> hidden` | recurrent, as `torch.nn.GRUCell` |
| `(inputs, hidden, cell) -> (hidden, cell)` | recurrent with a second state |

`inputs` is (batch, input_size), the others (batch, hidden_size). `torch.nn.LSTMCell`, which takes
its two states as a pair, is known too. Nothing may hide in the module between steps.
"""

import inspect
from collections.abc import Callable
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import Size, choice_or_function, shown
from tapehead.machines.options import Configured, configured
from tapehead.machines.plain import is_plain
from tapehead.machines.sizes import cell_numbers

CELLS = ("gru", "lstm", "feedforward")
_KINDS: dict[str, type[nn.Module]] = {
    "gru": nn.GRUCell,
    "lstm": nn.LSTMCell,
    "feedforward": nn.Linear,
}

MakeController = Callable[[int, int], nn.Module]
MAKER = "a function (input_size, hidden_size) -> torch.nn.Module"


class Cell(Configured):
    """One controller layer with one signature: (input, (hidden, cell)) -> (hidden, cell).

    A GRU has no use for `cell` and hands it back; a feed-forward layer (tanh) sees no `hidden`.

    Attributes:
        states: how many of the two it has: 0, 1 or 2.
    """

    @configured(cell_numbers)
    def __init__(
        self,
        controller: Annotated[str | MakeController, choice_or_function(CELLS, MAKER)],
        input_size: Size,
        hidden_size: Size,
    ):
        super().__init__()
        self.hidden_size = hidden_size
        if not isinstance(controller, str):
            self.controller = "own"
            self.layer = _made(controller, input_size, hidden_size)
            self.states = _states_of(self.layer)
            return
        self.controller = controller
        self.states = {"feedforward": 0, "gru": 1, "lstm": 2}[controller]
        if controller == "feedforward":
            self.layer = nn.Linear(input_size, hidden_size)
        else:
            self.layer = _KINDS[controller](input_size, hidden_size)
        with torch.no_grad():
            for name, parameter in self.layer.named_parameters():
                if name.startswith("weight"):
                    nn.init.xavier_uniform_(parameter)
                else:
                    parameter.zero_()
            if isinstance(self.layer, nn.LSTMCell):
                # An open forget gate (Gers, Schmidhuber & Cummins 2000).
                self.layer.bias_ih[hidden_size : 2 * hidden_size] = 1.0

    @property
    def is_plain(self) -> bool:
        """Whether the weights of its layer are all there is to it."""
        kind = _KINDS.get(self.controller)
        return kind is not None and is_plain(self, Cell, bias=False) and is_plain(self.layer, kind)

    def forward(
        self,
        inputs: Float[Tensor, "batch input"],
        hidden: Float[Tensor, "batch hidden"],
        cell: Float[Tensor, "batch hidden"],
    ) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
        if self.controller == "feedforward":
            return self.layer(inputs).tanh(), cell
        if self.states == 0:
            hidden = self.layer(inputs)
        elif self.states == 1:
            hidden = self.layer(inputs, hidden)
        elif isinstance(self.layer, nn.LSTMCell):
            hidden, cell = self.layer(inputs, (hidden, cell))
        else:
            hidden, cell = _pair(self.layer, self.layer(inputs, hidden, cell))
        if self.controller == "own":
            _check_state(self.layer, hidden, inputs, self.hidden_size)
            _check_state(self.layer, cell, inputs, self.hidden_size)
        return hidden, cell


class OwnController(nn.Module):
    """Layers that a caller brought along, for machines whose operation steps through layers.

    The first layer sees the input and what was read; each further one the layer below, and with
    `all_see_input` the input and the reads beside it.

    Args:
        make: makes a layer.
        input_size: numbers of an input step and of what was read, together.
        gradient_clip: in the backward pass the gradient of each layer's output is cut to plus or
            minus this; 0 cuts nothing.
    """

    def __init__(
        self,
        make: MakeController,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        all_see_input: bool = False,
        gradient_clip: float = 0.0,
    ):
        super().__init__()
        self.all_see_input, self.gradient_clip = all_see_input, gradient_clip
        above = hidden_size + (input_size if all_see_input else 0)
        self.layers = nn.ModuleList(
            Cell(make, above if layer else input_size, hidden_size) for layer in range(num_layers)
        )
        states = [layer.states for layer in self._cells()]
        if len(set(states)) > 1:
            raise ValueError(f"controller must make layers of one kind, got {states} states")
        self.states = states[0]

    def forward(
        self,
        x: Float[Tensor, "batch input"],
        reads: Float[Tensor, "batch reads word"],
        hidden: Float[Tensor, "batch layers_with_hidden hidden"],
        cell: Float[Tensor, "batch layers_with_cell hidden"],
    ) -> tuple[
        list[Float[Tensor, "batch hidden"]],
        Float[Tensor, "batch layers_with_hidden hidden"],
        Float[Tensor, "batch layers_with_cell hidden"],
    ]:
        """One step, as `ops.ntm.reference.ControllerStep`."""
        seen = below = torch.cat([x, reads.flatten(1)], -1)
        outputs, cells = [], []
        nothing = x.new_zeros(x.shape[0], self._cells()[0].hidden_size)
        for number, layer in enumerate(self._cells()):
            output, after = layer(
                below,
                hidden[:, number] if self.states > 0 else nothing,
                cell[:, number] if self.states > 1 else nothing,
            )
            output = self._cut(output)
            outputs.append(output)
            cells.append(after)
            below = torch.cat([seen, output], -1) if self.all_see_input else output
        return (
            outputs,
            torch.stack(outputs, 1) if self.states > 0 else hidden,
            torch.stack(cells, 1) if self.states > 1 else cell,
        )

    def _cut(self, output: Tensor) -> Tensor:
        bound = self.gradient_clip
        if bound and output.requires_grad:
            output = output.view_as(output)
            output.register_hook(lambda gradient: gradient.clamp(-bound, bound))
        return output

    def _cells(self) -> list[Cell]:
        return [layer for layer in self.layers if isinstance(layer, Cell)]


def _made(make: MakeController, input_size: int, hidden_size: int) -> nn.Module:
    if isinstance(make, nn.Module):
        raise TypeError(f"controller must be {MAKER}, got a {type(make).__name__} made already")
    if isinstance(make, type) and not issubclass(make, nn.Module):
        raise TypeError(f"controller must be {MAKER}, got {shown(make)}")
    layer = make(input_size, hidden_size)
    if not isinstance(layer, nn.Module):
        raise TypeError(
            f"controller must make a torch.nn.Module, got {type(layer).__name__} from "
            f"controller({input_size}, {hidden_size})"
        )
    return layer


def _states_of(layer: nn.Module) -> int:
    """How many states a step of a module takes beside its input."""
    if isinstance(layer, nn.LSTMCell):
        return 2
    if isinstance(layer, nn.RNNCellBase):
        return 1
    parameters = inspect.signature(layer.forward).parameters.values()
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if not 1 <= len(needed) <= 3 or isinstance(layer, nn.RNNBase):
        raise TypeError(
            f"controller must make a module whose forward takes (inputs), (inputs, hidden) or "
            f"(inputs, hidden, cell) of one step, got {type(layer).__name__} with "
            f"({', '.join(needed)})"
        )
    return len(needed) - 1


def _pair(layer: nn.Module, found: object) -> tuple[Tensor, Tensor]:
    if not isinstance(found, tuple) or len(found) != 2:
        raise TypeError(
            f"controller {type(layer).__name__} must give (hidden, cell), "
            f"got {type(found).__name__}"
        )
    return found


def _check_state(layer: nn.Module, found: object, inputs: Tensor, hidden_size: int) -> None:
    expected = (inputs.shape[0], hidden_size)
    if not isinstance(found, Tensor) or found.shape != expected:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f"controller {type(layer).__name__} must give {expected}, (batch, hidden_size), "
            f"got {got}"
        )
