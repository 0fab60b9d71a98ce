import copy

import pytest
import torch
from torch import nn

from tapehead.training import TrainConfig
from tapehead.training.flat import FlatParameters
from tapehead.training.optimisers import Adam, GravesRMSprop, RMSprop, clip_gradient, make_optimiser


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def run(make, steps=20, dtype=torch.float32):
    """Weights after some steps on gradients of very different sizes."""
    weights = nn.Parameter(drawn(37, dtype=dtype))
    optimiser = make([weights])
    for step in range(steps):
        size = torch.logspace(-6, 3, 37, dtype=dtype)
        weights.grad = drawn(37, seed=step + 1, dtype=dtype) * size
        optimiser.step()
    return weights.detach()


def test_rmsprop_equals_pytorch_bit_for_bit():
    ours = run(lambda p: RMSprop(p, 1e-2, momentum=0.8, decay=0.93, epsilon=1e-6))
    theirs = run(
        lambda p: torch.optim.RMSprop(p, 1e-2, momentum=0.8, alpha=0.93, eps=1e-6, foreach=False)
    )
    assert torch.equal(ours, theirs)


def test_adam_equals_pytorch():
    ours = run(lambda p: Adam(p, 1e-2, momentum=0.8, decay=0.93, epsilon=1e-6))
    theirs = run(lambda p: torch.optim.Adam(p, 1e-2, betas=(0.8, 0.93), eps=1e-6, foreach=False))
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "theirs", "options"),
    [
        (Adam, torch.optim.Adam, {}),
        (RMSprop, torch.optim.RMSprop, {"alpha": 0.95, "momentum": 0.9}),
    ],
)
def test_l2_equals_pytorchs_weight_decay(kind, theirs, options):
    ours = run(lambda p: kind(p, 1e-2, l2=0.3))
    wanted = run(lambda p: theirs(p, 1e-2, weight_decay=0.3, foreach=False, **options))
    torch.testing.assert_close(ours, wanted, rtol=1e-6, atol=1e-7)
    assert not torch.allclose(ours, run(lambda p: kind(p, 1e-2)), rtol=1e-3)


def test_decoupled_decay_equals_adamw():
    ours = run(lambda p: Adam(p, 1e-2, weight_decay=0.3))
    wanted = run(lambda p: torch.optim.AdamW(p, 1e-2, weight_decay=0.3, foreach=False))
    torch.testing.assert_close(ours, wanted, rtol=1e-6, atol=1e-7)
    assert not torch.allclose(ours, run(lambda p: Adam(p, 1e-2, l2=0.3)), rtol=1e-3)


@pytest.mark.parametrize("kind", [RMSprop, GravesRMSprop, Adam])
@pytest.mark.parametrize("fused", [False, True])
def test_decay_leaves_the_gradient_as_it_was_and_takes_its_share(kind, fused):
    options = {} if kind is Adam else {"fused": fused}
    weights = nn.Parameter(drawn(37))
    weights.grad = torch.zeros(37)
    kind([weights], 0.1, weight_decay=0.5, **options).step()
    torch.testing.assert_close(weights.detach(), 0.95 * drawn(37))
    assert torch.equal(weights.grad, torch.zeros(37))
    kind([weights], 0.1, l2=0.5, **options).step()
    assert torch.equal(weights.grad, torch.zeros(37))
    assert torch.equal((weights.detach() - 0.95 * drawn(37)).sign(), -drawn(37).sign())


@pytest.mark.parametrize("name", ["l2", "weight_decay"])
def test_a_decay_below_zero_is_refused(name):
    message = f"{name} must be a finite number of at least 0, got -0.1"
    with pytest.raises(ValueError, match=message):
        Adam([nn.Parameter(torch.ones(1))], 0.1, **{name: -0.1})
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{name: -0.1})


def test_what_was_saved_before_there_was_a_decay_loads_without():
    weights = nn.Parameter(torch.ones(1))
    optimiser = Adam([weights], 0.1)
    state = optimiser.state_dict()
    for name in ("l2", "weight_decay"):
        del state["param_groups"][0][name]
    optimiser.load_state_dict(state)
    weights.grad = torch.ones(1)
    optimiser.step()
    assert weights.item() == pytest.approx(0.9)


def test_graves_rmsprop_follows_the_paper_number_by_number():
    a, m, rate, c = 0.95, 0.9, 1e-2, 1e-4
    ours = run(
        lambda p: GravesRMSprop(p, rate, momentum=m, decay=a, epsilon=c), dtype=torch.float64
    )
    for place in range(37):
        w = drawn(37, dtype=torch.float64)[place].item()
        n = g = v = 0.0
        for step in range(20):
            size = torch.logspace(-6, 3, 37, dtype=torch.float64)[place].item()
            e = drawn(37, seed=step + 1, dtype=torch.float64)[place].item() * size
            n = a * n + (1 - a) * e * e  # equation 38
            g = a * g + (1 - a) * e  # 39
            v = m * v - rate * e / (n - g * g + c) ** 0.5  # 40
            w = w + v  # 41
        assert ours[place].item() == pytest.approx(w, rel=1e-10)


def test_graves_rmsprop_stays_finite_under_a_constant_gradient():
    weights = nn.Parameter(torch.zeros(5))
    optimiser = GravesRMSprop([weights], 1e-2)
    for _ in range(1_000):
        weights.grad = torch.tensor([1e-12, 1e-3, 1.0, 1e2, -1e2])
        optimiser.step()
    assert torch.isfinite(weights).all()


