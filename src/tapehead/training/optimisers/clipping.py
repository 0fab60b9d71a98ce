"""Gradients kept within bounds."""

import torch
from torch import Tensor


def clip_gradient(
    gradient: Tensor, norm: Tensor | float, clip_value: float | None, clip_norm: float | None
) -> None:
    """Clip a vector of gradients in place, first by value, then by norm.

    Args:
        gradient: the vector.
        norm: its norm; as a tensor it may stay on its device.
        clip_value: bound of each number's size.
        clip_norm: bound of the norm, as in `torch.nn.utils.clip_grad_norm_`.
    """
    if clip_value is not None:
        gradient.clamp_(-clip_value, clip_value)
    if clip_norm is not None:
        if clip_value is not None:
            norm = torch.linalg.vector_norm(gradient)
        # No branch on a tensor: a GPU would wait for it.
        scale = clip_norm / (norm + 1e-6)
        gradient.mul_(scale.clamp(max=1.0) if isinstance(scale, Tensor) else min(scale, 1.0))
