"""Each estimator against the gradient summed over every choice, with a confidence interval."""

import itertools

import jaxtyping
import pytest
import torch

from tapehead.ops.estimators import (
    BERNOULLI,
    CATEGORICAL,
    UNBIASED,
    gumbel,
    leave_one_out,
    moving_average,
    rebar,
    reinforce,
    relax,
    straight_through,
    straight_through_gumbel,
    train_control,
)

SAMPLES = 40_000
CERTAIN = 5.0  # standard errors: by chance once in two million

LOGITS = {
    BERNOULLI: torch.tensor([0.3, -1.2, 0.8], dtype=torch.float64),
    CATEGORICAL: torch.tensor([[0.3, -1.2, 0.8], [1.5, 0.1, -0.4]], dtype=torch.float64),
}
FAMILIES = pytest.mark.parametrize("family", LOGITS, ids=["bernoulli", "categorical"])


def cost(choice):
    """Not linear in any variable, and no two choices cost the same."""
    weights = torch.linspace(-1.0, 1.5, choice[0].numel(), dtype=choice.dtype)
    total = choice.flatten(1) @ weights
    return (total - 0.3).square() + total.sin() + 3.0


def choices(family):
    """Every value that the variables can take together."""
    logits = LOGITS[family]
    if family is BERNOULLI:
        return torch.tensor(
            list(itertools.product([0.0, 1.0], repeat=len(logits))), dtype=logits.dtype
        )
    one_hot = torch.eye(logits.shape[1], dtype=logits.dtype)
    rows = itertools.product(one_hot, repeat=logits.shape[0])
    return torch.stack([torch.stack(row) for row in rows])


def exact_gradient(family):
    logits = LOGITS[family].clone().requires_grad_()
    every = choices(family)
    log_probs = family.log_prob(logits.expand(every.shape), every).sum(-1)
    (log_probs.exp() * cost(every)).sum().backward()
    return logits.grad


def control(z):
    """A poor control variate, of z itself and asymmetric: unbiased estimates must not care."""
    return 2.0 + z.flatten(1).tanh().sum(-1) + 0.3 * z.flatten(1).square().sum(-1)


ESTIMATORS = {
    "reinforce": lambda draw: reinforce(draw, cost),
    "reinforce, constant baseline": lambda draw: reinforce(draw, cost, 3.0),
    "reinforce, leave one out": lambda draw: reinforce(
        draw, cost, lambda costs: leave_one_out(costs.view(2, -1)).flatten()
    ),
    "rebar": lambda draw: rebar(draw, cost, temperature=0.7, scale=0.8),
    "relax": lambda draw: relax(draw, cost, control),
    "straight-through": lambda draw: straight_through(draw, cost),
    "straight-through-gumbel": lambda draw: straight_through_gumbel(draw, cost, temperature=0.7),
}


