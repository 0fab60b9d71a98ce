"""Episodes with reward: worlds that a machine acts in, and how it plays in them.

A world is a task too, so all that trains, evaluates and draws tasks takes it. Whoever writes one
says how a batch of problems is drawn (`_sample`), what each shows at first (`reset`) and what a
move does (`step`). What is learned from it is the affair of an objective,
`tapehead.training.objectives.ActorCritic`.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from tapehead import forms
from tapehead.tasks.answers import Answer
from tapehead.tasks.batch import Batch
from tapehead.tasks.metrics import Metric
from tapehead.tasks.task import SequenceTask

RETURN = Metric("return", "reward", "per episode", "higher")

Choose = Callable[[Float[Tensor, "batch moves"]], Int64[Tensor, " batch"]]
"""From logits of the moves to the number of one for each episode."""


class Turn(NamedTuple):
    """What a world shows at a step, side by side for all episodes of a batch.

    state: all that the world carries from step to step: tensors, batch first, in any arrangement.
        It goes back into `step` as it came; nothing of it is changed in place.
    x: what the machine is told next.
    reward: for the move that led here; zero at first. Its unit is the world's.
    over: whether the episode has ended, so that no further move counts.
    asked: whether the next move is the machine's choice. Where not, as while it is being told a
        goal, its move changes nothing.

    >>> import torch
    >>> from tapehead.tasks.world import Turn
    >>> yes, no = torch.tensor([True]), torch.tensor([False])
    >>> turn = Turn(state=(), x=torch.ones(1, 2), reward=torch.zeros(1), over=no, asked=yes)
    >>> turn.asked & ~turn.over  # whose move counts
    tensor([True])
    """

    state: Any
    x: Float[Tensor, "batch input"]
    reward: Float[Tensor, " batch"]
    over: Bool[Tensor, " batch"]
    asked: Bool[Tensor, " batch"]


@runtime_checkable
class Player(Protocol):
    """What playing asks of a machine: that it goes step by step.

    >>> from tapehead import NTM, PointerNetwork
    >>> from tapehead.tasks.world import Player
    >>> issubclass(NTM, Player), issubclass(PointerNetwork, Player)
    (True, False)
    """

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step."""
        ...

    def step(
        self, x_t: Float[Tensor, "batch input"], state: Any
    ) -> tuple[Float[Tensor, "batch outputs"], Any]:
        """One step: `(x_t, state) -> (y_t, state)`."""
        ...


@runtime_checkable
class World(Protocol):
    """What playing asks of a world.

    >>> from tapehead.tasks import Copy
    >>> from tapehead.tasks.world import World
    >>> isinstance(Copy(), World)  # it has no moves
    False
    """

    @property
    def max_steps(self) -> int:
        """Steps, told and moved together, after which every episode is over."""
        ...

    def reset(self, batch: Batch) -> Turn:
        """The beginning of the episodes whose problems a batch holds, on the device and in the
        type of its inputs. None is over yet."""
        ...

    def step(self, state: Any, moves: Int64[Tensor, " batch"]) -> Turn:
        """What the moves lead to, one for each episode, numbered from 0. It depends on nothing
        else: what is left to chance is drawn with the problem. Of an episode that is over, or
        whose move was not asked for, the move means nothing."""
        ...


def play(
    world: World, machine: Player, batch: Batch, choose: Choose
) -> tuple[Float[Tensor, "batch time outputs"], Batch]:
    """Play a batch of episodes to their ends.

    The last output of the machine is its value, what reward it expects from here on; the others are
    the logits of the moves.

    Returns:
        The outputs at every step, and the batch as it came to be: what was told, with the steps of
        each episode; as targets the move that was made, one-hot, and after it the reward that it
        brought; as mask the steps at which a move was asked for. After its end an episode is zero.
    """
    turn, state = world.reset(batch), machine.initial_state(len(batch.mask))
    going = ~turn.over
    told, outputs, made, asked, lived = [], [], [], [], []
    for _ in range(world.max_steps):
        said, state = machine.step(turn.x, state)
        logits = said[:, :-1]
        moves = choose(logits)
        after = world.step(turn.state, moves)
        reward = after.reward.to(turn.x.dtype)[:, None]
        done = torch.cat([one_hot(moves, logits.shape[1]).to(reward.dtype), reward], 1)
        told.append(torch.where(going[:, None], turn.x, 0))
        made.append(torch.where(going[:, None], done, 0))
        outputs.append(said)
        asked.append(turn.asked & going)
        lived.append(going)
        going, turn = going & ~after.over, after
        if not going.any():
            break
    inputs = forms.Sequence(torch.stack(told, 1), torch.stack(lived, 1).sum(1))
    return torch.stack(outputs, 1), Batch(inputs, torch.stack(made, 1), torch.stack(asked, 1))


