"""The dynamic n-grams task: predict the bits of a source whose statistics are new each time."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from tapehead.checks import Size, whole
from tapehead.forms import Sequence
from tapehead.tasks.answers import Answer, Bits
from tapehead.tasks.draws import random_uniform
from tapehead.tasks.metrics import BITS, REGRET, Metric, PassMark
from tapehead.tasks.task import Batch, SequenceTask, Task


@dataclass(frozen=True, kw_only=True)
class NGrams(SequenceTask):
    """Bits drawn from a table that gives, for each context of c bits, the chance of a 1.

    Each sequence has its own table, 2^c numbers from Beta(1/2, 1/2). Its first c bits are fair.
    One step for each bit: step t shows bit t and asks for bit t + 1, so n bits make T = n - 1
    steps. The n - c bits that follow a full context are the answer, and only those.

    context_length: c; the paper's 6-grams have contexts of 5 bits.
    sequence_length: n.

    >>> import torch
    >>> from tapehead.tasks import NGrams
    >>> task = NGrams(context_length=2, sequence_length=12)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.x[0, :, 0].int()
    tensor([1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1], dtype=torch.int32)
    >>> batch.targets[0, :, 0].int()  # the next bit, once there is a full context
    tensor([0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0], dtype=torch.int32)
    """

    name: ClassVar[str] = "ngrams"
    title: ClassVar[str] = "Dynamic n-grams"
    source: ClassVar[str] = "Graves, Wayne & Danihelka (2014), section 4.4"

    context_length: Annotated[int, whole(1, 16)] = 5
    sequence_length: Size = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self.context_length + 1)("sequence_length", self.sequence_length)

    @property
    def channel_names(self) -> list[str]:
        return ["bit"]

    @property
    def answer(self) -> Answer:
        return Bits(["next bit"])

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (*super().metrics, REGRET)

    @property
    def max_steps(self) -> int:
        return self.sequence_length - 1

    @property
    def pass_mark(self) -> PassMark:
        """Within 1 bit of the optimum, where the paper's machines end (figure 13)."""
        return PassMark(REGRET, 1.0)

    def numbers(self, batch_size: int, **options: Any) -> int:
        # A chance of each context for each step is drawn beforehand.
        contexts = 2 ** options.get("context_length", self.context_length)
        return super().numbers(batch_size, **options) * contexts

    def test_settings(self) -> dict[str, Task]:
        return {str(self.sequence_length): self}

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        device = generator.device
        contexts = 2**self.context_length
        predicted = self.sequence_length - self.context_length

        # Beta(1/2, 1/2) is the arcsine law: the square of the sine of a uniform angle.
        tables = torch.sin(random_uniform(generator, batch_size, contexts) * (torch.pi / 2)) ** 2
        start = torch.randint(contexts, (batch_size, 1), generator=generator, device=device)

        # Where each context would lead at each step: all randomness at once, so that the walk
        # through time is nothing but one look-up per step.
        ones = random_uniform(generator, predicted, batch_size, 1) < tables
        shifted = (2 * torch.arange(contexts, device=device)) % contexts
        successors = (shifted + ones).unbind()
        walk = torch.empty(predicted + 1, batch_size, 1, dtype=torch.int64, device=device)
        walk[0] = start
        visited = walk.unbind()
        for now, then, successor in zip(visited[:-1], visited[1:], successors, strict=True):
            torch.gather(successor, 1, now, out=then)

        # The oldest bit of a context is its highest.
        ages = torch.arange(self.context_length - 1, -1, -1, device=device)
        first = (start >> ages) & 1
        bits = torch.cat([first, (walk[1:, :, 0] & 1).T], dim=1).float().unsqueeze(-1)

        steps = self.sequence_length - 1
        answered = torch.arange(steps, device=device) >= self.context_length - 1
        mask = answered.expand(batch_size, steps).clone()
        lengths = torch.full((batch_size,), steps, device=device)
        inputs = Sequence(bits[:, :-1].contiguous(), lengths)
        return Batch(inputs, bits[:, 1:] * answered[:, None], mask)

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        """The Bayes-optimal prediction (eq. 10): the odds of a 1 are N1 + 1/2 to N0 + 1/2.

        N1 and N0 count the ones and zeros seen after the present context so far. The steps before
        the first full context have the logit 0.
        """
        bits = batch.inputs.x[:, :, 0]
        length = self.context_length
        contexts = context_numbers(bits, length).unsqueeze(-1)
        visits = (contexts == torch.arange(2**length, device=bits.device)).to(bits.dtype)
        # The outcome of the last context is the bit to predict: unknown, and never counted.
        outcomes = F.pad(bits[:, length:], (0, 1)).unsqueeze(-1)
        visited, ones = (
            (counts.cumsum(dim=1) - counts).gather(2, contexts)
            for counts in (visits, visits * outcomes)
        )
        logits = torch.log((ones + 0.5) / (visited - ones + 0.5))
        return F.pad(logits, (0, 0, length - 1, 0))

    def scores(
        self, outputs: Float[Tensor, "batch time output_size"], batch: Batch
    ) -> dict[str, Tensor]:
        """Also `regret`, the bits paid above the optimal predictor's on the same sequence.

        `bits` are those of all n bits, the paper's axis: the first c bits are fair and cost 1 bit
        each. No predictor is better than the optimal one on average; on one sequence it may be,
        so a single regret can be negative. `bit_errors` counts the bits that came although the
        other value was held likelier.
        """
        scores = super().scores(outputs, batch)
        optimum = self.answer.bits(self.oracle(batch), batch)
        return {
            **scores,
            BITS.name: scores[BITS.name] + self.context_length,
            REGRET.name: scores[BITS.name] - optimum,
        }


def context_numbers(
    bits: Float[Tensor, "batch time"], length: int
) -> Int64[Tensor, "batch contexts"]:
    """Every run of `length` bits read as a binary number, its oldest bit the highest."""
    weights = 2 ** torch.arange(length - 1, -1, -1, device=bits.device)
    return (bits.long().unfold(1, length, 1) * weights).sum(dim=-1)
