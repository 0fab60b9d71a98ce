"""The sparse NTM's operation: its equations in numbers, and a loop of our own."""

import numpy as np
import pytest
import torch
from sparse_ntm_cases import F64, given

from tapehead.ops.sparse_ntm import reference
from tapehead.ops.sparse_ntm.parts import SparseNTMState

# The equations, one by one.


def test_the_rows_unused_for_longest_are_found_in_order_and_the_first_of_equals():
    accessed = torch.tensor([[3, 1, 0, 1, 0], [2, 2, 2, 2, 2]])
    assert reference.least_recent(accessed, 3).tolist() == [[2, 4, 1], [0, 1, 2]]
    assert reference.least_recent(accessed[:, :2], 3).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_writing_weights_are_split_between_rows_read_before_and_the_oldest():
    previous = torch.tensor([[[0.25, 0.75, 0.0]]], **F64)
    oldest = torch.tensor([[[0.0, 0.0, 1.0]]], **F64)
    allowed, gate = torch.tensor([[0.5]], **F64), torch.tensor([[0.8]], **F64)
    found = reference.write_weighting(previous, oldest, allowed, gate)
    torch.testing.assert_close(found, torch.tensor([[[0.1, 0.3, 0.1]]], **F64))


def test_of_equal_scores_the_first_rows_are_read():
    scores = torch.tensor([[[0.0, 2.0, 0.0, 2.0, 3.0]]])
    assert reference.most_alike(scores, 4).tolist() == [[[4, 1, 3, 0]]]


def test_reading_weighs_only_the_rows_that_it_keeps():
    memory = torch.tensor([[[1.0], [10.0], [100.0]]], **F64)
    rows, scores = torch.tensor([[[2, 0]]]), torch.tensor([[[0.5, 0.25]]], **F64)
    weights = reference.read_weighting(scores, torch.tensor([[4.0]], **F64))
    share = 1 / (1 + np.exp(-1))
    torch.testing.assert_close(weights, torch.tensor([[[share, 1 - share]]], **F64))
    read = reference.read_rows(memory, rows, weights)
    torch.testing.assert_close(read, torch.tensor([[[100 * share + 1 - share]]], **F64))


def test_a_row_is_accessed_beyond_the_threshold_all_heads_and_both_ways_together():
    read = torch.tensor([[[0.25, 0.0, 0.0, 0.5], [0.25, 0.0, 0.0, 0.0]]])
    write = torch.tensor([[[0.25, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]])
    found = reference.last_accessed(
        torch.zeros(1, 4, dtype=torch.int64), read, write, torch.tensor([7]), 0.5
    )
    assert found.tolist() == [[7, 0, 0, 0]]


# A sequence, in numpy and by loops over rows.


def by_hand(projected, weights, state, spec):
    """One sequence, written out with dictionaries of rows and no weighting over all of them."""
    read_weight, recurrent, interface, bias = (weight.numpy() for weight in weights)
    memory, accessed = state.memory[0].numpy().copy(), state.accessed[0].tolist()
    hidden, cell = state.hidden[0].numpy(), state.cell[0].numpy()
    reads, clock = state.reads[0].numpy().reshape(-1), state.clock[0].item()
    before = [
        dict(zip(rows, amounts, strict=True))
        for rows, amounts in zip(
            state.read_rows[0].tolist(), state.read_weights[0].tolist(), strict=True
        )
    ]
    heads, word, rows = spec.num_heads, spec.word_size, len(memory)
    logistic = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    features = []
    for given_gates in projected[0].numpy():
        clock += 1
        enter, keep, candidate, leave = np.split(
            given_gates + read_weight @ reads + recurrent @ hidden, 4
        )
        cell = logistic(keep) * cell + logistic(enter) * np.tanh(candidate)
        hidden = logistic(leave) * np.tanh(cell)
        asked = interface @ hidden + bias
        keys = asked[: heads * word].reshape(heads, word)
        adds = asked[heads * word : 2 * heads * word].reshape(heads, word)
        beta, alpha, gamma = asked[2 * heads * word :].reshape(3, heads)
        beta, alpha, gamma = 1 + np.log1p(np.exp(beta)), logistic(alpha), logistic(gamma)
        by_age = sorted(range(rows), key=lambda row: (accessed[row], row))
        oldest = [by_age[head % rows] for head in range(heads)]
        used = dict.fromkeys(range(rows), 0.0)
        for row in oldest:
            memory[row] = 0
        for head in range(heads):
            writing = {row: alpha[head] * gamma[head] * w for row, w in before[head].items()}
            row = oldest[head]
            writing[row] = writing.get(row, 0) + alpha[head] * (1 - gamma[head])
            for row, amount in writing.items():
                memory[row] += amount * adds[head]
                used[row] += amount
        before, found = [], []
        for head in range(heads):
            norms = np.sqrt((memory**2).sum(1) + 1e-6) * np.sqrt((keys[head] ** 2).sum() + 1e-6)
            scores = memory @ keys[head] / norms
            best = sorted(range(rows), key=lambda row: (-scores[row], row))[: spec.kept]
            powers = np.exp(beta[head] * scores[best])
            before.append(dict(zip(best, powers / powers.sum(), strict=True)))
            found.append(sum(w * memory[row] for row, w in before[-1].items()))
            for row, amount in before[-1].items():
                used[row] += amount
        reads = np.concatenate(found)
        accessed = [
            clock if used[row] > spec.threshold else step for row, step in enumerate(accessed)
        ]
        features.append(np.concatenate([hidden, reads]))
    return np.stack(features), memory, accessed


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("name", ["more heads and kept than rows", "odd", "long, few rows"])
def test_the_reference_is_a_loop_written_out(name, begun):
    projected, weights, state, spec = given(name, begun=begun, threshold=0.2)
    one = SparseNTMState(*(part[:1] for part in state))
    wanted, memory, accessed = by_hand(projected[:1], weights, one, spec)
    features, last = reference.sparse_ntm(projected[:1], weights, one, spec)
    np.testing.assert_allclose(features[0].numpy(), wanted, atol=1e-12)
    np.testing.assert_allclose(last.memory[0].numpy(), memory, atol=1e-12)
    assert last.accessed[0].tolist() == accessed
