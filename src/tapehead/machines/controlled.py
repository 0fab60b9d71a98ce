"""The controller of the NTM and the DNC: layers that their operations know, with weights of the
machine's own, or layers that a caller brought along."""

import torch
from torch import Tensor, nn

from tapehead.machines.cells import MakeController, OwnController
from tapehead.machines.machine import glorot_
from tapehead.machines.plain import weight_of
from tapehead.machines.resizable import Resizable

CONTROLLERS = ("lstm", "feedforward")


class Controlled(Resizable):
    """A machine with a memory, and a controller that sees the input and what was read."""

    hidden_size: int
    num_layers: int
    controller: str | OwnController
    input: nn.Linear
    read_weight: Tensor
    recurrent_weight: Tensor
    layer_weight: Tensor
    layer_bias: Tensor
    _read_numbers: int
    _state_layers: tuple[int, int]
    """Layers that have a hidden state, and a cell."""

    def _make_controller(
        self,
        controller: str | MakeController,
        read_numbers: int,
        *,
        all_see_input: bool = False,
        gradient_clip: float = 0.0,
    ) -> None:
        """Set `controller`, and room for the weights of one of `CONTROLLERS`.

        Args:
            read_numbers: numbers that are read in a step.
            all_see_input: whether each layer sees input and reads, or the first one alone.
            gradient_clip: as of `OwnController`; an operation cuts its own layers' gradients.
        """
        hidden, layers = self.hidden_size, self.num_layers
        self._read_numbers = read_numbers
        if isinstance(controller, str):
            self.controller = controller
            states = 2 if controller == "lstm" else 0
            gates = 4 * hidden if controller == "lstm" else hidden
            seeing = layers * gates if all_see_input else gates
            self.input = nn.Linear(self.input_size, seeing)
            self.read_weight = nn.Parameter(torch.empty(seeing, read_numbers))
            self._register("recurrent_weight", layers if states else 0, gates, hidden)
            self._register("layer_weight", layers - 1, gates, hidden)
            if not all_see_input:
                self._register("layer_bias", layers - 1, gates)
        else:
            self.controller = OwnController(
                controller,
                self.input_size + read_numbers,
                hidden,
                layers,
                all_see_input=all_see_input,
                gradient_clip=gradient_clip,
            )
            states = self.controller.states
        self._state_layers = (layers if states > 0 else 0, layers if states > 1 else 0)

    def _draw_controller(self, forget_bias: float = 1.0) -> None:
        """Draw its weights afresh, unless it was brought along."""
        if not isinstance(self.controller, str):
            return
        hidden, below = self.hidden_size, self.input_size + self._read_numbers
        glorot_(self.input.weight, below, hidden)
        glorot_(self.read_weight, below, hidden)
        glorot_(self.recurrent_weight, hidden, hidden)
        glorot_(self.layer_weight, hidden, hidden)
        biases = [self.input.bias.view(-1, self.layer_weight.shape[1])]
        if hasattr(self, "layer_bias"):  # else the input's are those of all layers
            biases.append(self.layer_bias)
        for bias in biases:
            bias.zero_()
            if self.controller == "lstm":
                # An open forget gate (Gers, Schmidhuber & Cummins 2000).
                bias[:, hidden : 2 * hidden] = forget_bias

    def _controller_weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """For what was read, for the hidden state and for the layer below; of a controller that
        was brought along none, in their shapes."""
        if isinstance(self.controller, str):
            return (
                weight_of(self, "read_weight"),
                weight_of(self, "recurrent_weight"),
                weight_of(self, "layer_weight"),
            )
        none, hidden = self._weight().new_empty, self.hidden_size
        return none(0, self._read_numbers), none(0, 0, hidden), none(0, 0, hidden)