def drawn(family, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = LOGITS[family].expand(SAMPLES, *LOGITS[family].shape).clone().requires_grad_()
    return family.draw(logits, generator)


def errors(gradient, exact):
    """How many standard errors the mean lies from the exact gradient, at each logit."""
    mean, spread = gradient.mean(0), gradient.std(0)
    return (mean - exact).abs() / (spread / len(gradient) ** 0.5)


@FAMILIES
@pytest.mark.parametrize("name", ESTIMATORS)
def test_mean_is_the_exact_gradient_unless_labelled_biased(family, name):
    estimate = ESTIMATORS[name](drawn(family))
    worst = errors(estimate.gradient.detach(), exact_gradient(family)).max()
    if UNBIASED[name.split(",")[0]]:
        assert worst < CERTAIN
    else:
        assert worst > 2 * CERTAIN


def own_cost_in_the_baseline(draw):
    return reinforce(draw, cost, 0.5 * cost(draw.choice))


def unconditional_z(draw):
    fresh = draw.family.draw(draw.logits)
    return relax(draw._replace(conditional=draw.leaf + (fresh.relaxed - fresh.leaf)), cost, control)


def conditional_noise_cut(draw):
    cut = draw.leaf + (draw.conditional - draw.leaf).detach()
    return relax(draw._replace(conditional=cut), cost, control)


@FAMILIES
@pytest.mark.parametrize(
    "biased", [own_cost_in_the_baseline, unconditional_z, conditional_noise_cut]
)
def test_a_planted_bias_is_seen(family, biased):
    gradient = biased(drawn(family)).gradient.detach()
    assert errors(gradient, exact_gradient(family)).max() > 2 * CERTAIN


@FAMILIES
def test_the_conditional_variable_has_the_law_of_the_free_one_and_keeps_the_choice(family):
    draw = drawn(family)
    free, given = draw.relaxed.detach(), draw.conditional.detach()
    assert torch.equal(family.harden(given), draw.choice)
    for moment in (1, 2, 3):
        difference = free**moment - given**moment
        assert (difference.mean(0).abs() / difference.std(0) * SAMPLES**0.5).max() < CERTAIN
    frequency = draw.choice - family.mean(LOGITS[family])
    assert (frequency.mean(0).abs() / frequency.std(0) * SAMPLES**0.5).max() < CERTAIN
    # Two draws that agree only in the choice: given it, z and z~ are independent.
    chosen = (draw.choice == draw.choice[0]).flatten(1).all(1)
    for one, other in zip(free[chosen].flatten(1).T, given[chosen].flatten(1).T, strict=True):
        correlation = torch.corrcoef(torch.stack([one, other]))[0, 1]
        assert correlation.abs() * int(chosen.sum()) ** 0.5 < CERTAIN


@FAMILIES
def test_conditional_variable_is_finite_for_saturated_logits(family):
    logits = (100 * LOGITS[family]).float().expand(1000, *LOGITS[family].shape)
    draw = family.draw(logits)
    (slope,) = torch.autograd.grad(draw.conditional.sum(), draw.leaf)
    assert draw.conditional.isfinite().all()
    assert slope.isfinite().all()
    assert torch.equal(family.harden(draw.conditional), draw.choice)


@FAMILIES
def test_surrogate_has_the_cost_for_value_and_the_estimate_for_gradient(family):
    weight = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    base = LOGITS[family].expand(5, *LOGITS[family].shape).clone().requires_grad_()
    draw = family.draw(3 * base)
    estimate = relax(draw, lambda choice: weight.square() * cost(choice), control)
    torch.testing.assert_close(estimate.surrogate, 4 * cost(draw.choice))
    estimate.surrogate.sum().backward()
    torch.testing.assert_close(base.grad, 3 * estimate.gradient.detach())
    torch.testing.assert_close(weight.grad, 4 * cost(draw.choice).sum())


@FAMILIES
def test_nothing_leaks_between_the_model_and_its_control_variate(family):
    """The control variate is built from the model's own cost, the way REBAR's is."""
    weight = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    logits = LOGITS[family].expand(50, *LOGITS[family].shape).clone().requires_grad_()
    draw = family.draw(logits)
    estimate = rebar(draw, lambda choice: weight * cost(choice), temperature=0.5, scale=scale)
    train_control(estimate, [scale])
    assert weight.grad is None
    assert logits.grad is None
    trained = scale.grad.clone()
    estimate.surrogate.sum().backward()
    torch.testing.assert_close(scale.grad, trained)
    torch.testing.assert_close(weight.grad, cost(draw.choice).sum())


@FAMILIES
def test_control_gradient_is_the_slope_of_the_variance(family):
    draw = drawn(family)

    def moment(value):
        gradient = rebar(draw, cost, temperature=0.7, scale=value).gradient
        return gradient.square().sum() / SAMPLES

    scale = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    returned = train_control(rebar(draw, cost, temperature=0.7, scale=scale), [scale])
    torch.testing.assert_close(returned, moment(0.4).detach())
    slope = (moment(0.4 + 1e-5) - moment(0.4 - 1e-5)) / 2e-5
    torch.testing.assert_close(scale.grad, slope.detach(), rtol=1e-6, atol=0)


@FAMILIES
def test_variance_falls_from_reinforce_to_a_baseline_to_a_tuned_control_variate(family):
    draw = drawn(family)

    def variance(estimate):
        return estimate.gradient.detach().var(0).sum()

    mean = exact_mean(family)

    def centred_cost(choice):
        return cost(choice) - mean

    plain = variance(reinforce(draw, cost))
    centred = variance(reinforce(draw, centred_cost))
    tuned = min(
        variance(rebar(draw, centred_cost, temperature=heat, scale=scale))
        for heat in (0.3, 0.6, 1.2)
        for scale in (0.3, 0.6, 0.9)
    )
    assert plain > 2 * centred > 2.4 * tuned


def exact_mean(family):
    every = choices(family)
    log_probs = family.log_prob(LOGITS[family].expand(every.shape), every).sum(-1)
    return (log_probs.exp() * cost(every)).sum()


def test_baselines():
    costs = torch.tensor([[1.0], [2.0], [6.0]])
    torch.testing.assert_close(leave_one_out(costs), torch.tensor([[4.0], [3.5], [1.5]]))
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        leave_one_out(costs[:1])
    torch.testing.assert_close(
        moving_average(torch.tensor([2.0, 4.0]), torch.tensor([3.0, 0.0]), decay=0.9),
        torch.tensor([2.1, 3.6]),
    )


def test_relaxation_tends_to_the_choice():
    for family in (BERNOULLI, CATEGORICAL):
        draw = drawn(family)
        soft = family.relax(draw.relaxed, 1e-3).detach()
        # Draws within 0.05 of a tie are left out: they need a lower temperature.
        z = draw.relaxed.detach()
        top = z.abs() if family is BERNOULLI else z.topk(2, dim=-1).values.diff(dim=-1).abs()
        clear = (top > 0.05).expand_as(soft)
        assert (soft - draw.choice)[clear].abs().max() < 1e-9


HALVES_AND_FULL = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
IMPOSSIBLE = {
    BERNOULLI: torch.tensor([[-torch.inf, torch.inf, 0.3]]),
    CATEGORICAL: torch.tensor([[[0.3, -torch.inf, 1.0], [0.2, 0.0, -torch.inf]]]),
}


def bounded(z):
    return 2.0 + z.flatten(1).tanh().sum(-1)


def test_what_cannot_be_chosen_has_no_part_in_probability_and_entropy():
    logits = torch.tensor([0.3, -torch.inf, 1.0], requires_grad=True)
    possible = logits.detach()[[0, 2]].requires_grad_()
    chosen = torch.tensor([0.0, 0.0, 1.0])
    for value in (lambda at, b: CATEGORICAL.log_prob(at, b), lambda at, b: CATEGORICAL.entropy(at)):
        got, want = value(logits, chosen), value(possible, chosen[[0, 2]])
        assert got == want
        (slope,) = torch.autograd.grad(got, logits)
        (wanted,) = torch.autograd.grad(want, possible)
        assert slope.tolist() == [wanted[0], 0.0, wanted[1]]
    never = CATEGORICAL.log_prob(logits, torch.tensor([0.0, 1.0, 0.0]))
    assert never == -torch.inf
    certain = torch.tensor([-torch.inf, torch.inf], requires_grad=True)
    for value in (
        BERNOULLI.log_prob(certain, torch.tensor([0.0, 1.0])),
        BERNOULLI.entropy(certain),
    ):
        assert value.tolist() == [0.0, 0.0]
        (slope,) = torch.autograd.grad(value.sum(), certain)
        assert slope.tolist() == [0.0, 0.0]


def test_entropies_are_those_of_the_sum():
    logits = torch.tensor([0.3, -1.2, 0.8], dtype=torch.float64)
    p = logits.softmax(-1)
    assert CATEGORICAL.entropy(logits) == pytest.approx(float(-(p * p.log()).sum()))
    q = logits.sigmoid()
    each = -(q * q.log() + (1 - q) * (1 - q).log())
    torch.testing.assert_close(BERNOULLI.entropy(logits), each)


def test_categories_that_are_all_impossible_have_no_distribution():
    logits = torch.full((3,), -torch.inf)
    assert CATEGORICAL.entropy(logits).isnan()
    assert CATEGORICAL.log_prob(logits, torch.tensor([1.0, 0.0, 0.0])).isnan()


@pytest.mark.parametrize(
    ("family", "logits", "error", "message"),
    [
        (BERNOULLI, [[0.0]], TypeError, "logits must be a tensor of floating numbers, got list"),
        (BERNOULLI, torch.ones(2, 1, dtype=torch.int64), TypeError, "got torch.int64"),
        (CATEGORICAL, None, TypeError, "got NoneType"),
        (CATEGORICAL, torch.tensor(0.0), ValueError, "at least 1 dimension, got shape"),
    ],
)
def test_logits_that_are_none_are_named(family, logits, error, message, monkeypatch):
    # Without the checks of shapes in signatures, which would speak first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(error, match=message):
        family.draw(logits)


@FAMILIES
@pytest.mark.parametrize("dtype", HALVES_AND_FULL)
@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_impossible_values_leave_estimates_finite(family, dtype, name):
    logits = IMPOSSIBLE[family].to(dtype).repeat(64, *[1] * (family.event_dims)).requires_grad_()
    draw = family.draw(logits, torch.Generator().manual_seed(1))
    # A control variate that grows with z is as infinite as a z that cannot be.
    estimate = relax(draw, cost, bounded) if name == "relax" else ESTIMATORS[name](draw)
    (gradient,) = torch.autograd.grad(estimate.surrogate.sum(), logits)
    for part in (*estimate, gradient):
        assert part.isfinite().all()
        assert part.dtype == dtype
    assert (gradient[logits.detach().isinf()] == 0).all()


@pytest.mark.parametrize("dtype", HALVES_AND_FULL)
def test_noise_is_finite_in_every_type(dtype):
    like, generator = torch.empty(100_000, dtype=dtype), torch.Generator().manual_seed(0)
    for noise in (gumbel(like, generator), CATEGORICAL.noise(like, generator),
                  BERNOULLI.noise(like, generator)):  # fmt: skip
        assert noise.isfinite().all()
        assert noise.dtype == dtype
    assert gumbel(like, generator).double().mean() == pytest.approx(0.5772, abs=0.02)


def test_a_single_logit_without_a_batch():
    logit = torch.tensor(0.3, requires_grad=True)
    for name, estimate in SINGLE.items():
        found = estimate(BERNOULLI.draw(logit, torch.Generator().manual_seed(2)))
        assert found.surrogate.shape == found.gradient.shape == (), name
        assert torch.autograd.grad(found.surrogate, logit)[0] == found.gradient


def squared(choice):
    return (choice - 0.45).square()


SINGLE = {
    "reinforce": lambda draw: reinforce(draw, squared, 0.2),
    "rebar": lambda draw: rebar(draw, squared, temperature=0.5, scale=0.8),
    "relax": lambda draw: relax(draw, squared, torch.tanh),
    "straight-through": lambda draw: straight_through(draw, squared),
    "straight-through-gumbel": lambda draw: straight_through_gumbel(draw, squared, temperature=0.7),
}


def total(choice):
    return choice.sum(-1)


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (
            lambda d: reinforce(d, total, torch.zeros(5, 1)),
            r"baseline must have shape \(5,\), .*1\)",
        ),
        (
            lambda d: reinforce(d, total, torch.zeros(1)),
            r"baseline must have shape \(5,\), .*\(1,\)",
        ),
        (lambda d: reinforce(d, total, lambda c: c[:, None]), r"baseline must have shape \(5,\)"),
        (lambda d: reinforce(d, total, float("nan")), "baseline must be a finite number, got nan"),
        (lambda d: reinforce(d, lambda b: b), r"cost must have shape \(5,\), .* got \(5, 1\)"),
        (lambda d: reinforce(d, lambda b: b.sum()), r"cost must have shape \(5,\), .* got \(\)"),
        (lambda d: straight_through(d, lambda b: b), r"cost must have shape \(5,\)"),
        (
            lambda d: straight_through_gumbel(d, lambda b: b, temperature=0.7),
            r"cost must have shape \(5,\)",
        ),
        (
            lambda d: straight_through_gumbel(d, total, temperature=0.0),
            "temperature must be a finite number above 0, got 0.0",
        ),
        (
            lambda d: relax(d, total, lambda z: z),
            r"control must have shape \(5,\)",
        ),
        (
            lambda d: rebar(d, total, temperature=torch.ones(5), scale=1.0),
            r"temperature must be one number, .* got shape \(5,\)",
        ),
        (
            lambda d: rebar(d, total, temperature=1.0, scale=torch.ones(5, 1)),
            r"scale must have shape \(5,\), .* got \(5, 1\)",
        ),
    ],
)
def test_what_would_be_broadcast_is_refused(estimate, message):
    draw = BERNOULLI.draw(torch.zeros(5, 1, requires_grad=True))
    with pytest.raises(ValueError, match=message):
        estimate(draw)


def test_a_cost_that_is_no_tensor_is_named():
    draw = BERNOULLI.draw(torch.zeros(5, 1))
    with pytest.raises(TypeError, match="cost must be a tensor of floating numbers, got float"):
        reinforce(draw, lambda b: 1.0)
    with pytest.raises(TypeError, match=r"cost must be a tensor of .*, got torch\.int64"):
        reinforce(draw, lambda b: b.long().sum(-1))
