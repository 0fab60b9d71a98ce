"""Where our DNC leaves its papers, each with the switch that goes back: docs/departures.md."""

import pytest
import torch

from tapehead import DNC


def small(**options):
    torch.manual_seed(0)
    sizes = {"memory_size": 6, "word_size": 4, "hidden_size": 5, "num_reads": 2}
    machine = DNC(3, 2, **{**sizes, "backend": "reference", **options}).double()
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return machine


def inputs(batch=2, time=5):
    return torch.randn(batch, time, 3, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_without_biases_output_and_interface_are_the_papers_products(backend, bidirectional):
    options = {"bidirectional": bidirectional, "backend": backend}
    bare, whole = small(biases=False, **options), small(**options)
    names = dict(bare.named_parameters())
    assert "output.bias" not in names
    assert "interface.bias" not in names
    assert "input.bias" in names, "the controller's stay: the paper has them"
    with torch.no_grad():
        whole.output.bias.zero_()
        whole.interface.bias.zero_()
    whole.load_state_dict(names, strict=False)
    x = inputs()
    torch.testing.assert_close(bare(x)[0], whole(x)[0])
    bare.reset_parameters()
    assert bare(torch.zeros(1, 1, 3).double())[0].isfinite().all()


def test_forget_gates_start_where_they_are_told():
    for bias in (1.0, -2.0):
        machine = DNC(3, 2, num_layers=2, hidden_size=5, forget_bias=bias)
        gates = machine.input.bias.view(2, 4, 5)
        assert (gates[:, 1] == bias).all()
        assert not gates[:, [0, 2, 3]].any()


@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_gradients_of_controller_activations_are_cut_as_in_the_paper(controller):
    x, bound = inputs(batch=1, time=1), 1e-3

    def slopes(**options):
        machine = small(controller=controller, num_layers=2, **options)
        y, _ = machine(x)
        (1e6 * y.sum()).backward()
        return y, machine

    plain_y, plain = slopes()
    cut_y, cut = slopes(gradient_clip=bound)
    assert torch.equal(cut_y, plain_y)
    # What reaches a gate is the gradient of its activation, times slopes of at most one.
    assert plain.input.bias.grad.abs().max() > 1
    assert 0 < cut.input.bias.grad.abs().max() <= bound
    # The output layer lies above the activations: nothing is cut there.
    torch.testing.assert_close(cut.output.weight.grad, plain.output.weight.grad)
    loose = slopes(gradient_clip=1e12)[1]
    torch.testing.assert_close(loose.input.bias.grad, plain.input.bias.grad)


def test_masks_have_the_least_value_they_are_told():
    for floor in (0.0, 0.3):
        machine = small(masked_lookup=True, mask_floor=floor)
        with torch.no_grad():
            machine.interface.bias.fill_(-50.0)
        shut = machine.trace(inputs()).mask
        torch.testing.assert_close(shut, torch.full_like(shut, floor), atol=1e-9, rtol=0)
        with torch.no_grad():
            machine.interface.bias.fill_(50.0)
        opened = machine.trace(inputs()).mask
        torch.testing.assert_close(opened, torch.ones_like(opened), atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_floor": 1.0}, "mask_floor must be a finite number from 0 to below 1, got 1.0"),
        ({"mask_floor": -0.1}, "mask_floor must be a finite number from 0 to below 1, got -0.1"),
        ({"gradient_clip": -1.0}, "gradient_clip must be a finite number of at least 0, got -1.0"),
    ],
)
def test_impossible_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DNC(3, 2, **options)
