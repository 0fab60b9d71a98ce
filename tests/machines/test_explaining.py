"""What PyTorch would answer with a crash, or with a line that names nothing, has a line of ours."""

import pytest
import torch
from test_recurrent_inputs import (
    MAKERS,
    _as_a_user_runs_it,  # noqa: F401
    every_machine,
    inputs,
    made,
    refused,
)
from torch import nn

from tapehead import LSTM
from tapehead.training.objectives import RowChoices


def freed(tensor):
    """The same tensor, its storage taken away, as some wrappers do between steps."""
    tensor = tensor.detach().clone()
    tensor.untyped_storage().resize_(0)
    return tensor


@every_machine
def test_a_tensor_without_storage_is_named(name):
    machine, x = made(name), inputs()
    state = machine.initial_state(3)
    refused(RuntimeError, lambda: machine(freed(x)), "x must hold its numbers")
    lengths = freed(torch.tensor([1, 2, 3]))
    refused(RuntimeError, lambda: machine(x, lengths=lengths), "lengths must hold its numbers")
    if name != "dnc-bidirectional":
        step = freed(x[:, 0])
        refused(RuntimeError, lambda: machine.step(step, state), "x_t must hold its numbers")
    part = "cell" if "feedforward" not in name and "dynamic" not in name else state._fields[0]
    bad = state._replace(**{part: freed(getattr(state, part))})
    refused(RuntimeError, lambda: machine(x, bad), f"state.{part} must hold its numbers")
    last, weight = next(iter(machine.output.named_parameters()))
    weight.data.untyped_storage().resize_(0)
    refused(RuntimeError, lambda: machine(x), f"{last} must hold its numbers")


@every_machine
@pytest.mark.parametrize("sizes", [(2**38, 5), (3, 2**38), (1, 2**60)])
def test_a_number_expanded_to_a_size_without_end_is_refused_at_once(name, sizes):
    x = torch.zeros(1, 1, 1).expand(*sizes, 3)
    for run in (made(name).forward, made(name).trace):
        refused(RuntimeError, lambda run=run: run(x), "x of shape", "memory")


@every_machine
@pytest.mark.parametrize("kind", [torch.int64, torch.complex64, torch.float8_e5m2])
def test_a_weight_of_another_kind_is_named(name, kind):
    machine = made(name)
    weight = nn.Parameter(machine.output.weight.detach().to(kind), requires_grad=False)
    machine.output.weight = weight
    for run in (machine.forward, machine.trace):
        refused(ValueError, lambda run=run: run(inputs()), "output", "weight must be", str(kind))


def test_start_weights_of_another_kind_are_named():
    machine = made("ntm-reference")
    logits = machine.initial_read_logits.detach().to(torch.uint16)
    machine.initial_read_logits = nn.Parameter(logits, requires_grad=False)
    refused(ValueError, lambda: machine(inputs()), "initial_read_logits must be", "uint16")


@pytest.mark.parametrize("name", ["tardis", "dynamic-ntm-cpu", "discrete-ntm", "lstm"])
def test_a_weight_of_another_shape_is_named(name):
    machine = made(name)
    machine.output.weight = nn.Parameter(machine.output.weight.detach()[:, :2])
    refused(ValueError, lambda: machine(inputs()), "output.weight must have shape (2, ", "(2, 2)")


def test_a_weight_of_another_layout_is_named():
    machine = made("tardis")
    machine.address = nn.Parameter(machine.address.detach().to_sparse())
    refused(ValueError, lambda: machine(inputs()), "address must be a dense tensor", "sparse")


@pytest.mark.parametrize("put", [setattr, lambda layers, *new: layers.register_parameter(*new)])
@pytest.mark.parametrize("part", ["weight_ih_l0", "weight_hh_l1", "bias_ih_l1", "bias_hh_l0"])
def test_layers_of_another_shape_are_never_read_beyond(part, put):
    machine = made("lstm")
    wanted = tuple(getattr(machine.layers, part).shape)
    put(machine.layers, part, nn.Parameter(torch.zeros(*wanted[:-1], wanted[-1] - 1)))
    words = (f"layers.{part} must have shape {wanted}", f"{wanted[-1] - 1}")
    refused(ValueError, lambda: machine(inputs()), *words)


@every_machine
def test_a_state_of_inference_is_named_where_gradients_are_recorded(name):
    machine, x = made(name), inputs()
    with torch.inference_mode():
        _, state = machine(x)
    with torch.no_grad():
        machine(x, state)
    told = "state. torch.inference_mode clone"
    try:
        y, _ = machine(x, state)
        y.sum().backward()
    except RuntimeError as error:
        told = str(error)
    assert all(word in told for word in ("state.", "torch.inference_mode", "clone")), told


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
@every_machine
def test_a_nested_part_of_a_state_is_named(name, layout):
    machine = made(name)
    state = machine.initial_state(3)
    part = next(name for name, each in state._asdict().items() if each.is_floating_point())
    nested = torch.nested.nested_tensor(list(getattr(state, part).unbind()), layout=layout)
    bad = state._replace(**{part: nested})
    refused(ValueError, lambda: machine(inputs(), bad), f"state.{part} must be a dense tensor")


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_an_estimate_without_gradients_is_refused(name, mode):
    machine = made(name)
    if machine.objective != "rows":
        return
    choices = RowChoices(**machine.objective_sizes)

    def loss():
        with mode():
            choices.loss(machine, inputs(), lambda y: y.square().sum(-1))

    refused(RuntimeError, loss, "estimator", "must run where gradients are recorded", "no_grad")


@pytest.mark.parametrize("part", ["initial_hidden", "initial_cell"])
def test_a_start_of_another_shape_is_never_read_beyond(part):
    machine = LSTM(3, 2, hidden_size=5, num_layers=2, controller_init="learned")
    setattr(machine, part, nn.Parameter(torch.zeros(1, 5)))
    refused(ValueError, lambda: machine(inputs()), f"{part} must have shape (2, 5), got (1, 5)")
