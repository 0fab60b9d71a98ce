"""What a machine does with the options of its constructor: check, measure, keep and fix them."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, ClassVar, ParamSpec

from torch import Tensor, nn

from tapehead.checks import Check, checked_arguments, checks_of, shown
from tapehead.machines.explaining import shapes_of
from tapehead.room import check_room

_Arguments = ParamSpec("_Arguments")
_CONFIGURE: dict[Callable[..., None], Callable[..., int]] = {}
"""Constructors that keep their arguments as attributes, and how many numbers these take."""


class Configured(nn.Module):
    """A module whose options are attributes that stay as they were when it was made.

    Setting one later would change nothing, or half of it, so that is an AttributeError. An option
    that does take effect when it is set is named in `changeable`, and its new value checked; one
    that takes more than an assignment is a property with a setter.
    """

    changeable: ClassVar[tuple[str, ...]] = ()
    _given: Mapping[str, str]
    """Options that were given by a name."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Not before the constructor has set it.
        kept = self.__dict__
        kept = kept if name in kept else kept.get("_modules", {})
        if name in kept and name in (options := _options_of(type(self))):
            changeable, check = options[name]
            if changeable:
                value = value if check is None else check(name, value)
            elif value is not (fixed := kept[name]) and value != fixed:
                raise AttributeError(
                    f"{name} of this {type(self).__name__} is fixed at {shown(fixed)}, "
                    f"got {shown(value)}: make another machine"
                )
        super().__setattr__(name, value)

    def check_fits(self, **changed: Any) -> None:
        """For the setter of a property: a ValueError unless memory can hold the machine with these
        options in place of its own."""
        inits = [vars(base).get("__init__") for base in type(self).__mro__]
        init = next(init for init in inits if init in _CONFIGURE)
        names = list(inspect.signature(init).parameters)[1:]
        options = {name: getattr(self, name) for name in names} | changed
        _check_room(self, _CONFIGURE[init], options)

    @property
    def options(self) -> dict[str, Any]:
        """What its constructor takes to make such a machine, as it is now."""
        now = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        # A part may have the name of the option that chose it.
        parts = [name for name, value in now.items() if isinstance(value, nn.Module)]
        return {**now, **{name: self._given.get(name, now[name]) for name in parts}}

    def reshape(self, **weights: Tensor) -> None:
        """For the setter of a property: weights of other shapes in place of those of these names,
        which are parameters or buffers as those were, and like them trained or not.

        Raises:
            RuntimeError: one of them is pruned or parametrised, and so no weight of its own.
        """
        for name in weights:
            if name not in self._parameters and name not in self._buffers:
                raise RuntimeError(
                    f"{name} must be a plain weight to take another shape, got one that is pruned "
                    "or parametrised"
                )
        for name, weight in weights.items():
            old = self._parameters.get(name)
            if old is not None:
                weight = nn.Parameter(weight, requires_grad=old.requires_grad)
            setattr(self, name, weight)
            self._shapes = {**vars(self).get("_shapes", {}), name: tuple(weight.shape)}


def configured(
    numbers: Callable[..., int],
) -> Callable[[Callable[_Arguments, None]], Callable[_Arguments, None]]:
    """For the constructor of a `Configured`: check its arguments as they are annotated (see
    `tapehead.checks`), and keep them as attributes.

    Args:
        numbers: how many numbers the weights and the state of one sequence take; called with all
            arguments by name, before anything is allocated.
    """

    def decorate(init: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
        @wraps(init)
        def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
            bound = checked_arguments(init, args, kwargs)
            bound.apply_defaults()
            module, *_ = bound.args
            options = {name: bound.arguments[name] for name in [*bound.arguments][1:]}
            _check_room(module, numbers, options)
            init(*bound.args, **bound.kwargs)
            module._shapes = shapes_of(module)
            module._given = {k: value for k, value in options.items() if isinstance(value, str)}
            for name, value in options.items():
                if not hasattr(module, name):
                    setattr(module, name, value)

        _CONFIGURE[wrapper] = numbers
        return wrapper

    return decorate


def _check_room(module: nn.Module, numbers: Callable[..., int], options: Mapping[str, Any]) -> None:
    check_room(numbers, options, what=f"the {type(module).__name__} and a sequence's state")


@cache
def _options_of(kind: type[Configured]) -> Mapping[str, tuple[bool, Check | None]]:
    """By name of each option of a class and its bases: whether it may be changed, and its check."""
    changeable = {name for base in kind.__mro__ for name in vars(base).get("changeable", ())}
    options: dict[str, tuple[bool, Check | None]] = {}
    for base in reversed(kind.__mro__):
        init = vars(base).get("__init__")
        if init is not None and init in _CONFIGURE:
            names = list(inspect.signature(init).parameters)[1:]
            checks = checks_of(init)
            options |= {name: (name in changeable, checks.get(name)) for name in names}
    return options
