"""The Dynamic NTM against its equations written out, and its discrete form against every path."""

import math

import pytest
import torch
from paths import every_path, standard_errors

from tapehead.machines.dynamic_ntm import DynamicNTM
from tapehead.training.objectives import RowChoices

SMALL = {"memory_size": 3, "word_size": 2, "address_size": 2, "hidden_size": 5}


def perturbed(machine, scale=0.5):
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return machine


def sigmoid(number):
    return 1 / (1 + math.exp(-number))


def cosine(one, other):
    product = sum(a * b for a, b in zip(one, other, strict=True))
    norms = [math.sqrt(sum(a * a for a in vector) + 1e-6) for vector in (one, other)]
    return product / (norms[0] * norms[1])


def weighting(numbers, memory, recency, width):
    """One head's softmax(beta K(k, m) - gamma v) and its z, number by number."""
    key, strength = numbers[:width], math.log1p(math.exp(numbers[width])) + 1
    gate = sigmoid(numbers[width + 1])
    z = [strength * cosine(key, row) for row in memory]
    powers = [math.exp(a - gate * v) for a, v in zip(z, recency, strict=True)]
    return [power / sum(powers) for power in powers], z


def test_soft_machine_is_the_paper_written_out():
    """Two steps, one head each way, two readings a step, a no-operation cell as the last row."""
    torch.manual_seed(0)
    machine = perturbed(
        DynamicNTM(2, 2, **SMALL, reading_steps=2, controller="feedforward").double()
    )
    x = torch.randn(1, 2, 2, dtype=torch.float64)
    trace = machine.trace(x)

    def linear(layer, values):
        return layer(torch.tensor(values, dtype=torch.float64)).tolist()

    address = machine.address.tolist()
    content = [[0.0, 0.0] for _ in range(4)]
    read_recency, write_recency = [0.0] * 4, [0.0] * 4
    hidden, found = machine.initial_hidden.tolist(), [0.0] * 4
    for time, x_t in enumerate(x[0].tolist()):
        memory = [a + c for a, c in zip(address, content, strict=True)]
        for _ in range(2):
            numbers = linear(machine.read_interface, x_t + hidden + found)
            read, z_read = weighting(numbers, memory, read_recency, 4)
            found = [sum(read[i] * memory[i][j] for i in range(3)) for j in range(4)]
        hidden = [math.tanh(a) for a in linear(machine.controller.layer, x_t + found)]
        numbers = linear(machine.write_interface, hidden)
        wrote, z_write = weighting(numbers, memory, write_recency, 4)
        erase = [sigmoid(a) for a in linear(machine.erase, hidden)]
        gate = sigmoid(linear(machine.input_gate, x_t + hidden)[0])
        shown = linear(machine.candidate_input, x_t)
        candidate = [
            max(0.0, a + gate * b)
            for a, b in zip(linear(machine.candidate, hidden), shown, strict=True)
        ]
        for i in range(3):
            content[i] = [
                (1 - erase[j] * wrote[i]) * content[i][j] + wrote[i] * candidate[j]
                for j in range(2)
            ]
        read_recency = [0.1 * v + 0.9 * z for v, z in zip(read_recency, z_read, strict=True)]
        write_recency = [0.1 * v + 0.9 * z for v, z in zip(write_recency, z_write, strict=True)]
        expected = {
            "read_weights": [read],
            "write_weights": [wrote],
            "reads": [found],
            "hidden": hidden,
            "memory": content,
        }
        for name, value in expected.items():
            torch.testing.assert_close(
                getattr(trace, name)[0, time],
                torch.tensor(value, dtype=torch.float64),
                msg=lambda text, name=name, time=time: f"{name} at step {time}: {text}",
            )
        torch.testing.assert_close(
            trace.y[0, time].tolist(), linear(machine.output, hidden + found)
        )


TARGET = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)


def costs(y):
    return torch.tensor([2.0, 20.0]) * (y.sigmoid() - TARGET).square().sum(-1)


@pytest.mark.parametrize("name", ["reinforce", "rebar", "relax", "straight-through-gumbel"])
def test_mean_estimate_is_the_sum_over_all_paths(name):
    """Two readings and a write of two rows each, twice: 64 paths."""
    torch.manual_seed(3)
    machine = DynamicNTM(
        2,
        2,
        **SMALL | {"memory_size": 2},
        reading_steps=2,
        no_operation=False,
        addressing="discrete",
    )
    machine = perturbed(machine.double(), 1.0)
    choices = RowChoices(**machine.objective_sizes, estimator=name, temperature=0.8).double()
    x = torch.randn(1, 2, 2, dtype=torch.float64)
    mean, at_logits = every_path(machine, x, costs)
    estimate = choices.estimate(machine, x.expand(15_000, -1, -1), costs, want_gradient=True)
    assert standard_errors(estimate.costs, mean) < 5
    worst = standard_errors(estimate.gradient, at_logits)
    assert worst > 10 if name == "straight-through-gumbel" else worst < 5


def test_discrete_evaluation_touches_one_row_and_the_no_operation_cell_keeps_nothing():
    machine = perturbed(
        DynamicNTM(3, 2, **SMALL, num_writes=2, num_reads=2, addressing="discrete"), 2.0
    ).eval()
    trace = machine.trace(torch.randn(8, 12, 3))
    for name in ("read_weights", "write_weights"):
        assert set(getattr(trace, name).unique().tolist()) == {0.0, 1.0}
        assert (getattr(trace, name).sum(-1) == 1).all()
    idle = trace.read_weights[..., -1] == 1
    assert 0 < idle.sum() < idle.numel()
    assert (trace.reads[idle] == 0).all()
    assert (trace.memory[:, :, -1] == 0).all()
    wrote = trace.write_weights[..., :-1].amax(2)[:, 1:] == 1
    changed = (trace.memory[:, 1:, :-1] != trace.memory[:, :-1, :-1]).any(-1)
    assert not (changed & ~wrote).any()


def test_recency_is_a_switch():
    torch.manual_seed(0)
    one = perturbed(DynamicNTM(3, 2, **SMALL))
    other = DynamicNTM(3, 2, **SMALL, least_recently_used=False)
    other.load_state_dict(one.state_dict())
    x = torch.randn(1, 4, 3)
    assert torch.equal(one(x[:, :1])[0], other(x[:, :1])[0])
    assert not torch.equal(one(x)[0], other(x)[0])


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="controller must be one of gru, lstm, feedforward"):
        DynamicNTM(3, 2, controller="rnn")
    with pytest.raises(ValueError, match="reading_steps must be a whole number of at least 1"):
        DynamicNTM(3, 2, reading_steps=0)
