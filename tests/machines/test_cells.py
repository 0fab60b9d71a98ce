"""Controllers that a caller brings along, in each machine that takes them."""

import logging

import pytest
import torch
from torch import nn

from tapehead import DNC, NTM
from tapehead.checks import checks_of
from tapehead.machines.cells import Cell
from tapehead.machines.discrete_ntm import DiscreteNTM
from tapehead.machines.dynamic_ntm import DynamicNTM
from tapehead.ops import backends
from tapehead.ops.similarity import cosine
from tapehead.training.objectives import RowChoices


class Leaky(nn.Module):
    """A recurrent layer of one's own, with two states."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.enter = nn.Linear(input_size, hidden_size)
        self.again = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, inputs, hidden, cell):
        cell = 0.9 * cell + 0.1 * self.again(hidden)
        return (self.enter(inputs) + cell).tanh(), cell


def feedforward(input_size, hidden_size):
    return nn.Sequential(nn.Linear(input_size, hidden_size), nn.Softsign())


OWN = {
    "gru": nn.GRUCell,
    "rnn": lambda inputs, hidden: nn.RNNCell(inputs, hidden, nonlinearity="tanh"),
    "lstm": nn.LSTMCell,
    "class": Leaky,
    "feedforward": feedforward,
}
STATES = {"gru": (1, 0), "rnn": (1, 0), "lstm": (1, 1), "class": (1, 1), "feedforward": (0, 0)}


def halved(key, memory):
    return 0.5 * cosine(key, memory)


def small(kind, **options):
    sizes = {"memory_size": 4, "word_size": 3, "hidden_size": 3, "backend": "reference"}
    return kind(3, 2, **{**sizes, **options}).double()


def inputs(batch=3, time=6):
    return torch.randn(batch, time, 3, dtype=torch.float64)


MACHINES = [NTM, DNC]


@pytest.mark.parametrize("kind", MACHINES)
def test_a_torch_lstm_brought_along_is_the_machines_own(kind):
    """The same numbers through either door, in a machine of two layers."""
    ours = small(kind, num_layers=2)
    theirs = small(kind, controller=nn.LSTMCell, num_layers=2)
    shared = {n: p for n, p in ours.state_dict().items() if n in theirs.state_dict()}
    theirs.load_state_dict(shared, strict=False)
    reads, hidden = 3, 3
    with torch.no_grad():
        for layer, cell in enumerate(theirs.controller.layers):
            cell.layer.bias_hh.zero_()
            cell.layer.weight_hh.copy_(ours.recurrent_weight[layer])
            if kind is NTM:
                below = [ours.input.weight, ours.read_weight] if layer == 0 else ours.layer_weight
                bias = ours.input.bias if layer == 0 else ours.layer_bias[0]
            else:
                rows = slice(layer * 4 * hidden, (layer + 1) * 4 * hidden)
                below = [
                    ours.input.weight[rows],
                    ours.read_weight[rows],
                    *ours.layer_weight[:layer],
                ]
                bias = ours.input.bias[rows]
            cell.layer.weight_ih.copy_(torch.cat(list(below), 1))
            cell.layer.bias_ih.copy_(bias)
    x = inputs()
    torch.testing.assert_close(theirs(x)[0], ours(x)[0])
    torch.testing.assert_close(theirs(x)[1], ours(x)[1])
    assert reads == ours.spec.word_size


def test_the_reads_reach_a_controller_brought_along():
    machine, x = small(NTM, controller=nn.GRUCell), inputs(time=2)
    before = machine.trace(x).hidden
    with torch.no_grad():
        machine.controller.layers[0].layer.weight_ih[:, 3:].add_(1)
    assert (machine.trace(x).hidden - before).abs().amax() > 1e-3


@pytest.mark.parametrize("kind", [DiscreteNTM, DynamicNTM])
def test_the_choices_of_a_machine_with_one_train_it(kind):
    x = inputs()
    discrete = small(kind, controller=nn.GRUCell, addressing="discrete")
    choices = RowChoices(**discrete.objective_sizes)
    cost, _ = choices.loss(discrete, x, lambda y: y.square().sum(-1))
    cost.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in discrete.parameters())
    gradients = [p.grad for n, p in discrete.named_parameters() if "layer.weight_ih" in n]
    assert gradients
    assert all(g.abs().sum() > 0 for g in gradients)


@pytest.mark.parametrize("kind", MACHINES)
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"controller": nn.GRUCell}, "it does not know a controller brought along"),
        ({"similarity": halved}, "it does not know a similarity brought along"),
    ],
)
def test_the_kernel_steps_aside_and_says_so(kind, options, reason, caplog):
    x = inputs()
    with pytest.raises(RuntimeError, match=reason):
        small(kind, backend="cpu", **options)(x)
    backends._say_once.cache_clear()
    machine = small(kind, backend="auto", **options)
    with caplog.at_level(logging.INFO, logger="tapehead"):
        machine(x)
        machine(x)
    assert [reason in record.getMessage() for record in caplog.records] == [True]


def test_resetting_weights_leaves_a_controller_brought_along_as_it_was_made():
    def ones(input_size, hidden_size):
        layer = nn.GRUCell(input_size, hidden_size)
        nn.init.ones_(layer.weight_ih)
        return layer

    for kind in MACHINES:
        machine = small(kind, controller=ones)
        machine.reset_parameters()
        assert (machine.controller.layers[0].layer.weight_ih == 1).all()


def test_the_gradient_of_each_activation_of_a_dncs_own_controller_is_cut():
    bound, x = 1e-3, inputs(batch=1, time=1)
    for make, name in ((nn.GRUCell, "bias_ih"), (nn.LSTMCell, "bias_ih")):
        machine = small(DNC, controller=make, num_layers=2, gradient_clip=bound)
        (1e6 * machine(x)[0].sum()).backward()
        for layer in machine.controller.layers:
            slope = getattr(layer.layer, name).grad
            assert 0 < slope.abs().max() <= bound


class Wide(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.layer = nn.Linear(input_size, hidden_size + 1)

    def forward(self, inputs):
        return self.layer(inputs)


class Alone(Leaky):
    def forward(self, inputs, hidden, cell):
        return super().forward(inputs, hidden, cell)[0]


class Four(Leaky):
    def forward(self, inputs, hidden, cell, more):
        return hidden, cell


@pytest.mark.parametrize("kind", [NTM, DNC])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"controller": "gru"},
            ValueError,
            "controller must be one of lstm, feedforward, or a .* got 'gru",
        ),
        ({"controller": nn.GRUCell(6, 3)}, TypeError, "got a GRUCell made already"),
        ({"controller": lambda a, b: None}, TypeError, "must make a torch.nn.Module, got NoneType"),
        ({"controller": Four}, TypeError, r"takes .*got Four with \(inputs, hidden, cell, more\)"),
        ({"controller": nn.GRU}, TypeError, "one step, got GRU"),
        ({"controller": Wide}, ValueError, r"Wide must give \(3, 3\), .* got \(3, 4\)"),
        ({"controller": Alone}, TypeError, r"Alone must give \(hidden, cell\), got Tensor"),
        ({"similarity": "cos"}, ValueError, "similarity must be one of cosine, dot, euclid"),
        (
            {"similarity": lambda key, memory: cosine(key, memory)[:, :, :1]},
            ValueError,
            r"similarity must give scores of shape \(3, 1, 4\) .* got \(3, 1, 1\)",
        ),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(kind, options, error, message):
    with pytest.raises(error, match=message) as caught:
        small(kind, **options)(inputs())
    assert "\n" not in str(caught.value)


def test_what_is_neither_a_name_nor_a_function_is_named():
    for option, words in (("controller", "lstm, feedforward"), ("similarity", "cosine, dot")):
        check = checks_of(NTM.__init__.__wrapped__)[option]
        with pytest.raises(
            TypeError, match=f"^{option} must be one of {words}.* or a function .* 3$"
        ):
            check(option, 3)


def test_another_controller_cannot_take_the_place_of_the_first():
    for options in ({}, {"controller": nn.GRUCell}):
        machine = small(NTM, **options)
        with pytest.raises(AttributeError, match="controller of this NTM is fixed"):
            machine.controller = nn.GRUCell(6, 3)


def test_cells_by_name_have_their_states():
    for kind, states in (("feedforward", 0), ("gru", 1), ("lstm", 2)):
        cell = Cell(kind, 3, 4)
        assert cell.states == states
        hidden, kept = torch.rand(2, 4), torch.rand(2, 4)
        found = cell(torch.rand(2, 3), hidden, kept)
        assert torch.equal(found[1], kept) == (states < 2)
