"""Where tensors lie, written into a kernel's block of arguments in one go."""

import ctypes
import struct
from collections.abc import Mapping, Sequence

from torch import Tensor

from tapehead.ops.storage import address


class Pointers:
    """The fields of a structure of whole numbers that are addresses of tensors.

    One by one they would take a large part of the time of a call of one step.

    Args:
        structure: of the arguments, every field an int64.
        names: of the tensors, in the order of their fields, which stand one behind the other.
        suffix: what a field's name has behind that of its tensor.
    """

    def __init__(self, structure: type[ctypes.Structure], names: Sequence[str], suffix: str = ""):
        fields, wanted = (
            [field[0] for field in structure._fields_],
            [name + suffix for name in names],
        )
        first = fields.index(wanted[0])
        if fields[first : first + len(names)] != wanted:
            raise ValueError(f"the fields {', '.join(wanted)} must stand one behind the other")
        self._names, self._known = tuple(names), frozenset(names)
        self._first = getattr(structure, wanted[0]).offset
        self._pack = struct.Struct(f"{len(names)}q").pack_into

    def write(self, arguments: ctypes.Structure, tensors: Mapping[str, Tensor | None]) -> None:
        """Write where tensors lie; the fields of those that are None, or not there, become 0.

        Raises:
            KeyError: there is no such field.
            RuntimeError: a tensor has no numbers in memory.
        """
        get = tensors.get
        # `address` says so if an address is no good.
        places = [
            0 if (tensor := get(name)) is None else tensor.data_ptr() or address(name, tensor)
            for name in self._names
        ]
        if not tensors.keys() <= self._known:
            raise KeyError(f"no field for {', '.join(sorted(tensors.keys() - self._known))}")
        self._pack(arguments, self._first, *places)
