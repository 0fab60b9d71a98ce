"""TARDIS: where it writes, what it may read, its gates, and its estimates against every path."""

import pytest
import torch
from paths import every_path, standard_errors

from tapehead.machines.tardis import TARDIS, gumbel_sigmoid, hard_sigmoid
from tapehead.training.objectives import RowChoices

SMALL = {"memory_size": 3, "word_size": 2, "address_size": 2, "hidden_size": 4, "attention_size": 5}


def perturbed(machine, scale=0.7):
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return machine


def test_rows_fill_in_order_and_then_the_row_just_read_is_replaced():
    machine = perturbed(TARDIS(3, 2, **SMALL), 2.0).eval()
    trace = machine.trace(torch.randn(4, 9, 3))
    written, read = trace.write_weights[:, :, 0], trace.read_weights[:, :, 0]
    assert torch.equal(written[:, :3], torch.eye(3).expand(4, -1, -1))
    assert torch.equal(written[:, 3:], read[:, 3:])
    assert (read.sum(-1) == 1).all()
    assert len(read[:, 3:].argmax(-1).unique()) > 1
    # What was stored is the picture of that step's hidden state, and nothing else changed.
    stored = torch.einsum("btn,btnw->btw", written, trace.memory)
    torch.testing.assert_close(stored, machine.picture(trace.hidden))
    others = (1 - written[:, 1:])[..., None]
    torch.testing.assert_close(trace.memory[:, 1:] * others, trace.memory[:, :-1] * others)


def test_only_filled_rows_are_read_and_the_first_read_is_nothing():
    torch.manual_seed(0)
    machine = perturbed(TARDIS(3, 2, **SMALL), 2.0)
    trace = machine.trace(torch.randn(500, 4, 3))
    rows = trace.read_weights[:, :, 0].argmax(-1)
    assert (trace.reads[:, 0] == 0).all()
    for time in (1, 2, 3):
        assert set(rows[:, time].tolist()) <= set(range(time))
    assert set(rows[:, 2].tolist()) == {0, 1}
    address = machine.address[rows[:, 2]]
    torch.testing.assert_close(trace.reads[:, 2, 0, :2], address)


def test_a_step_is_the_gated_lstm_of_the_paper():
    torch.manual_seed(0)
    machine = perturbed(TARDIS(3, 2, **SMALL).double())
    x = torch.randn(1, 3, 3, dtype=torch.float64)
    _, state = machine(x[:, :2])
    trace = machine.trace(x[:, 2:], state)
    known = torch.cat([x[:, 2], state.hidden], -1)
    memory = torch.cat([machine.address, state.content[0]], -1)
    usage = state.usage / (state.usage.norm() ** 2 + 1e-6).sqrt()
    scores = torch.stack(
        [
            machine.attend_score(
                (machine.attend(torch.cat([known, usage], -1)) + machine.attend_row(row)).tanh()
            ).squeeze()
            for row in memory[:2]
        ]
    )
    torch.testing.assert_close(trace.logits[0, 0, 0, :2], scores)
    read = memory[trace.read_weights[0, 0, 0].argmax()][None]
    every = torch.cat([known, read], -1)
    forget, enter, leave = machine.gates(every).sigmoid().split(4, -1)
    beta, alpha = ((machine.scalar_gates(every) / 6 + 0.5).clamp(0, 1)).T
    torch.testing.assert_close(trace.hidden_gate[0, 0], beta)
    torch.testing.assert_close(trace.read_gate[0, 0], alpha)
    candidate = torch.tanh(
        beta * machine.from_hidden(state.hidden)
        + machine.from_input(x[:, 2])
        + alpha * machine.from_read(read)
    )
    cell = forget * state.cell + enter * candidate
    hidden = leave * cell.tanh()
    torch.testing.assert_close(trace.hidden[:, 0], hidden)
    torch.testing.assert_close(trace.y[:, 0], machine.output(torch.cat([hidden, read], -1)))
    torch.testing.assert_close(trace.state.usage - state.usage, trace.read_weights[:, 0, 0])


