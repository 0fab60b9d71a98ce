"""Gradients of gradients through the kernels are those of the reference."""

import pytest
import torch

from tapehead import DNC, NTM, TARDIS, SparseNTM

MACHINES = {
    "ntm": (NTM, {}),
    "ntm feed-forward": (NTM, {"controller": "feedforward", "num_writes": 2, "read_first": False}),
    "dnc": (DNC, {}),
    "dnc softmax": (DNC, {"allocation": "softmax", "num_reads": 2}),
    "dnc sparse": (DNC, {"sparse_links": 2}),
    "sparse ntm": (SparseNTM, {"num_heads": 2, "rows_per_head": 5}),
    "dnc switches": (DNC, {"layer_norm": True, "masked_lookup": True, "sharp_links": True}),
}


def build(kind, backend, **more):
    cls, options = MACHINES[kind]
    torch.manual_seed(1)
    sizes = {"memory_size": 5, "word_size": 3, "hidden_size": 4}
    machine = cls(4, 3, **sizes, **options, **more, backend=backend).double()
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return machine


def inputs(seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4, 4, dtype=torch.float64, generator=generator).requires_grad_()


def penalty(machine, lengths=None):
    """The gradient of a loss, and the gradients of its square. The state comes from the input, so
    that what reaches x through it must not be counted twice."""
    x = inputs()
    state = machine.initial_state(2)
    state = state._replace(
        memory=state.memory + 0.1 * x[:, :1, :3], reads=state.reads + x[:, :1, :3].sin()
    )
    y, after = machine(x, state, lengths=lengths)
    loss = y.square().sum() + after.memory.sum() + after.read_weights.square().sum()
    (first,) = torch.autograd.grad(loss, x, create_graph=True)
    assert first.requires_grad
    wanted = [x, *machine.parameters()]
    return [first, *torch.autograd.grad(first.square().sum(), wanted, allow_unused=True)]


@pytest.mark.parametrize("lengths", [None, [2, 4]])
@pytest.mark.parametrize("kind", MACHINES)
def test_a_gradient_penalty_is_that_of_the_reference(kind, lengths):
    lengths = None if lengths is None else torch.tensor(lengths)
    ours, truth = (penalty(build(kind, backend), lengths) for backend in ("cpu", "reference"))
    torch.testing.assert_close(ours, truth, rtol=1e-10, atol=1e-10)
    assert ours[1].abs().amax() > 1e-3


@pytest.mark.parametrize("kind", MACHINES)
def test_second_derivatives_by_finite_differences(kind):
    machine = build(kind, "cpu")
    x = inputs()[:1, :3].detach().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: machine(x)[0], x, fast_mode=True)


def test_tardis_has_second_derivatives():
    machine = TARDIS(4, 3, memory_size=3, hidden_size=4, addressing="soft").double()
    assert torch.autograd.gradgradcheck(lambda x: machine(x)[0], inputs(), fast_mode=True)


@pytest.mark.parametrize("kind", MACHINES)
def test_batched_gradients_are_those_one_by_one(kind):
    """What `torch.autograd.functional.jacobian(vectorize=True)` asks for."""
    machine, x = build(kind, "cpu"), inputs()
    y = machine(x)[0].flatten()
    eye = torch.eye(len(y), dtype=torch.float64)
    (found,) = torch.autograd.grad(y, x, eye, is_grads_batched=True, retain_graph=True)
    each = [torch.autograd.grad(y, x, row, retain_graph=True)[0] for row in eye]
    torch.testing.assert_close(found, torch.stack(each))


@pytest.mark.parametrize("kind", ["ntm", "dnc"])
def test_a_gradient_that_is_cut_cannot_be_differentiated_through_a_kernel(kind):
    """Two parts of one gradient would be cut apart where the reference cuts their sum."""
    with pytest.raises(RuntimeError, match=r"needs gradient_clip=0, got 0.1; with backend=\"ref"):
        penalty(build(kind, "cpu", gradient_clip=0.1))
    penalty(build(kind, "reference", gradient_clip=0.1))


@pytest.mark.parametrize("kind", ["ntm", "dnc"])
def test_a_tensor_changed_before_the_way_back_is_noticed(kind):
    """As by any operation of PyTorch, by the version counter of what was saved."""
    machine, x = build(kind, "cpu"), inputs()
    state = machine.initial_state(2)
    state = state._replace(reads=state.reads.clone())
    y, _ = machine(x, state)
    with torch.no_grad():
        state.reads.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
