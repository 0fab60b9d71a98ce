"""The slots of the entity network: the kernel against the reference."""

import pytest
import torch

from tapehead.ops.entities import backend_choice, cpu, implementation, reference
from tapehead.ops.entities.cpu import calls

SHAPES = [
    # batch, time, asked, distinct, slots, size
    (1, 1, 1, 2, 1, 1),
    (3, 7, 2, 5, 4, 10),
    (2, 6, 4, 4, 3, 33),
    (5, 4, 3, 9, 20, 100),
]


def inputs(shape, dtype=torch.float64):
    batch, time, asked, distinct, slots, size = shape
    generator = torch.Generator().manual_seed(sum(shape))

    def normal(*sizes):
        numbers = torch.randn(*sizes, generator=generator, dtype=torch.float64)
        return (0.5 * numbers).to(dtype).requires_grad_()

    return [
        normal(distinct, size), normal(distinct, slots), normal(distinct, size),
        normal(slots, size), normal(slots, size), normal(size, size), normal(size),
        torch.randint(distinct, (batch, time), generator=generator),
        torch.randint(time + 1, (batch, asked), generator=generator),
    ]  # fmt: skip


def gradients(function, given):
    held = function(*given)
    weights = torch.randn(held.shape, generator=torch.Generator().manual_seed(1)).to(held)
    return held, *torch.autograd.grad((held * weights).sum(), given[:-2])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernel_computes_what_the_reference_does(shape):
    given = inputs(shape)
    for ours, wanted in zip(
        gradients(cpu.entities, given), gradients(reference.entities, given), strict=True
    ):
        assert (ours - wanted).abs().max() < 1e-10 * max(1.0, wanted.abs().max().item())
    held = cpu.entities(*given)
    with torch.no_grad():
        assert torch.equal(cpu.entities(*given), held)


def test_single_precision_is_as_near_as_it_can_be():
    given, single = inputs(SHAPES[-1]), inputs(SHAPES[-1], torch.float32)
    for ours, wanted in zip(
        gradients(cpu.entities, single), gradients(reference.entities, given), strict=True
    ):
        assert (ours - wanted).abs().max() < 2e-5 * wanted.abs().max()


def test_questions_before_and_between_and_stories_of_which_nothing_is_asked():
    given = inputs((2, 5, 3, 4, 3, 9))
    given[-1] = torch.tensor([[0, 3, 3], [0, 0, 0]])
    held = cpu.entities(*given)
    assert torch.equal(held[0, 0], given[3])  # the keys
    assert torch.equal(held[0, 1], held[0, 2])
    for ours, wanted in zip(
        gradients(cpu.entities, given), gradients(reference.entities, given), strict=True
    ):
        assert torch.allclose(ours, wanted, rtol=1e-10, atol=1e-10)


def test_a_slot_that_is_empty_has_the_gradient_of_the_reference():
    given = inputs((1, 2, 1, 3, 2, 4))
    with torch.no_grad():
        for tensor in given[2:5]:  # next to nothing in the slots, and nothing to put there
            tensor.zero_()
        given[3].fill_(1e-14)
    given[-1] = torch.tensor([[2]])
    for ours, wanted in zip(
        gradients(cpu.entities, given), gradients(reference.entities, given), strict=True
    ):
        assert torch.isfinite(ours).all()
        assert torch.allclose(ours, wanted, rtol=1e-10, atol=1e-10)


def test_the_backward_pass_can_be_made_twice_and_differentiated():
    given = inputs(SHAPES[1])
    loss = cpu.entities(*given).square().sum()
    once = torch.autograd.grad(loss, given[:-2], retain_graph=True)
    again = torch.autograd.grad(loss, given[:-2], retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    (d_weight,) = torch.autograd.grad(loss, [given[5]], create_graph=True)
    wanted_loss = reference.entities(*given).square().sum()
    (wanted,) = torch.autograd.grad(wanted_loss, [given[5]], create_graph=True)
    seconds = [torch.autograd.grad(each.square().sum(), given[:-2]) for each in (d_weight, wanted)]
    assert all(torch.allclose(a, b, rtol=1e-8) for a, b in zip(*seconds, strict=True))


def test_several_threads_give_the_same_bits():
    given = inputs((7, 5, 2, 6, 4, 17))
    alone = gradients(cpu.entities, given)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert calls._threads(calls._plan(given, calls._starts(given[-1]))) == 3
        together = gradients(cpu.entities, given)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("place", "change", "named"),
    [
        (5, lambda weight: weight.float(), "hidden_weight must be torch.float64"),
        (1, lambda likeness: likeness[:, 1:], r"likeness must be \(5, 4\)"),
        (7, lambda told: told.int(), "told must be torch.int64"),
    ],
)
def test_what_the_kernel_cannot_read_is_refused_by_name(place, change, named):
    given = [tensor.detach() for tensor in inputs(SHAPES[1])]
    given[place] = change(given[place])
    with pytest.raises(ValueError, match=named):
        cpu.entities(*given)


def test_the_kernel_runs_where_it_can():
    single = torch.ones(1)
    assert backend_choice("auto", single, None).backend == "cpu"
    assert implementation("auto", single, None) is cpu
    assert implementation("reference", single, None) is reference
    half = backend_choice("auto", single.bfloat16(), None)
    assert half.backend == "reference"
    assert "bfloat16" in half.reason
    with pytest.raises(RuntimeError, match="cannot run"):
        backend_choice("cpu", torch.ones(1, device="meta"), None)
