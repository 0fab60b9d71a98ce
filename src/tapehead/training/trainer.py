"""The training loop: batch, step, and now and then a report, a validation or a checkpoint."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch

from tapehead.signals import Stopped, StopRequest, stop_on_signal
from tapehead.tasks import Task
from tapehead.training.evaluation import evaluate_settings, mean_scores
from tapehead.training.failures import NonFiniteError
from tapehead.training.randomness import Stream, derived_seed
from tapehead.training.records import read_result
from tapehead.training.reporting import Reporter, RunInfo
from tapehead.training.result import Result
from tapehead.training.run import RunDirectory
from tapehead.training.saving import Saver
from tapehead.training.schedules import learning_rate_schedule
from tapehead.training.session import Session

VALIDATION_SEED = 0
VALIDATION_BATCH = 64
TELL_EVERY = 0.2
"""Seconds between two calls of `Reporter.progressed`."""


class Trainer:
    """The loop around a session's steps, and all that happens beside them."""

    def __init__(
        self,
        session: Session,
        run: RunDirectory | None,
        reporter: Reporter,
        stop: StopRequest,
        path: Path | None,
    ):
        self.session, self.config, self.fabric = session, session.config, session.fabric
        self._run, self._reporter, self._stop, self._path = run, reporter, stop, path
        self._learning_rate = learning_rate_schedule(self.config)
        self._saver = Saver(session, run)
        self._save_now = False

    @property
    def done(self) -> bool:
        progress = self.session.progress
        solved = self.config.stop_when_solved and progress.solved_after is not None
        return solved or progress.sequences >= self.config.max_sequences

    def run(self) -> None:
        """Train until solved, or as long as the config allows."""
        session = self.session
        self._reporter.started(self._info())
        if self.done:
            return
        if self._run is not None:
            self._run.forget_result()  # of a shorter run that is now extended
        session.warm_up()
        with stop_on_signal(self._stop):
            self._loop()
        session.learner.settle()
        session.progress.seconds = self._seconds(perf_counter())

    def _loop(self) -> None:
        progress, config, alone = self.session.progress, self.config, self.fabric.world_size == 1
        self._resume_clock()
        self._save_at = perf_counter() + config.checkpoint_every
        tell_at = 0.0
        while not self.done:
            self._step()
            reported = _crossed(progress.sequences, config.batch_size, config.report_every)
            under_mark = reported and self._report()
            if under_mark or self._validation_is_due():
                self._validate()
            now = perf_counter()
            if now >= tell_at:
                self._reporter.progressed(progress.sequences, self._seconds(now))
                tell_at = now + TELL_EVERY
            if alone or reported or self._save_now:
                self._save_or_stop(now)

    def finish(self) -> Result:
        """Last row, validation and checkpoint, the test settings, and result.json."""
        session, progress = self.session, self.session.progress
        earlier = None if self._path is None else read_result(self._path)
        if earlier is not None and earlier["steps"] != progress.step:
            earlier = None  # of a checkpoint that is no more
        wanted = self.config.test_sequences and not (earlier or {}).get("evaluation")
        if earlier is not None and not wanted:  # resumed although it had come to its end
            self._reporter.finished(earlier)
            return self._result(earlier)
        self._resume_clock()
        if session.tally.steps:
            self._report()
        if progress.validation is None or progress.validation["step"] != progress.step:
            self._validate()
        assert progress.validation is not None
        self._save()
        session.learner.release()
        evaluation = {}
        if self.config.test_sequences:
            evaluation = evaluate_settings(
                session.machine, session.task, sequences=self.config.test_sequences
            )
        value = {
            "seed": self.config.seed,
            "solved": progress.solved_after is not None,
            "solved_after": progress.solved_after,
            "sequences": progress.sequences,
            "steps": progress.step,
            "seconds": round(progress.seconds, 3),
            "scores": progress.validation["scores"],
            "evaluation": evaluation,
        }
        if self._run is not None:
            self._run.finish(value)
        self._reporter.finished(value)
        return self._result(value)

    def _step(self) -> None:
        session, config = self.session, self.config
        progress, tally = session.progress, session.tally
        task = session.curriculum.task_for(progress.step, progress.sequences)
        batch = task.batch(session.generator, session.sequences_per_process)
        rate = self._learning_rate(progress.sequences)
        done = session.learner.step(task, batch, progress.step + 1, rate)
        if tally.steps % config.score_every == 0:
            tally.add_scores(task.scores(done.outputs, done.batch))
        tally.add(done.loss, done.gradient_norm)
        self._saver.up_to_date, self._saver.batch = False, done.batch
        progress.step += 1
        progress.sequences += config.batch_size

    def _report(self) -> bool:
        """Write a row; returns whether its scores call for a validation."""
        session, progress = self.session, self.session.progress
        with self._off_the_clock():
            means = session.tally.means(self._average if self.fabric.world_size > 1 else None)
            session.tally.clear()
            sequences = progress.sequences - progress.row_sequences
            seconds = max(progress.seconds - progress.row_seconds, 1e-9)
            self._write(
                {
                    "kind": "train",
                    "step": progress.step,
                    "sequences": progress.sequences,
                    "seconds": round(progress.seconds, 3),
                    **means,
                    "learning_rate": self._learning_rate(progress.sequences),
                    "difficulty": session.curriculum.level,
                    # Never rounded to 0: the time left is divided by it.
                    "sequences_per_second": float(f"{sequences / seconds:.4g}"),
                }
            )
            progress.row_seconds, progress.row_sequences = progress.seconds, progress.sequences
            at_full_difficulty = session.curriculum.finished
            session.curriculum.reported(means, self._fresh_scores)
        # When success first came is a result even where it does not end the run.
        news = self.config.stop_when_solved or progress.solved_after is None
        return news and at_full_difficulty and session.task.solved(means)

    def _fresh_scores(self, task: Task) -> dict[str, float]:
        """Mean scores on sequences that no training and no other report has drawn."""
        session, config = self.session, self.config
        scores = mean_scores(
            session.machine,
            task,
            config.validation_sequences,
            VALIDATION_BATCH,
            derived_seed(config.seed, Stream.CURRICULUM, session.progress.step),
            Stream.VALIDATION,
            # Hard addresses, of which a soft machine has learned nothing yet, would hold it back.
            as_trained=True,
        )
        return self.fabric.broadcast(scores) if self.fabric.world_size > 1 else scores

    def _validate(self) -> None:
        session, progress = self.session, self.session.progress
        with self._off_the_clock():
            scores = mean_scores(
                session.machine,
                session.task,
                self.config.validation_sequences,
                VALIDATION_BATCH,
                VALIDATION_SEED,
                Stream.VALIDATION,
            )
            if self.fabric.world_size > 1:  # all must come to the same verdict
                scores = self.fabric.broadcast(scores)
            for name, score in scores.items():
                if not math.isfinite(score):
                    description = f"the {name} of the validation is {score}"
                    raise NonFiniteError(progress.step, name, description, None)
            passed = session.task.solved(scores)
            progress.validation = {"step": progress.step, "scores": scores, "passed": passed}
            if progress.best is None or self._rank(scores) < self._rank(progress.best["scores"]):
                progress.best = {
                    "step": progress.step,
                    "sequences": progress.sequences,
                    "scores": scores,
                }
                self._save_now = True
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
                    **scores,
                    "passed": passed,
                }
            )

    def _rank(self, scores: dict[str, float]) -> tuple[float, float]:
        mark = self.session.task.pass_mark
        return mark.rank(scores[mark.metric.name]), scores["loss"]

    def _validation_is_due(self) -> bool:
        config, progress = self.config, self.session.progress
        return _crossed(progress.sequences, config.batch_size, config.validate_every)

    def _save_or_stop(self, now: float) -> None:
        due, signal = now >= self._save_at, self._stop.number
        if self.fabric.world_size > 1:
            # Whatever one process decides must happen in all of them at the same step.
            wishes = [due and self.fabric.is_global_zero, signal or 0]
            wishes = torch.tensor(wishes, device=self.fabric.device)
            decided = cast(torch.Tensor, self.fabric.all_reduce(wishes, reduce_op="max"))
            due, signal = decided.tolist()
        if due or signal or self._save_now:
            self._save()
        if signal:
            where = f"saved in {self._path}, resume to go on" if self._path else "nothing is saved"
            after = f"after {self.session.progress.sequences:,} sequences"
            raise Stopped(signal, f"{after}; {where}")

    def _save(self) -> None:
        """Save a checkpoint, unless the last one has all there is."""
        self._save_now = False
        if self._path is None or self._saver.up_to_date:
            return
        with self._off_the_clock():
            self._saver.save()
        self._save_at = perf_counter() + self.config.checkpoint_every

    def _write(self, row: dict[str, Any]) -> None:
        self._saver.up_to_date = False
        if self._run is not None:
            self._run.append(row)
        self._reporter.reported(row)

    def _average(self, tensor: torch.Tensor) -> torch.Tensor:
        return cast(
            torch.Tensor, self.fabric.all_reduce(tensor.to(self.fabric.device), reduce_op="mean")
        )

    def _resume_clock(self) -> None:
        self._clock = perf_counter()

    def _seconds(self, now: float) -> float:
        return self.session.progress.seconds + now - self._clock

    @contextmanager
    def _off_the_clock(self) -> Iterator[None]:
        """Finish the step, then do what is not training while the clock stands still."""
        self.session.learner.settle()
        self.session.progress.seconds = self._seconds(perf_counter())
        yield
        self._resume_clock()

    def _info(self) -> RunInfo:
        session, config = self.session, self.config
        return RunInfo(
            task=config.task,
            machine=config.machine,
            seed=config.seed,
            parameters=session.learner.flat.parameter.numel(),
            device=str(self.fabric.device),
            threads=torch.get_num_threads(),
            processes=self.fabric.world_size,
            max_sequences=config.max_sequences,
            stop_when_solved=config.stop_when_solved,
            pass_mark=session.task.pass_mark,
            resumed_at=session.progress.sequences,
            path=None if self._path is None else str(self._path),
            backend=str(session.machine.backend_choice()),
        )

    def _result(self, value: dict[str, Any]) -> Result:
        result = Result.from_dict(value, self._path)
        return replace(result, machine=self.session.machine)


def _crossed(sequences: int, batch_size: int, every: int) -> bool:
    """Whether the last batch took the count of sequences over a multiple of `every`."""
    return sequences // every > (sequences - batch_size) // every
