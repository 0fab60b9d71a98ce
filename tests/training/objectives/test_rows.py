"""Choices of rows: every path of choices enumerated, and the estimators held to it."""

import itertools

import pytest
import torch
from torch import nn

from tapehead.machines.discrete_ntm import DiscreteNTM
from tapehead.ops.estimators import addresses
from tapehead.training.objectives import RowChoices, estimator, rows

STEPS, ROWS, BATCH = 2, 3, 20_000
CERTAIN = 5.0  # standard errors

UNBIASED = {
    "reinforce": {"estimator": "reinforce", "baseline": "none"},
    "reinforce, moving average": {"estimator": "reinforce", "baseline": "moving-average"},
    "reinforce, learned baseline": {"estimator": "reinforce", "baseline": "learned"},
    "reinforce, leave one out": {
        "estimator": "reinforce",
        "baseline": "leave-one-out",
        "samples": 2,
    },
    "rebar": {"estimator": "rebar", "baseline": "none", "temperature": 0.7},
    "rebar, learned baseline": {"estimator": "rebar", "baseline": "learned"},
    "rebar, reading first": {"estimator": "rebar", "baseline": "none", "temperature": 0.7},
    "relax": {"estimator": "relax", "baseline": "learned", "temperature": 0.7},
}
BIASED = {
    "straight-through": {"estimator": "straight-through"},
    "straight-through-gumbel": {"estimator": "straight-through-gumbel", "temperature": 0.7},
}


class Trained(nn.Module):
    """A machine and its objective."""

    def __init__(self, machine, **options):
        super().__init__()
        self.machine = machine
        self.objective = RowChoices(**machine.objective_sizes, **options)

    def loss(self, x, costs, **how):
        return self.objective.loss(self.machine, x, costs, **how)

    def estimate(self, x, costs, **how):
        return self.objective.estimate(self.machine, x, costs, **how)


def small(options, **more):
    """Two choices a step of three rows each: 81 paths in two steps."""
    torch.manual_seed(1)
    read_first = {"read_first": more.pop("read_first")} if "read_first" in more else {}
    machine = DiscreteNTM(2, 2, memory_size=ROWS, word_size=2, hidden_size=4, **read_first)
    trained = Trained(machine, **options, **more).double()
    # Far from what a fresh machine does, and with every control variate at work.
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.7 * torch.randn_like(parameter))
    return trained


INPUT = torch.randn(1, STEPS, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
TARGET = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)


def costs(y):
    """A cost at each step, so that what a choice answers for depends on when it was made; most of
    it late, so that it takes the memory to answer."""
    return torch.tensor([2.0, 20.0]) * (y.sigmoid() - TARGET).square().sum(-1)


def exact(machine):
    """The gradient of the mean cost, summed over every path: at the logits and the weights."""
    one_hot = torch.eye(ROWS, dtype=torch.float64)
    paths = [torch.stack(path) for path in itertools.product(one_hot, repeat=2 * STEPS)]
    choices = torch.stack(paths).unflatten(1, (STEPS, 2))
    offset = torch.zeros(1, STEPS, 2, ROWS, dtype=torch.float64, requires_grad=True)
    x = INPUT.expand(len(choices), -1, -1)
    run = machine.run(
        x,
        machine.initial_state(len(choices)),
        addresses.forced(choices),
        offset=offset.expand(len(choices), -1, -1, -1),
    )
    active = torch.ones(len(choices), STEPS, dtype=torch.bool)
    probability = addresses.log_probs(run.logits, choices, active).sum(1).exp()
    torch.testing.assert_close(probability.sum(), torch.ones((), dtype=torch.float64))
    mean = (probability * costs(run.y).sum(1)).sum()
    own = [parameter for name, parameter in machine.named_parameters()]
    at_logits, *at_weights = torch.autograd.grad(mean, [offset, *own])
    return mean.detach(), at_logits[0], torch.cat([part.flatten() for part in at_weights])


def is_own(name):
    return name.startswith("machine.")


