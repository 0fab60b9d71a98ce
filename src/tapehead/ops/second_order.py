"""Gradients that can be differentiated again, for operations whose backward pass is a kernel."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tapehead.ops.backends import under_transform

# A private name of PyTorch: where a version lacks it, a batched gradient meets PyTorch's own error.
_has_storage = getattr(torch._C, "_has_storage", lambda _: True)


def needed(above: Sequence[Tensor | None]) -> bool:
    """Whether a kernel's backward pass will not do: its gradients are to be differentiated again
    (`create_graph=True`), or those from above are batched."""
    return (
        torch.is_grad_enabled()
        or under_transform()
        or not all(gradient is None or _has_storage(gradient) for gradient in above)
    )


def gradients(
    reference: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Tensor | None],
    wanted: Sequence[bool],
    above: Sequence[Tensor | None],
    *,
    gradient_clip: float = 0.0,
) -> list[Tensor | None]:
    """The gradients of `reference(*inputs)`, with their own graph where grad mode is on.

    A kernel's backward pass has no derivative; the reference's has, at the reference's cost.

    Args:
        reference: the operation in plain PyTorch, from tensors to a sequence of tensors.
        inputs: as the kernel was given them; None stands for one that it was not given.
        wanted: which of them need a gradient.
        above: the gradient of each output; None stands for zeros.
        gradient_clip: of the operation.

    Returns:
        One gradient for each input, None where none is wanted or none flows.

    Raises:
        RuntimeError: a gradient to be differentiated again would be cut. What is cut is the sum
            of all that comes back to a place, and part of it comes by way of the kernel.
    """
    differentiable = torch.is_grad_enabled()
    if differentiable and gradient_clip:
        raise RuntimeError(
            f"create_graph=True through a kernel needs gradient_clip=0, got {gradient_clip!r}; "
            'with backend="reference" both go together'
        )
    with torch.enable_grad():
        # One input may come from another; through these names only the direct way is seen.
        names = [
            tensor.view_as(tensor) if want and tensor is not None else tensor
            for tensor, want in zip(inputs, wanted, strict=True)
        ]
        pairs = [
            (output, gradient)
            for output, gradient in zip(reference(*names), above, strict=True)
            if gradient is not None and output.requires_grad
        ]
        outputs, from_above = zip(*pairs, strict=True) if pairs else ((), ())
    pairs = zip(names, wanted, strict=True)
    asked = [name for name, want in pairs if want and name is not None]
    found = torch.autograd.grad(
        outputs, asked, from_above, create_graph=differentiable, allow_unused=True
    )
    rest = iter(found)
    return [next(rest) if want else None for want in wanted]
