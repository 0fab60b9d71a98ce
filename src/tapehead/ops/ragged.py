"""Sequences of different lengths one behind the other, without padding between them."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor


class Ragged(NamedTuple):
    """Which places of padded sequences (items, time) there are, and where each sequence begins.

    The *rows* of a tensor are the places that there are, sequence after sequence.
    """

    kept: Int64[Tensor, " rows"]
    """Places by number: time times the item, plus the step."""
    starts: Int64[Tensor, " items_and_one"]
    """In the rows; the last is their number."""
    counts: Int64[Tensor, " items"]
    """How many places each sequence has."""
    items: int
    time: int

    @classmethod
    def of(cls, counts: Int64[Tensor, " items"], time: int) -> "Ragged":
        """The first `counts` places of each. Where numbers cannot be looked at, in a graph or on
        the meta device, all places: then what lies past a sequence's end is to be left alone."""
        items, device = len(counts), counts.device
        if counts.is_meta or torch.compiler.is_compiling():
            kept = torch.arange(items * time, device=device)
            starts = time * torch.arange(items + 1, device=device)
        else:
            there = torch.arange(time, device=device) < counts[:, None]
            kept = there.flatten().nonzero().squeeze(1)
            starts = torch.nn.functional.pad(counts.clamp(max=time).cumsum(0), (1, 0))
        return cls(kept, starts, counts, items, time)

    @property
    def item(self) -> Int64[Tensor, " rows"]:
        return self.kept // self.time

    @property
    def step(self) -> Int64[Tensor, " rows"]:
        return self.kept % self.time

    def padded(
        self, rows: Float[Tensor, "rows *rest"], filling: float = 0.0
    ) -> Float[Tensor, "items time *rest"]:
        rest = rows.shape[1:]
        empty = rows.new_full((self.items * self.time, *rest), filling)
        return empty.index_copy(0, self.kept, rows).view(self.items, self.time, *rest)

    def rows(self, padded: Shaped[Tensor, "items time *rest"]) -> Shaped[Tensor, "rows *rest"]:
        return padded.flatten(0, 1)[self.kept]

    def sums(self, rows: Float[Tensor, "rows size"]) -> Float[Tensor, "items size"]:
        """Of each sequence."""
        return rows.new_zeros(self.items, rows.shape[1]).index_add(0, self.item, rows)

    def last(self, rows: Float[Tensor, "rows size"]) -> Float[Tensor, "items size"]:
        """The last row of each sequence; zeros of one that is empty."""
        padded = torch.nn.functional.pad(rows, (0, 0, 1, 0))
        return padded[torch.where(self.counts > 0, self.starts[:-1] + self.counts, 0)]
