import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead.ops.allocation import (
    allocate_by_softmax,
    allocate_by_sort,
    allocate_in_proportion,
    retention,
    running_product,
    update_usage,
    write_weighting,
)

rows = st.integers(1, 12)
seeds = st.integers(0, 2**31)


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


def usages(seed, n, batch=2):
    """Usages with exact zeros and ones among them, and ties."""
    g = torch.Generator().manual_seed(seed)
    usage = torch.rand(batch, n, generator=g, dtype=torch.float64)
    kind = torch.randint(0, 5, (batch, n), generator=g)
    return torch.where(kind == 0, 0.0, torch.where(kind == 1, 1.0, usage))


def test_a_full_write_fills_a_row_and_a_full_free_empties_it():
    usage = doubles([0.0, 0.3, 1.0])
    keep_all = torch.ones_like(usage)
    written = update_usage(usage, doubles([1.0, 0.0, 0.0]), keep_all)
    torch.testing.assert_close(written, doubles([1.0, 0.3, 1.0]))
    reads = doubles([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    kept = retention(doubles([1.0, 0.5]), reads)
    torch.testing.assert_close(kept, doubles([0.5, 1.0, 0.0]))
    torch.testing.assert_close(
        update_usage(written, torch.zeros_like(usage), kept), doubles([0.5, 0.3, 0.0])
    )


def test_sort_gives_the_least_used_row_first_and_the_rest_what_it_leaves():
    usage = doubles([0.5, 1.0, 0.2, 0.9])
    expected = doubles([0.5 * 0.2, 0.0, 0.8, 0.1 * 0.2 * 0.5])
    torch.testing.assert_close(allocate_by_sort(usage), expected)


def test_sort_of_an_empty_memory_gives_the_first_row_and_of_a_full_one_none():
    torch.testing.assert_close(
        allocate_by_sort(torch.zeros(1, 3, dtype=torch.float64)), doubles([1.0, 0.0, 0.0])
    )
    full = torch.ones(1, 3, dtype=torch.float64)
    assert (allocate_by_sort(full) == 0).all()
    assert (allocate_in_proportion(full) == 0).all()


def test_proportional_shares_the_free_space():
    shares = allocate_in_proportion(doubles([0.5, 1.0, 0.0]))
    torch.testing.assert_close(shares, doubles([1 / 3, 0.0, 2 / 3]), rtol=1e-15, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_proportional_shares_even_the_last_scrap_of_space(dtype):
    usage = torch.full((1, 4), 1 - 2.5e-7, dtype=dtype)
    torch.testing.assert_close(allocate_in_proportion(usage), torch.full_like(usage, 0.25))
    almost = torch.tensor([[1.0, 1.0 - torch.finfo(dtype).eps]], dtype=dtype, requires_grad=True)
    shares = allocate_in_proportion(almost)
    assert torch.equal(shares.detach(), torch.tensor([[0.0, 1.0]], dtype=dtype))
    (slope,) = torch.autograd.grad(shares[0, 0], almost)
    assert slope.isfinite().all()


def test_proportional_has_nothing_to_share_in_a_full_memory_and_no_slope_there():
    full = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    shares = allocate_in_proportion(full)
    assert (shares == 0).all()
    (slope,) = torch.autograd.grad(shares.sum(), full)
    assert (slope == 0).all()


@pytest.mark.parametrize(
    "allocate",
    [
        allocate_by_sort,
        allocate_in_proportion,
        lambda usage: allocate_by_softmax(usage, torch.tensor(7.0, dtype=torch.float64)),
    ],
)
@given(n=rows, seed=seeds)
def test_every_allocation_is_a_weighting_that_favours_free_rows_wherever_they_stand(
    allocate, n, seed
):
    usage = usages(seed, n)
    allocation = allocate(usage)
    assert (allocation >= 0).all()
    assert (allocation.sum(-1) <= 1 + 1e-9).all()
    order = usage.argsort(dim=-1, stable=True)
    ascending = usage.gather(-1, order)
    given_out = allocation.gather(-1, order)
    # Of two rows that differ in usage, the freer one gets at least as much.
    apart = ascending.diff(dim=-1) > 0
    assert (given_out.diff(dim=-1)[apart] <= 1e-12).all()

    distinct = torch.rand(2, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    shuffle = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(allocate(distinct[:, shuffle]), allocate(distinct)[:, shuffle])


@given(n=st.integers(2, 12), seed=seeds, gate=st.floats(0, 1))
def test_proportional_returns_to_the_row_just_written(n, seed, gate):
    """docs/dnc.md: whatever the usages, no two writes in a row are sharp and in different rows."""
    usage = usages(seed, n)
    before = allocate_in_proportion(usage)
    after = allocate_in_proportion(update_usage(usage, gate * before, torch.ones_like(usage)))
    # Rows in which the first write was, and others in which the second is.
    first, second = before[..., :, None], after[..., None, :]
    other = ~torch.eye(n, dtype=torch.bool)
    assert (after[..., :, None] >= first * second - 1e-12)[..., other].all()
    assert (second <= 1 / (1 + first) + 1e-12)[..., other].all()


@given(n=rows, seed=seeds)
def test_usage_stays_between_empty_and_full(n, seed):
    g = torch.Generator().manual_seed(seed)
    usage = usages(seed, n)
    write = usages(seed + 1, n) / n
    gates = torch.rand(2, 3, generator=g, dtype=torch.float64)
    reads = torch.rand(2, 3, n, generator=g, dtype=torch.float64).softmax(-1)
    kept = retention(gates, reads)
    after = update_usage(usage, write, kept)
    assert ((after >= 0) & (after <= 1)).all()
    assert (after <= 1 - (1 - usage) * (1 - write) + 1e-12).all()


@given(n=rows, seed=seeds)
def test_running_product_is_the_product_of_all_before(n, seed):
    factors = usages(seed, n)
    expected = torch.stack([factors[:, :j].prod(-1) for j in range(n)], -1)
    torch.testing.assert_close(running_product(factors), expected)


def test_write_gate_and_allocation_gate_choose():
    new, found = doubles([1.0, 0.0]), doubles([0.0, 1.0])
    one, half, none = doubles(1.0), doubles(0.5), doubles(0.0)
    torch.testing.assert_close(write_weighting(new, found, one, one), new)
    torch.testing.assert_close(write_weighting(new, found, none, one), found)
    torch.testing.assert_close(write_weighting(new, found, half, half), doubles([0.25, 0.25]))
    assert (write_weighting(new, found, one, none) == 0).all()


@pytest.mark.parametrize(
    "usage",
    [
        [[0.3, 0.9, 0.1, 0.6]],
        [[0.0, 0.7, 1.0, 0.2]],  # zeros and ones: no division may hide in the gradient
    ],
)
def test_gradients_by_finite_differences(usage):
    usage = doubles(*usage).requires_grad_()
    write = doubles([0.1, 0.2, 0.3, 0.1]).requires_grad_()
    gates = doubles([0.4, 1.0]).requires_grad_()
    reads = doubles([[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0]]).requires_grad_()
    gate = doubles(0.3).requires_grad_()
    strength = doubles(3.0)[0].requires_grad_()

    assert torch.autograd.gradcheck(allocate_by_sort, usage)
    assert torch.autograd.gradcheck(allocate_in_proportion, usage)
    assert torch.autograd.gradcheck(allocate_by_softmax, (usage, strength))
    assert torch.autograd.gradcheck(running_product, usage)
    assert torch.autograd.gradcheck(retention, (gates, reads))
    assert torch.autograd.gradcheck(update_usage, (usage, write, write))
    assert torch.autograd.gradcheck(write_weighting, (usage, write, gate, gate))


def test_the_gradient_of_sort_follows_the_order_and_ignores_its_jump():
    """Both rows equally used: the first comes first, and the gradient is that of this order."""
    usage = doubles([0.5, 0.5]).requires_grad_()
    allocation = allocate_by_sort(usage)
    torch.testing.assert_close(allocation, doubles([0.5, 0.25]))
    (slope,) = torch.autograd.grad(allocation[0, 1], usage)
    # a[1] = (1 - u[1]) u[0]
    torch.testing.assert_close(slope, doubles([0.5, -0.5]))


def test_softmax_allocation_turns_its_printed_sign_round():
    usage, strength = doubles([0.0, 1.0]), torch.tensor(2.0, dtype=torch.float64)
    meant = allocate_by_softmax(usage, strength)
    printed = ((usage - 1) * strength).softmax(-1)
    assert meant[0, 0] > 0.8 > 0.2 > printed[0, 0]
