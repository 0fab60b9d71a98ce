"""What all our optimisers share."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Optimiser(torch.optim.Optimizer):
    """An optimiser whose state for a parameter is a few tensors shaped like it, or scalars.

    All of them can hold weights small, in two ways that are one only for plain gradient descent:
    `l2` times a weight is added to its gradient, as by a penalty of half that times the square of
    each weight; `weight_decay` times the learning rate of each weight is taken away beside the
    step, whatever its gradient is divided by. 0 leaves them out.

    >>> from tapehead.training.optimisers import Adam, GravesRMSprop, Optimiser, RMSprop
    >>> all(issubclass(kind, Optimiser) for kind in (Adam, GravesRMSprop, RMSprop))
    True
    """

    def __init__(self, params: Iterable[nn.Parameter], settings: dict):
        super().__init__(params, settings)

    # PyTorch keeps its compiler from looking into this, for which it is imported: two seconds that
    # only a training that is compiled should wait for.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # saved by a tapehead that had no such options
            group.setdefault("l2", 0.0)
            group.setdefault("weight_decay", 0.0)

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
                gradient = parameter.grad
                if group["l2"]:
                    gradient = gradient.add(parameter, alpha=group["l2"])
                if group["weight_decay"]:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                self._update(parameter, gradient, state, group)

    def prepare(self) -> None:
        """Bring all state into being before the first step, to be saved or filled."""
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter].update(self._start(parameter))

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        raise NotImplementedError

    def _update(self, parameter: Tensor, gradient: Tensor, state: dict, group: dict) -> None:
        raise NotImplementedError