def errors(samples, true):
    spread = samples.std(0) / len(samples) ** 0.5
    return ((samples.mean(0) - true).abs() / spread.clamp(min=1e-12)).max()


@pytest.mark.parametrize("label", [*UNBIASED, *BIASED])
def test_mean_at_the_logits_is_the_sum_over_all_paths_unless_labelled_biased(label):
    trained = small((UNBIASED | BIASED)[label], read_first="reading first" in label)
    mean, at_logits, _ = exact(trained.machine)
    samples = BATCH if label in UNBIASED else 4 * BATCH
    estimate = trained.estimate(
        INPUT.expand(samples, -1, -1),
        costs,
        generator=torch.Generator().manual_seed(0),
        want_gradient=True,
    )
    assert errors(estimate.costs, mean) < CERTAIN
    torch.testing.assert_close(estimate.loss.detach(), estimate.costs.mean())
    worst = errors(estimate.gradient, at_logits)
    assert worst < CERTAIN if label in UNBIASED else worst > 1.5 * CERTAIN


def test_mean_at_the_weights_is_the_sum_over_all_paths():
    """For RELAX, whose estimate holds every term of the others."""
    trained = small(UNBIASED["relax"])
    generator = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(30):
        trained.zero_grad()
        loss, _ = trained.loss(INPUT.expand(700, -1, -1), costs, generator=generator)
        loss.backward()
        rows.append(
            torch.cat([p.grad.flatten() for n, p in trained.named_parameters() if is_own(n)])
        )
    # About 200 numbers, their spread known from 30 samples each: allow for both.
    assert errors(torch.stack(rows), exact(trained.machine)[2]) < CERTAIN + 1.5


class Shifted(DiscreteNTM):
    """With a parameter added to the logits of every address."""

    def run(self, x, state, choose, *, lengths=None, offset=None, keep=False):
        shift = self.shift.expand(len(x), -1, -1, -1)
        shift = shift if offset is None else shift + offset
        return super().run(x, state, choose, lengths=lengths, offset=shift, keep=keep)


@pytest.mark.parametrize("label", [*UNBIASED, *BIASED])
def test_the_reported_gradient_is_what_backward_leaves_at_the_logits(label):
    trained = small((UNBIASED | BIASED)[label])
    trained.machine.__class__ = Shifted
    trained.machine.shift = torch.nn.Parameter(torch.zeros(STEPS, 2, ROWS, dtype=torch.float64))
    estimate = trained.estimate(INPUT.expand(64, -1, -1), costs, want_gradient=True)
    estimate.loss.backward()
    torch.testing.assert_close(trained.machine.shift.grad, estimate.gradient.mean(0))


def test_control_variates_of_the_machine_lower_its_variance():
    variance = {}
    for label in ("reinforce", "reinforce, learned baseline", "rebar, learned baseline"):
        trained = small(UNBIASED[label])
        own = [p for n, p in trained.named_parameters() if not is_own(n)]
        optimiser = torch.optim.Adam(own, lr=0.05) if own else None
        x = INPUT.expand(400, -1, -1)
        for _ in range(40 if own else 0):
            optimiser.zero_grad()
            trained.loss(x, costs)[0].backward()
            optimiser.step()
        gradient = trained.estimate(x.repeat(10, 1, 1), costs, want_gradient=True).gradient
        variance[label] = gradient.var(0).sum()
    assert variance["reinforce"] > 1.5 * variance["reinforce, learned baseline"]
    assert variance["reinforce, learned baseline"] > 1.05 * variance["rebar, learned baseline"]


@pytest.mark.parametrize("label", ["rebar, learned baseline", "relax"])
def test_estimator_and_machine_train_apart(label):
    """Taking either side's losses away leaves the gradient of the other as it was."""

    def gradients(*, own, estimator):
        trained = small(UNBIASED[label])
        for name, parameter in trained.named_parameters():
            parameter.requires_grad_(own if is_own(name) else estimator)
        generator = torch.Generator().manual_seed(3)
        loss, _ = trained.loss(INPUT.expand(8, -1, -1), costs, generator=generator)
        loss.backward()
        return {n: p.grad for n, p in trained.named_parameters() if p.grad is not None}

    joint = gradients(own=True, estimator=True)
    alone = gradients(own=True, estimator=False) | gradients(own=False, estimator=True)
    assert joint.keys() == alone.keys() == dict(small(UNBIASED[label]).named_parameters()).keys()
    for name, gradient in joint.items():
        torch.testing.assert_close(alone[name], gradient, msg=name)


