"""Gated recurrent units over sequences of different lengths: the kernel against the reference."""

import pytest
import torch

from tapehead.ops.gru import backend_choice, cpu, implementation, reference
from tapehead.ops.ragged import Ragged

CASES = [
    # lengths, time, size
    ([1], 1, 1),
    ([3, 0, 5, 1], 6, 4),
    ([7] * 11 + [2] * 7 + [0], 9, 33),
    ([4, 9, 2], 9, 80),
]
KINDS = ["gru", "attention_gru"]


def inputs(case, kind, dtype=torch.float64):
    """Arguments of an operation, the ragged one last."""
    counts, time, size = case
    ragged = Ragged.of(torch.tensor(counts), time)
    generator = torch.Generator().manual_seed(size)
    rows, gates = len(ragged.kept), 3 if kind == "gru" else 2

    def normal(*sizes):
        numbers = torch.randn(*sizes, generator=generator, dtype=torch.float64)
        return (0.5 * numbers).to(dtype).requires_grad_()

    given = [normal(rows, gates * size), normal(gates * size, size), normal(gates * size)]
    if kind == "attention_gru":
        attention = torch.rand(rows, generator=generator, dtype=torch.float64).to(dtype)
        given.insert(1, attention.requires_grad_())
    return [*given, ragged]


def gradients(function, given):
    states = function(*given)
    weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(1)).to(states)
    return states, *torch.autograd.grad((states * weights).sum(), given[:-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_the_kernel_computes_what_the_reference_does(case, kind):
    given = inputs(case, kind)
    ours, theirs = getattr(cpu, kind), getattr(reference, kind)
    for found, wanted in zip(gradients(ours, given), gradients(theirs, given), strict=True):
        assert (found - wanted).abs().max() < 1e-10 * max(1.0, wanted.abs().max().item())
    states = ours(*given)
    with torch.no_grad():
        assert torch.equal(ours(*given), states)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_is_as_near_as_it_can_be(kind):
    given, single = inputs(CASES[-1], kind), inputs(CASES[-1], kind, torch.float32)
    ours, theirs = getattr(cpu, kind), getattr(reference, kind)
    for found, wanted in zip(gradients(ours, single), gradients(theirs, given), strict=True):
        assert (found - wanted).abs().max() < 2e-5 * wanted.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_is_told_there_are_no_states_and_no_gradients(kind):
    given = inputs(([0, 0], 3, 4), kind)
    states, *found = gradients(getattr(cpu, kind), given)
    assert states.shape == (0, 4)
    assert all((gradient == 0).all() for gradient in found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_backward_pass_can_be_made_twice_and_differentiated(kind):
    given = inputs(CASES[1], kind)
    loss = getattr(cpu, kind)(*given).square().sum()
    once = torch.autograd.grad(loss, given[:-1], retain_graph=True)
    again = torch.autograd.grad(loss, given[:-1], retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    wanted_loss = getattr(reference, kind)(*given).square().sum()
    seconds = []
    for each in (loss, wanted_loss):
        (d_bias,) = torch.autograd.grad(each, [given[-2]], create_graph=True)
        seconds.append(torch.autograd.grad(d_bias.square().sum(), given[:-1]))
    assert all(torch.allclose(a, b, rtol=1e-8) for a, b in zip(*seconds, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_several_threads_give_the_same_bits(kind):
    given = inputs(CASES[2], kind)
    alone = gradients(getattr(cpu, kind), given)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        together = gradients(getattr(cpu, kind), given)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(alone[:2], together[:2], strict=True))


@pytest.mark.parametrize(
    ("place", "change", "named"),
    [
        (0, lambda x: x[:, 1:], r"inputs must be \(rows, 8\)"),
        (1, lambda attention: attention[1:], r"attention must be \(9\)"),
        (2, lambda weight: weight.float(), "hidden_weight must be torch.float64"),
        (3, lambda bias: bias[1:], r"hidden_bias must be \(8\)"),
    ],
)
def test_what_the_kernel_cannot_read_is_refused_by_name(place, change, named):
    given = inputs(CASES[1], "attention_gru")
    given[place] = change(given[place].detach())
    with pytest.raises(ValueError, match=named):
        cpu.attention_gru(*given)


def test_the_kernel_runs_where_it_can():
    single = torch.ones(1)
    assert backend_choice("auto", single, None).backend == "cpu"
    assert implementation("auto", single, None) is cpu
    assert implementation("reference", single, None) is reference
    assert "bfloat16" in backend_choice("auto", single.bfloat16(), None).reason
    with pytest.raises(RuntimeError, match="cannot run"):
        backend_choice("cpu", torch.ones(1, device="meta"), None)
