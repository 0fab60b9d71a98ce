"""The copy task: repeat a sequence of random bit vectors after it has ended."""

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
class Copy(SequenceTask):
    """L random vectors, a delimiter, then L steps without input in which to say them again.

    T = 2L + 1 steps. Input channels: the bits, then the delimiter. Outputs: the bits.

    num_bits: bits of each vector.
    min_length, max_length: range of L, uniform, both ends included.
    mixed_lengths: a length for each sequence of a batch; if false, one length for each batch.

    >>> import torch
    >>> from tapehead.tasks import Copy
    >>> task = Copy(num_bits=3, min_length=2, max_length=2)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.x[0].int()
    tensor([[1, 1, 0, 0],
            [1, 1, 1, 0],
            [0, 0, 0, 1],
            [0, 0, 0, 0],
            [0, 0, 0, 0]], dtype=torch.int32)
    >>> batch.targets[0].int()
    tensor([[0, 0, 0],
            [0, 0, 0],
            [0, 0, 0],
            [1, 1, 0],
            [1, 1, 1]], dtype=torch.int32)
    """

    name: ClassVar[str] = "copy"
    title: ClassVar[str] = "Copy"
    source: ClassVar[str] = "Graves, Wayne & Danihelka (2014), section 4.1"

    num_bits: Width = 8
    min_length: Size = 1
    max_length: Size = 20
    mixed_lengths: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self.min_length)("max_length", self.max_length)

    @property
    def channel_names(self) -> list[str]:
        return [*self.output_names, "delimiter"]

    @property
    def answer(self) -> Answer:
        return Bits(bit_names(self.num_bits))

    @property
    def max_steps(self) -> int:
        return 2 * self.max_length + 1

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(BIT_ERRORS, 0.1)

    @property
    def max_difficulty(self) -> int:
        return self.max_length - self.min_length + 1

    def _at_level(self, level: int) -> "Copy":
        return replace(self, max_length=self.min_length + level - 1)

    def test_settings(self) -> dict[str, Task]:
        lengths = (10, 20, 30, 50, 120)
        return {str(n): replace(self, min_length=n, max_length=n) for n in lengths}

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        lengths = random_integers(
            generator, self.min_length, self.max_length, batch_size, mixed=self.mixed_lengths
        )
        longest = int(lengths.max())
        vectors = random_bits(generator, batch_size, longest, self.num_bits)

        since_delimiter = torch.arange(2 * longest + 1, device=generator.device) - lengths[:, None]
        mask = (since_delimiter > 0) & (since_delimiter <= lengths[:, None])
        inputs = vectors.new_zeros(batch_size, 2 * longest + 1, self.input_size)
        shown = (since_delimiter[:, :longest] < 0).unsqueeze(-1)
        torch.mul(vectors, shown, out=inputs[:, :longest, : self.num_bits])
        inputs[:, :, self.num_bits] = since_delimiter == 0
        targets = take_steps(vectors, since_delimiter - 1, mask)
        return Batch(Sequence(inputs, 2 * lengths + 1), targets, mask)

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        delimiter = batch.inputs.x[:, :, self.num_bits].argmax(dim=1, keepdim=True)
        steps = torch.arange(batch.inputs.x.shape[1], device=batch.inputs.x.device)
        since_delimiter = steps - delimiter
        answering = (since_delimiter > 0) & (since_delimiter <= delimiter)
        answer = take_steps(batch.inputs.x[:, :, : self.num_bits], since_delimiter - 1, answering)
        return certain_logits(answer)
