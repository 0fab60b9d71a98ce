"""All weights of a machine as one long vector, and their gradients as another.

A machine of twenty small tensors spends more time on starting operations than on arithmetic when
each tensor is clipped, checked and updated by itself. Here every parameter is a view into one
vector, and so is its gradient: each of these jobs is then one operation.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn


class FlatParameters:
    """Moves a machine's trainable parameters, and their gradients, into two vectors.

    The parameters stay what they were to everyone else: same objects, names, shapes and values.
    `parameter` is the vector of all weights, itself a `torch.nn.Parameter` whose `.grad` is the
    vector of all gradients, for an optimiser to work on. `release` undoes the move.

    Args:
        beside: modules whose parameters are trained with the machine's, named `objective.scale`
            for one called `objective`.

    Use as a context manager, or call `release` when training ends.

    Raises:
        ValueError: there is nothing to train, or dtypes or devices are mixed.
    """

    def __init__(self, machine: nn.Module, **beside: nn.Module):
        self._names, self._parameters, self._places = [], [], []
        start = 0
        # named_parameters lists a tied parameter once.
        named = list(machine.named_parameters())
        for prefix, module in beside.items():
            named += module.named_parameters(prefix)
        for name, parameter in named:
            if parameter.requires_grad:
                stop = start + parameter.numel()
                self._names.append(name)
                self._parameters.append(parameter)
                self._places.append(slice(start, stop))
                start = stop
        if not self._parameters:
            raise ValueError(f"{type(machine).__name__} has no parameters to train")
        kinds = {f"{parameter.dtype} on {parameter.device}" for parameter in self._parameters}
        if len(kinds) > 1:
            found = " and ".join(sorted(kinds))
            raise ValueError(f"parameters must share one dtype and device, got {found}")

        # cuDNN wants the weights of a recurrent layer in a block of its own; moving them would
        # make it gather them again at each call. They keep their place and get copies.
        own_block = set()
        if self._parameters[0].is_cuda:
            own_block = {
                id(parameter)
                for module in machine.modules()
                if isinstance(module, nn.RNNBase)
                for parameter in module.parameters(recurse=False)
            }
        with torch.no_grad():
            flat = torch.cat([parameter.reshape(-1) for parameter in self._parameters])
        self.parameter = nn.Parameter(flat)
        self.parameter.grad = torch.zeros_like(flat)
        self.gradient: Float[Tensor, " numbers"] = self.parameter.grad
        self._copied: list[Tensor] = []
        self._copies: list[Tensor] = []
        for parameter, values, gradient in zip(
            self._parameters, self._views(flat), self._views(self.gradient), strict=True
        ):
            if id(parameter) in own_block:
                self._copied.append(parameter)
                self._copies.append(values)
            else:
                parameter.data = values
            parameter.grad = gradient

    def zero_gradient(self) -> None:
        self.gradient.zero_()

    def spread(self) -> None:
        """After an update of `parameter`: bring it to the parameters that are not views of it."""
        if self._copied:
            with torch.no_grad():
                torch._foreach_copy_(self._copied, self._copies)

    def gather(self) -> None:
        """After the parameters were written to: bring it to `parameter`."""
        if self._copied:
            with torch.no_grad():
                torch._foreach_copy_(self._copies, self._copied)

    def named_views(self, vector: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and part of each parameter in a vector laid out like `parameter`."""
        return zip(self._names, self._views(vector), strict=True)

    def release(self) -> None:
        """Give every parameter a tensor of its own again, and no gradient."""
        for parameter in self._parameters:
            parameter.data = parameter.data.clone()
            parameter.grad = None

    def __enter__(self) -> "FlatParameters":
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def _views(self, flat: Tensor) -> list[Tensor]:
        return [
            flat[place].view(parameter.shape)
            for parameter, place in zip(self._parameters, self._places, strict=True)
        ]
