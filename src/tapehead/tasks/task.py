"""What every task offers: sizes, batches, a loss, scores and an exact oracle.

A task is a frozen dataclass whose fields are its options, so two equal tasks draw equal batches
from equal generators, and `dataclasses.replace` makes the same task at another size.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

# A logit this far from zero is certain: its cross-entropy is exactly 0 in single precision.
CERTAIN_LOGIT = 200.0


class Batch(NamedTuple):
    """Sequences of several lengths side by side, padded with zeros at the end.

    `mask` marks the answer steps; the rest of `targets` is zero and is never scored.
    `lengths` counts the real steps of each sequence, answer steps included.
    """

    inputs: Float[Tensor, "batch time input_size"]
    targets: Float[Tensor, "batch time output_size"]
    mask: Bool[Tensor, "batch time"]
    lengths: Int64[Tensor, " batch"]


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A source of batches with its own measure of right and wrong.

    `loss` and `scores` here are those of tasks that answer in independent bits, each output a
    logit; a task that answers otherwise (one symbol of many, say) overrides both.
    """

    name: ClassVar[str]
    """What the command line calls it."""
    title: ClassVar[str]
    """What a figure calls it."""
    source: ClassVar[str]
    """The paper and section that define it."""

    @property
    @abstractmethod
    def input_size(self) -> int:
        """Number of input channels."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """Number of output channels."""

    @property
    @abstractmethod
    def channel_names(self) -> list[str]:
        """One name for each input channel."""

    @property
    @abstractmethod
    def output_names(self) -> list[str]:
        """One name for each output channel."""

    @property
    @abstractmethod
    def pass_mark(self) -> tuple[str, float]:
        """The score and the value that its mean must stay below for the task to be solved."""

    @abstractmethod
    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Draw a batch on the generator's device, from the generator alone."""

    @abstractmethod
    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        """The best possible answer as logits, worked out from `batch.inputs` alone."""

    @abstractmethod
    def test_settings(self) -> dict[str, "Task"]:
        """The paper's test sizes: a label for each, and this task at that size."""

    @property
    def max_difficulty(self) -> int:
        """Number of curriculum levels; the last one is the task itself."""
        return 1

    def with_difficulty(self, level: int) -> "Task":
        """This task at a curriculum level, from 1 (easiest) to `max_difficulty` (the task itself).

        Sizes of inputs and outputs are the same at every level.
        """
        check_integer(self.name, "level", level, minimum=1, maximum=self.max_difficulty)
        return self._at_level(level)

    def _at_level(self, level: int) -> "Task":
        return self

    def batch(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Draw `batch_size` sequences, on the generator's device and from its state alone."""
        check_integer(self.name, "batch_size", batch_size, minimum=1)
        return self._sample(generator, batch_size)

    def run(
        self,
        machine: Callable[..., tuple[Tensor, Any]],
        batch: Batch,
        lengths: Int64[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, "batch time output_size"], Batch]:
        """A machine's outputs for a batch, and the batch that they answer.

        The same batch, unless what is told depends on what the machine says: such a task overrides
        this, and returns the batch as it came to be.

        Args:
            machine: maps (inputs, state, lengths=...) to (outputs, state).
            lengths: `batch.lengths`, or None if all sequences fill the batch.
        """
        outputs, _ = machine(batch.inputs, lengths=lengths)
        return outputs, batch

    def loss(
        self, outputs: Float[Tensor, "batch time output_size"], batch: Batch
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy of an answered bit, in nats, from logits."""
        count = batch.mask.sum() * outputs.shape[-1]
        return _cross_entropy(outputs, batch, reduction="sum") / count

    def step_costs(
        self, outputs: Float[Tensor, "batch time output_size"], batch: Batch
    ) -> Float[Tensor, "batch time"]:
        """What each step has in `loss`: summed over steps, its mean over sequences is the loss.

        A choice that a machine makes on the way is judged by the costs that come after it.
        """
        each = _cross_entropy(outputs, batch, reduction="none").sum(-1)
        return each * (len(each) / (batch.mask.sum() * outputs.shape[-1]))

    def scores(
        self, outputs: Float[Tensor, "batch time output_size"], batch: Batch
    ) -> dict[str, Tensor]:
        """For each sequence of the batch: `bit_errors`, `solved` and `bits`.

        `bit_errors` counts the wrong bits (a logit of exactly 0, or NaN, says neither and is
        wrong), `solved` says whether there are none, and `bits` is the cross-entropy of the whole
        answer in bits, the vertical axis of the paper's learning curves.
        """
        with torch.no_grad():
            errors = bit_errors(outputs, batch)
            return {
                "bit_errors": errors,
                "solved": errors == 0,
                "bits": bits_per_sequence(outputs, batch),
            }

    def solved(self, means: Mapping[str, float]) -> bool:
        """Whether mean scores meet the task's pass mark."""
        metric, threshold = self.pass_mark
        return means[metric] < threshold


def bit_errors(
    outputs: Float[Tensor, "batch time output_size"], batch: Batch
) -> Float[Tensor, " batch"]:
    """Number of wrong bits in each sequence's answer."""
    agreement = outputs * (2 * batch.targets - 1)
    # Not `agreement <= 0`: a NaN must count as wrong.
    wrong = ~(agreement > 0) & batch.mask.unsqueeze(-1)
    return wrong.sum(dim=(1, 2)).float()


def bits_per_sequence(
    outputs: Float[Tensor, "batch time output_size"], batch: Batch
) -> Float[Tensor, " batch"]:
    """Cross-entropy of each sequence's whole answer, in bits."""
    return _cross_entropy(outputs, batch, reduction="none").sum(dim=(1, 2)) / math.log(2)


def _cross_entropy(outputs: Tensor, batch: Batch, *, reduction: str) -> Tensor:
    """Binary cross-entropy in nats, exactly zero outside the mask, whatever the outputs there."""
    answered = batch.mask.unsqueeze(-1)
    # A weight of zero alone would let a NaN or infinite logit in the padding through.
    logits = torch.where(answered, outputs, 0)
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return F.binary_cross_entropy_with_logits(
        logits,
        batch.targets.to(logits.dtype),
        weight=answered.to(logits.dtype),
        reduction=reduction,
    )


def certain_logits(bits: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Logits that say each bit with certainty."""
    return (2 * bits - 1) * CERTAIN_LOGIT


def bit_names(count: int) -> list[str]:
    """Names of `count` channels that hold one bit each."""
    return [f"bit {number}" for number in range(1, count + 1)]


def random_integers(
    generator: torch.Generator, minimum: int, maximum: int, batch_size: int, *, mixed: bool
) -> Int64[Tensor, " batch"]:
    """Uniform integers from `minimum` to `maximum`, both included; one for all unless `mixed`."""
    size = (batch_size,) if mixed else (1,)
    numbers = torch.randint(
        minimum, maximum + 1, size, generator=generator, device=generator.device
    )
    return numbers if mixed else numbers.expand(batch_size)


def random_bits(generator: torch.Generator, *shape: int) -> Float[Tensor, "*shape"]:
    """Fair independent bits as 0.0 and 1.0."""
    return torch.randint(
        0, 2, shape, generator=generator, device=generator.device, dtype=torch.float32
    )


def take_steps(
    sequences: Float[Tensor, "batch time channels"],
    steps: Int64[Tensor, "batch taken"],
    valid: Bool[Tensor, "batch taken"],
) -> Float[Tensor, "batch taken channels"]:
    """Whole vectors of each sequence by step number; zeros where not valid."""
    last = sequences.shape[1] - 1
    index = steps.clamp(0, last).unsqueeze(-1).expand(-1, -1, sequences.shape[2])
    return sequences.gather(1, index) * valid.unsqueeze(-1)


def check_integer(
    task: str, option: str, value: object, *, minimum: int, maximum: int | None = None
) -> None:
    """Raise ValueError, naming option, value and what is allowed, unless `value` is in range."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and minimum <= value and (maximum is None or value <= maximum):
        return
    allowed = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    raise ValueError(f"{task}: {option} = {value!r}; allowed: an integer {allowed}")


def check_flag(task: str, option: str, value: object) -> None:
    """Raise ValueError, naming option, value and what is allowed, unless `value` is a bool."""
    if not isinstance(value, bool):
        raise ValueError(f"{task}: {option} = {value!r}; allowed: true or false")
