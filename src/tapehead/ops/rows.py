"""A memory of which each step touches a few rows, at a cost that does not grow with its rows.

An ordinary differentiable write makes a new memory, and its backward a new gradient of the whole
memory: both cost as much as there are rows. Here the memory is one buffer changed in place, and
its gradient another, filled in place as the backward pass undoes the steps in reverse. Opening a
memory costs its size once; after that a read or write costs its rows alone, forward and backward.

The order of operations matters, so each takes and returns a token: a scalar that carries no
number, only the order, through autograd. A buffer serves one sequence and one backward pass.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

Token = Float[Tensor, ""]
Rows = Int[Tensor, "batch heads"]
Words = Float[Tensor, "batch heads word"]


class RowMemory:
    """The buffer of memory (batch, rows, word) and, once it is needed, that of its gradient."""

    def __init__(self, values: Float[Tensor, "batch rows word"]):
        self.values = values
        self.gradient: Tensor | None = None

    def slope(self) -> Tensor:
        """The gradient's buffer; zeros that the system hands out page by page as they are used."""
        if self.gradient is None:
            self.gradient = torch.zeros_like(self.values)
        return self.gradient


def open_rows(initial: Float[Tensor, "rows word"], batch_size: int) -> tuple[RowMemory, Token]:
    """A memory that starts as `initial` in every sequence of the batch."""
    memory = RowMemory(initial.detach().repeat(batch_size, 1, 1))
    return memory, _Open.apply(initial, memory)


def read_rows(memory: RowMemory, token: Token, rows: Rows) -> tuple[Words, Token]:
    """The row under each head."""
    return _Read.apply(token, memory, rows)


def write_rows(memory: RowMemory, token: Token, rows: Rows, words: Words) -> Token:
    """Put a word in the row under each head, one head after the other."""
    for head in range(rows.shape[1]):
        token = _Write.apply(token, words[:, head], memory, rows[:, head])
    return token


def erase_and_add_rows(
    memory: RowMemory, token: Token, rows: Rows, erase: Words, add: Words
) -> Token:
    """M(i) <- M(i) (1 - e) + a at the row i of each head: NTM eq. 3 and 4 for a weighting of 1."""
    for head in range(rows.shape[1]):
        at = slice(head, head + 1)
        old, token = read_rows(memory, token, rows[:, at])
        token = write_rows(memory, token, rows[:, at], old * (1 - erase[:, at]) + add[:, at])
    return token


class _Open(torch.autograd.Function):
    @staticmethod
    def forward(ctx, initial, memory):
        ctx.memory = memory
        return initial.new_zeros(())

    @staticmethod
    @once_differentiable
    # The decorator's type forgets that ctx has a name.
    # pyrefly: ignore[bad-override]
    def backward(ctx, _):
        wanted = ctx.needs_input_grad[0]
        return (ctx.memory.slope().sum(0) if wanted else None), None


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(ctx, token, memory, rows):
        ctx.memory, ctx.rows = memory, rows
        return memory.values[_batch(rows), rows], token.clone()

    @staticmethod
    @once_differentiable
    # The decorator's type forgets that ctx has a name.
    # pyrefly: ignore[bad-override]
    def backward(ctx, words, token):
        ctx.memory.slope().index_put_((_batch(ctx.rows), ctx.rows), words, accumulate=True)
        return token, None, None


class _Write(torch.autograd.Function):
    @staticmethod
    def forward(ctx, token, word, memory, row):
        ctx.memory, ctx.row = memory, row
        memory.values[torch.arange(len(row), device=row.device), row] = word
        return token.clone()

    @staticmethod
    @once_differentiable
    # The decorator's type forgets that ctx has a name.
    # pyrefly: ignore[bad-override]
    def backward(ctx, token):
        rows = torch.arange(len(ctx.row), device=ctx.row.device)
        slope, at = ctx.memory.slope(), (rows, ctx.row)
        word = slope[at].clone()
        # What stood there before had no part in what came after.
        slope[at] = 0.0
        return token, word, None, None


def _batch(rows: Tensor) -> Tensor:
    return torch.arange(rows.shape[0], device=rows.device)[:, None].expand_as(rows)
