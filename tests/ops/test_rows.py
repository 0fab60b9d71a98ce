"""The memory changed in place against one that is made anew at every write."""

import torch

from tapehead.ops.rows import erase_and_add_rows, open_rows, read_rows, write_rows

BATCH, ROWS, WORD, HEADS, STEPS = 3, 4, 2, 2, 6


def test_values_and_every_gradient_are_those_of_the_dense_memory():
    """Few rows and many steps: heads meet, rows are overwritten before and after they are read."""
    generator = torch.Generator().manual_seed(0)

    def leaf(*shape):
        tensor = torch.randn(*shape, dtype=torch.float64, generator=generator)
        return tensor.requires_grad_()

    initial = leaf(ROWS, WORD)
    words, erase, add = (leaf(STEPS, BATCH, HEADS, WORD) for _ in range(3))
    reading, writing, changing = torch.randint(
        0, ROWS, (3, STEPS, BATCH, HEADS), generator=generator
    )
    batch = torch.arange(BATCH)

    def sparse():
        memory, token = open_rows(initial, BATCH)
        reads = []
        for step in range(STEPS):
            # What is written depends on what was read, as in a machine.
            read, token = read_rows(memory, token, reading[step])
            reads.append(read)
            token = write_rows(memory, token, writing[step], words[step] * (1 + read).tanh())
            token = erase_and_add_rows(memory, token, changing[step], erase[step], add[step])
        return torch.stack(reads), memory.values

    def dense():
        memory, reads = initial.expand(BATCH, -1, -1), []
        for step in range(STEPS):
            read = torch.stack([memory[batch, reading[step][:, h]] for h in range(HEADS)], 1)
            reads.append(read)
            new = words[step] * (1 + read).tanh()
            for h in range(HEADS):
                memory = memory.index_put((batch, writing[step][:, h]), new[:, h])
            for h in range(HEADS):
                at = (batch, changing[step][:, h])
                old = memory[at]
                memory = memory.index_put(at, old * (1 - erase[step][:, h]) + add[step][:, h])
        return torch.stack(reads), memory

    (got, last), (expected, dense_last) = sparse(), dense()
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(last, dense_last)
    leaves = [initial, words, erase, add]
    weight = torch.randn(got.shape, dtype=torch.float64, generator=generator)
    for one, other in zip(
        torch.autograd.grad((got * weight).sum(), leaves),
        torch.autograd.grad((expected * weight).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
        assert (one != 0).any()


def test_the_initial_memory_is_left_alone():
    initial = torch.zeros(ROWS, WORD)
    memory, token = open_rows(initial, 1)
    write_rows(memory, token, torch.tensor([[1]]), torch.ones(1, 1, WORD))
    assert (initial == 0).all()
    assert memory.values.sum() == WORD
