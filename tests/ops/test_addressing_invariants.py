"""What every addressing rule keeps, on any input: hypothesis looks for the exception."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead.ops.addressing import circular_shift, content_weighting, interpolate, sharpen
from tapehead.ops.ntm.reference import HeadParameters, address
from tapehead.ops.similarity import SIMILARITIES

rows = st.integers(1, 12)
heads = st.integers(1, 3)
seeds = st.integers(0, 2**31)
scales = st.sampled_from([1e-3, 1.0, 30.0, 1e4])
ranges = st.integers(0, 3)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def weighting(seed, *shape, scale=1.0):
    return (scale * torch.randn(*shape, generator=generator(seed), dtype=torch.float64)).softmax(-1)


def assert_weighting(w):
    assert (w >= 0).all()
    torch.testing.assert_close(w.sum(-1), torch.ones_like(w.sum(-1)), rtol=1e-9, atol=1e-9)


@given(rows, heads, seeds, scales, st.floats(0, 1e3))
def test_content_weighting_is_a_weighting(n, h, seed, scale, strength):
    scores = scale * torch.randn(2, h, n, generator=generator(seed), dtype=torch.float64)
    assert_weighting(content_weighting(scores, torch.full((2, h), strength, dtype=torch.float64)))


@given(rows, heads, seeds, scales, st.floats(0, 1))
def test_interpolation_is_a_weighting_and_its_limits_are_its_two_ends(n, h, seed, scale, g):
    new, old = weighting(seed, 2, h, n, scale=scale), weighting(seed + 1, 2, h, n, scale=scale)

    def gated(value):
        return interpolate(new, old, torch.full((2, h), value, dtype=torch.float64))

    assert_weighting(gated(g))
    assert torch.equal(gated(1.0), new)
    assert torch.equal(gated(0.0), old)


@given(rows, heads, seeds, scales, ranges)
def test_shift_is_a_weighting(n, h, seed, scale, reach):
    w = weighting(seed, 2, h, n, scale=scale)
    assert_weighting(circular_shift(w, weighting(seed + 1, 2, h, 2 * reach + 1)))


@given(rows, heads, seeds, scales, st.integers(0, 3), st.data())
def test_shift_by_k_and_then_by_minus_k_is_no_shift(n, h, seed, scale, reach, data):
    k = data.draw(st.integers(-reach, reach))
    there = torch.zeros(2, h, 2 * reach + 1, dtype=torch.float64)
    there[..., reach + k] = 1
    w = weighting(seed, 2, h, n, scale=scale)
    moved = circular_shift(w, there)
    assert torch.equal(moved, w.roll(k, -1))
    assert torch.equal(circular_shift(moved, there.flip(-1)), w)


@given(rows, heads, seeds, scales, st.floats(1, 500))
def test_sharpening_is_a_weighting_that_keeps_the_order_of_the_rows(n, h, seed, scale, gamma):
    w = weighting(seed, 2, h, n, scale=scale)
    sharp = sharpen(w, torch.full((2, h), gamma, dtype=torch.float64))
    assert_weighting(sharp)
    order = w.argsort(-1)
    assert (sharp.gather(-1, order).diff(dim=-1) >= -1e-12).all()
    assert (sharp.amax(-1) >= w.amax(-1) - 1e-9).all()


@given(rows, heads, seeds, scales)
def test_sharpening_by_one_changes_nothing(n, h, seed, scale):
    w = weighting(seed, 2, h, n, scale=scale)
    torch.testing.assert_close(sharpen(w, torch.ones(2, h, dtype=torch.float64)), w)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@given(n=rows, h=heads, seed=seeds, scale=scales)
def test_rows_that_permute_together_move_the_content_weighting_with_them(
    similarity, n, h, seed, scale
):
    g = generator(seed)
    memory = scale * torch.randn(2, n, 4, generator=g, dtype=torch.float64)
    key = torch.randn(2, h, 4, generator=g, dtype=torch.float64)
    strength = torch.rand(2, h, generator=g, dtype=torch.float64)
    order = torch.randperm(n, generator=g)
    score = SIMILARITIES[similarity]
    torch.testing.assert_close(
        content_weighting(score(key, memory[:, order]), strength),
        content_weighting(score(key, memory), strength)[..., order],
    )


@pytest.mark.parametrize("similarity", SIMILARITIES)
@given(n=rows, h=heads, seed=seeds, scale=scales, reach=ranges)
def test_the_whole_address_is_a_weighting_and_turns_with_the_memory(
    similarity, n, h, seed, scale, reach
):
    """A circular memory has no first row: rolling memory and old weighting rolls the new one."""
    g = generator(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    memory, previous = scale * draw(2, n, 4), draw(2, h, n).softmax(-1)
    nothing = draw(2, 0, 4)
    parameters = HeadParameters(
        key=draw(2, h, 4).tanh(),
        strength=draw(2, h).exp(),
        gate=draw(2, h).sigmoid(),
        shift=draw(2, h, 2 * reach + 1).softmax(-1),
        sharpening=1 + draw(2, h).exp(),
        erase=nothing,
        add=nothing,
    )
    new, _ = address(memory, previous, slice(None), parameters, similarity)
    assert_weighting(new)
    turned, _ = address(
        memory.roll(1, 1), previous.roll(1, -1), slice(None), parameters, similarity
    )
    torch.testing.assert_close(turned, new.roll(1, -1))
