"""What both views of the bAbI tasks share: options, splits, and which stories a batch is of."""

import os
import random
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from tapehead.checks import listed
from tapehead.tasks.babi.files import FOLDER
from tapehead.tasks.babi.library import Library, Number, Split, library_of
from tapehead.tasks.babi.simulation import SIMULATED, simulate
from tapehead.tasks.babi.text import TextStory
from tapehead.tasks.metrics import WRONG, PassMark
from tapehead.tasks.task import Batch, Task

FAILED = 0.05
"""The share of wrong answers above which the authors count a task as failed."""


@dataclass(frozen=True, kw_only=True)
class StoryTask(Task):
    """Questions about stories, which are given in files or told by a simulation.

    A view says how stories become a batch: `_batch` of those that are given, by number, and
    `batch_of` of any.

    task: "1" to "20", or "all" of them together.
    size: training questions of a task: "10k" or "1k".
    split: the stories that batches are drawn from. A run trains on "train", chooses by "valid", and
        is tested on "test".
    data: folder or archive with the files; left out: that of the environment's TAPEHEAD_BABI, or a
        copy in the user's cache, downloaded once.
    generated: train on fresh stories without end, told by a simulation of tasks 1, 2 and 3.
        Validation and test are those of the files if `data` or the environment says where they
        are, else fresh too. Of "all" tasks, only the training stories of task 3, whose file is
        often missing, are simulated, once and as many as the authors have.

    >>> from tapehead.tasks import BAbI
    >>> task = BAbI(task="2", generated=True)
    >>> task.split, task.held_out.split, list(task.test_settings())
    ('train', 'valid', ['test'])
    >>> len(task.stories[0].questions)
    5
    """

    source = "Weston et al. (2015), Towards AI-Complete Question Answering"
    variant = "task"

    task: Number = "1"
    size: Literal["10k", "1k"] = "10k"
    split: Split = "train"
    data: str = ""
    generated: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.task, int):
            object.__setattr__(self, "task", str(self.task))
        super().__post_init__()
        if self.generated and self.task not in (*map(str, SIMULATED), "all"):
            allowed = listed([*map(str, SIMULATED), "all"])
            raise ValueError(f"task must be one of {allowed} if generated, got {self.task!r}")

    @property
    def _files(self) -> tuple[str, str, str, bool]:
        """Which stories, as `library_of` takes it."""
        data = self.data or os.environ.get(FOLDER, "")
        return data, self.size, self.task, self.generated

    @property
    def library(self) -> Library:
        """All stories of the task; read once a process.

        Raises:
            TapeheadError: the files cannot be found or read.
        """
        return library_of(*self._files)

    @property
    def _is_endless(self) -> bool:
        """Whether stories are simulated as they are needed."""
        return not self.library.texts[self.split]

    @property
    def stories(self) -> list[TextStory]:
        """The stories of this split, as they were told; a hundred of those without end."""
        if self._is_endless:
            return self._simulated(random.Random(0), 100)
        return self.library.texts[self.split]

    def _simulated(self, draw: random.Random, count: int) -> list[TextStory]:
        return [simulate(int(self.task), draw) for _ in range(count)]

    @abstractmethod
    def _batch(self, numbers: Int64[Tensor, " batch"]) -> Batch:
        """Some of the stories of this split, by number."""

    @abstractmethod
    def batch_of(self, stories: list[TextStory]) -> Batch:
        """Any stories in the words of this task, and their answers.

        Raises:
            ValueError: a word that the task does not know, or a sentence that is too long.
        """

    def form_of(self, story: TextStory) -> Any:
        """A story as a machine of this task reads it; its answers need not be known.

        Raises:
            ValueError: a word that the task does not know, or a sentence that is too long.
        """
        return self.batch_of([story]).inputs

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(WRONG, FAILED)

    @property
    def num_problems(self) -> int | None:
        return None if self.split == "train" or self._is_endless else len(self.stories)

    @property
    def held_out(self) -> "StoryTask":
        return replace(self, split="valid") if self.split == "train" else self

    def test_settings(self) -> dict[str, Task]:
        return {"test": replace(self, split="test")}

    def problems(self, numbers: Int64[Tensor, " batch"]) -> Batch:
        return self._batch(numbers)

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        if self._is_endless:
            draw = random.Random(int(draw_numbers(generator, 2**63 - 1, 1)))
            batch = self.batch_of(self._simulated(draw, batch_size))
        else:
            batch = self._batch(self._drawn(generator, batch_size))
        return batch.map(lambda part: part.to(generator.device))

    def _drawn(self, generator: torch.Generator, batch_size: int) -> Int64[Tensor, " batch"]:
        """Numbers of stories of this split, each as likely as any other."""
        return draw_numbers(generator, len(self.library.texts[self.split]), batch_size)


def draw_numbers(generator: torch.Generator, below: int, count: int) -> Int64[Tensor, " count"]:
    """Whole numbers from 0, on the CPU."""
    return torch.randint(below, (count,), generator=generator, device=generator.device).cpu()