def test_the_hard_sigmoid_is_torchs_to_the_bit_and_has_a_second_derivative():
    x = torch.linspace(-5, 5, 20_000, requires_grad=True)
    upward = torch.randn_like(x)
    ours, theirs = hard_sigmoid(x), torch.nn.functional.hardsigmoid(x)
    assert torch.equal(ours, theirs)
    slopes = [torch.autograd.grad(y, x, upward)[0] for y in (ours, theirs)]
    assert torch.equal(*slopes)
    x = torch.tensor([-4.0, -1.0, 0.5, 5.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(hard_sigmoid, x)


OTHERWISE = {
    "scalar_gate": "gumbel-sigmoid",
    "usage_norm": "softmax",
    "scoring": "linear",
    "peepholes": True,
}


@pytest.mark.parametrize("options", [{}, OTHERWISE])
def test_first_and_second_derivatives_by_finite_differences(options):
    """Of soft addresses, and with the noise of the gates left out."""
    machine = perturbed(TARDIS(2, 1, **SMALL | {"memory_size": 2}, addressing="soft", **options))
    machine = machine.double().eval()
    x = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)

    def run(x):
        return machine(x)[0]

    assert torch.autograd.gradcheck(run, x)
    assert torch.autograd.gradgradcheck(run, x)


def test_the_other_codes_step_written_out():
    torch.manual_seed(0)
    machine = perturbed(TARDIS(3, 2, **SMALL, **OTHERWISE).double()).eval()
    x = torch.randn(1, 4, 3, dtype=torch.float64)
    _, state = machine(x[:, :3])
    trace = machine.trace(x[:, 3:], state)
    known = torch.cat([x[:, 3], state.hidden], -1)
    usage = state.usage.exp() / state.usage.exp().sum()
    match = state.content[0] @ machine.picture(state.hidden)[0]
    scores = machine.attend(torch.cat([known, usage], -1)) + machine.attend_match(match)
    torch.testing.assert_close(trace.logits[0, 0], scores)
    memory = torch.cat([machine.address, state.content[0]], -1)
    read = memory[scores[0].argmax()][None]
    every = torch.cat([known, read], -1)
    forget, enter, leave = machine.gates(every).split(4, -1)
    peep_forget, peep_enter = machine.peep(state.cell).split(4, -1)
    beta, alpha = (machine.scalar_gates(every) / 0.3).sigmoid().T
    torch.testing.assert_close(trace.hidden_gate[0, 0], beta)
    candidate = torch.tanh(
        beta * machine.from_hidden(state.hidden)
        + machine.from_input(x[:, 3])
        + alpha * machine.from_read(read)
    )
    cell = (forget + peep_forget).sigmoid() * state.cell
    cell = cell + (enter + peep_enter).sigmoid() * candidate
    hidden = (leave + machine.peep_after(cell)).sigmoid() * cell.tanh()
    torch.testing.assert_close(trace.hidden[:, 0], hidden)
    torch.testing.assert_close(trace.state.cell, cell)


def test_a_sampled_gate_is_as_often_open_as_its_probability():
    x = torch.tensor([-2.0, 0.0, 1.0]).expand(40_000, 3)
    opened = (gumbel_sigmoid(x, 0.3, sample=True) > 0.5).float().mean(0)
    torch.testing.assert_close(opened, x[0].sigmoid(), atol=0.01, rtol=0)
    still = gumbel_sigmoid(x, 0.3, sample=False)
    torch.testing.assert_close(still[0], (x[0] / 0.3).sigmoid())
    # Soft addresses: nothing else is drawn.
    machine = perturbed(TARDIS(3, 2, **SMALL, scalar_gate="gumbel-sigmoid", addressing="soft"))
    x = torch.randn(1, 3, 3)
    assert not torch.equal(machine.trace(x).read_gate, machine.trace(x).read_gate)
    assert torch.equal(machine.eval().trace(x).read_gate, machine.trace(x).read_gate)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scalar_gate": "hard"}, "scalar_gate must be one of hard-sigmoid, gumbel-sigmoid, got"),
        ({"usage_norm": "l2"}, "usage_norm must be one of euclidean, softmax, got 'l2'"),
        ({"scoring": "dot"}, "scoring must be one of tanh, linear, got 'dot'"),
    ],
)
def test_impossible_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        TARDIS(3, 2, **options)


def test_a_read_is_a_wormhole():
    """With every other way shut, the gradient still reaches the step whose picture is read."""
    machine = TARDIS(1, 1, **SMALL | {"memory_size": 8})
    with torch.no_grad():
        machine.gates.weight.zero_()
        machine.gates.bias[:4] = -100.0  # forget all
        machine.scalar_gates.weight.zero_()
        machine.from_hidden.weight.zero_()
        machine.attend_row.weight.zero_()
        machine.attend_score.weight.zero_()  # a tie: the first row is read
    x = torch.randn(1, 6, 1, requires_grad=True)
    machine.eval()(x)[0][0, -1].sum().backward()
    assert (x.grad[0, :, 0] != 0).tolist() == [True, False, False, False, False, True]


TARGET = torch.tensor([[0.0], [1.0], [1.0]], dtype=torch.float64)


def costs(y):
    return torch.tensor([1.0, 5.0, 20.0]) * (y.sigmoid() - TARGET).square().sum(-1)


@pytest.mark.parametrize("name", ["reinforce", "rebar", "relax", "straight-through-gumbel"])
def test_mean_estimate_is_the_sum_over_all_paths(name):
    torch.manual_seed(1)
    machine = TARDIS(2, 1, **SMALL | {"memory_size": 2})
    machine = perturbed(machine.double(), 1.0)
    choices = RowChoices(**machine.objective_sizes, estimator=name, temperature=0.8).double()
    x = torch.randn(1, 3, 2, dtype=torch.float64)
    mean, at_logits = every_path(machine, x, costs)
    estimate = choices.estimate(machine, x.expand(20_000, -1, -1), costs, want_gradient=True)
    assert standard_errors(estimate.costs, mean) < 5
    worst = standard_errors(estimate.gradient[:, 2], at_logits[2])
    assert worst > 10 if name == "straight-through-gumbel" else worst < 5
