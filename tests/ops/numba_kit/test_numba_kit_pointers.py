import ctypes

import pytest
import torch

from tapehead.ops.numba_kit.pointers import Pointers


class Arguments(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("phase", "first_at", "second_at", "size")]


def test_where_tensors_lie_is_written_and_nothing_else():
    pointers = Pointers(Arguments, ["first", "second"], "_at")
    arguments = Arguments(phase=1, first_at=2, second_at=3, size=4)
    tensor = torch.rand(3)
    pointers.write(arguments, {"second": tensor, "first": None})
    written = (arguments.phase, arguments.first_at, arguments.second_at, arguments.size)
    assert written == (1, 0, tensor.data_ptr(), 4)
    pointers.write(arguments, {"first": tensor[1:]})
    assert (arguments.first_at, arguments.second_at) == (tensor.data_ptr() + 4, 0)


def test_what_has_no_field_or_no_numbers_is_refused():
    pointers = Pointers(Arguments, ["first", "second"], "_at")
    with pytest.raises(KeyError, match="no field for third"):
        pointers.write(Arguments(), {"first": torch.rand(3), "third": None})
    gone = torch.rand(3)
    gone.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="first must hold its numbers in memory"):
        pointers.write(Arguments(), {"first": gone})
    with pytest.raises(ValueError, match="first_at, size_at must stand one behind the other"):
        Pointers(Arguments, ["first", "size"], "_at")
