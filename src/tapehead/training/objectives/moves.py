"""Choices of moves: REINFORCE with a learned baseline, as the RL-NTM is trained."""

from typing import Any

import torch
from torch import Tensor, nn

from tapehead.checks import Count, Finite, Size
from tapehead.machines.options import configured
from tapehead.machines.sizes import linear
from tapehead.ops.estimators.addresses import to_go
from tapehead.tasks import Batch, Task
from tapehead.training.objectives.objective import Judged, Objective


def _numbers(*, context_size: int, baseline_size: int, **_: Any) -> int:
    return linear(context_size, baseline_size) + linear(baseline_size, 1) + 1


class MoveChoices(Objective):
    """For a machine that moves heads and decides when to write: its choices are drawn, and pulled
    towards what cost less than expected (Zaremba & Sutskever, arXiv 1505.00521, section 4).

    The gradient is the ordinary one through outputs and memory, and for the choices REINFORCE with
    the cost-to-go less the baseline.

    Args:
        context_size: of the machine.
        entropy: reward for a nat of entropy of each step's choices, at first.
        last_entropy: the same at last.
        entropy_batches: batches over which it goes from one to the other; 0: it stays at `entropy`.
        baseline_size: hidden units of the network that predicts the cost-to-go.

    >>> import torch
    >>> from tapehead import RLNTM
    >>> from tapehead.tasks import ReverseTape
    >>> from tapehead.training.objectives import MoveChoices
    >>> task = ReverseTape(num_symbols=5, max_complexity=4)
    >>> machine = RLNTM(**task.sizes)
    >>> objective = MoveChoices(**machine.objective_sizes)
    >>> objective(machine, task, task.batch(torch.Generator().manual_seed(0), 4)).loss.backward()
    >>> all(weight.grad is not None for weight in machine.parameters())
    True
    """

    changeable = ("entropy", "last_entropy", "entropy_batches")
    batches_seen: Tensor
    """Of training, by which it knows how much to pay for entropy."""

    @configured(_numbers)
    def __init__(
        self,
        context_size: Size,
        *,
        # Much at first, so that no choice is sure before it can tell right from wrong; never
        # nothing, as a choice that is sure tries nothing else.
        entropy: Finite = 0.05,
        last_entropy: Finite = 0.003,
        entropy_batches: Count = 1_600,
        baseline_size: Size = 50,
    ):
        super().__init__()
        self.entropy, self.last_entropy = entropy, last_entropy
        self.entropy_batches = entropy_batches
        self.baseline = nn.Sequential(
            nn.Linear(context_size, baseline_size), nn.Tanh(), nn.Linear(baseline_size, 1)
        )
        self.register_buffer("batches_seen", torch.zeros((), dtype=torch.int64))

    @property
    def entropy_now(self) -> float:
        """What a nat of entropy is paid for in the next batch."""
        if not self.entropy_batches:
            return self.entropy
        left = max(0.0, 1 - self.batches_seen.item() / self.entropy_batches)
        return self.last_entropy + left * (self.entropy - self.last_entropy)

    def forward(
        self,
        machine: Any,
        task: Task,
        batch: Batch,
        generator: torch.Generator | None = None,
    ) -> Judged:
        outputs, run = machine(**batch.inputs._asdict(), sample=True, generator=generator)
        of_answers = task.step_costs(outputs, batch)
        last = of_answers.shape[1] - 1
        costs = torch.where(run.wrote, of_answers.gather(1, run.due.clamp(max=last)), 0.0)
        ahead = to_go(costs.detach())
        expected = torch.where(run.active, self.baseline(run.context.detach())[..., 0], 0.0)
        advantage = ahead - expected.detach()
        pull = costs + advantage * run.log_probs - self.entropy_now * run.entropies
        error = (expected - ahead).square().sum() / run.active.sum()
        if self.training:
            self.batches_seen += 1
        # In units of its own size: where a joint gradient is clipped, how much is cut from the
        # machine's part must not hang on how well the baseline predicts.
        loss = pull.sum(1).mean()
        own = error / error.detach().clamp(min=1.0)
        # The value is the mean cost; all else is there for its gradient.
        loss = costs.sum(1).mean().detach() + (loss + own) - (loss + own).detach()
        return Judged(loss, outputs.detach(), batch)
