"""A world of a few steps: where the treasure lies is told once, before the first move."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from tapehead.checks import Count, Size
from tapehead.forms import Sequence
from tapehead.tasks import Batch
from tapehead.tasks.metrics import PassMark
from tapehead.tasks.world import RETURN, Turn, WorldTask

MOVE_COST = 0.1


class Corridor(NamedTuple):
    treasure: Tensor
    at: Tensor
    time: Tensor


@dataclass(frozen=True, kw_only=True)
class Treasure(WorldTask):
    """A corridor with the player in the middle. Each move costs 0.1, the treasure is worth 1.

    reach: the furthest that the treasure can be on either side.
    delay: steps between being told and the first move.
    moves: allowed.
    """

    name, title, source = "treasure", "Treasure", "a test"
    channel_names, move_names = ["told", "place", "move"], ["left", "right"]
    pass_mark = PassMark(RETURN, 0.6)
    reach: Size = 1
    delay: Count = 1
    moves: Size = 3

    @property
    def max_steps(self):
        return 1 + self.delay + self.moves

    def _sample(self, generator, batch_size):
        sign = 2 * torch.randint(0, 2, (batch_size,), generator=generator) - 1
        far = torch.randint(1, self.reach + 1, (batch_size,), generator=generator)
        x = torch.zeros(batch_size, 1, 3)
        x[:, 0, 0], x[:, 0, 1] = 1, (sign * far).float()
        return Batch(Sequence(x), torch.zeros(batch_size, 1, 3), torch.zeros(batch_size, 1) > 0)

    def reset(self, batch):
        x = batch.inputs.x[:, 0]
        zeros = torch.zeros_like(x[:, 1])
        state = Corridor(x[:, 1], zeros, zeros)
        return Turn(state, x, zeros, zeros > 0, self._asks(zeros))

    def step(self, state, moves):
        asked = self._asks(state.time)
        at = state.at + torch.where(asked, 2.0 * moves - 1, 0.0)
        time = state.time + 1
        found = asked & (at == state.treasure)
        x = torch.stack([torch.zeros_like(at), torch.zeros_like(at), self._asks(time).to(at)], 1)
        over = found | (time >= self.max_steps)
        reward = found.to(at) - MOVE_COST * asked
        return Turn(Corridor(state.treasure, at, time), x, reward, over, self._asks(time))

    def _asks(self, time):
        return time > self.delay
