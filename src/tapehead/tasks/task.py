"""What every task offers: sizes, batches, a loss, scores and an exact oracle.

A task is a frozen dataclass whose fields are its options, so two equal tasks draw equal batches
from equal generators, and `dataclasses.replace` makes the same task at another size.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.checks import check_fields, whole
from tapehead.errors import TapeheadError
from tapehead.forms import Sequence
from tapehead.room import check_room
from tapehead.tasks.answers import Answer
from tapehead.tasks.batch import Batch
from tapehead.tasks.metrics import Metric, PassMark

# A logit this far from zero is certain: its cross-entropy is exactly 0 in single precision.
CERTAIN_LOGIT = 200.0
SURELY_FITS = 10**8
"""Numbers of a batch for which nobody need look how much memory there is."""


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A source of batches with its own measure of right and wrong: `answer` holds most of it.

    >>> import torch
    >>> from tapehead.tasks import Copy
    >>> task = Copy(max_length=5)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=4)
    >>> task.loss(torch.zeros_like(batch.targets), batch)  # logits of 0: each bit as likely as not
    tensor(0.6931)
    >>> task.scores(task.oracle(batch), batch)["bit_errors"]
    tensor([0., 0., 0., 0.])
    >>> list(task.test_settings())
    ['10', '20', '30', '50', '120']
    """

    name: ClassVar[str]
    """What the command line calls it."""
    title: ClassVar[str]
    """What a figure calls it."""
    source: ClassVar[str]
    """The paper and section that define it."""
    tells: ClassVar[type]
    """The form in which a machine is told (`tapehead.forms`)."""
    variant: ClassVar[str] = ""
    """The option that makes of it one of several tasks, each with recipes of its own."""
    interactive: ClassVar[bool] = False
    """Whether what a machine is told depends on what it says; such a task has a `run` of its own,
    and its batches as drawn show one way that it may go."""
    trained_by: ClassVar[str | None] = None
    """How any machine is trained on it: the name of an objective (`tapehead.training.objectives`);
    None: as the machine says."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    @abstractmethod
    def sizes(self) -> Mapping[str, Any]:
        """What of a machine the task decides: arguments of the constructor of any that fits."""

    @property
    def facts(self) -> int | None:
        """What the longest sequence tells, in things that each want a row of memory; None: that
        cannot be said."""
        return None

    @property
    @abstractmethod
    def answer(self) -> Answer:
        """What the outputs mean, what they cost, and what they are called."""

    @property
    def output_size(self) -> int:
        """Number of output channels."""
        return self.answer.size

    @property
    def output_names(self) -> list[str]:
        """One name for each output channel."""
        return list(self.answer.names)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What `scores` gives, in its order; the first counts errors."""
        return self.answer.metrics

    @property
    @abstractmethod
    def pass_mark(self) -> PassMark:
        """The metric whose mean must be better than a threshold for the task to be solved."""

    @abstractmethod
    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Draw a batch on the generator's device, from the generator alone."""

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        """The best possible answer as logits, worked out from `batch.inputs` alone.

        Every task of this library has one; nothing but its tests needs it.
        """
        raise NotImplementedError(f"{self.name} has no oracle")

    def test_settings(self) -> dict[str, "Task"]:
        """The sizes that a trained machine is tested at: a label for each, and this task at that
        size."""
        return {}

    @property
    def num_problems(self) -> int | None:
        """How many problems there are, of a task whose problems are given (a file of stories); None
        if they are drawn without end."""
        return None

    def problems(self, numbers: Int64[Tensor, " batch"]) -> Batch:
        """Some of the problems that are given, by their numbers from 0."""
        raise NotImplementedError(f"{self.name} has no problems by number")

    @property
    def held_out(self) -> "Task":
        """What validations score: this task, unless its problems are given and others were held
        back for that."""
        return self

    @property
    def fresh(self) -> "Task":
        """This task, its problems drawn without end where they come from a stored set: what scores
        and pictures are of."""
        return self

    def prepare(  # noqa: B027, most tasks have nothing to make
        self, tell: Callable[[int, int, float | None], None] | None = None
    ) -> None:
        """Make what batches are drawn from, where that takes long; training calls it first.

        Args:
            tell: is told now and then how many problems are made, of how many, and, once that can
                be said, in how many seconds the others will be.
        """

    @property
    def max_difficulty(self) -> int:
        """Number of curriculum levels; the last one is the task itself."""
        return 1

    def with_difficulty(self, level: int) -> "Task":
        """This task at a curriculum level, from 1 (easiest) to `max_difficulty` (the task itself).

        Sizes of inputs and outputs are the same at every level.
        """
        return self._at_level(whole(1, self.max_difficulty)("level", level))

    def _at_level(self, level: int) -> "Task":
        return self

    def resized(self, **options: Any) -> "Task":
        """This task with other options, as a machine that was trained on this one can read it.

        Raises:
            TypeError, ValueError: there is no such option, or it cannot have such a value.
        """
        return replace(self, **options)

    def batch(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Draw `batch_size` sequences, on the generator's device and from its state alone."""
        batch_size = whole(1)("batch_size", batch_size)
        if self.numbers(batch_size) > SURELY_FITS:
            check_room(
                self.numbers,
                {"batch_size": batch_size, **vars(self)},
                what=f"the {self.title.lower()} sequences",
                device=generator.device,
            )
        batch = self._sample(generator, batch_size)
        self._check_shapes(batch)
        return batch

    def _check_shapes(  # noqa: B027, of other forms nothing is looked at
        self, batch: Batch, outputs: Tensor | None = None
    ) -> None:
        """Raise a TapeheadError unless a batch of `_sample`, or a machine's outputs for one, are as
        the task says they are."""

    @property
    def max_steps(self) -> int:
        """Steps of the longest sequence, or fewer if that is not known; memory is reckoned by
        it."""
        return 1

    def numbers(self, batch_size: int, **options: Any) -> int:
        """How many numbers the inputs and targets of a batch take at most, with these options in
        place of its own."""
        task = copy(self)
        vars(task).update(options)
        return batch_size * task.max_steps * task.step_numbers

    @property
    def step_numbers(self) -> int:
        """Numbers of one step's inputs and targets."""
        return self.output_size

    def run(
        self,
        machine: Callable[..., tuple[Tensor, Any]],
        batch: Batch,
    ) -> tuple[Float[Tensor, "batch time output_size"], Batch]:
        """A machine's outputs for a batch, and the batch that they answer.

        The same batch, unless what is told depends on what the machine says: such a task overrides
        this, and returns the batch as it came to be.

        Args:
            machine: maps the fields of the form, by name, to outputs and something else.
        """
        outputs, _ = machine(**batch.inputs._asdict())
        self._check_shapes(batch, outputs)
        return outputs, batch

    def loss(
        self, outputs: Float[Tensor, "batch time output_size"], batch: Batch
    ) -> Float[Tensor, ""]:
        """Mean cost of an answered bit or symbol, in nats, from logits."""
        return self.answer.loss(outputs, batch)

    def step_costs(
        self, outputs: Float[Tensor, "batch time output_size"], batch: Batch
    ) -> Float[Tensor, "batch time"]:
        """What each step has in `loss`; see `Answer.step_costs`."""
        return self.answer.step_costs(outputs, batch)

    def scores(
        self, outputs: Float[Tensor, "batch time output_size"], batch: Batch
    ) -> dict[str, Tensor]:
        """One number for each sequence of the batch and each of `metrics`."""
        with torch.no_grad():
            return self.answer.scores(outputs, batch)

    def solved(self, means: Mapping[str, float]) -> bool:
        """Whether mean scores meet the task's pass mark."""
        return self.pass_mark.met(means[self.pass_mark.metric.name])


@dataclass(frozen=True, kw_only=True)
class SequenceTask(Task):
    """A task that tells vectors over time.

    >>> from tapehead.tasks import Copy
    >>> task = Copy(num_bits=2)
    >>> task.channel_names, task.sizes
    (['bit 1', 'bit 2', 'delimiter'], {'input_size': 3, 'output_size': 2})
    """

    tells = Sequence

    @property
    def input_size(self) -> int:
        """Number of input channels."""
        return len(self.channel_names)

    @property
    @abstractmethod
    def channel_names(self) -> list[str]:
        """One name for each input channel."""

    @property
    def sizes(self) -> Mapping[str, Any]:
        return {"input_size": self.input_size, "output_size": self.output_size}

    @property
    def step_numbers(self) -> int:
        return self.input_size + self.output_size

    def _check_shapes(self, batch: Batch, outputs: Tensor | None = None) -> None:
        looked_at = {"the machine's outputs": (outputs, self.output_size)}
        if outputs is None:
            drawn = f"{type(self).__name__}._sample: "
            looked_at = {
                f"{drawn}inputs": (batch.inputs.x, self.input_size),
                f"{drawn}targets": (batch.targets, self.output_size),
            }
        for what, (tensor, size) in looked_at.items():
            wanted = (*batch.mask.shape, size)
            if tensor is not None and tuple(tensor.shape) != wanted:
                raise TapeheadError(
                    f"{what} must be (batch, time, {size}), with the mask {wanted}, got shape "
                    f"{tuple(tensor.shape)}"
                )


def certain_logits(bits: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Logits that say each bit with certainty."""
    return (2 * bits - 1) * CERTAIN_LOGIT


def bit_names(count: int) -> list[str]:
    """Names of `count` channels that hold one bit each."""
    return [f"bit {number}" for number in range(1, count + 1)]


def take_steps(
    sequences: Float[Tensor, "batch time channels"],
    steps: Int64[Tensor, "batch taken"],
    valid: Bool[Tensor, "batch taken"],
) -> Float[Tensor, "batch taken channels"]:
    """Whole vectors of each sequence by step number; zeros where not valid."""
    last = sequences.shape[1] - 1
    index = steps.clamp(0, last).unsqueeze(-1).expand(-1, -1, sequences.shape[2])
    return sequences.gather(1, index) * valid.unsqueeze(-1)
