"""Single-layer controllers of machines that step in Python: GRU, LSTM and feed-forward."""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import Size, choice
from tapehead.machines.options import Configured, configured
from tapehead.machines.sizes import cell_numbers

CELLS = ("gru", "lstm", "feedforward")


class Cell(Configured):
    """One controller layer with one signature: (input, (hidden, cell)) -> (hidden, cell).

    A GRU has no use for `cell` and hands it back; a feed-forward layer (tanh) sees no `hidden`.
    """

    @configured(cell_numbers)
    def __init__(
        self, controller: Annotated[str, choice(CELLS)], input_size: Size, hidden_size: Size
    ):
        super().__init__()
        self.controller = controller
        if controller == "feedforward":
            self.layer = nn.Linear(input_size, hidden_size)
        else:
            layer = nn.GRUCell if controller == "gru" else nn.LSTMCell
            self.layer = layer(input_size, hidden_size)
        with torch.no_grad():
            for name, parameter in self.layer.named_parameters():
                if name.startswith("weight"):
                    nn.init.xavier_uniform_(parameter)
                else:
                    parameter.zero_()
            if isinstance(self.layer, nn.LSTMCell):
                # An open forget gate (Gers, Schmidhuber & Cummins 2000).
                self.layer.bias_ih[hidden_size : 2 * hidden_size] = 1.0

    def forward(
        self,
        inputs: Float[Tensor, "batch input"],
        hidden: Float[Tensor, "batch hidden"],
        cell: Float[Tensor, "batch hidden"],
    ) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
        if self.controller == "lstm":
            return self.layer(inputs, (hidden, cell))
        if self.controller == "gru":
            return self.layer(inputs, hidden), cell
        return self.layer(inputs).tanh(), cell
