"""Where the numbers of a tensor lie."""

import pytest
import torch

from tapehead.ops.storage import address


def test_a_tensor_without_storage_is_refused():
    weight = torch.rand(3, 4)
    weight.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="weight must hold its numbers in memory"):
        address("weight", weight)
    assert address("nothing", torch.empty(0, 4)) == 0
