import pytest
import torch

from tapehead.ops.similarity import EPSILON, SIMILARITIES, cosine, dot, euclidean, manhattan


def random_case(batch=2, heads=3, rows=5, word=4):
    key = torch.randn(batch, heads, word, dtype=torch.float64)
    memory = torch.randn(batch, rows, word, dtype=torch.float64)
    return key, memory


def test_each_equals_its_definition_written_with_loops():
    key, memory = random_case()
    for b in range(2):
        for h in range(3):
            for n in range(5):
                k, m = key[b, h], memory[b, n]
                norms = ((k @ k + EPSILON) * (m @ m + EPSILON)).sqrt()
                torch.testing.assert_close(dot(key, memory)[b, h, n], k @ m)
                torch.testing.assert_close(cosine(key, memory)[b, h, n], k @ m / norms)
                d = k - m
                expected = -(d @ d + EPSILON).sqrt()
                torch.testing.assert_close(euclidean(key, memory)[b, h, n], expected)
                torch.testing.assert_close(manhattan(key, memory)[b, h, n], -d.abs().sum())


@pytest.mark.parametrize("name", SIMILARITIES)
def test_gradients(name):
    key, memory = (tensor.requires_grad_() for tensor in random_case())
    assert torch.autograd.gradcheck(SIMILARITIES[name], (key, memory))


@pytest.mark.parametrize("name", SIMILARITIES)
def test_the_most_alike_row_is_the_key_itself(name):
    key = torch.nn.functional.normalize(torch.randn(1, 1, 6), dim=-1)
    memory = torch.nn.functional.normalize(torch.randn(1, 7, 6), dim=-1)
    memory[0, 4] = key[0, 0]
    assert SIMILARITIES[name](key, memory).argmax() == 4


@pytest.mark.parametrize("name", SIMILARITIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slope_is_bounded_on_an_all_zero_memory_and_key(name, dtype):
    """An epsilon outside the root gives NaN here, or slopes of millions."""
    key = torch.zeros(1, 1, 20, dtype=dtype, requires_grad=True)
    memory = torch.zeros(1, 3, 20, dtype=dtype, requires_grad=True)
    SIMILARITIES[name](key, memory).sum().backward()
    ones = torch.ones_like(key).requires_grad_()
    SIMILARITIES[name](ones, memory).sum().backward()
    for tensor in (key, memory, ones):
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().max() < 2000
