"""How difficult the training sequences are, from step to step."""

import random
from collections.abc import Callable, Mapping

from tapehead.runs.config import TrainConfig
from tapehead.runs.randomness import Stream, derived_seed
from tapehead.tasks import Task
from tapehead.tasks.metrics import PassMark

Scores = Callable[[Task], Mapping[str, float]]

LOOK_BACK = 0.1
"""Share of batches from earlier levels under the look-back curriculum."""


class CurriculumSchedule:
    """Which level of difficulty each step trains at.

    - none: the task as it is.
    - linear: from `curriculum_start` to the full difficulty, evenly over `curriculum_sequences`.
    - naive: one level up whenever the level meets the task's pass mark, or the first of its
      metrics is better than `lesson_mark`: in the scores of a report, and then on fresh sequences
      of that level, which nothing easier is mixed into and which a machine answers as in earnest.
    - look-back: as naive, but a tenth of the batches comes from an earlier level, drawn evenly,
      so that what was learned is kept (after Zaremba & Sutskever 2014, section 4).
    - leaping: at each report up to the first level that is not passed on fresh sequences; the
      scores of training, where a machine that draws its choices is worse, do not count.

    Where a machine has an average of its weights too, a level is passed as well, whatever the
    scores of training, once that passes it.

    `level` is all there is to save: the choice of earlier levels depends on seed and step alone.

    Raises:
        ValueError: the first level lies beyond the task's last.
    """

    def __init__(self, config: TrainConfig, task: Task):
        self._kind, self._seed = config.curriculum, config.seed
        self._graded = config.curriculum in ("naive", "look-back", "leaping")
        self._mark = config.lesson_mark
        self._first, self._last = config.curriculum_start, task.max_difficulty
        self._length = config.curriculum_sequences or max(config.max_sequences // 2, 1)
        if self._kind == "none":
            self._first = self._last
        elif self._first > self._last:
            raise ValueError(
                f"curriculum_start must be at most {self._last}, the last level of "
                f"{task.name}, got {self._first}"
            )
        self._tasks = {self._last: task}
        self._task = task
        self.level = self._first

    @property
    def lesson(self) -> Task:
        """The task at the level that training is at."""
        return self._at(self.level)

    def restore(self, level: int) -> None:
        """Go back to a level that was saved.

        Raises:
            ValueError: the task has no such level.
        """
        if not self._first <= level <= self._last:
            raise ValueError(f"level must be from {self._first} to {self._last}, got {level}")
        self.level = level

    @property
    def finished(self) -> bool:
        """Whether training has arrived at the task itself."""
        return self.level == self._last

    def begin_again(self) -> None:
        """Go back to the first level."""
        self.level = self._first

    def task_for(self, step: int, sequences: int) -> Task:
        """The task to draw step number `step` from, so many sequences after it began."""
        if self._kind == "none":
            return self._task
        if self._kind == "linear":
            climbed = (self._last - self._first + 1) * sequences // self._length
            self.level = min(self._first + climbed, self._last)
        return self._at(self._level_of(step))

    def reported(
        self, means: Mapping[str, float], fresh: Scores, averaged: Scores | None = None
    ) -> bool:
        """Take note of the mean scores of a report.

        Args:
            fresh: gives those of new sequences.
            averaged: gives those of new sequences and the average of the weights, if there is one.

        Returns:
            Whether they are of the task itself, and meet its pass mark.
        """
        if self.finished:
            return self._task.solved(means) or (
                self._graded and averaged is not None and self._task.solved(averaged(self._task))
            )
        if self._kind == "leaping":
            while not self.finished and self._passed((averaged or fresh)(self.lesson)):
                self.level += 1
        elif self._graded:
            passed = self._passed(means) and self._passed(fresh(self.lesson))
            if not passed and averaged is not None:
                passed = self._passed(averaged(self.lesson))
            self.level += passed
        return False

    def _passed(self, means: Mapping[str, float]) -> bool:
        return passed(self._task, means, self._mark)

    def _level_of(self, step: int) -> int:
        if self._kind == "look-back" and self.level > self._first:
            choice = random.Random(derived_seed(self._seed, Stream.CURRICULUM, step))
            if choice.random() < LOOK_BACK:
                return choice.randrange(self._first, self.level)
        return self.level

    def _at(self, level: int) -> Task:
        if level not in self._tasks:
            self._tasks[level] = self._task.with_difficulty(level)
        return self._tasks[level]


def passed(task: Task, scores: Mapping[str, float], mark: float | None) -> bool:
    """Whether the first metric of a task is better than `mark`, or without one than its own."""
    if mark is None:
        return task.solved(scores)
    metric = task.metrics[0]
    return PassMark(metric, mark).met(scores[metric.name])
