"""The gradient of a discrete machine's mean cost, summed over every path of choices."""

import itertools

import torch

from tapehead.ops.estimators import addresses


def every_path(machine, x, costs):
    """Mean cost and its gradient at the logits of every address, for one sequence (1, T, input)."""
    steps, eye = x.shape[1], torch.eye(machine.rows, dtype=x.dtype)
    paths = itertools.product(eye, repeat=machine.choices * steps)
    choices = torch.stack([torch.stack(path) for path in paths])
    choices = choices.unflatten(1, (steps, machine.choices))
    offset = torch.zeros(1, *choices.shape[1:], dtype=x.dtype, requires_grad=True)
    many = len(choices)
    run = machine.run(
        x.expand(many, -1, -1),
        machine.initial_state(many),
        addresses.forced(choices),
        offset=offset.expand(many, -1, -1, -1),
    )
    active = torch.ones(many, steps, dtype=torch.bool)
    probability = addresses.log_probs(run.logits, choices, active).sum(1).exp()
    torch.testing.assert_close(probability.sum(), torch.ones((), dtype=x.dtype))
    mean = (probability * costs(run.y).sum(1)).sum()
    return mean.detach(), torch.autograd.grad(mean, offset)[0][0]


def standard_errors(samples, true):
    """How many standard errors the mean of samples lies from the truth, at worst."""
    spread = samples.std(0) / len(samples) ** 0.5
    return ((samples.mean(0) - true).abs() / spread.clamp(min=1e-12)).max()
