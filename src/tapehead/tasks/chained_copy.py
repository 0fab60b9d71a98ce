"""The allocation test: one copy after another, more in all than the memory has rows."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tapehead.checks import Size, Width, whole
from tapehead.forms import Sequence
from tapehead.tasks.answers import Answer, Bits
from tapehead.tasks.draws import random_bits, random_integers
from tapehead.tasks.metrics import BIT_ERRORS, PassMark
from tapehead.tasks.task import Batch, SequenceTask, Task, bit_names, certain_logits, take_steps


@dataclass(frozen=True, kw_only=True)
class ChainedCopy(SequenceTask):
    """n episodes of copy in one sequence: L random vectors, a delimiter, L steps without input in
    which to say them again, then the next L vectors.

    T = n (2L + 1) steps. Once said, vectors are of no more use: a machine that frees their rows
    goes on for ever with L rows, one that does not needs n L. Input channels: the bits, then the
    delimiter. Outputs: the bits.

    num_bits: bits of each vector.
    length: L, vectors of each episode.
    min_copies, max_copies: range of n, uniform, both ends included.
    mixed_lengths: n for each sequence of a batch; if false, one n for each batch.

    >>> import torch
    >>> from tapehead.tasks import ChainedCopy
    >>> task = ChainedCopy(num_bits=3, length=1, min_copies=2, max_copies=2)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.x[0].int()
    tensor([[1, 1, 0, 0],
            [0, 0, 0, 1],
            [0, 0, 0, 0],
            [1, 1, 1, 0],
            [0, 0, 0, 1],
            [0, 0, 0, 0]], dtype=torch.int32)
    >>> batch.targets[0].int()
    tensor([[0, 0, 0],
            [0, 0, 0],
            [1, 1, 0],
            [0, 0, 0],
            [0, 0, 0],
            [1, 1, 1]], dtype=torch.int32)
    """

    name: ClassVar[str] = "chained-copy"
    title: ClassVar[str] = "Chained copy"
    source: ClassVar[str] = "Graves, Wayne et al. (2016), Extended Data Figure 1"

    num_bits: Width = 8
    length: Size = 5
    min_copies: Size = 1
    max_copies: Size = 10
    mixed_lengths: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self.min_copies)("max_copies", self.max_copies)

    @property
    def channel_names(self) -> list[str]:
        return [*self.output_names, "delimiter"]

    @property
    def answer(self) -> Answer:
        return Bits(bit_names(self.num_bits))

    @property
    def max_steps(self) -> int:
        return self.max_copies * (2 * self.length + 1)

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(BIT_ERRORS, 0.1)

    @property
    def max_difficulty(self) -> int:
        return self.max_copies - self.min_copies + 1

    def _at_level(self, level: int) -> "ChainedCopy":
        return replace(self, max_copies=self.min_copies + level - 1)

    def test_settings(self) -> dict[str, Task]:
        counts = (10, 20, 50)
        return {str(n): replace(self, min_copies=n, max_copies=n) for n in counts}

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        length, episode = self.length, 2 * self.length + 1
        counts = random_integers(
            generator, self.min_copies, self.max_copies, batch_size, mixed=self.mixed_lengths
        )
        most = int(counts.max())
        vectors = random_bits(generator, batch_size, most, length, self.num_bits)
        exists = torch.arange(most, device=generator.device) < counts[:, None]
        vectors = vectors * exists[..., None, None]

        inputs = vectors.new_zeros(batch_size, most, episode, self.input_size)
        inputs[:, :, :length, : self.num_bits] = vectors
        inputs[:, :, length, self.num_bits] = exists.to(inputs.dtype)
        targets = vectors.new_zeros(batch_size, most, episode, self.num_bits)
        targets[:, :, length + 1 :] = vectors
        mask = exists[..., None].repeat(1, 1, episode)
        mask[:, :, : length + 1] = False
        told = Sequence(inputs.flatten(1, 2), episode * counts)
        return Batch(told, targets.flatten(1, 2), mask.flatten(1, 2))

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        steps = torch.arange(batch.inputs.x.shape[1], device=batch.inputs.x.device)
        delimiter = batch.inputs.x[:, :, self.num_bits] > 0
        # The last delimiter at or before each step; none yet counts as long ago.
        latest = torch.where(delimiter, steps, -2 * len(steps)).cummax(dim=1).values
        since = steps - latest
        answering = (since > 0) & (since <= self.length)
        shown = (steps - self.length - 1).expand_as(answering)
        vectors = batch.inputs.x[:, :, : self.num_bits]
        return certain_logits(take_steps(vectors, shown, answering))
