"""The sparse NTM's operation: its equations in numbers, a loop of our own, and the kernel."""

import copy

import numpy as np
import pytest
import torch

from tapehead import SparseNTM
from tapehead.ops.sparse_ntm import cpu, reference
from tapehead.ops.sparse_ntm.cpu import calls
from tapehead.ops.sparse_ntm.parts import SparseNTMSpec, SparseNTMState, SparseNTMWeights

F64 = {"dtype": torch.float64}
CASES = {
    # batch, time, rows, word, heads, kept, hidden
    "one of each": (1, 1, 1, 1, 1, 1, 1),
    "more heads and kept than rows": (2, 5, 3, 4, 5, 4, 3),
    "odd": (5, 9, 17, 11, 3, 2, 13),
    "six heads": (3, 30, 40, 8, 6, 4, 9),
    "long, few rows": (2, 63, 5, 3, 1, 2, 4),
    "many rows": (2, 12, 1000, 33, 4, 4, 20),
}
every_case = pytest.mark.parametrize("name", CASES)


def given(name, dtype=torch.float64, *, begun=False, threshold=0.005):
    """Arguments of the operation; a memory that has begun is full, its rows used now and then."""
    batch, time, rows, word, heads, kept, hidden = CASES[name]
    draw = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, **F64).to(dtype)

    kept = min(kept, rows)
    spec = SparseNTMSpec(num_heads=heads, kept=kept, word_size=word, threshold=threshold)
    weights = SparseNTMWeights(
        0.5 * normal(4 * hidden, heads * word),
        0.5 * normal(4 * hidden, hidden),
        normal(sum(spec.interface_sizes), hidden),
        normal(sum(spec.interface_sizes)),
    )
    weighting = normal(batch, heads, kept).softmax(-1)
    state = SparseNTMState(
        memory=normal(batch, rows, word) if begun else torch.zeros((), dtype=dtype),
        accessed=torch.randint(0, 9, (batch, rows), generator=draw) * begun,
        clock=torch.full((batch,), 9 * begun),
        read_rows=torch.stack(
            [torch.randperm(rows, generator=draw)[:kept] for _ in range(batch * heads)]
        ).view(batch, heads, kept),
        read_weights=weighting * begun,
        reads=normal(batch, heads, word) * begun,
        hidden=normal(batch, hidden) * begun,
        cell=normal(batch, hidden) * begun,
    )
    state = state._replace(memory=state.memory.expand(batch, rows, word))
    return normal(batch, time, 4 * hidden), weights, state, spec


def with_gradients(arguments):
    projected, weights, state, spec = arguments
    state = [part.clone().requires_grad_() if part.is_floating_point() else part for part in state]
    weights = SparseNTMWeights(*(weight.clone().requires_grad_() for weight in weights))
    return projected.clone().requires_grad_(), weights, SparseNTMState(*state), spec


def everything(module, arguments, lengths=None, which=slice(None)):
    """Features, the last state, and the gradients of all by all of them that are in `which`."""
    arguments = with_gradients(arguments)
    features, last = module.sparse_ntm(*arguments, lengths)
    loss = torch.zeros((), **F64).to(features.dtype)
    for part in (features, *last)[which]:
        if part.is_floating_point():
            weights = torch.randn(part.shape, generator=torch.Generator().manual_seed(1), **F64)
            loss = loss + (part * weights.to(part.dtype)).sum()
    projected, own, state, _ = arguments
    wanted = [projected, *own, *(part for part in state if part.is_floating_point())]
    return features, tuple(last), torch.autograd.grad(loss, wanted, allow_unused=True)


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


# The kernel.


@pytest.mark.parametrize("begun", [False, True])
@every_case
def test_the_kernel_computes_what_the_reference_does(name, begun):
    arguments = given(name, begun=begun)
    short = torch.arange(CASES[name][0]) % CASES[name][1] + 1
    for lengths in (None, short):
        found, wanted = (everything(module, arguments, lengths) for module in (cpu, reference))
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_single_precision_is_as_near_as_it_can_be():
    for name in ("odd", "long, few rows"):
        exact = everything(reference, given(name, begun=True))
        ours, theirs = (
            everything(module, given(name, torch.float32, begun=True))
            for module in (cpu, reference)
        )
        assert torch.equal(ours[1][3], exact[1][3])  # the same rows, or nothing can be compared
        for mine, other, true in zip(ours[2], theirs[2], exact[2], strict=True):
            error, usual = ((part.double() - true).norm() for part in (mine, other))
            assert error < 3 * usual + 1e-6 * true.norm()


@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 2), slice(5, 6), slice(8, 9)])
def test_gradients_of_any_result_alone_are_right(which):
    found, wanted = (
        everything(module, given("odd", begun=True), which=which)[2] for module in (cpu, reference)
    )
    for ours, theirs in zip(found, wanted, strict=True):
        theirs = torch.zeros_like(ours) if theirs is None else theirs
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_the_kernel_by_finite_differences():
    arguments = given("odd", begun=True)
    projected, weights, state, spec = with_gradients(arguments)
    projected = projected.detach()[:2, :4].requires_grad_()
    parts = [part.detach()[:2] for part in state]

    def run(projected, *tensors):
        rest = iter(tensors[4:])
        start = [next(rest) if part.is_floating_point() else part for part in parts]
        features, last = cpu.sparse_ntm(
            projected, SparseNTMWeights(*tensors[:4]), SparseNTMState(*start), spec
        )
        floating = [part for part in last if part.is_floating_point()]
        return torch.cat([part.flatten() for part in (features, *floating)])

    floating = [part.requires_grad_() for part in parts if part.is_floating_point()]
    assert torch.autograd.gradcheck(run, (projected, *weights, *floating), fast_mode=True)


