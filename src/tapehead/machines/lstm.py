"""The baseline that memory machines are measured against: stacked LSTM layers, no memory."""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import Layers, Size, choice
from tapehead.machines.layers import check_layers
from tapehead.machines.machine import Trace
from tapehead.machines.options import configured
from tapehead.machines.recurrent import CONTROLLER_INITS, Recurrent, check_batch_size
from tapehead.machines.sizes import lstm_numbers
from tapehead.ops.gate import steps
from tapehead.ops.pytree import saved_by_name


@saved_by_name
class LSTMState(NamedTuple):
    """Hidden and cell state of every layer."""

    hidden: Float[Tensor, "batch layers hidden"]
    cell: Float[Tensor, "batch layers hidden"]


class LSTM(Recurrent):
    """Stacked LSTM layers and a linear output, the baseline of the NTM paper (three layers).

    Trace names: `hidden` (batch, time, hidden), the last layer's output.

    Args:
        input_size: numbers per input step.
        output_size: numbers per output step.
        hidden_size: units of each layer.
        num_layers: stacked layers.
        controller_init: the state at the start: "zeros", or "learned", which begins as zeros (the
            NTM paper's, section 4).

    >>> import torch
    >>> from tapehead import LSTM
    >>> machine = LSTM(input_size=9, output_size=8, hidden_size=32, num_layers=2)
    >>> y, state = machine(torch.rand(4, 10, 9), lengths=[10, 7, 3, 1])
    >>> y.shape, state.hidden.shape  # (batch, time, output), (batch, layers, hidden)
    (torch.Size([4, 10, 8]), torch.Size([4, 2, 32]))
    """

    @configured(lstm_numbers)
    def __init__(
        self,
        input_size: Size,
        output_size: Size,
        *,
        hidden_size: Size = 256,
        num_layers: Layers = 3,
        controller_init: Annotated[str, choice(CONTROLLER_INITS)] = "zeros",
    ):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.layers = nn.LSTM(input_size, hidden_size, num_layers, batch_first=True)
        self.output = nn.Linear(hidden_size, output_size)
        self.controller_init = controller_init
        if controller_init == "learned":
            self.initial_hidden = nn.Parameter(torch.zeros(num_layers, hidden_size))
            self.initial_cell = nn.Parameter(torch.zeros(num_layers, hidden_size))
        with torch.no_grad():
            for name, parameter in self.layers.named_parameters():
                if name.startswith("bias"):
                    # Both biases are summed: a forget gate that starts open at 1 wants one of them.
                    forget = 1.0 if name.startswith("bias_ih") else 0.0
                    parameter.zero_()[hidden_size : 2 * hidden_size] = forget

    def initial_state(self, batch_size: int) -> LSTMState:
        check_batch_size(self, batch_size)
        if self.controller_init == "learned":
            return LSTMState(
                self.initial_hidden.expand(batch_size, -1, -1),
                self.initial_cell.expand(batch_size, -1, -1),
            )
        zeros = self._weight().new_zeros(batch_size, self.num_layers, self.hidden_size)
        return LSTMState(zeros, zeros.clone())

    def _forward(
        self, x: Tensor, state: LSTMState, lengths: Tensor | None
    ) -> tuple[Tensor, LSTMState]:
        hidden, state = self._run(x, state, lengths)
        return self.output(hidden), state

    def _trace(self, x: Tensor, state: LSTMState, lengths: Tensor | None) -> Trace:
        hidden, state = self._run(x, state, lengths)
        return Trace(self.output(hidden), state, {"hidden": hidden})

    def _check_weights(self) -> None:
        super()._check_weights()
        self._check_shapes()
        # PyTorch takes these shapes on trust, and reads beyond them.
        if self.controller_init == "learned":
            wanted = (self.num_layers, self.hidden_size)
            for name in ("initial_hidden", "initial_cell"):
                got = tuple(getattr(self, name).shape)
                if got != wanted:
                    raise ValueError(f"{name} must have shape {wanted}, got {got}")

    def _run(self, x, state, lengths):
        steps(x)  # PyTorch's LSTM has a loop over them where a graph is exported
        check_layers("layers", self.layers)
        inputs = x
        if lengths is not None:
            inputs = nn.utils.rnn.pack_padded_sequence(
                x, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
        hidden, (last_hidden, last_cell) = self.layers(
            inputs, tuple(part.transpose(0, 1).contiguous() for part in state)
        )
        if lengths is not None:
            hidden, _ = nn.utils.rnn.pad_packed_sequence(
                hidden, batch_first=True, total_length=x.shape[1]
            )
        return hidden, LSTMState(last_hidden.transpose(0, 1), last_cell.transpose(0, 1))
