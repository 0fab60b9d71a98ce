import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead.ops.links import (
    SparseLink,
    backward_weighting,
    dense_link,
    forward_weighting,
    keep_largest,
    sharpen_link,
    sparse_backward_weighting,
    sparse_forward_weighting,
    update_link,
    update_precedence,
    update_sparse_link,
)

rows = st.integers(1, 9)
kept = st.integers(1, 5)
steps = st.integers(1, 12)
seeds = st.integers(0, 2**31)
sharpness = st.sampled_from([0.3, 3.0, 30.0])


def one_hot(*indices, rows=5):
    return torch.eye(rows, dtype=torch.float64)[torch.tensor(indices)]


def writes(seed, time, rows, scale=3.0, batch=2):
    """Write weightings of any sharpness, gated: their sums lie between 0 and 1."""
    g = torch.Generator().manual_seed(seed)
    chosen = (scale * torch.randn(time, batch, rows, generator=g, dtype=torch.float64)).softmax(-1)
    return chosen * torch.rand(time, batch, 1, generator=g, dtype=torch.float64)


def run(weightings):
    link = torch.zeros(*weightings.shape[1:], weightings.shape[-1], dtype=torch.float64)
    precedence = torch.zeros_like(weightings[0])
    for write in weightings:
        link = update_link(link, precedence, write)
        precedence = update_precedence(precedence, write)
    return link, precedence


def empty_sparse(batch, rows, slots):
    return SparseLink(
        torch.zeros(batch, rows, slots, dtype=torch.float64),
        torch.zeros(batch, rows, slots, dtype=torch.int64),
    )


def run_sparse(weightings, sparsity):
    slots = min(sparsity, weightings.shape[-1])
    link = empty_sparse(*weightings.shape[1:], slots)
    precedence = torch.zeros_like(weightings[0])
    for write in weightings:
        link = update_sparse_link(link, precedence, write, sparsity)
        precedence = update_precedence(precedence, write)
    return link, precedence


def test_after_writing_rows_0_1_2_reads_walk_forward_and_back():
    link, precedence = run(one_hot(0, 1, 2)[:, None])
    torch.testing.assert_close(precedence, one_hot(2))
    assert link[0, 1, 0] == link[0, 2, 1] == 1
    assert link.sum() == 2
    at = one_hot(0)[:, None]
    for row in (1, 2):
        at = forward_weighting(link, at)
        torch.testing.assert_close(at[:, 0], one_hot(row))
    for row in (1, 0):
        at = backward_weighting(link, at)
        torch.testing.assert_close(at[:, 0], one_hot(row))
    assert (backward_weighting(link, at) == 0).all()


def test_rewriting_a_row_forgets_its_old_neighbours():
    link, _ = run(one_hot(0, 1, 2, 1)[:, None])
    assert link[0, 1, 0] == link[0, 2, 1] == 0
    assert link[0, 1, 2] == 1


def test_a_step_that_writes_nothing_changes_nothing():
    weightings = writes(3, 6, 5)
    link, precedence = run(weightings)
    nothing = torch.zeros_like(precedence)
    assert torch.equal(update_link(link, precedence, nothing), link)
    assert torch.equal(update_precedence(precedence, nothing), precedence)


@given(rows, steps, seeds, sharpness)
def test_link_rows_and_columns_are_weightings_and_the_diagonal_is_empty(n, time, seed, scale):
    link, precedence = run(writes(seed, time, n, scale))
    assert (link >= 0).all()
    assert (link.sum(-1) <= 1 + 1e-9).all()
    assert (link.sum(-2) <= 1 + 1e-9).all()
    assert (link.diagonal(dim1=-2, dim2=-1) == 0).all()
    assert ((precedence >= 0) & (precedence.sum(-1, keepdim=True) <= 1 + 1e-9)).all()


@given(rows, steps, seeds, sharpness)
def test_rows_renamed_together_rename_the_links(n, time, seed, scale):
    weightings = writes(seed, time, n, scale)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    link, precedence = run(weightings)
    renamed, renamed_precedence = run(weightings[..., order])
    torch.testing.assert_close(renamed, link[:, order][:, :, order])
    torch.testing.assert_close(renamed_precedence, precedence[:, order])


@given(rows, steps, seeds, sharpness)
def test_sparse_links_that_keep_all_and_drop_nothing_are_the_whole_matrix(n, time, seed, scale):
    weightings = writes(seed, time, n, scale)
    link = empty_sparse(2, n, n)
    precedence = torch.zeros(2, n, dtype=torch.float64)
    for write in weightings:
        # A sparsity beyond all bounds puts the threshold 1 / sparsity at next to nothing.
        link = update_sparse_link(link, precedence, write, 10**300)
        precedence = update_precedence(precedence, write)
    whole, _ = run(weightings)
    torch.testing.assert_close(dense_link(link), whole)
    reads = writes(seed + 1, 3, n).transpose(0, 1)
    torch.testing.assert_close(
        sparse_forward_weighting(link, reads), forward_weighting(whole, reads)
    )
    torch.testing.assert_close(
        sparse_backward_weighting(link, reads), backward_weighting(whole, reads)
    )