@pytest.mark.parametrize("name", ["six heads", "many rows"])
def test_threads_pieces_and_inference_give_the_same_bits(name):
    projected, weights, state, spec = given(name, torch.float32, begun=True)
    with torch.no_grad():
        features, last = cpu.sparse_ntm(projected, weights, state, spec)
        first, middle = cpu.sparse_ntm(projected[:, :5], weights, state, spec)
        second, end = cpu.sparse_ntm(projected[:, 5:], weights, middle, spec)
    assert torch.equal(torch.cat([first, second], 1), features)
    assert all(map(torch.equal, end, last))
    threads, found = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        found.append(everything(cpu, (projected, weights, state, spec)))
    torch.set_num_threads(threads)
    assert torch.equal(found[0][0], features)
    assert all(map(torch.equal, found[0][1], last))
    for one, other in zip(found[0][2], found[1][2], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert torch.equal(found[0][0], found[1][0])


def test_a_state_given_twice_gives_the_same_answers_and_is_not_changed():
    projected, weights, state, spec = given("odd", begun=True)
    _, last = cpu.sparse_ntm(projected, weights, state, spec)
    kept, own = copy.deepcopy(state), copy.deepcopy(last)
    after = [cpu.sparse_ntm(projected, weights, last, spec) for _ in range(2)]
    assert torch.equal(after[0][0], after[1][0])
    # Nor by the backward pass, which comes when others may hold the state.
    slopes = everything(cpu, (projected, weights, last, spec))
    assert all(map(torch.equal, state, kept))
    assert all(map(torch.equal, last, own))
    assert torch.equal(slopes[0], after[0][0])


def test_truncated_training_goes_on_from_a_detached_state():
    """Two pieces with a loss each, the second begun while the first still holds its graph."""
    found = []
    for module in (cpu, reference):
        projected, weights, state, spec = with_gradients(given("odd", begun=True))
        first, middle = module.sparse_ntm(projected[:, :4], weights, state, spec)
        loose = SparseNTMState(*(part.detach() for part in middle))
        second, _ = module.sparse_ntm(projected[:, 4:], weights, loose, spec)
        first.square().sum().backward()
        second.square().sum().backward()
        found.append([weight.grad for weight in (projected, *weights, state.memory)])
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10)


def test_numbers_that_are_none_lead_to_no_crash():
    projected, weights, state, spec = given("six heads", begun=True)
    for bad in (float("nan"), float("inf")):
        projected[0, 2] = bad
        features, last, _ = everything(cpu, (projected, weights, state, spec))
        assert ((last[3] >= 0) & (last[3] < 40)).all()
        assert features[0].isnan().any() == np.isnan(bad)  # a gate may be wide open
        fine = everything(cpu, [projected[1:], weights, type(state)(*(p[1:] for p in state)), spec])
        assert torch.equal(features[1:], fine[0])


# What a large memory costs.


def test_rows_that_are_not_there_lead_to_no_crash():
    """A machine refuses them; the operation stays within its memory."""
    projected, weights, state, spec = given("odd", begun=True)
    rows = state.memory.shape[1]
    beyond = state.read_rows.clone()
    beyond[0, 0, 0], beyond[1, 0, 0] = 2**40, -(2**40)
    within = beyond.clamp(0, rows - 1)
    found = cpu.sparse_ntm(projected, weights, state._replace(read_rows=beyond), spec)
    truth = cpu.sparse_ntm(projected, weights, state._replace(read_rows=within), spec)
    torch.testing.assert_close(found[0], truth[0], rtol=0, atol=0)
    torch.testing.assert_close(tuple(found[1]), tuple(truth[1]), rtol=0, atol=0)


def test_a_fresh_memory_is_one_number_and_a_tape_does_not_know_its_rows():
    sizes = {"word_size": 8, "hidden_size": 6, "num_heads": 2}
    machine = SparseNTM(3, 2, memory_size=10**6, **sizes)
    state = machine.initial_state(4)
    assert state.memory.untyped_storage().nbytes() <= 16
    y, last = machine(torch.rand(4, 5, 3), state)
    # Pages that nobody touched are no memory: rows are used from the first on.
    used = last.memory.any(-1).nonzero()[:, 1].max().item()
    assert 0 < used < 5 * 2 * 5
    y.sum().backward()
    small = SparseNTM(3, 2, memory_size=100, **sizes)
    tapes = []
    for each in (machine, small):
        weights, spec = each._weights(each._spec()), each._spec()
        projected = each.input(torch.rand(4, 5, 3)).detach()
        _, _, run = calls.forward(projected, weights, each.initial_state(4), spec)
        tapes.append([part.numel() for part in run[:2]])
    assert tapes[0] == tapes[1]


def test_looking_at_rows_in_use_finds_what_looking_at_all_of_them_does():
    """Rows behind the last that holds something score 0, which beats those that look away."""
    projected, weights, state, spec = given("many rows", begun=True)
    memory = state.memory.clone()
    memory[:, 6:] = 0  # 6 rows in use; a key likes few of them
    state = state._replace(memory=memory)
    found, wanted = (
        module.sparse_ntm(projected, weights, state, spec) for module in (cpu, reference)
    )
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)
    # It did read rows that nobody had written to.
    assert (found[1].read_rows >= 6).any()
