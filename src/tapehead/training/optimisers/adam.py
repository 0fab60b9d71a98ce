"""Adam, by PyTorch's own kernel."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tapehead.checks import NotNegative, Positive, Share, checked
from tapehead.training.optimisers.optimiser import Optimiser


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015, algorithm 1).

    Args:
        params: as for every `torch.optim.Optimizer`.
        lr: learning rate.
        momentum: decay of the mean, beta 1.
        decay: decay of the mean square, beta 2.
        epsilon: added to the root.
        l2, weight_decay: see `Optimiser`; the latter makes it AdamW (Loshchilov & Hutter 2019).

    >>> import torch
    >>> from tapehead.training.optimisers import Adam
    >>> weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimiser = Adam([weight], lr=0.1)
    >>> weight.square().sum().backward()
    >>> optimiser.step()
    >>> weight.data
    tensor([ 0.9000, -1.9000])
    """

    @checked
    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: NotNegative,
        *,
        momentum: Share = 0.9,
        decay: Share = 0.999,
        epsilon: Positive = 1e-8,
        l2: NotNegative = 0.0,
        weight_decay: NotNegative = 0.0,
    ):
        settings = {"lr": lr, "momentum": momentum, "decay": decay, "epsilon": epsilon}
        settings |= {"l2": l2, "weight_decay": weight_decay}
        super().__init__(params, settings)

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        steps = torch.zeros((), dtype=torch.float32, device=parameter.device)
        return {name: torch.zeros_like(parameter) for name in ("mean", "square")} | {"step": steps}

    def _update(self, parameter: Tensor, gradient: Tensor, state: dict, group: dict) -> None:
        state["step"] += 1
        torch._fused_adam_(
            [parameter],
            [gradient],
            [state["mean"]],
            [state["square"]],
            [],
            [state["step"]],
            lr=group["lr"],
            beta1=group["momentum"],
            beta2=group["decay"],
            eps=group["epsilon"],
            weight_decay=0.0,
            amsgrad=False,
            maximize=False,
        )
