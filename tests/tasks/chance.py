"""Tests of distributions: fixed seeds, and marks that a right sampler fails once in a million."""

import torch
from scipy import stats

UNLIKELY = 1e-6


def assert_uniform(values: torch.Tensor, low: int, high: int) -> None:
    """All integers from `low` to `high` come, equally often, and no others."""
    assert int(values.min()) >= low
    assert int(values.max()) <= high
    counts = torch.bincount(values.flatten().long() - low, minlength=high - low + 1)
    assert len(counts) == high - low + 1
    assert stats.chisquare(counts.numpy()).pvalue > UNLIKELY


def assert_fair(bits: torch.Tensor) -> None:
    """Rows of bits: every column fair, and every two columns independent."""
    assert ((bits == 0) | (bits == 1)).all()
    signs = 2 * bits.double() - 1
    rows, columns = signs.shape
    # Six standard deviations of a mean of independent signs.
    assert signs.mean(dim=0).abs().max() < 6 / rows**0.5
    products = signs.T @ signs / rows - torch.eye(columns)
    assert products.abs().max() < 6 / rows**0.5
