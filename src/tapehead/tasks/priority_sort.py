"""The priority-sort task: say random bit vectors again in the order of their priorities."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tapehead.checks import Size, Width, whole
from tapehead.forms import Sequence
from tapehead.tasks.answers import Answer, Bits
from tapehead.tasks.draws import random_bits, random_uniform
from tapehead.tasks.metrics import BITS, PassMark
from tapehead.tasks.task import Batch, SequenceTask, Task, bit_names, certain_logits

# Where the paper's machines end, in bits per sequence of 16 answers of 8 bits (figure 18).
PAPER_BITS = 20.0
PAPER_ANSWER = 16 * 8


@dataclass(frozen=True, kw_only=True)
class PrioritySort(SequenceTask):
    """n random vectors, each with a priority; the answer is the m of highest priority, in order.

    T = n + m steps, the last m without input. Input channels: the bits, the priority, uniform in
    [-1, 1]. Outputs: the bits, the highest priority first; of equal priorities the earlier first.

    num_bits: bits of each vector.
    num_vectors: n.
    num_answers: m.

    >>> import torch
    >>> from tapehead.tasks import PrioritySort
    >>> task = PrioritySort(num_bits=2, num_vectors=4, num_answers=2)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.x[0, :4]  # the last column is the priority
    tensor([[ 0.0000,  1.0000, -0.0887],
            [ 1.0000,  0.0000,  0.2646],
            [ 1.0000,  1.0000, -0.3022],
            [ 1.0000,  1.0000, -0.1966]])
    >>> batch.targets[0, 4:]
    tensor([[1., 0.],
            [0., 1.]])
    """

    name: ClassVar[str] = "priority-sort"
    title: ClassVar[str] = "Priority sort"
    source: ClassVar[str] = "Graves, Wayne & Danihelka (2014), section 4.5"

    num_bits: Width = 8
    num_vectors: Size = 20
    num_answers: Size = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(1, self.num_vectors)("num_answers", self.num_answers)

    @property
    def channel_names(self) -> list[str]:
        return [*bit_names(self.num_bits), "priority"]

    @property
    def answer(self) -> Answer:
        return Bits(bit_names(self.num_bits))

    @property
    def max_steps(self) -> int:
        return self.num_vectors + self.num_answers

    @property
    def pass_mark(self) -> PassMark:
        """The paper's end value, in proportion to the bits of the answer."""
        return PassMark(BITS, PAPER_BITS * self.num_answers * self.num_bits / PAPER_ANSWER)

    @property
    def max_difficulty(self) -> int:
        return self.num_vectors

    def _at_level(self, level: int) -> "PrioritySort":
        return replace(self, num_vectors=level, num_answers=min(self.num_answers, level))

    def test_settings(self) -> dict[str, Task]:
        return {str(self.num_vectors): self}

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        shown = self.num_vectors
        steps = shown + self.num_answers
        device = generator.device
        vectors = random_bits(generator, batch_size, shown, self.num_bits)
        priorities = 2 * random_uniform(generator, batch_size, shown) - 1

        inputs = vectors.new_zeros(batch_size, steps, self.input_size)
        inputs[:, :shown, : self.num_bits] = vectors
        inputs[:, :shown, self.num_bits] = priorities
        targets = vectors.new_zeros(batch_size, steps, self.num_bits)
        targets[:, shown:] = self._sorted(vectors, priorities)
        mask = torch.zeros(batch_size, steps, dtype=torch.bool, device=device)
        mask[:, shown:] = True
        return Batch(
            Sequence(inputs, torch.full((batch_size,), steps, device=device)), targets, mask
        )

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        shown = batch.inputs.x[:, : self.num_vectors]
        answer = self._sorted(shown[:, :, : self.num_bits], shown[:, :, self.num_bits])
        blank = torch.zeros_like(shown[:, :, : self.num_bits])
        return certain_logits(torch.cat([blank, answer], dim=1))

    def _sorted(
        self,
        vectors: Float[Tensor, "batch vectors bits"],
        priorities: Float[Tensor, "batch vectors"],
    ) -> Float[Tensor, "batch answers bits"]:
        """Whole vectors by falling priority, the first `num_answers` of them."""
        order = priorities.argsort(dim=1, descending=True, stable=True)[:, : self.num_answers]
        return vectors.gather(1, order.unsqueeze(-1).expand(-1, -1, self.num_bits))
