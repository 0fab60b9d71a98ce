"""An encoder of sets: attention among all elements, none of which has a place."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class SetEncoder(nn.Module):
    """Blocks of self-attention and a feed-forward layer, each after a layer norm and added to what
    went in (Vaswani et al. 2017, without positions; norms first as in Xiong et al. 2020).

    Args:
        size: numbers of an element.
        blocks: how many.
        heads: of the attention; must divide `size`.
        widening: units of a feed-forward layer, as a multiple of `size`.
    """

    def __init__(self, size: int, blocks: int, heads: int, widening: int):
        super().__init__()
        self.blocks = nn.ModuleList(_Block(size, heads, widening) for _ in range(blocks))
        self.norm = nn.LayerNorm(size)

    def forward(
        self, x: Float[Tensor, "batch points size"], there: Bool[Tensor, "batch points"] | None
    ) -> Float[Tensor, "batch points size"]:
        """
        Args:
            there: which elements are; None: all.
        """
        mask = None if there is None else there[:, None, None]
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


class _Block(nn.Module):
    def __init__(self, size: int, heads: int, widening: int):
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(size), nn.LayerNorm(size)
        self.looks = nn.Linear(size, 3 * size)
        self.found = nn.Linear(size, size)
        self.wide = nn.Linear(size, widening * size)
        self.narrow = nn.Linear(widening * size, size)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        looks = self.looks(self.first(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = looks.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.found(found.transpose(1, 2).flatten(2))
        return x + self.narrow(F.relu(self.wide(self.second(x))))


def mean_of(
    x: Float[Tensor, "batch points size"], there: Bool[Tensor, "batch points"] | None
) -> Float[Tensor, "batch size"]:
    """Over the elements that are there."""
    if there is None:
        return x.mean(1)
    weights = there.to(x.dtype)
    return torch.einsum("bns,bn->bs", x, weights / weights.sum(1, keepdim=True))
