"""PyTorch's own recurrent layers, as parts of our machines."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tapehead.ops.lengths import turned_round


def check_layers(name: str, layers: nn.Module) -> None:
    """Raise a ValueError unless the weights have the shapes that the layers' sizes ask for.

    PyTorch's kernels do not look: of weights that are too small they read, and write gradients,
    past the end.
    """
    if type(layers) is not nn.LSTM:
        return  # quantised, say
    for part in layers._flat_weights_names:
        # Not `_flat_weights`, which are put right only as the layers run.
        weight = getattr(layers, part, None)
        rows, hidden = 4 * layers.hidden_size, layers.hidden_size
        if part.startswith("bias"):
            wanted = (rows,)
        else:
            first = part in ("weight_ih_l0", "weight_ih_l0_reverse")
            wanted = (rows, layers.input_size if first else hidden)
        if weight is None or weight.shape != wanted:
            got = None if weight is None else tuple(weight.shape)
            raise ValueError(f"{name}.{part} must have shape {wanted}, got {got}")


def read_backwards(
    name: str,
    lstm: nn.LSTM,
    x: Float[Tensor, "batch time input"],
    lengths: Int64[Tensor, " batch"] | None,
) -> Float[Tensor, "batch time hidden"]:
    """For every step, what an LSTM that comes from a sequence's end made of it and all after it.

    Raises:
        ValueError: the weights of the LSTM, which has this name, have other shapes than its sizes.
    """
    check_layers(name, lstm)
    time = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
    ends = torch.full_like(time[:, :1], x.shape[1]) if lengths is None else lengths[:, None]
    turned = turned_round(time, ends)[..., None]
    hidden, _ = lstm(x.gather(1, turned.expand_as(x)))
    return hidden.gather(1, turned.expand_as(hidden))
