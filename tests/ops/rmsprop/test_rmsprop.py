"""RMSProp in one pass over memory, against its operations one by one."""

import pytest
import torch
from torch import nn

from tapehead.training.optimisers import GravesRMSprop, RMSprop


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("kind", [RMSprop, GravesRMSprop])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("size", [1, 7, 16, 37, 1_000])
def test_one_pass_equals_the_operations(kind, dtype, tolerance, size):
    """At sizes around those of a vector register; numbers beyond the end stay untouched."""

    def trained(fused):
        memory = torch.full((size + 40,), 7.0, dtype=dtype)
        memory[:size] = drawn(size, dtype=dtype)
        weights = nn.Parameter(memory[:size])
        optimiser = kind([weights], 1e-2, momentum=0.8, decay=0.93, epsilon=1e-5, fused=fused)
        for step in range(20):
            gradient = drawn(size + 40, seed=step + 1, dtype=dtype) * 10.0 ** (step % 7 - 3)
            weights.grad = gradient[:size]
            optimiser.step()
        assert (memory[size:] == 7.0).all()
        return weights.detach()

    torch.testing.assert_close(trained(True), trained(False), rtol=tolerance, atol=tolerance)


def test_one_pass_takes_gradients_of_any_layout():
    def trained(fused):
        weights = nn.Parameter(drawn(4, 5))
        weights.grad = drawn(5, 4).t()
        RMSprop([weights], 1e-2, fused=fused).step()
        return weights.detach()

    assert torch.equal(trained(True), trained(False))
    with pytest.raises(ValueError, match="fused needs contiguous parameters of floats on the CPU"):
        RMSprop([nn.Parameter(drawn(5, 4).t())], 1e-2, fused=True)