@pytest.mark.parametrize("label", ["reinforce, learned baseline", "relax"])
def test_the_estimators_own_losses_do_not_reach_the_machine(label, monkeypatch):
    def gradients():
        trained = small(UNBIASED[label])
        generator = torch.Generator().manual_seed(3)
        x = INPUT.expand(8, -1, -1)
        trained.loss(x, costs, generator=generator)[0].backward()
        return {n: p.grad for n, p in trained.named_parameters() if is_own(n)}

    with_losses = gradients()
    monkeypatch.setattr(estimator, "_relative", lambda loss, least=0.0: 0.0 * loss)
    for name, gradient in gradients().items():
        torch.testing.assert_close(with_losses[name], gradient, msg=name)


def test_training_draws_rows_from_the_weighting():
    trained = small({"estimator": "reinforce"})
    noise = trained.objective.address_estimator.noise(INPUT.expand(BATCH, -1, -1))
    machine = trained.machine
    run = machine.run(
        INPUT.expand(BATCH, -1, -1), machine.initial_state(BATCH), addresses.sampling(noise)
    )
    difference = run.weights[:, 0, 0] - run.logits[:, 0, 0].softmax(-1)
    assert (difference.mean(0).abs() / difference.std(0) * BATCH**0.5).max() < CERTAIN


def test_a_sequence_is_not_trained_by_its_padding():
    """The estimate of a short sequence is that of the sequence alone."""
    trained = small({"estimator": "relax"})
    x = INPUT.repeat(1, 3, 1).expand(50, -1, -1)
    lengths = torch.full((50,), STEPS)

    def padded(y):
        return torch.nn.functional.pad(costs(y[:, :STEPS]), (0, y.shape[1] - STEPS))

    gradient = trained.estimate(x, padded, lengths=lengths, want_gradient=True).gradient
    assert (gradient[:, :STEPS] != 0).any()
    assert (gradient[:, STEPS:] == 0).all()


def softly(machine, x, **how):
    """What a machine answers with soft addresses."""
    machine.addressing = "soft"
    trace = machine.trace(x, **how)
    machine.addressing = "discrete"
    return trace


def test_annealing_goes_from_always_soft_to_always_discrete():
    trained = small({"estimator": "reinforce"}, annealing=40)
    soft = softly(trained.machine, INPUT).y.detach()
    hard = []
    for _ in range(60):
        _, y = trained.loss(INPUT, costs)
        hard.append(not torch.allclose(y, soft, rtol=1e-4, atol=1e-5))
    assert not any(hard[:1])
    assert all(hard[40:])
    assert 5 < sum(hard[:40]) < 35
    assert trained.machine.trace(INPUT).weights.max() == 1


