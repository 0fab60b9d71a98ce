"""The sparse NTM's kernel against the reference, and what a large memory costs it."""

import copy

import numpy as np
import pytest
import torch
from sparse_ntm_cases import CASES, every_case, everything, given, with_gradients

from tapehead import SparseNTM
from tapehead.ops.sparse_ntm import cpu, reference
from tapehead.ops.sparse_ntm.cpu import calls
from tapehead.ops.sparse_ntm.parts import SparseNTMState, SparseNTMWeights


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
