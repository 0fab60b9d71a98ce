"""Episodes with reward: advantage actor-critic."""

import copy
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import Finite, NotNegative, choice, number
from tapehead.machines.machine import Machine
from tapehead.machines.options import configured
from tapehead.ops.estimators import gumbel
from tapehead.tasks import Batch
from tapehead.tasks.world import play
from tapehead.training.objectives.objective import Judged, Objective

CRITICS = ("shared", "own")
Part = Annotated[float, number(0.0, most=1.0)]


def _numbers(**_: Any) -> int:
    """It has none but for a critic's, which are as many again as the machine's."""
    return 0


class ActorCritic(Objective):
    """For a task that is a world (`tapehead.tasks.world`): moves are drawn, and pulled towards what
    brought more reward than a critic expected.

    The machine plays a batch of episodes without a gradient, and is then run over what it was told
    once more, with one: a sequence run whole is the sequence run step by step. (A machine that
    draws numbers of its own while it trains, as `bypass_dropout` does, draws others then.) Its last
    output is a value, the others are the logits of the moves.

    The gradient is that of the expected return, the sum of the rewards, each times
    `discount`^step: without bias if `trace_decay` is 1, whatever the critic says. Advantages are
    those of Schulman et al. (arXiv 1506.02438); on the sum, entropies and a shared critic see Mnih
    et al. (arXiv 1602.01783). Graves et al. (2016) train mini-SHRDLU so, with a critic of its own,
    a `trace_decay` of 0.75 and an `entropy` of 0.5 (their Extended Data Table 2 calls them lambda
    and entropy cost).

    One episode of two steps; only in the first was a move asked for, and the second of two moves,
    which was made, brought a reward of 1. Downhill is towards that move:

    >>> import torch
    >>> from tapehead.forms import Sequence
    >>> from tapehead.tasks import Batch
    >>> from tapehead.training.objectives import ActorCritic
    >>> made = torch.tensor([[[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]])
    >>> played = Batch(Sequence(torch.zeros(1, 2, 1)), made, torch.tensor([[True, False]]))
    >>> logits = torch.zeros(1, 2, 2, requires_grad=True)
    >>> ActorCritic(entropy=0.0).pull(logits, torch.zeros(1, 2), played).backward()
    >>> logits.grad.tolist()
    [[[0.5, -0.5], [0.0, 0.0]]]

    Args:
        discount: of a reward for each step that it comes later. Here it counts from the first step
            of an episode, so that later moves weigh less; most programs leave that out, and follow
            the gradient of nothing.
        trace_decay: how far ahead an advantage looks for rewards, before it trusts the critic:
            1 to the end, 0 one step.
        entropy: reward for a nat of entropy of each move.
        value_weight: of the critic's squared error, beside the return.
        critic: "shared": the value is the machine's own last output; "own": that of a second
            machine like it, which begins with weights of its own and is told the same.
    """

    changeable = ("discount", "trace_decay", "entropy", "value_weight")
    network: nn.Module | None

    @configured(_numbers)
    def __init__(
        self,
        *,
        discount: Part = 1.0,
        trace_decay: Part = 0.95,
        entropy: Finite = 0.01,
        value_weight: NotNegative = 0.5,
        critic: Annotated[str, choice(CRITICS)] = "shared",
    ):
        super().__init__()
        self.discount, self.trace_decay = discount, trace_decay
        self.entropy, self.value_weight = entropy, value_weight
        self.network = None

    def prepare(self, machine: Machine) -> None:
        if self.critic == "own":
            self.network = copy.deepcopy(machine)
            _redraw(self.network)

    def forward(
        self,
        machine: Any,
        task: Any,
        batch: Batch,
        generator: torch.Generator | None = None,
    ) -> Judged:
        with torch.no_grad():
            _, played = play(
                task, machine, batch, lambda logits: (logits + gumbel(logits, generator)).argmax(-1)
            )
        outputs, _ = machine(**played.inputs._asdict())
        values = outputs[..., -1]
        if self.network is not None:
            values = self.network(**played.inputs._asdict())[0][..., -1]
        pull = self.pull(outputs[..., :-1], values, played)
        # The value is the mean cost; all else is there for its gradient.
        loss = task.loss(outputs, played).detach() + pull - pull.detach()
        return Judged(loss, outputs.detach(), played)

    def pull(
        self,
        logits: Float[Tensor, "batch time moves"],
        values: Float[Tensor, "batch time"],
        played: Batch,
    ) -> Float[Tensor, ""]:
        """A number whose gradient is minus that of the mean return, with the critic's own.

        Args:
            logits, values: at every step of episodes as `play` gives them.
        """
        moves, rewards = played.targets[..., :-1], played.targets[..., -1]
        steps = torch.arange(logits.shape[1], device=logits.device)
        alive = steps < played.inputs.steps[:, None]
        values = torch.where(alive, values, 0.0)
        ahead = advantages(rewards, values.detach(), self.discount, self.trace_decay)
        log_probs = logits.log_softmax(-1)
        chosen = torch.where(played.mask, (log_probs * moves).sum(-1), 0.0)
        entropies = torch.where(played.mask, -(log_probs.exp() * log_probs).sum(-1), 0.0)
        weight = self.discount ** steps.to(logits.dtype)
        policy = -(weight * ahead * chosen + self.entropy * entropies).sum(1).mean()
        error = (values - (ahead + values).detach()).square().sum() / alive.sum()
        if self.network is not None:
            # In units of its own size: where a joint gradient is clipped, how much is cut from the
            # machine's part must not hang on how well the critic predicts.
            error = error / error.detach().clamp(min=1.0)
        return policy + self.value_weight * error


def advantages(
    rewards: Float[Tensor, "batch time"],
    values: Float[Tensor, "batch time"],
    discount: float,
    trace_decay: float,
) -> Float[Tensor, "batch time"]:
    """A_t = sum over l of (discount trace_decay)^l d_{t+l}, with d_t = r_t + discount V_{t+1} - V_t
    (Schulman et al. 2016, eqs. 11 and 16); after the end of an episode r, V and so A are 0."""
    ahead = torch.zeros_like(values)
    following = next_value = torch.zeros_like(values[:, 0])
    for step in reversed(range(values.shape[1])):
        surprise = rewards[:, step] + discount * next_value - values[:, step]
        following = surprise + discount * trace_decay * following
        ahead[:, step], next_value = following, values[:, step]
    return ahead


def _redraw(module: nn.Module) -> None:
    """Draw the weights afresh of a module that knows how to, or else of its parts."""
    reset = getattr(module, "reset_parameters", None)
    if reset is not None:
        reset()
        return
    for child in module.children():
        _redraw(child)