@pytest.mark.parametrize("kind", [RMSprop, GravesRMSprop, Adam])
def test_one_vector_trains_like_many_tensors(kind):
    def trained(flat):
        torch.manual_seed(1)
        machine = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        vector = FlatParameters(machine) if flat else None
        optimiser = kind([vector.parameter] if flat else machine.parameters(), 1e-2)
        for step in range(10):
            optimiser.zero_grad(set_to_none=False)
            machine(drawn(6, 3, seed=step)).square().sum().backward()
            optimiser.step()
        return [weights.detach().clone() for weights in machine.parameters()]

    for flat, many in zip(trained(True), trained(False), strict=True):
        torch.testing.assert_close(flat, many, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", [RMSprop, GravesRMSprop, Adam])
def test_state_survives_a_state_dict(kind):
    def step(weights, optimiser, number):
        weights.grad = drawn(5, seed=number)
        optimiser.step()

    weights = nn.Parameter(drawn(5))
    optimiser = kind([weights], 1e-2)
    for number in range(3):
        step(weights, optimiser, number)
    other = nn.Parameter(weights.detach().clone())
    other_optimiser = kind([other], 1e-2)
    other_optimiser.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    step(weights, optimiser, 3)
    step(other, other_optimiser, 3)
    assert torch.equal(weights, other)


def test_a_closure_gives_the_loss():
    weights = nn.Parameter(torch.ones(2))
    optimiser = RMSprop([weights], 0.1)

    def closure():
        loss = weights.sum()
        loss.backward()
        return loss

    assert optimiser.step(closure).item() == 2.0
    assert (weights < 1).all()


def test_a_config_decides_the_optimiser_and_its_numbers():
    weights = nn.Parameter(torch.ones(1))
    for name, kind, decay, epsilon in [
        ("rmsprop", RMSprop, 0.95, 1e-8),
        ("graves-rmsprop", GravesRMSprop, 0.95, 1e-4),
        ("adam", Adam, 0.999, 1e-8),
    ]:
        plain = make_optimiser(TrainConfig(optimiser=name, momentum=0.5), weights)
        assert isinstance(plain, kind)
        (group,) = plain.param_groups
        assert (group["momentum"], group["decay"], group["epsilon"]) == (0.5, decay, epsilon)
        chosen = make_optimiser(TrainConfig(optimiser=name, decay=0.7, epsilon=0.1), weights)
        assert (chosen.param_groups[0]["decay"], chosen.param_groups[0]["epsilon"]) == (0.7, 0.1)
        held = make_optimiser(TrainConfig(optimiser=name, l2=0.2, weight_decay=0.3), weights)
        assert (held.param_groups[0]["l2"], held.param_groups[0]["weight_decay"]) == (0.2, 0.3)


@pytest.mark.parametrize(("value", "norm"), [(0.5, None), (None, 1.5), (0.5, 1.5), (None, 1e6)])
@pytest.mark.parametrize("as_tensor", [True, False])
def test_clipping_equals_pytorch(value, norm, as_tensor):
    ours = drawn(50)
    weights = nn.Parameter(torch.zeros(50))
    weights.grad = ours.clone()
    size = torch.linalg.vector_norm(ours)
    clip_gradient(ours, size if as_tensor else size.item(), value, norm)
    if value is not None:
        nn.utils.clip_grad_value_([weights], value)
    if norm is not None:
        nn.utils.clip_grad_norm_([weights], norm)
    torch.testing.assert_close(ours, weights.grad, rtol=1e-6, atol=0)


def test_without_clips_the_gradient_is_untouched():
    gradient = drawn(50) * 1e6
    before = gradient.clone()
    clip_gradient(gradient, 1e9, None, None)
    assert torch.equal(gradient, before)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("size", [20.0, 3e3, 1e8])
def test_graves_rmsprop_stays_finite_where_rounding_takes_the_variance_below_zero(fused, size):
    weights = nn.Parameter(torch.zeros(1000))
    optimiser = GravesRMSprop([weights], 1e-3, fused=fused)
    generator = torch.Generator().manual_seed(0)
    below = 0.0
    for _ in range(400):
        weights.grad = size * (1 + 1e-3 * torch.rand(1000, generator=generator))
        optimiser.step()
        state = optimiser.state[weights]
        below = min(below, float((state["square"] - state["mean"].square()).min()))
    assert torch.isfinite(weights).all()
    assert below < -1e-4, "or the test shows nothing"


@pytest.mark.parametrize("kind", [RMSprop, GravesRMSprop, Adam])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": float("nan")}, "lr must be a finite number of at least 0, got nan"),
        ({"lr": 1e39}, "lr must be a finite number of at least 0"),
        ({"momentum": 1.0}, "momentum must be a finite number from 0 to below 1"),
        ({"decay": -0.1}, "decay must be a finite number from 0 to below 1"),
        ({"epsilon": 0.0}, "epsilon must be a finite number above 0, got 0.0"),
        ({"epsilon": 1e-60}, "epsilon must be a finite number above 0"),
    ],
)
def test_impossible_settings_are_named(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind([nn.Parameter(torch.zeros(2))], **{"lr": 0.1} | options)
