"""Which row was written after which: the DNC's temporal memory linkage.

Source: Graves, Wayne et al., Nature 538 (2016), Methods, "Temporal memory linkage" and "Sparse
link matrix". link[i, j] is the degree to which row i was written right after row j; each of its
rows and columns is a weighting that sums to at most one, and its diagonal is zero.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

LINK_FLOOR = 1e-6
"""Added to a directional weighting before it is sharpened, as the authors of the sharpening do:
from an empty link matrix comes the even weighting, at a finite slope."""

Rows = Float[Tensor, "batch rows"]
Weighting = Float[Tensor, "batch heads rows"]
Link = Float[Tensor, "batch rows rows"]


def update_precedence(precedence: Rows, write_weights: Rows) -> Rows:
    """p_t = (1 - sum_i w^w[i]) p_{t-1} + w^w: how far each row was the last one written to."""
    return (1 - write_weights.sum(-1, keepdim=True)) * precedence + write_weights


def update_link(link: Link, precedence: Rows, write_weights: Rows) -> Link:
    """L_t[i, j] = (1 - w[i] - w[j]) L_{t-1}[i, j] + w[i] p_{t-1}[j], and zero where i = j."""
    into, out_of = write_weights[:, :, None], write_weights[:, None, :]
    linked = (1 - into - out_of) * link + into * precedence[:, None, :]
    diagonal = torch.eye(link.shape[-1], dtype=torch.bool, device=link.device)
    return linked.masked_fill(diagonal, 0.0)


def forward_weighting(link: Link, read_weights: Weighting) -> Weighting:
    """f = L w_{t-1}^r: from each row to the one written after it."""
    return torch.einsum("bij,bhj->bhi", link, read_weights)


def backward_weighting(link: Link, read_weights: Weighting) -> Weighting:
    """b = L^T w_{t-1}^r: from each row to the one written before it."""
    return torch.einsum("bij,bhi->bhj", link, read_weights)


def sharpen_link(weighting: Weighting, sharpness: Float[Tensor, "batch heads"]) -> Weighting:
    """d[i]^s / sum_j d[j]^s, with the floor added to d first; `sharpness` s >= 1.

    Csordas & Schmidhuber, arXiv 1904.10278, equations 7 to 9. In log space, so that no power
    underflows.
    """
    return torch.softmax(sharpness[..., None] * (weighting + LINK_FLOOR).log(), dim=-1)


class SparseLink(NamedTuple):
    """A link matrix of at most K entries in each row: their values and the columns they stand in.

    An entry of value zero is free, whatever its column says; no two entries of a row that are not
    free share a column.

    >>> import torch
    >>> from tapehead.ops.links import SparseLink, dense_link
    >>> values, columns = torch.tensor([[[0.9], [0.0], [0.5]]]), torch.tensor([[[1], [0], [0]]])
    >>> dense_link(SparseLink(values, columns))  # row 0 was written after row 1, row 2 after row 0
    tensor([[[0.0000, 0.9000, 0.0000],
             [0.0000, 0.0000, 0.0000],
             [0.5000, 0.0000, 0.0000]]])
    """

    values: Float[Tensor, "batch rows kept"]
    columns: Int64[Tensor, "batch rows kept"]


def keep_largest(weighting: Rows, kept: int) -> tuple[Rows, Int64[Tensor, "batch kept"]]:
    """The weighting with all but its `kept` largest entries set to zero, scaled to its old sum.

    Also the rows of those entries. The paper scales to a sum of one, which would turn a write of
    next to nothing into a whole one; a closed write gate must leave the links as they are.
    """
    largest, rows = weighting.topk(kept, dim=-1)
    total = weighting.sum(-1, keepdim=True)
    held = largest.sum(-1, keepdim=True)
    scale = torch.where(held > 0, total / torch.where(held > 0, held, 1.0), 1.0)
    return torch.zeros_like(weighting).scatter(-1, rows, largest * scale), rows


def update_sparse_link(
    link: SparseLink, precedence: Rows, write_weights: Rows, sparsity: int
) -> SparseLink:
    """As `update_link` with both weightings cut to their `sparsity` largest entries; then every
    link below 1 / sparsity is dropped, which leaves at most that many in any row or column.

    O(rows * sparsity) for each sequence, as the paper's "Sparse link matrix".
    """
    kept = link.values.shape[-1]
    writing, written = keep_largest(write_weights, kept)
    preceding, before = keep_largest(precedence, kept)

    # Old links fade: each loses what its row and its column take of the write.
    out_of = writing.gather(-1, link.columns.flatten(1)).view_as(link.columns)
    old = (1 - writing[:, :, None] - out_of) * link.values

    # New links are born only in the few rows written to: one candidate for each preceding row.
    index = written[:, :, None].expand(-1, -1, kept)
    old_values, old_columns = old.gather(1, index), link.columns.gather(1, index)
    new_columns = before[:, None, :].expand_as(old_columns)
    born = writing.gather(-1, written)[:, :, None] * preceding.gather(-1, before)[:, None, :]
    born = born.masked_fill(written[:, :, None] == before[:, None, :], 0.0)

    # A birth where a link lives already is added to it instead.
    same = (old_columns[..., :, None] == new_columns[..., None, :]) & (old_values > 0)[..., None]
    grown = old_values + (same * born[..., None, :]).sum(-1)
    born = born.masked_fill(same.any(-2), 0.0)
    values, choice = torch.cat([grown, born], -1).topk(kept, dim=-1)
    columns = torch.cat([old_columns, new_columns], -1).gather(-1, choice)

    values = old.scatter(1, index, values)
    columns = link.columns.scatter(1, index, columns)
    return SparseLink(values.masked_fill(values < 1 / sparsity, 0.0), columns)


def sparse_forward_weighting(link: SparseLink, read_weights: Weighting) -> Weighting:
    """`forward_weighting` of a sparse link."""
    batch, heads, rows = read_weights.shape
    index = link.columns.flatten(1)[:, None, :].expand(batch, heads, -1)
    read = read_weights.gather(-1, index).view(batch, heads, rows, -1)
    return (link.values[:, None] * read).sum(-1)


def sparse_backward_weighting(link: SparseLink, read_weights: Weighting) -> Weighting:
    """`backward_weighting` of a sparse link."""
    batch, heads, _ = read_weights.shape
    index = link.columns.flatten(1)[:, None, :].expand(batch, heads, -1)
    read = (link.values[:, None] * read_weights[..., None]).flatten(2)
    return torch.zeros_like(read_weights).scatter_add(-1, index, read)


def dense_link(link: SparseLink) -> Link:
    """The whole link matrix, for looking at."""
    rows = link.values.shape[1]
    whole = link.values.new_zeros(*link.values.shape[:2], rows)
    return whole.scatter_add(-1, link.columns, link.values)
