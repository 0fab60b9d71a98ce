"""What tasks draw from a generator and from it alone, on its device."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def random_integers(
    generator: torch.Generator, minimum: int, maximum: int, batch_size: int, *, mixed: bool
) -> Int64[Tensor, " batch"]:
    """Uniform integers from `minimum` to `maximum`, both included; one for all unless `mixed`."""
    size = (batch_size,) if mixed else (1,)
    numbers = torch.randint(
        minimum, maximum + 1, size, generator=generator, device=generator.device
    )
    return numbers if mixed else numbers.expand(batch_size)


def random_bits(generator: torch.Generator, *shape: int) -> Float[Tensor, "*shape"]:
    """Fair independent bits as 0.0 and 1.0."""
    return torch.randint(
        0, 2, shape, generator=generator, device=generator.device, dtype=torch.float32
    )


def random_uniform(generator: torch.Generator, *shape: int) -> Float[Tensor, "*shape"]:
    """Uniform numbers in [0, 1) of single precision, whatever the default is."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)
