"""The repeat-copy task: say a sequence of random bit vectors a given number of times, then stop."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

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
class RepeatCopy(SequenceTask):
    """L random vectors between two delimiters, the second with the number R of copies asked for.

    T = L (R + 1) + 3 steps: a delimiter, L vectors, the delimiter with the number, then without
    input R copies of the vectors and one end marker. Input channels: the bits, the delimiter, the
    number, normalised. Outputs: the bits, the end marker.

    num_bits: bits of each vector.
    min_length, max_length: range of L, uniform, both ends included.
    min_repeats, max_repeats: range of R, uniform, both ends included.
    trained_min_repeats, trained_max_repeats: the range over which the number on the input is
        normalised to mean 0 and variance 1. None: the range of R. A task that tests a trained
        machine must name the range of its training: more repeats than it then give a number that
        the machine has never seen, as in the paper.
    mixed_lengths: L and R for each sequence of a batch; if false, one L and one R for each batch.

    >>> import torch
    >>> from tapehead.tasks import RepeatCopy
    >>> task = RepeatCopy(num_bits=3, min_length=2, max_length=2, min_repeats=2, max_repeats=2)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.targets[0].int()
    tensor([[0, 0, 0, 0],
            [0, 0, 0, 0],
            [0, 0, 0, 0],
            [0, 0, 0, 0],
            [1, 0, 1, 0],
            [1, 1, 1, 0],
            [1, 0, 1, 0],
            [1, 1, 1, 0],
            [0, 0, 0, 1]], dtype=torch.int32)
    """

    name: ClassVar[str] = "repeat-copy"
    title: ClassVar[str] = "Repeat copy"
    source: ClassVar[str] = "Graves, Wayne & Danihelka (2014), section 4.2"

    num_bits: Width = 8
    min_length: Size = 1
    max_length: Size = 10
    min_repeats: Size = 1
    max_repeats: Size = 10
    trained_min_repeats: Size | None = None
    trained_max_repeats: Size | None = None
    mixed_lengths: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self.min_length)("max_length", self.max_length)
        whole(self.min_repeats)("max_repeats", self.max_repeats)
        least, most = self.trained_range
        whole(least)("trained_max_repeats", most)

    @property
    def channel_names(self) -> list[str]:
        return [*bit_names(self.num_bits), "delimiter", "repeats"]

    @property
    def answer(self) -> Answer:
        return Bits([*bit_names(self.num_bits), "end"])

    @property
    def max_steps(self) -> int:
        return self.max_length * (self.max_repeats + 1) + 3

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(BIT_ERRORS, 0.1)

    @property
    def trained_range(self) -> tuple[int, int]:
        """The range of repeats over which the number on the input is normalised."""
        least, most = self.trained_min_repeats, self.trained_max_repeats
        return (
            self.min_repeats if least is None else least,
            self.max_repeats if most is None else most,
        )

    @property
    def normalisation(self) -> tuple[float, float]:
        """Mean and standard deviation of the number of repeats in training (1 if it is fixed)."""
        least, most = self.trained_range
        variance = ((most - least + 1) ** 2 - 1) / 12
        return (least + most) / 2, variance**0.5 or 1.0

    @property
    def max_difficulty(self) -> int:
        lengths = self.max_length - self.min_length
        repeats = self.max_repeats - self.min_repeats
        return max(lengths, repeats) + 1

    def _at_level(self, level: int) -> "RepeatCopy":
        return self.resized(
            max_length=min(self.max_length, self.min_length + level - 1),
            max_repeats=min(self.max_repeats, self.min_repeats + level - 1),
        )

    def test_settings(self) -> dict[str, Task]:
        sizes = ((10, 10), (20, 10), (10, 20))
        return {
            f"length {length}, repeats {repeats}": self.resized(
                min_length=length,
                max_length=length,
                min_repeats=repeats,
                max_repeats=repeats,
            )
            for length, repeats in sizes
        }

    def resized(self, **options: Any) -> "RepeatCopy":
        """As of every task; the number of repeats is still normalised as it is here."""
        least, most = self.trained_range
        kept = {"trained_min_repeats": least, "trained_max_repeats": most}
        return replace(self, **kept | options)

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        mixed = self.mixed_lengths
        lengths = random_integers(
            generator, self.min_length, self.max_length, batch_size, mixed=mixed
        )
        repeats = random_integers(
            generator, self.min_repeats, self.max_repeats, batch_size, mixed=mixed
        )
        longest = int(lengths.max())
        vectors = random_bits(generator, batch_size, longest, self.num_bits)

        spoken = (lengths * repeats).unsqueeze(-1)
        total = lengths * (repeats + 1) + 3
        steps = torch.arange(int(total.max()), device=generator.device)
        length = lengths[:, None]
        since_number = steps - length - 1
        at_number = since_number == 0
        speaking = (since_number > 0) & (since_number <= spoken)
        ending = since_number == spoken + 1

        mean, deviation = self.normalisation
        number = ((repeats.float() - mean) / deviation).unsqueeze(-1)
        inputs = vectors.new_zeros(batch_size, len(steps), self.input_size)
        shown = (since_number[:, 1 : longest + 1] < 0).unsqueeze(-1)
        torch.mul(vectors, shown, out=inputs[:, 1 : longest + 1, : self.num_bits])
        inputs[:, :, self.num_bits] = at_number | (steps == 0)
        inputs[:, :, self.num_bits + 1] = at_number * number
        targets = vectors.new_zeros(batch_size, len(steps), self.output_size)
        targets[:, :, : self.num_bits] = take_steps(vectors, (since_number - 1) % length, speaking)
        targets[:, :, self.num_bits] = ending
        return Batch(Sequence(inputs, total), targets, speaking | ending)

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        vectors = batch.inputs.x[:, 1:, : self.num_bits]
        delimiters = batch.inputs.x[:, 1:, self.num_bits]
        length = delimiters.argmax(dim=1, keepdim=True)
        number = batch.inputs.x[:, :, self.num_bits + 1].sum(dim=1, keepdim=True)
        mean, deviation = self.normalisation
        spoken = length * (number * deviation + mean).round().long()

        steps = torch.arange(batch.inputs.x.shape[1], device=batch.inputs.x.device)
        answered = steps - length - 2
        copies = take_steps(vectors, answered % length, (answered >= 0) & (answered < spoken))
        end = (answered == spoken).unsqueeze(-1)
        return certain_logits(torch.cat([copies, end], dim=-1))