@pytest.mark.parametrize("annealing", [0, 1])
def test_soft_batches_come_first_and_are_those_of_the_plain_machine(annealing):
    trained = small({"estimator": "reinforce"}, annealing=annealing, soft_batches=30)
    machine, objective = trained.machine, trained.objective
    soft = softly(machine, INPUT).y.detach()
    for _ in range(30):
        assert objective.still_soft
        assert not objective.in_earnest
        loss, y = trained.loss(INPUT, costs)
        torch.testing.assert_close(y, soft, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(loss.detach(), costs(y).sum(1).mean())
    if annealing:
        assert not objective.in_earnest  # the first coin is always soft
        trained.loss(INPUT, costs)
    assert objective.in_earnest
    assert not objective.still_soft
    assert objective.batches_seen == 30 + annealing


def test_an_annealed_machine_is_shown_as_it_is_trained():
    trained = small({"estimator": "reinforce"}, soft_batches=1, annealing=5)
    machine, objective = trained.machine, trained.objective
    with objective.as_trained(machine):
        soft = machine(INPUT)[0]
    torch.testing.assert_close(soft, softly(machine, INPUT).y, rtol=1e-4, atol=1e-5)
    assert machine.addressing == "discrete"
    with pytest.raises(KeyError), objective.as_trained(machine):
        raise KeyError
    assert machine.addressing == "discrete"
    for _ in range(2):
        trained.loss(INPUT, costs)
    with objective.as_trained(machine), torch.no_grad():
        assert torch.equal(machine(INPUT)[0], machine.trace(INPUT).y)


def test_soft_batches_of_an_annealed_machine_may_pay_for_entropy():
    lengths = torch.tensor([STEPS - 1])
    phases = {"soft_batches": 9, "annealing": 9}
    free = small({"estimator": "reinforce"}, **phases)
    paying = small({"estimator": "reinforce"}, **phases, soft_entropy_cost=0.5)

    def answered(y):
        return costs(y) * (torch.arange(STEPS) < lengths)

    plain, outputs = free.loss(INPUT, answered, lengths=lengths)
    loss, y = paying.loss(INPUT, answered, lengths=lengths)
    torch.testing.assert_close(y[:, : STEPS - 1], outputs[:, : STEPS - 1], rtol=1e-5, atol=1e-6)
    weights = softly(free.machine, INPUT, lengths=lengths).weights[:, : STEPS - 1]
    entropy = -(weights * weights.log()).sum()
    torch.testing.assert_close(loss - plain, 0.5 / 9 * entropy, rtol=1e-5, atol=1e-6)
    (of_entropy,) = torch.autograd.grad(entropy, free.machine.interface.weight)
    (without,) = torch.autograd.grad(plain, free.machine.interface.weight)
    (with_it,) = torch.autograd.grad(loss, paying.machine.interface.weight)
    torch.testing.assert_close(with_it - without, 0.5 / 9 * of_entropy, rtol=1e-4, atol=1e-5)
    paying.objective.batches_seen.fill_(50)  # long after the last of nine
    paying.objective.annealing = 10**9
    loss = paying.loss(INPUT, answered, lengths=lengths)[0]
    torch.testing.assert_close(loss - plain, 0.5 * entropy, rtol=1e-5, atol=1e-6)
    with pytest.raises(
        ValueError, match=r"soft_entropy_cost must be a finite number of at least 0, got -1\.0"
    ):
        RowChoices(2, 3, 4, soft_entropy_cost=-1.0)


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="estimator must be one of reinforce"):
        RowChoices(2, 3, 4, estimator="nvil")
    with pytest.raises(ValueError, match="samples must be a whole number of at least 2, got 1"):
        RowChoices(2, 3, 4, baseline="leave-one-out")
    with pytest.raises(ValueError, match=r"temperature must be a finite number above 0, got 0\.0"):
        RowChoices(2, 3, 4, temperature=0.0)
    with pytest.raises(ValueError, match="temperature must be a finite number above 0, got inf"):
        RowChoices(2, 3, 4, temperature=float("inf"))
    with pytest.raises(ValueError, match="entropy must be a finite number, got nan"):
        RowChoices(2, 3, 4, entropy=float("nan"))
    with pytest.raises(TypeError, match="entropy must be a finite number, got 'much'"):
        RowChoices(2, 3, 4, entropy="much")


@pytest.mark.parametrize("baseline", ["none", "learned", "moving-average"])
@pytest.mark.parametrize("estimator", ["reinforce", "rebar", "relax", "straight-through"])
def test_what_is_learned_is_as_large_as_worked_out(estimator, baseline):
    options = {"choices": 2, "rows": 5, "context_size": 7}
    options |= {"estimator": estimator, "baseline": baseline}
    made = RowChoices(**options)
    parts = [*made.parameters(), *made.buffers()]
    assert rows._numbers(**options) == sum(part.numel() for part in parts)
