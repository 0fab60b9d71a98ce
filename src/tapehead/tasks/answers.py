"""What a task expects as an answer: its cost, its errors, its probabilities, and their names.

A task answers in independent bits (`Bits`) or in symbols, each one of several (`Symbols`). All else
asks the task's answer: the training loop for the loss, the figures for probabilities and errors,
tables and live lines for the metrics.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tapehead.tasks.batch import Batch
from tapehead.tasks.metrics import BIT_ERRORS, BITS, SOLVED, STEP_ERRORS, Metric


@dataclass(frozen=True)
class Answer(ABC):
    """What the outputs of a machine mean at the steps that `Batch.mask` marks.

    An answer step has one or several parts (bits, digits), each judged and paid for on its own.

    names: one for each output channel.

    >>> from tapehead.tasks import Copy, make_task
    >>> [make_task(name).answer.unit for name in ("copy", "traversal", "convex-hull")]
    ['bits', 'steps', 'pointers']
    >>> Copy().answer.size, Copy().answer.parts
    (8, 8)
    """

    names: Sequence[str]

    @property
    @abstractmethod
    def unit(self) -> str:
        """What a figure counts right and wrong: "bits", "steps" or "symbols"; "" for nothing."""

    @property
    @abstractmethod
    def part(self) -> str:
        """What a part is called."""

    @property
    def size(self) -> int:
        """Number of output channels."""
        return len(self.names)

    @property
    @abstractmethod
    def parts(self) -> int:
        """Number of parts of an answer step; each has as many channels as any other."""

    @property
    def channelwise(self) -> bool:
        """Whether each channel is right or wrong on its own, as bits are; else a figure counts
        steps."""
        return False

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What `scores` gives, in its order; the first counts errors in `unit`."""

    @abstractmethod
    def costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time parts"]:
        """What each part costs in nats: its cross-entropy, from logits; exactly 0 where none is
        asked, whatever the outputs there."""

    @abstractmethod
    def errors(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Bool[Tensor, "batch time parts"]:
        """Which parts are asked for and wrong; a tie or NaN is wrong."""

    @abstractmethod
    def probabilities(self, outputs: Float[Tensor, "*shape size"]) -> Float[Tensor, "*shape size"]:
        """The chance that each channel is on, from logits."""

    @abstractmethod
    def scores(self, outputs: Float[Tensor, "batch time size"], batch: Batch) -> dict[str, Tensor]:
        """One number for each sequence and metric."""

    @property
    def word_names(self) -> tuple[str, ...]:
        """What the words of an answer step are called; none where it is no text."""
        return ()

    def said(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time size"]:
        """What an answer is taken to say, as targets are written."""
        return (self.probabilities(outputs) > 0.5).to(outputs.dtype)

    def spelled(self, channels: Float[Tensor, "steps size"]) -> list[tuple[str, ...]]:
        """Targets, or what was said, in words: for each step one for each of `word_names`."""
        return [()] * len(channels)

    def loss(self, outputs: Float[Tensor, "batch time size"], batch: Batch) -> Float[Tensor, ""]:
        """Mean cost of an answered part, in nats."""
        return self._total(outputs, batch) / (batch.mask.sum() * self.parts)

    def step_costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time"]:
        """What each step has in `loss`: summed over steps, its mean over sequences is the loss.

        A choice that a machine makes on the way is judged by the costs that come after it.
        """
        each = self.costs(outputs, batch).sum(-1)
        return each * (len(each) / (batch.mask.sum() * self.parts))

    def bits(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """Cost of each sequence's whole answer, in bits."""
        return self.costs(outputs, batch).sum(dim=(1, 2)) / math.log(2)

    def wrong_channels(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Bool[Tensor, "batch time size"]:
        """`errors`, each at all channels of its part."""
        return self.errors(outputs, batch).repeat_interleave(self.size // self.parts, -1)

    def _total(self, outputs: Tensor, batch: Batch) -> Tensor:
        return self.costs(outputs, batch).sum()


@dataclass(frozen=True)
class Bits(Answer):
    """Independent bits, each output a logit.

    >>> import torch
    >>> from tapehead.forms import Sequence
    >>> from tapehead.tasks import Batch
    >>> from tapehead.tasks.answers import Bits
    >>> targets = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])  # the answer is due at the second step
    >>> batch = Batch(Sequence(torch.zeros(1, 2, 1)), targets, torch.tensor([[False, True]]))
    >>> scores = Bits(["left", "right"]).scores(torch.tensor([[[9.0, 9.0], [9.0, 9.0]]]), batch)
    >>> scores["bit_errors"], scores["solved"]
    (tensor([1.]), tensor([False]))
    """

    @property
    def unit(self) -> str:
        return "bits"

    @property
    def part(self) -> str:
        return "bit"

    @property
    def parts(self) -> int:
        return self.size

    @property
    def channelwise(self) -> bool:
        return True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (BIT_ERRORS, SOLVED, BITS)

    def costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time parts"]:
        return _bit_costs(outputs, batch, reduction="none")

    def errors(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Bool[Tensor, "batch time parts"]:
        """A logit of exactly 0 says neither and is wrong."""
        agreement = outputs * (2 * batch.targets - 1)
        # Not `agreement <= 0`: a NaN must count as wrong.
        return ~(agreement > 0) & batch.mask.unsqueeze(-1)

    def probabilities(self, outputs: Float[Tensor, "*shape size"]) -> Float[Tensor, "*shape size"]:
        return outputs.sigmoid()

    def scores(self, outputs: Float[Tensor, "batch time size"], batch: Batch) -> dict[str, Tensor]:
        """`bit_errors` counts the wrong bits, `solved` says whether there are none, and `bits` is
        the cost of the whole answer, the vertical axis of the NTM paper's learning curves."""
        errors = self.errors(outputs, batch).sum(dim=(1, 2)).float()
        return {
            BIT_ERRORS.name: errors,
            SOLVED.name: errors == 0,
            BITS.name: self.bits(outputs, batch),
        }

    def _total(self, outputs: Tensor, batch: Batch) -> Tensor:
        # Summed inside: no tensor of single costs is kept for the backward pass.
        return _bit_costs(outputs, batch, reduction="sum")


@dataclass(frozen=True)
class Symbols(Answer):
    """Symbols, each one of several: softmaxes side by side, all of the same size.

    names: of the channels, softmax by softmax; the last word of a name is its symbol's.
    softmaxes: how many there are.
    words: what the words of an answer step are called; as many symbols make up each.

    >>> import torch
    >>> from tapehead.tasks.answers import Symbols
    >>> names = [f"{place} {digit}" for place in ("tens", "units") for digit in range(10)]
    >>> answer = Symbols(names, softmaxes=2, words=("number",))
    >>> forty_two = torch.zeros(1, 20)
    >>> forty_two[0, [4, 10 + 2]] = 1
    >>> answer.spelled(forty_two)
    [('42',)]
    """

    softmaxes: int = 1
    words: tuple[str, ...] = ()

    @property
    def parts(self) -> int:
        return self.softmaxes

    @property
    def metrics(self) -> tuple[Metric, ...]:
        part_errors = Metric(f"{self.part}_errors", f"wrong {self.part}s", "per sequence")
        return (*([STEP_ERRORS] if self.softmaxes > 1 else []), part_errors, SOLVED, BITS)

    @property
    def unit(self) -> str:
        return "steps" if self.softmaxes > 1 else "symbols"

    @property
    def part(self) -> str:
        return "digit" if self.softmaxes > 1 else "symbol"

    def costs(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time parts"]:
        says = F.log_softmax(self._apart(answered_logits(outputs, batch)), -1)
        costs = -(says * self._apart(batch.targets).to(says.dtype)).sum(-1)
        return costs * batch.mask[..., None]

    def errors(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Bool[Tensor, "batch time parts"]:
        logits, meant = self._apart(outputs), self._apart(batch.targets).bool()
        best_other = logits.masked_fill(meant, -torch.inf).amax(-1)
        right = (torch.where(meant, logits, 0).sum(-1) > best_other) & batch.mask[..., None]
        return batch.mask[..., None] & ~right

    def probabilities(self, outputs: Float[Tensor, "*shape size"]) -> Float[Tensor, "*shape size"]:
        return self._apart(outputs).softmax(-1).flatten(-2)

    def scores(self, outputs: Float[Tensor, "batch time size"], batch: Batch) -> dict[str, Tensor]:
        """Wrong steps, in which some symbol is wrong, where there are several; wrong symbols;
        `solved`, no such; `bits`."""
        errors = self.errors(outputs, batch)
        wrong = errors.sum((1, 2)).float()
        steps = {STEP_ERRORS.name: errors.any(-1).sum(1).float()} if self.softmaxes > 1 else {}
        return steps | {
            f"{self.part}_errors": wrong,
            SOLVED.name: wrong == 0,
            BITS.name: self.bits(outputs, batch),
        }

    @property
    def word_names(self) -> tuple[str, ...]:
        return self.words

    def said(
        self, outputs: Float[Tensor, "batch time size"], batch: Batch
    ) -> Float[Tensor, "batch time size"]:
        symbols = self._apart(outputs)
        likeliest = F.one_hot(symbols.argmax(-1), symbols.shape[-1])
        return likeliest.flatten(-2).to(outputs.dtype)

    def spelled(self, channels: Float[Tensor, "steps size"]) -> list[tuple[str, ...]]:
        count, length = self.size // self.softmaxes, self.softmaxes // max(1, len(self.words))
        spelled = []
        for chosen in self._apart(channels).argmax(-1).tolist():
            symbols = [
                self.names[softmax * count + symbol].rsplit(" ", 1)[-1]
                for softmax, symbol in enumerate(chosen)
            ]
            starts = range(0, len(self.words) * length, length)
            spelled.append(tuple("".join(symbols[at : at + length]) for at in starts))
        return spelled

    def _apart(self, channels: Tensor) -> Tensor:
        """Channels by softmax: (..., softmaxes, symbols)."""
        return channels.unflatten(-1, (self.softmaxes, -1))


def answered_logits(outputs: Tensor, batch: Batch) -> Tensor:
    """Logits at the answer steps, 0 elsewhere, in single precision at least."""
    # A weight of zero alone would let a NaN or infinite logit in the padding through.
    logits = torch.where(batch.mask.unsqueeze(-1), outputs, 0)
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _bit_costs(outputs: Tensor, batch: Batch, *, reduction: str) -> Tensor:
    """Binary cross-entropy in nats."""
    logits = answered_logits(outputs, batch)
    return F.binary_cross_entropy_with_logits(
        logits,
        batch.targets.to(logits.dtype),
        weight=batch.mask.unsqueeze(-1).to(logits.dtype),
        reduction=reduction,
    )