@dataclass(frozen=True)
class Moves(Answer):
    """Moves in a world, judged by the rewards that they bring; see `play`.

    names: of the moves, and of the value after them.

    >>> import torch
    >>> from tapehead.forms import Sequence
    >>> from tapehead.tasks import Batch
    >>> from tapehead.tasks.world import Moves
    >>> made = torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 2.0]]])  # left for -0.5, right for 2
    >>> batch = Batch(Sequence(torch.zeros(1, 2, 1)), made, torch.ones(1, 2) > 0)
    >>> answer = Moves(["left", "right", "value"])
    >>> outputs = torch.zeros(1, 2, 3)
    >>> answer.scores(outputs, batch)["return"], answer.loss(outputs, batch)
    (tensor([1.5000]), tensor(-1.5000))
    """

    @property
    def unit(self) -> str:
        return ""  # no move is right or wrong

    @property
    def part(self) -> str:
        return "move"

    @property
    def parts(self) -> int:
        return 1

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (RETURN,)

    def costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time parts"]:
        """Minus the reward of each step, in the world's unit."""
        return -batch.targets[..., -1:]

    def errors(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Bool[Tensor, "batch time parts"]:
        """None: nobody says which move is right."""
        return torch.zeros_like(batch.mask)[..., None]

    def probabilities(self, outputs: Float[Tensor, "*shape size"]) -> Float[Tensor, "*shape size"]:
        """Of the moves; the value is no probability, and is 0 here."""
        return torch.cat([outputs[..., :-1].softmax(-1), torch.zeros_like(outputs[..., -1:])], -1)

    def scores(self, outputs: Float[Tensor, "batch time size"], batch: Batch) -> dict[str, Tensor]:
        """`return`: the rewards of an episode, summed."""
        return {RETURN.name: batch.targets[..., -1].sum(1)}

    def loss(self, outputs: Float[Tensor, "batch time size"], batch: Batch) -> Float[Tensor, ""]:
        """Minus the mean reward of an episode."""
        return self.costs(outputs, batch).sum((1, 2)).mean()

    def step_costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time"]:
        return self.costs(outputs, batch)[..., 0]


@dataclass(frozen=True, kw_only=True)
class WorldTask(SequenceTask):
    """A world as a task: `Batch.inputs` of a batch as drawn holds the problems, for `reset`.

    >>> from dataclasses import dataclass
    >>> import torch
    >>> from tapehead import LSTM
    >>> from tapehead.forms import Sequence
    >>> from tapehead.tasks import Batch
    >>> from tapehead.tasks.metrics import PassMark
    >>> from tapehead.tasks.world import RETURN, Turn, WorldTask
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Side(WorldTask):
    ...     "Go where you were told to, in one move."
    ...     name, title, source = "side", "Side", "an example"
    ...     channel_names, move_names = ["side"], ["left", "right"]
    ...     pass_mark, max_steps = PassMark(RETURN, 0.9), 1
    ...     def _sample(self, generator, batch_size):
    ...         side = torch.randint(0, 2, (batch_size, 1, 1), generator=generator)
    ...         none = torch.zeros(batch_size, 1, 3)
    ...         return Batch(Sequence(side.float()), none, none[..., 0] > 0)
    ...     def reset(self, batch):
    ...         side = batch.inputs.x[:, 0]
    ...         begun = side[:, 0] >= 0
    ...         return Turn(side, side, torch.zeros(len(side)), ~begun, begun)
    ...     def step(self, side, moves):
    ...         right = moves == side[:, 0]
    ...         return Turn(side, side, right.float(), right >= 0, right < 0)
    >>> task, machine = Side(), LSTM(1, 3, hidden_size=4)
    >>> outputs, played = task.run(machine, task.batch(torch.Generator().manual_seed(0), 4))
    >>> moved, rewards = played.targets[:, 0, :2].argmax(-1), task.scores(outputs, played)["return"]
    >>> torch.equal(rewards, (moved == played.inputs.x[:, 0, 0]).float())
    True
    """

    trained_by = "actor-critic"
    interactive = True

    @property
    @abstractmethod
    def move_names(self) -> Sequence[str]:
        """One name for each move."""

    @property
    def answer(self) -> Answer:
        return Moves([*self.move_names, "value"])

    @property
    @abstractmethod
    def max_steps(self) -> int:
        """See `World`."""

    @abstractmethod
    def reset(self, batch: Batch) -> Turn:
        """See `World`."""

    @abstractmethod
    def step(self, state: Any, moves: Int64[Tensor, " batch"]) -> Turn:
        """See `World`."""

    def run(
        self, machine: Any, batch: Batch
    ) -> tuple[Float[Tensor, "batch time output_size"], Batch]:
        """Let a machine play, each time by the likeliest move; see `play`."""
        return play(self, machine, batch, lambda logits: logits.argmax(-1))
