"""What a run writes down as it goes: a row for each report and for each validation."""

import math
from typing import Any, cast

import torch

from tapehead.runs.directory import RunDirectory
from tapehead.runs.evaluation import mean_scores
from tapehead.runs.randomness import Stream, derived_seed
from tapehead.tasks import Task
from tapehead.training.display import Reporter
from tapehead.training.failures import NonFiniteError
from tapehead.training.optimisers.schedules import Schedule
from tapehead.training.restarts import is_stuck, restart_is_due
from tapehead.training.saving import Saver
from tapehead.training.session import Session
from tapehead.training.stopwatch import Stopwatch

VALIDATION_SEED = 0
VALIDATION_BATCH = 64


class Rows:
    """Writes the rows of metrics.jsonl, and tells the reporter of each."""

    def __init__(
        self,
        session: Session,
        run: RunDirectory | None,
        reporter: Reporter,
        saver: Saver,
        stopwatch: Stopwatch,
        learning_rate: Schedule,
    ):
        self._session, self._run, self._reporter = session, run, reporter
        self._saver, self._stopwatch, self._learning_rate = saver, stopwatch, learning_rate
        self._means: dict[str, float] | None = None

    def report(self) -> bool:
        """Write a row; returns whether its scores call for a validation."""
        session, progress = self._session, self._session.progress
        with self._stopwatch.stopped():
            means = session.tally.means(self._average if session.processes.world_size > 1 else None)
            session.tally.clear()
            self._means = means if restart_is_due(session.config, progress) else None
            sequences = progress.sequences - progress.row_sequences
            seconds = max(progress.seconds - progress.row_seconds, 1e-9)
            self._write(
                {
                    "kind": "train",
                    "step": progress.step,
                    "sequences": progress.sequences,
                    "seconds": round(progress.seconds, 3),
                    **means,
                    "learning_rate": progress.rate_of(self._learning_rate),
                    "difficulty": session.curriculum.level,
                    # Never rounded to 0: the time left is divided by it.
                    "sequences_per_second": float(f"{sequences / seconds:.4g}"),
                }
            )
            progress.row_seconds, progress.row_sequences = progress.seconds, progress.sequences
            # When success first came is a result even where it does not end the run.
            over = session.curriculum.finished and progress.solved_after is not None
            averaged = self._averaged_scores if session.config.weight_average else None
            passed = not over and session.curriculum.reported(means, self._fresh_scores, averaged)
            self._look_whether_slow()
        return passed and session.objective.in_earnest

    def _look_whether_slow(self) -> None:
        """Halve the learning rate if the lesson of the report has lasted too long."""
        session, progress = self._session, self._session.progress
        patience, level = session.config.patience, session.curriculum.level
        if level != progress.level:
            progress.level, progress.level_since = level, progress.sequences
        elif (
            patience is not None
            and progress.solved_at is None
            and progress.sequences - progress.level_since >= patience
        ):
            progress.halvings, progress.level_since = progress.halvings + 1, progress.sequences

    def look_whether_stuck(self) -> None:
        """Let the run begin anew if that was due at the last report, and it got nowhere."""
        session, means = self._session, self._means
        self._means = None
        if means is None or not is_stuck(session.config, session.task, session.progress, means):
            return
        session.progress.stuck, self._saver.up_to_date = True, False
        metric = session.task.pass_mark.metric
        self._reporter.restarted(
            f"restart {session.progress.restarts + 1} at {session.progress.sequences:,} sequences: "
            f"{metric.shown(means[metric.name])} {metric.label}; from here on with other weights"
        )

    def _fresh_scores(self, task: Task) -> dict[str, float]:
        """Mean scores on sequences that no training and no other report has drawn."""
        session, config = self._session, self._session.config
        # Hard addresses, of which a soft machine has learned nothing yet, would hold it back.
        with session.objective.as_trained(session.machine):
            scores = mean_scores(
                session.machine,
                task,
                config.validation_sequences,
                VALIDATION_BATCH,
                derived_seed(config.seed, Stream.CURRICULUM, session.progress.step),
                Stream.VALIDATION,
            )
        return session.processes.broadcast(scores)

    def _averaged_scores(self, task: Task) -> dict[str, float]:
        with self._session.judged():
            return self._fresh_scores(task)

    def validate(self) -> bool:
        """Score the machine on the sequences of all validations; whether it is the best so far."""
        session, progress = self._session, self._session.progress
        with self._stopwatch.stopped(), session.judged():
            scores = mean_scores(
                session.tested_machine(),
                session.task.held_out,
                session.config.validation_sequences,
                VALIDATION_BATCH,
                VALIDATION_SEED,
                Stream.VALIDATION,
            )
            scores = session.processes.broadcast(scores)  # all must come to the same verdict
            for name, score in scores.items():
                if not math.isfinite(score):
                    description = f"the {name} of the validation is {score}"
                    raise NonFiniteError(progress.step, name, description, None)
            passed = self._solved(scores)
            progress.validation = {"step": progress.step, "scores": scores, "passed": passed}
            best = progress.best is None or self._rank(scores) < self._rank(progress.best["scores"])
            if best:
                progress.best = {
                    "step": progress.step,
                    "sequences": progress.sequences,
                    "scores": scores,
                }
            if passed and progress.solved_after is None:
                progress.solved_after = {
                    "sequences": progress.sequences,
                    "seconds": round(progress.seconds, 3),
                }
            self._write(
                {
                    "kind": "validation",
                    "step": progress.step,
                    "sequences": progress.sequences,
                    "seconds": round(progress.seconds, 3),
                    "cpu_seconds": round(progress.cpu_seconds, 3),
                    **scores,
                    "passed": passed,
                }
            )
        return best

    def _solved(self, scores: dict[str, float]) -> bool:
        """Whether the machine solves the task as what it is to become: one that is still annealed
        may yet forget what it can do."""
        return self._session.objective.in_earnest and self._session.task.solved(scores)

    def _rank(self, scores: dict[str, float]) -> tuple[float, float]:
        mark = self._session.task.pass_mark
        return mark.rank(scores[mark.metric.name]), scores["loss"]

    def _write(self, row: dict[str, Any]) -> None:
        self._saver.up_to_date = False
        if self._run is not None:
            self._run.append(row)
        self._reporter.reported(row)

    def _average(self, tensor: torch.Tensor) -> torch.Tensor:
        processes = self._session.processes
        mean = processes.all_reduce(tensor.to(processes.device), reduce_op="mean")
        return cast(torch.Tensor, mean)
