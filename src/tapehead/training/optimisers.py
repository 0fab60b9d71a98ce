"""RMSProp, Graves' variant of it and Adam, for one long vector of weights.

Each is a `torch.optim.Optimizer` and works for any parameters; on a vector (see `flat.py`) each
update is a handful of operations in place.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tapehead.checks import NotNegative, Positive, Share, checked
from tapehead.ops.backends import choose, kernel_fault
from tapehead.ops.verified import Verified
from tapehead.training.config import TrainConfig

VERIFIED = Verified(
    Path(__file__).with_name("verified.json"),
    "tapehead.training.optimisers:RMSprop._update",
    "tapehead.training.optimisers:GravesRMSprop._update",
)
"""What `fused` computes, as it was checked."""


class _Optimiser(torch.optim.Optimizer):
    """An optimiser whose state for a parameter is a few tensors shaped like it, or scalars."""

    def __init__(self, params: Iterable[nn.Parameter], settings: dict, fused: bool = False):
        super().__init__(params, settings)
        self._fused = None
        if fused:
            parameters = [weights for group in self.param_groups for weights in group["params"]]
            if not all(map(_fits, parameters)):
                raise ValueError("fused needs contiguous parameters of floats on the CPU")
            for dtype in {weights.dtype for weights in parameters}:
                choose("optimiser", "cpu", {"cpu": partial(_fault, dtype)})
            from tapehead.training.fused import update  # takes Numba, which takes a moment

            self._fused = update

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.update()
        return loss

    @torch.no_grad()
    def update(self) -> None:
        """`step` without hooks and profiling, which cost as much as a small update itself."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state.update(self._start(parameter))
                self._update(parameter, parameter.grad, state, group)

    def prepare(self) -> None:
        """Bring all state into being before the first step, to be saved or filled."""
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter].update(self._start(parameter))

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        raise NotImplementedError

    def _update(self, parameter: Tensor, gradient: Tensor, state: dict, group: dict) -> None:
        raise NotImplementedError


class RMSprop(_Optimiser):
    """Gradient over the root of its running mean square (Tieleman & Hinton 2012), with momentum.

    The same numbers as `torch.optim.RMSprop(alpha=decay)`, bit for bit.

    Args:
        params: as for every `torch.optim.Optimizer`.
        lr: learning rate.
        momentum: of the scaled gradient.
        decay: of the mean square.
        epsilon: added to the root.
        fused: one pass over memory on the CPU, see `fused.py`; equal to rounding.
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
        fused: bool = False,
    ):
        settings = {"lr": lr, "momentum": momentum, "decay": decay, "epsilon": epsilon}
        super().__init__(params, settings, fused)

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        return {name: torch.zeros_like(parameter) for name in ("square", "velocity")}

    def _update(self, parameter: Tensor, gradient: Tensor, state: dict, group: dict) -> None:
        if self._fused is not None and gradient.is_contiguous():
            self._fused(parameter, gradient, state["square"], state["velocity"], None, group)
            return
        decay = group["decay"]
        square = state["square"].mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
        root = square.sqrt().add_(group["epsilon"])
        velocity = state["velocity"].mul_(group["momentum"]).addcdiv_(gradient, root)
        parameter.add_(velocity, alpha=-group["lr"])


class GravesRMSprop(_Optimiser):
    """The centred RMSProp of Graves (2013), arXiv 1308.0850, equations 38 to 45.

    n <- a n + (1 - a) e^2;  g <- a g + (1 - a) e;  v <- m v - l e / sqrt(n - g^2 + c);  w <- w + v

    Args:
        params: as for every `torch.optim.Optimizer`.
        lr: learning rate l.
        momentum: m.
        decay: a.
        epsilon: c, inside the root.
        fused: one pass over memory on the CPU, see `fused.py`; equal to rounding.
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
        fused: bool = False,
    ):
        settings = {"lr": lr, "momentum": momentum, "decay": decay, "epsilon": epsilon}
        super().__init__(params, settings, fused)

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        return {name: torch.zeros_like(parameter) for name in ("square", "mean", "velocity")}

    def _update(self, parameter: Tensor, gradient: Tensor, state: dict, group: dict) -> None:
        if self._fused is not None and gradient.is_contiguous():
            self._fused(
                parameter, gradient, state["square"], state["velocity"], state["mean"], group
            )
            return
        decay = group["decay"]
        square = state["square"].mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
        mean = state["mean"].lerp_(gradient, 1 - decay)
        # n - g^2 is a variance; rounding alone takes it below zero, by more than epsilon where
        # gradients are large and steady.
        variance = torch.addcmul(square, mean, mean, value=-1).clamp_(min=0.0)
        root = variance.add_(group["epsilon"]).sqrt_()
        velocity = state["velocity"].mul_(group["momentum"])
        parameter.add_(velocity.addcdiv_(gradient, root, value=-group["lr"]))


class Adam(_Optimiser):
    """Adam (Kingma & Ba 2015, algorithm 1).

    Args:
        params: as for every `torch.optim.Optimizer`.
        lr: learning rate.
        momentum: decay of the mean, beta 1.
        decay: decay of the mean square, beta 2.
        epsilon: added to the root.
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
    ):
        settings = {"lr": lr, "momentum": momentum, "decay": decay, "epsilon": epsilon}
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


_KINDS = {"rmsprop": RMSprop, "graves-rmsprop": GravesRMSprop, "adam": Adam}


def make_optimiser(config: TrainConfig, vector: nn.Parameter) -> _Optimiser:
    """The optimiser that a config names, with its own defaults for what the config leaves out."""
    chosen: dict[str, Any] = {"decay": config.decay, "epsilon": config.epsilon}
    options = {name: value for name, value in chosen.items() if value is not None}
    if config.optimiser != "adam":  # which PyTorch has fused itself
        options["fused"] = _fits(vector) and _kernel_runs(vector.dtype)
    kind = _KINDS[config.optimiser]
    return kind([vector], config.learning_rate, momentum=config.momentum, **options)


def _kernel_runs(dtype: torch.dtype) -> bool:
    return choose("optimiser", "auto", {"cpu": partial(_fault, dtype)}).backend == "cpu"


def _fits(vector: Tensor) -> bool:
    """Whether `fused.update` can work on it."""
    floats = vector.dtype in (torch.float32, torch.float64)
    return floats and vector.device.type == "cpu" and vector.is_contiguous()


def _fault(dtype: torch.dtype) -> str | None:
    return kernel_fault("tapehead.training.fused", VERIFIED, dtype, ("forward",))


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
