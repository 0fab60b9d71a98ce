import copy

import pytest
import torch
from torch import nn

from tapehead.training.flat import FlatParameters


def machine():
    return nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 5, 2), nn.Linear(5, 2))


def test_parameters_stay_what_they_were_and_become_one_vector():
    net = machine()
    before = copy.deepcopy(net.state_dict())
    objects = dict(net.named_parameters())
    flat = FlatParameters(net)
    assert dict(net.named_parameters()) == objects
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    flat.parameter.data.fill_(0.5)
    assert all((weights == 0.5).all() for weights in net.parameters())
    assert flat.parameter.numel() == sum(weights.numel() for weights in net.parameters())


def test_gradients_gather_in_one_vector_under_their_names():
    net, twin = nn.Linear(3, 2), nn.Linear(3, 2)
    twin.load_state_dict(net.state_dict())
    flat = FlatParameters(net)
    x = torch.arange(6.0).view(2, 3)
    for _ in range(2):  # the second time into the same memory
        flat.zero_gradient()
        net(x).square().sum().backward()
    twin(x).square().sum().backward()
    named = dict(flat.named_views(flat.gradient))
    assert torch.equal(named["weight"], twin.weight.grad)
    assert torch.equal(named["bias"], twin.bias.grad)
    assert net.weight.grad.data_ptr() == flat.gradient.data_ptr()


def test_release_gives_each_parameter_its_own_memory():
    net = machine()
    with FlatParameters(net) as flat:
        flat.parameter.data.fill_(0.25)
    flat.parameter.data.fill_(9.0)
    assert all((weights == 0.25).all() for weights in net.parameters())
    assert all(weights.grad is None for weights in net.parameters())
    storages = {weights.untyped_storage().data_ptr() for weights in net.parameters()}
    assert len(storages) == len(list(net.parameters()))


def test_frozen_and_tied_parameters():
    net = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    net[1].weight = net[0].weight
    net[1].bias.requires_grad_(False)
    frozen = net[1].bias.detach().clone()
    flat = FlatParameters(net)
    assert flat.parameter.numel() == 9 + 3
    flat.parameter.data.zero_()
    assert net[1].weight is net[0].weight
    assert torch.equal(net[1].bias, frozen)


def test_nothing_to_train_and_mixed_dtypes_are_refused():
    with pytest.raises(ValueError, match="Tanh has no parameters to train"):
        FlatParameters(nn.Tanh())
    mixed = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1).double())
    with pytest.raises(ValueError, match="one dtype and device"):
        FlatParameters(mixed)
