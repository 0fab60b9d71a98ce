"""RMSProp and Graves' variant of it, for one long vector of weights or for any parameters."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tapehead.checks import NotNegative, Positive, Share, checked
from tapehead.ops import rmsprop
from tapehead.training.optimisers.optimiser import Optimiser


class _RMSprop(Optimiser):
    def __init__(self, params: Iterable[nn.Parameter], settings: dict, fused: bool):
        super().__init__(params, settings)
        self._fused = None
        if fused:
            parameters = [weights for group in self.param_groups for weights in group["params"]]
            if not all(map(rmsprop.fits, parameters)):
                raise ValueError("fused needs contiguous parameters of floats on the CPU")
            for dtype in {weights.dtype for weights in parameters}:
                rmsprop.backend_choice("cpu", dtype)
            self._fused = rmsprop.implementation("cpu")

    def _update(self, parameter: Tensor, gradient: Tensor, state: dict, group: dict) -> None:
        fused = self._fused if gradient.is_contiguous() else None
        update = fused or rmsprop.reference.update
        update(parameter, gradient, state["square"], state["velocity"], state.get("mean"), group)


class RMSprop(_RMSprop):
    """Gradient over the root of its running mean square (Tieleman & Hinton 2012), with momentum.

    The same numbers as `torch.optim.RMSprop(alpha=decay)`, bit for bit.

    Args:
        params: as for every `torch.optim.Optimizer`.
        lr: learning rate.
        momentum: of the scaled gradient.
        decay: of the mean square.
        epsilon: added to the root.
        l2, weight_decay: see `Optimiser`.
        fused: one pass over memory on the CPU, see `ops/rmsprop/cpu.py`; equal to rounding.

    >>> import torch
    >>> from tapehead.training.optimisers import RMSprop
    >>> weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimiser = RMSprop([weight], lr=0.1)
    >>> weight.square().sum().backward()
    >>> optimiser.step()
    >>> weight.data
    tensor([ 0.5528, -1.5528])
    """

    @checked
    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: NotNegative,
        *,
        momentum: Share = 0.9,
        decay: Share = 0.95,
        epsilon: Positive = 1e-8,
        l2: NotNegative = 0.0,
        weight_decay: NotNegative = 0.0,
        fused: bool = False,
    ):
        settings = {"lr": lr, "momentum": momentum, "decay": decay, "epsilon": epsilon}
        settings |= {"l2": l2, "weight_decay": weight_decay}
        super().__init__(params, settings, fused)

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        return {name: torch.zeros_like(parameter) for name in ("square", "velocity")}


class GravesRMSprop(_RMSprop):
    """The centred RMSProp of Graves (2013), arXiv 1308.0850, equations 38 to 45.

    n <- a n + (1 - a) e^2;  g <- a g + (1 - a) e;  v <- m v - l e / sqrt(n - g^2 + c);  w <- w + v

    Args:
        params: as for every `torch.optim.Optimizer`.
        lr: learning rate l.
        momentum: m.
        decay: a.
        epsilon: c, inside the root.
        l2, weight_decay: see `Optimiser`.
        fused: one pass over memory on the CPU, see `ops/rmsprop/cpu.py`; equal to rounding.

    >>> import torch
    >>> from tapehead.training.optimisers import GravesRMSprop
    >>> weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimiser = GravesRMSprop([weight], lr=0.1)
    >>> weight.square().sum().backward()
    >>> optimiser.step()
    >>> weight.data
    tensor([ 0.5413, -1.5412])
    """

    @checked
    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: NotNegative,
        *,
        momentum: Share = 0.9,
        decay: Share = 0.95,
        epsilon: Positive = 1e-4,
        l2: NotNegative = 0.0,
        weight_decay: NotNegative = 0.0,
        fused: bool = False,
    ):
        settings = {"lr": lr, "momentum": momentum, "decay": decay, "epsilon": epsilon}
        settings |= {"l2": l2, "weight_decay": weight_decay}
        super().__init__(params, settings, fused)

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        return {name: torch.zeros_like(parameter) for name in ("square", "mean", "velocity")}
