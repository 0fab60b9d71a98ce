import torch
from torch.autograd import gradcheck

from tapehead.ops.memory import add, erase, read


def case(heads=2):
    memory = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    weighting = torch.randn(2, heads, 4, dtype=torch.float64).softmax(-1).requires_grad_()
    words = torch.rand(2, heads, 3, dtype=torch.float64, requires_grad=True)
    return memory, weighting, words


def test_gradients():
    memory, weighting, words = case()
    assert gradcheck(read, (memory, weighting))
    assert gradcheck(erase, (memory, weighting, words))
    assert gradcheck(add, (memory, weighting, words))


def test_each_equals_its_definition_written_with_loops():
    memory, weighting, words = case()
    erased, added = memory.detach().clone(), memory.detach().clone()
    reads = torch.zeros(2, 2, 3, dtype=torch.float64)
    for b in range(2):
        for h in range(2):
            for n in range(4):
                erased[b, n] *= 1 - weighting[b, h, n] * words[b, h]
                added[b, n] += weighting[b, h, n] * words[b, h]
                reads[b, h] += weighting[b, h, n] * memory[b, n]
    torch.testing.assert_close(erase(memory, weighting, words), erased)
    torch.testing.assert_close(add(memory, weighting, words), added)
    torch.testing.assert_close(read(memory, weighting), reads)


def test_a_sharp_head_that_erases_fully_and_adds_replaces_one_row():
    memory, word = torch.randn(1, 4, 3), torch.randn(1, 1, 3)
    head = torch.tensor([[[0.0, 1.0, 0.0, 0.0]]])
    after = add(erase(memory, head, torch.ones(1, 1, 3)), head, word)
    expected = memory.clone()
    expected[0, 1] = word[0, 0]
    torch.testing.assert_close(after, expected)
    torch.testing.assert_close(read(after, head), word)


def test_the_order_of_write_heads_does_not_matter():
    memory, weighting, words = case(heads=3)
    other = [2, 0, 1]
    torch.testing.assert_close(
        erase(memory, weighting, words), erase(memory, weighting[:, other], words[:, other])
    )
