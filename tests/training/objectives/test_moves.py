"""Choices of moves: the mean estimate is the gradient of the mean cost, summed over all paths."""

import itertools

import pytest
import torch

from tapehead.forms import Tape
from tapehead.machines.rl_ntm import RLNTM
from tapehead.tasks import Batch
from tapehead.tasks.tapes import CopyTape
from tapehead.training.objectives import MoveChoices, make_objective

STEPS = 3
TASK = CopyTape(num_symbols=1, max_complexity=1)


def follow(machine, script):
    """Make a machine choose as told: script (batch, time, choices of a step) of indices."""
    calls = itertools.count()
    machine._pick = lambda logits: script[:, next(calls)]


def problem(count):
    """Symbols 3 and 0 to be written in three steps, by so many machines."""
    inputs = Tape(
        torch.tensor([[2, 3]]).expand(count, -1),
        torch.full((count,), STEPS),
        torch.full((count,), 2),
    )
    targets = torch.eye(5)[torch.tensor([3, 0])].expand(count, -1, -1)
    return Batch(inputs, targets, torch.ones(count, 2, dtype=torch.bool))


def forced(run, number, time):
    """Whether the steps left were only enough for the symbols left."""
    written = int(run.wrote[number, :time].sum())
    return STEPS - time <= 2 - written


@pytest.mark.parametrize(
    ("memory", "controller"), [(False, "direct"), (True, "direct"), (True, "lstm")]
)
def test_mean_estimate_is_the_sum_over_all_paths(memory, controller):
    """Two symbols to write in three steps: every sequence of choices, weighed and summed."""
    torch.manual_seed(0)
    machine = RLNTM(
        5,
        controller=controller,
        memory=memory,
        hidden_size=4,
        cell_size=2,
        forward_only=True,
        reach=1,
    ).double()
    objective = MoveChoices(
        **machine.objective_sizes, baseline_size=3, entropy=0.0, entropy_batches=0
    ).double()
    with torch.no_grad():
        for parameter in [*machine.parameters(), *objective.parameters()]:
            parameter.add_(0.7 * torch.randn_like(parameter))

    sizes = machine.choice_sizes
    every = list(itertools.product(*[range(size) for _ in range(STEPS) for size in sizes]))
    script = torch.tensor(every).unflatten(1, (STEPS, len(sizes)))
    original = machine._pick
    follow(machine, script)
    batch = problem(len(script))
    outputs, run = machine(*batch.inputs)
    # Different scripts are the same path where a choice was forced or the end was reached; each
    # path is then counted once for each script that leads to it.
    seen: dict[tuple, int] = {}
    for number in range(len(script)):
        free = [
            tuple(
                int(script[number, time, part])
                for part in range(len(sizes))
                if run.active[number, time]
                and not (part == len(sizes) - 1 and forced(run, number, time))
            )
            for time in range(STEPS)
        ]
        seen.setdefault(tuple(free), number)
    assert len(seen) < len(script)
    chosen = torch.tensor(list(seen.values()))
    probability = run.log_probs.sum(1)[chosen].exp()
    torch.testing.assert_close(probability.sum().item(), 1.0)
    costs = TASK.answer.step_costs(outputs, batch).sum(1)
    mean = (probability * costs[chosen]).sum()
    own = list(machine.parameters())
    exact = torch.autograd.grad(mean, own, allow_unused=True)
    kept = [number for number, part in enumerate(exact) if part is not None]
    true = torch.cat([exact[number].flatten() for number in kept])

    machine._pick = original
    samples, values = [], []
    for _ in range(40):
        judged = objective(machine, TASK, problem(500))
        parts = torch.autograd.grad(judged.loss, [own[number] for number in kept])
        samples.append(torch.cat([part.flatten() for part in parts]))
        values.append(judged.loss.detach())
    found = torch.stack(samples)
    spread = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - true).abs() / spread.clamp(min=1e-12)).max() < 6.5
    # What is reported is the mean cost.
    spread = torch.stack(values).std() / len(values) ** 0.5
    assert (torch.stack(values).mean() - mean).abs() < 5 * spread


def test_baseline_learns_apart_from_the_machine():
    task = CopyTape(max_complexity=3)
    torch.manual_seed(0)
    machine = RLNTM(task.symbols, hidden_size=8)
    objective = make_objective(machine, task)
    batch = task.batch(torch.Generator().manual_seed(0), 2)
    named = {f"own.{name}": part for name, part in objective.named_parameters()}
    named |= dict(machine.named_parameters())

    def gradients():
        for parameter in named.values():
            parameter.grad = None
        judged = objective(machine, task, batch, torch.Generator().manual_seed(1))
        judged.loss.backward()
        return {name: part.grad for name, part in named.items() if part.grad is not None}

    joint = gradients()
    for name, parameter in named.items():
        parameter.requires_grad_(name.startswith("own."))
    alone = gradients()
    for name, gradient in alone.items():
        torch.testing.assert_close(gradient, joint[name])
    assert len(alone) == 4
    assert all((gradient != 0).any() for name, gradient in alone.items())


def test_entropy_is_paid_for_at_its_price_of_the_moment():
    """The reward falls to its last value and stays; a step's price is the gradient's."""
    options = {"entropy": 0.5, "last_entropy": 0.1, "entropy_batches": 4}
    objective = MoveChoices(10, **options)
    paid = []
    for _ in range(7):
        paid.append(objective.entropy_now)
        objective.batches_seen += 1
    assert paid == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1])
    assert MoveChoices(10, entropy=0.5, entropy_batches=0).entropy_now == 0.5

    task = CopyTape(max_complexity=3)
    machine = RLNTM(task.symbols, hidden_size=8)
    batch = task.batch(torch.Generator().manual_seed(0), 6)

    def gradient(price):
        torch.manual_seed(3)
        own = make_objective(machine, task, entropy=price, entropy_batches=0)
        judged = own(machine, task, batch, torch.Generator().manual_seed(1))
        return torch.autograd.grad(judged.loss, machine.choose.bias)[0]

    _, run = machine(*batch.inputs, sample=True, generator=torch.Generator().manual_seed(1))
    (slope,) = torch.autograd.grad(run.entropies.sum(1).mean(), machine.choose.bias)
    torch.testing.assert_close(gradient(0.3) - gradient(0.0), -0.3 * slope, rtol=1e-4, atol=1e-5)


def test_batches_are_counted_in_training_alone():
    task = CopyTape(max_complexity=2)
    machine = RLNTM(task.symbols, hidden_size=4)
    objective = make_objective(machine, task)
    batch = task.batch(torch.Generator().manual_seed(0), 2)
    objective(machine, task, batch)
    assert objective.batches_seen == 1
    objective.eval()(machine, task, batch)
    assert objective.batches_seen == 1
