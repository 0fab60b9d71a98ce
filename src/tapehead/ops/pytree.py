"""States under a name that `torch.export.save` can write and `torch.export.load` finds again."""

from typing import TypeVar

from torch.utils import _pytree

_State = TypeVar("_State", bound=type)


def saved_by_name(state: _State) -> _State:
    """For a NamedTuple: register it with PyTorch, under its module and name."""
    # A private name of PyTorch: without it, saving an exported machine is PyTorch's own error.
    register = getattr(_pytree, "_register_namedtuple", None)
    if register is not None:
        register(state, serialized_type_name=f"{state.__module__}.{state.__qualname__}")
    return state
