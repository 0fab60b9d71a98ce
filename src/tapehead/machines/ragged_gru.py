"""A GRU over sequences of different lengths, as part of the machines that read stories."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tapehead.ops.gru import implementation
from tapehead.ops.ragged import Ragged


class RaggedGRU(nn.Module):
    """The weights of a GRU, named as those of `torch.nn.GRU`, which compiles into no graph.

    Args:
        size: of its inputs and of its state.
    """

    def __init__(self, size: int):
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * size, size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * size, size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(3 * size))

    def forward(
        self,
        inputs: Float[Tensor, "distinct size"],
        rows: Int64[Tensor, " rows"],
        ragged: Ragged,
        backend: str,
    ) -> Float[Tensor, "rows size"]:
        """All states; what each different input gives to the gates is computed once.

        Args:
            rows: which of the inputs each step of each sequence takes.
        """
        gates = nn.functional.linear(inputs, self.weight_ih_l0, self.bias_ih_l0)[rows]
        module = implementation(backend, gates, None)
        return module.gru(gates, self.weight_hh_l0, self.bias_hh_l0, ragged)
