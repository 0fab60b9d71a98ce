"""PyTorch's own recurrent layers, as parts of our machines."""

from torch import nn


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
