"""The discretised NTM: every path of choices enumerated, and the estimators held to it."""

import itertools

import pytest
import torch

from tapehead.machines import address_estimator
from tapehead.machines.discrete_ntm import DiscreteNTM
from tapehead.machines.ntm import NTM
from tapehead.ops.estimators import addresses
from tapehead.ops.ntm.cpu import calls

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


def small(estimator, **options):
    """Two choices a step of three rows each: 81 paths in two steps."""
    torch.manual_seed(1)
    machine = DiscreteNTM(
        2, 2, memory_size=ROWS, word_size=2, hidden_size=4, **estimator, **options
    ).double()
    # Far from what a fresh machine does, and with every control variate at work.
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(0.7 * torch.randn_like(parameter))
    return machine


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
    own = [parameter for name, parameter in machine.named_parameters() if is_own(name)]
    at_logits, *at_weights = torch.autograd.grad(mean, [offset, *own])
    return mean.detach(), at_logits[0], torch.cat([part.flatten() for part in at_weights])


def is_own(name):
    return not name.startswith("address_estimator")


def errors(samples, true):
    spread = samples.std(0) / len(samples) ** 0.5
    return ((samples.mean(0) - true).abs() / spread.clamp(min=1e-12)).max()


@pytest.mark.parametrize("label", [*UNBIASED, *BIASED])
def test_mean_at_the_logits_is_the_sum_over_all_paths_unless_labelled_biased(label):
    machine = small((UNBIASED | BIASED)[label], read_first="reading first" in label)
    mean, at_logits, _ = exact(machine)
    samples = BATCH if label in UNBIASED else 4 * BATCH
    estimate = machine.estimate(
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
    machine = small(UNBIASED["relax"])
    generator = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(30):
        machine.zero_grad()
        loss, _ = machine.training_loss(INPUT.expand(700, -1, -1), costs, generator=generator)
        loss.backward()
        rows.append(
            torch.cat([p.grad.flatten() for n, p in machine.named_parameters() if is_own(n)])
        )
    # About 200 numbers, their spread known from 30 samples each: allow for both.
    assert errors(torch.stack(rows), exact(machine)[2]) < CERTAIN + 1.5


class Shifted(DiscreteNTM):
    """With a parameter added to the logits of every address."""

    def run(self, x, state, choose, *, lengths=None, offset=None, keep=False):
        shift = self.shift.expand(len(x), -1, -1, -1)
        shift = shift if offset is None else shift + offset
        return super().run(x, state, choose, lengths=lengths, offset=shift, keep=keep)


@pytest.mark.parametrize("label", [*UNBIASED, *BIASED])
def test_the_reported_gradient_is_what_backward_leaves_at_the_logits(label):
    machine = small((UNBIASED | BIASED)[label])
    machine.__class__ = Shifted
    machine.shift = torch.nn.Parameter(torch.zeros(STEPS, 2, ROWS, dtype=torch.float64))
    estimate = machine.estimate(INPUT.expand(64, -1, -1), costs, want_gradient=True)
    estimate.loss.backward()
    torch.testing.assert_close(machine.shift.grad, estimate.gradient.mean(0))


def test_control_variates_of_the_machine_lower_its_variance():
    variance = {}
    for label in ("reinforce", "reinforce, learned baseline", "rebar, learned baseline"):
        machine = small(UNBIASED[label])
        own = [p for n, p in machine.named_parameters() if not is_own(n)]
        optimiser = torch.optim.Adam(own, lr=0.05) if own else None
        x = INPUT.expand(400, -1, -1)
        for _ in range(40 if own else 0):
            optimiser.zero_grad()
            machine.training_loss(x, costs)[0].backward()
            optimiser.step()
        gradient = machine.estimate(x.repeat(10, 1, 1), costs, want_gradient=True).gradient
        variance[label] = gradient.var(0).sum()
    assert variance["reinforce"] > 1.5 * variance["reinforce, learned baseline"]
    assert variance["reinforce, learned baseline"] > 1.05 * variance["rebar, learned baseline"]


@pytest.mark.parametrize("label", ["rebar, learned baseline", "relax"])
def test_estimator_and_machine_train_apart(label):
    """Taking either side's losses away leaves the gradient of the other as it was."""

    def gradients(*, own, estimator):
        machine = small(UNBIASED[label])
        for name, parameter in machine.named_parameters():
            parameter.requires_grad_(own if is_own(name) else estimator)
        generator = torch.Generator().manual_seed(3)
        loss, _ = machine.training_loss(INPUT.expand(8, -1, -1), costs, generator=generator)
        loss.backward()
        return {n: p.grad for n, p in machine.named_parameters() if p.grad is not None}

    joint = gradients(own=True, estimator=True)
    alone = gradients(own=True, estimator=False) | gradients(own=False, estimator=True)
    assert joint.keys() == alone.keys() == dict(small(UNBIASED[label]).named_parameters()).keys()
    for name, gradient in joint.items():
        torch.testing.assert_close(alone[name], gradient, msg=name)


@pytest.mark.parametrize("label", ["reinforce, learned baseline", "relax"])
def test_the_estimators_own_losses_do_not_reach_the_machine(label, monkeypatch):
    def gradients():
        machine = small(UNBIASED[label])
        generator = torch.Generator().manual_seed(3)
        x = INPUT.expand(8, -1, -1)
        machine.training_loss(x, costs, generator=generator)[0].backward()
        return {n: p.grad for n, p in machine.named_parameters() if is_own(n)}

    with_losses = gradients()
    monkeypatch.setattr(address_estimator, "_relative", lambda loss, least=0.0: 0.0 * loss)
    for name, gradient in gradients().items():
        torch.testing.assert_close(with_losses[name], gradient, msg=name)


def test_soft_choice_is_the_plain_machine_to_the_floor_of_the_logarithm():
    torch.manual_seed(0)
    sizes = {"memory_size": 5, "word_size": 3, "hidden_size": 6, "num_reads": 2, "num_writes": 2}
    plain = NTM(4, 3, **sizes, backend="reference").double()
    for read_first in (False, True):
        plain.spec = plain.spec.__class__(**{**vars(plain.spec), "read_first": read_first})
        machine = DiscreteNTM(4, 3, **sizes, read_first=read_first, addressing="soft").double()
        missing, unexpected = machine.load_state_dict(plain.state_dict(), strict=False)
        assert not unexpected
        assert not any(is_own(name) for name in missing if name != "batches_seen")
        x = torch.randn(3, 7, 4, dtype=torch.float64)
        lengths = torch.tensor([7, 4, 1])
        expected, got = plain.trace(x, lengths=lengths), machine.trace(x, lengths=lengths)
        torch.testing.assert_close(got.y, expected.y, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(got.state.memory, expected.state.memory, rtol=1e-4, atol=1e-4)


def test_evaluation_reads_and_writes_exactly_one_row():
    # Reading after the write, so that what was read stands in the memory of the same step.
    sizes = {"memory_size": 6, "word_size": 3, "hidden_size": 8, "read_first": False}
    machine = DiscreteNTM(4, 3, **sizes).eval()
    trace = machine.trace(torch.randn(2, 9, 4))
    for name in ("read_weights", "write_weights"):
        weights = getattr(trace, name)
        assert set(weights.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(weights.sum(-1), torch.ones(2, 9, 1))
    changed = (trace.memory[:, 1:] != trace.memory[:, :-1]).any(-1).sum(-1)
    assert changed.max() == 1
    rows = trace.read_weights.argmax(-1, keepdim=True).expand(-1, -1, -1, 3)
    torch.testing.assert_close(trace.reads, trace.memory.gather(2, rows))
    again = machine(torch.zeros(1, 1, 4))[0]
    assert torch.equal(again, machine(torch.zeros(1, 1, 4))[0])


def test_training_draws_rows_from_the_weighting():
    machine = small({"estimator": "reinforce"})
    noise = machine.address_estimator.noise(INPUT.expand(BATCH, -1, -1))
    run = machine.run(
        INPUT.expand(BATCH, -1, -1), machine.initial_state(BATCH), addresses.sampling(noise)
    )
    difference = run.weights[:, 0, 0] - run.logits[:, 0, 0].softmax(-1)
    assert (difference.mean(0).abs() / difference.std(0) * BATCH**0.5).max() < CERTAIN


def test_pieces_are_the_whole_and_lengths_are_respected():
    machine = DiscreteNTM(4, 3, memory_size=6, word_size=3, hidden_size=8).eval()
    x = torch.randn(2, 9, 4)
    whole, end = machine(x)
    first, state = machine(x[:, :4])
    second, state = machine(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    for got, want in zip(state, end, strict=True):
        torch.testing.assert_close(got, want)
    short, kept = machine(x, lengths=torch.tensor([4, 9]))
    torch.testing.assert_close(short[0, :4], whole[0, :4])
    torch.testing.assert_close(kept.memory[0], machine(x[:, :4])[1].memory[0])


def test_a_sequence_is_not_trained_by_its_padding():
    """The estimate of a short sequence is that of the sequence alone."""
    machine = small({"estimator": "relax"})
    x = INPUT.repeat(1, 3, 1).expand(50, -1, -1)
    lengths = torch.full((50,), STEPS)

    def padded(y):
        return torch.nn.functional.pad(costs(y[:, :STEPS]), (0, y.shape[1] - STEPS))

    gradient = machine.estimate(x, padded, lengths=lengths, want_gradient=True).gradient
    assert (gradient[:, :STEPS] != 0).any()
    assert (gradient[:, STEPS:] == 0).all()


def test_annealing_goes_from_always_soft_to_always_discrete():
    machine = small({"estimator": "reinforce"}, addressing="annealed", annealing=40)
    hard = []
    for _ in range(60):
        hard.append((machine.trace(INPUT).weights == 1).any().item())
        machine.training_loss(INPUT, costs)
    assert not any(hard[:1])
    assert all(hard[40:])
    assert 5 < sum(hard[:40]) < 35
    assert machine.eval().trace(INPUT).weights.max() == 1


def test_soft_batches_come_before_the_annealing_and_are_those_of_the_plain_machine():
    machine = small({"estimator": "reinforce"}, addressing="annealed", annealing=1, soft_batches=30)
    plain = NTM.forward
    for _ in range(30):
        assert not machine.annealed
        loss, y = machine.training_loss(INPUT, costs)
        torch.testing.assert_close(y, plain(machine, INPUT)[0].detach())
        torch.testing.assert_close(loss.detach(), costs(y).sum(1).mean())
    assert not machine.annealed  # the first coin is always soft
    machine.training_loss(INPUT, costs)
    assert machine.annealed
    assert (machine.trace(INPUT).weights == 1).any()


def test_soft_batches_of_an_annealed_machine_may_pay_for_entropy():
    lengths = torch.tensor([STEPS - 1])
    phases = {"addressing": "annealed", "soft_batches": 9}
    free = small({"estimator": "reinforce"}, **phases)
    paying = small({"estimator": "reinforce"}, **phases, soft_entropy_cost=0.5)

    def answered(y):
        return costs(y) * (torch.arange(STEPS) < lengths)

    plain, outputs = free.training_loss(INPUT, answered, lengths=lengths)
    loss, y = paying.training_loss(INPUT, answered, lengths=lengths)
    torch.testing.assert_close(y[:, : STEPS - 1], outputs[:, : STEPS - 1], rtol=1e-5, atol=1e-6)
    weights = free.trace(INPUT, lengths=lengths).weights[:, : STEPS - 1]
    entropy = -(weights * weights.log()).sum()
    torch.testing.assert_close(loss - plain, 0.5 / 9 * entropy, rtol=1e-5, atol=1e-6)
    (of_entropy,) = torch.autograd.grad(entropy, free.interface.weight)
    (without,) = torch.autograd.grad(plain, free.interface.weight)
    (with_it,) = torch.autograd.grad(loss, paying.interface.weight)
    torch.testing.assert_close(with_it - without, 0.5 / 9 * of_entropy, rtol=1e-4, atol=1e-5)
    paying.batches_seen.fill_(50)  # long after the last of nine
    paying.annealing = 10**9
    loss = paying.training_loss(INPUT, answered, lengths=lengths)[0]
    torch.testing.assert_close(loss - plain, 0.5 * entropy, rtol=1e-5, atol=1e-6)
    with pytest.raises(
        ValueError, match=r"soft_entropy_cost must be a finite number of at least 0, got -1\.0"
    ):
        DiscreteNTM(2, 2, soft_entropy_cost=-1.0)


def test_soft_addresses_take_the_kernel_where_there_is_one(monkeypatch):
    called = []
    kernel = calls.forward
    monkeypatch.setattr(calls, "forward", lambda *a, **k: called.append(a) or kernel(*a, **k))

    def gradients(backend):
        torch.manual_seed(0)
        machine = DiscreteNTM(
            2, 2, memory_size=5, word_size=3, hidden_size=4, memory_init="uniform",
            addressing="soft", backend=backend,
        )  # fmt: skip
        machine.training_loss(x, costs)[0].backward()
        y = machine(x)[0].detach()
        assert len(called) == (2 if backend == "cpu" else 0)
        torch.testing.assert_close(y, machine.trace(x).y.detach(), rtol=1e-4, atol=1e-5)
        # What an estimator learns is not touched by a soft batch.
        return [p.grad for name, p in machine.named_parameters() if "estimator" not in name]

    x = torch.randn(3, STEPS, 2, generator=torch.Generator().manual_seed(1))
    wanted = gradients("reference")
    for got, want in zip(gradients("cpu"), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="addressing must be one of soft, discrete, annealed"):
        DiscreteNTM(2, 2, addressing="hard")
    with pytest.raises(ValueError, match="estimator must be one of reinforce"):
        DiscreteNTM(2, 2, estimator="nvil")
    with pytest.raises(ValueError, match="samples must be a whole number of at least 2, got 1"):
        DiscreteNTM(2, 2, baseline="leave-one-out")
    with pytest.raises(ValueError, match=r"temperature must be a finite number above 0, got 0\.0"):
        DiscreteNTM(2, 2, temperature=0.0)
