"""Answers to questions, in words."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tapehead.tasks.answers import Symbols
from tapehead.tasks.batch import Batch
from tapehead.tasks.metrics import BITS, SOLVED, WRONG, Metric


@dataclass(frozen=True)
class Replies(Symbols):
    """One word in reply to each question, of those in `names`.

    each: mean number of questions of a sequence; where it differs from sequence to sequence, the
        mean of `wrong` over all is still the share of all questions.
    """

    each: float = 1.0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (WRONG, SOLVED, BITS)

    @property
    def unit(self) -> str:
        return "answers"

    @property
    def part(self) -> str:
        return "answer"

    def scores(self, outputs: Float[Tensor, "batch time size"], batch: Batch) -> dict[str, Tensor]:
        """`wrong`, the share of questions with another answer; `solved`, none; `bits`."""
        wrong = self._wrong(self.errors(outputs, batch).any(-1), batch.mask)
        return {
            WRONG.name: wrong / self.each,
            SOLVED.name: wrong == 0,
            BITS.name: self.bits(outputs, batch),
        }

    def _wrong(
        self, errors: Bool[Tensor, "batch time"], asked: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, " batch"]:
        """How many questions of each sequence are answered wrongly."""
        return errors.sum(1).float()


@dataclass(frozen=True)
class SpelledReplies(Replies):
    """A reply to a question over one or several steps that follow each other, a word at each.

    It is right if all its words are.
    """

    @property
    def unit(self) -> str:
        return "words"

    @property
    def part(self) -> str:
        return "word"

    def _wrong(
        self, errors: Bool[Tensor, "batch time"], asked: Bool[Tensor, "batch time"]
    ) -> Float[Tensor, " batch"]:
        begins = asked.clone()
        begins[:, 1:] &= ~asked[:, :-1]
        # Each step's question by number, from 1; 0 where nothing is asked, and so never wrong.
        number = begins.cumsum(1) * asked
        wrong = torch.zeros(len(asked), asked.shape[1] + 1, device=asked.device)
        wrong.scatter_add_(1, number, errors.to(wrong.dtype))
        return (wrong > 0).sum(1).float()