@given(rows, kept, steps, seeds, sharpness)
def test_sparse_links_follow_the_paper_done_densely(n, sparsity, time, seed, scale):
    """The same rule on a whole matrix: cut both weightings, update, drop what is below 1/K."""
    weightings = writes(seed, time, n, scale)
    link, _ = run_sparse(weightings, sparsity)
    whole = torch.zeros(2, n, n, dtype=torch.float64)
    precedence = torch.zeros(2, n, dtype=torch.float64)
    for write in weightings:
        count = min(sparsity, n)
        cut, cut_precedence = keep_largest(write, count)[0], keep_largest(precedence, count)[0]
        whole = update_link(whole, cut_precedence, cut)
        whole = whole.masked_fill(whole < 1 / sparsity, 0.0)
        precedence = update_precedence(precedence, write)
    torch.testing.assert_close(dense_link(link), whole)
    assert ((whole > 0).sum(-1) <= sparsity).all()
    assert ((whole > 0).sum(-2) <= sparsity).all()


def test_sparse_links_walk_like_whole_ones():
    link, _ = run_sparse(one_hot(0, 1, 2)[:, None], 2)
    at = sparse_forward_weighting(link, one_hot(0)[:, None])
    torch.testing.assert_close(at[:, 0], one_hot(1))
    at = sparse_backward_weighting(link, sparse_forward_weighting(link, at))
    torch.testing.assert_close(at[:, 0], one_hot(1))


@given(rows, kept, seeds)
def test_keeping_the_largest_keeps_the_sum(n, count, seed):
    weighting = writes(seed, 1, n)[0]
    cut, index = keep_largest(weighting, min(count, n))
    torch.testing.assert_close(cut.sum(-1), weighting.sum(-1))
    assert ((cut > 0).sum(-1) <= count).all()
    assert (cut.argmax(-1) == weighting.argmax(-1)).all()
    assert (index == weighting.topk(min(count, n)).indices).all()
    nothing, _ = keep_largest(torch.zeros_like(weighting), min(count, n))
    assert (nothing == 0).all()


@given(rows, seeds, st.floats(1, 50))
def test_sharpening_makes_a_whole_weighting_of_what_the_links_gave(n, seed, s):
    weighting = writes(seed, 3, n).transpose(0, 1)
    sharp = sharpen_link(weighting, torch.full((2, 3), s, dtype=torch.float64))
    torch.testing.assert_close(sharp.sum(-1), torch.ones(2, 3, dtype=torch.float64))
    spread = sharpen_link(torch.zeros_like(weighting), torch.full((2, 3), s, dtype=torch.float64))
    torch.testing.assert_close(spread, torch.full_like(spread, 1 / n))
    torch.testing.assert_close(
        sharp, (weighting + 1e-6) ** s / ((weighting + 1e-6) ** s).sum(-1, keepdim=True)
    )


def test_gradients_by_finite_differences():
    weightings = writes(5, 4, 4)
    link, precedence = run(weightings[:3])
    reads = writes(6, 2, 4).transpose(0, 1)
    for tensor in (link, precedence, weightings, reads):
        tensor.requires_grad_()
    write = weightings[3].detach().requires_grad_()
    s = torch.tensor([[1.0, 2.5], [4.0, 1.5]], dtype=torch.float64, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(update_link, (link, precedence, write))
    assert check(update_precedence, (precedence, write))
    assert check(forward_weighting, (link, reads))
    assert check(backward_weighting, (link, reads))
    assert check(sharpen_link, (reads, s))


@pytest.mark.parametrize("sparsity", [2, 50])
def test_gradients_of_sparse_links_by_finite_differences(sparsity):
    weightings = writes(1, 5, 4, scale=6.0) * 0.2 + 0.8 * one_hot(0, 1, 0, 2, 1, rows=4)[:, None]
    link, precedence = run_sparse(weightings[:4], sparsity)
    taken = link.values > 0
    assert taken.any()
    living = link.values[taken].detach().requires_grad_()
    precedence = precedence.detach().requires_grad_()
    write = weightings[4].detach().requires_grad_()
    reads = writes(6, 2, 4).transpose(0, 1).requires_grad_()

    def step(living, precedence, write, reads):
        # A free slot holds nothing to differentiate by.
        values = torch.zeros_like(link.values).masked_scatter(taken, living)
        new = update_sparse_link(SparseLink(values, link.columns), precedence, write, sparsity)
        return (
            dense_link(new),
            sparse_forward_weighting(new, reads),
            sparse_backward_weighting(new, reads),
        )

    assert torch.autograd.gradcheck(step, (living, precedence, write, reads))
