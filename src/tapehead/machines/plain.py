"""Whether a part of a machine is its weight and its bias, and nothing else."""

from typing import Any

import torch
from torch import nn

# Private names of PyTorch: where a version has them no more, hooks on all modules go unseen here.
_module = torch.nn.modules.module
_HOOKS_ON_ALL = tuple(
    getattr(_module, name, {})
    for name in (
        "_global_forward_hooks",
        "_global_forward_pre_hooks",
        "_global_backward_hooks",
        "_global_backward_pre_hooks",
    )
)


def is_plain(
    part: nn.Module | None, kind: type[nn.Module] = nn.Linear, *, bias: bool = True
) -> bool:
    """Whether using a part's weights and biases is the same as calling it.

    Not with hooks (pruning and the older weight and spectral norms work by them) or with another
    `forward`. A parametrisation is plain: it stands behind the weight itself.

    Args:
        kind: what it is, if it is plain.
        bias: whether it must have one, of its own.
    """
    if part is None or type(part).forward is not kind.forward or "forward" in part.__dict__:
        return False
    if (
        part._forward_hooks
        or part._forward_pre_hooks
        or part._backward_hooks
        or part._backward_pre_hooks
    ):
        return False
    name = "bias" if kind is nn.Linear else "bias_ih"
    if bias and part._parameters.get(name) is None:
        return False
    return not any(_HOOKS_ON_ALL)


def weight_of(module: nn.Module, name: str) -> Any:
    """`module.name`, for a name that is most often a parameter: those PyTorch looks up last."""
    weight = module._parameters.get(name)
    return getattr(module, name) if weight is None else weight
