"""RMSProp and Graves' variant of it, in plain PyTorch: each an update in place."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def update(
    weights: Tensor,
    gradient: Tensor,
    square: Tensor,
    velocity: Tensor,
    mean: Tensor | None,
    group: Mapping[str, Any],
) -> None:
    """One update in place, of plain RMSProp, or Graves' if there is a mean.

    Args:
        weights, gradient: of one shape.
        square, velocity, mean: running mean square, velocity and running mean.
        group: decay, momentum, epsilon and lr.
    """
    if mean is None:
        plain(weights, gradient, square, velocity, group)
    else:
        graves(weights, gradient, square, velocity, mean, group)


def plain(
    weights: Tensor, gradient: Tensor, square: Tensor, velocity: Tensor, group: Mapping[str, Any]
) -> None:
    """n <- a n + (1 - a) e^2;  v <- m v + e / (sqrt(n) + c);  w <- w - l v

    Tieleman & Hinton (2012), with momentum; a, m, c and l are decay, momentum, epsilon and lr.
    """
    decay = group["decay"]
    square.mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
    root = square.sqrt().add_(group["epsilon"])
    velocity.mul_(group["momentum"]).addcdiv_(gradient, root)
    weights.add_(velocity, alpha=-group["lr"])


def graves(
    weights: Tensor,
    gradient: Tensor,
    square: Tensor,
    velocity: Tensor,
    mean: Tensor,
    group: Mapping[str, Any],
) -> None:
    """n <- a n + (1 - a) e^2;  g <- a g + (1 - a) e;  v <- m v - l e / sqrt(n - g^2 + c)

    and w <- w + v. Graves (2013), arXiv 1308.0850, equations 38 to 45.
    """
    decay = group["decay"]
    square.mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
    mean.lerp_(gradient, 1 - decay)
    # n - g^2 is a variance; rounding alone takes it below zero, by more than epsilon where
    # gradients are large and steady.
    variance = torch.addcmul(square, mean, mean, value=-1).clamp_(min=0.0)
    root = variance.add_(group["epsilon"]).sqrt_()
    velocity.mul_(group["momentum"])
    weights.add_(velocity.addcdiv_(gradient, root, value=-group["lr"]))
