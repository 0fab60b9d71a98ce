"""The training loop: batch, step, and now and then a report, a validation or a checkpoint."""

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import torch

from tapehead.runs.directory import RunDirectory
from tapehead.runs.evaluation import evaluate_settings
from tapehead.runs.records import read_result
from tapehead.runs.result import Result
from tapehead.signals import Stopped, StopRequest, stop_on_signal
from tapehead.tasks.metrics import SOLVED
from tapehead.training.display.reporter import Reporter, RunInfo
from tapehead.training.optimisers.schedules import learning_rate_schedule
from tapehead.training.rows import Rows
from tapehead.training.saving import Saver, crossed, is_kept
from tapehead.training.session import Session
from tapehead.training.stopwatch import Stopwatch

TELL_EVERY = 0.2
"""Seconds between two calls of `Reporter.progressed`."""


class Loop:
    """The loop around a session's steps, and all that happens beside them."""

    def __init__(
        self,
        session: Session,
        run: RunDirectory | None,
        reporter: Reporter,
        stop: StopRequest,
        path: Path | None,
    ):
        self.session, self.config, self.processes = session, session.config, session.processes
        self._run, self._reporter, self._stop, self._path = run, reporter, stop, path
        self._learning_rate = learning_rate_schedule(self.config)
        self._saver, self._stopwatch = Saver(session, run), Stopwatch(session)
        self._rows = Rows(session, run, reporter, self._saver, self._stopwatch, self._learning_rate)
        self._save_now = False

    @property
    def done(self) -> bool:
        progress = self.session.progress
        solved_at = progress.solved_at
        if self.config.stop_when_solved and solved_at is not None:
            return progress.sequences >= min(
                solved_at + self.config.cooldown, self.config.max_sequences
            )
        return progress.sequences >= self.config.max_sequences

    def run(self) -> None:
        """Train until solved, or as long as the config allows."""
        session = self.session
        self._reporter.started(self._info())
        self._reporter.watching(session.machine, session.task)
        if self.done:
            return
        if self._run is not None:
            self._run.forget_result()  # of a shorter run that is now extended
        session.warm_up()
        with stop_on_signal(self._stop):
            self._loop()
        self._stopwatch.stop()

    def _loop(self) -> None:
        progress, config, alone = self.session.progress, self.config, self.processes.world_size == 1
        self._stopwatch.start()
        self._save_at = perf_counter() + config.checkpoint_every
        tell_at = 0.0
        while not self.done:
            self._step()
            reported = crossed(progress.sequences, config.batch_size, config.report_every)
            under_mark = reported and self._rows.report()
            if under_mark or self._validation_is_due():
                self._save_now |= self._rows.validate()
            self._rows.look_whether_stuck()
            self._save_now |= is_kept(progress.step, config)
            now = perf_counter()
            if now >= tell_at:
                self._reporter.progressed(progress.sequences, self._stopwatch.seconds(now))
                tell_at = now + TELL_EVERY
            if alone or reported or self._save_now:
                self._save_or_stop(now)

    def finish(self) -> Result:
        """Last row, validation and checkpoint, the test settings, and result.json."""
        session, progress = self.session, self.session.progress
        earlier = None if self._path is None else read_result(self._path, of_any_step=True)
        if earlier is not None and earlier["steps"] != progress.step:
            earlier = None  # of a checkpoint that is no more
        wanted = self.config.test_sequences and not (earlier or {}).get("evaluation")
        if earlier is not None and not wanted:  # resumed although it had come to its end
            self._reporter.finished(earlier)
            return self._result(earlier)
        self._stopwatch.start()
        if session.tally.steps:
            self._rows.report()
        if progress.validation is None or progress.validation["step"] != progress.step:
            self._rows.validate()
        assert progress.validation is not None
        self._save()
        session.end()
        evaluation = {}
        if self.config.test_sequences:
            evaluation = evaluate_settings(
                session.tested_machine(), session.task, sequences=self.config.test_sequences
            )
        value = {
            "seed": self.config.seed,
            "solved": progress.solved_after is not None,
            "solved_after": progress.solved_after,
            "sequences": progress.sequences,
            "steps": progress.step,
            "seconds": round(progress.seconds, 3),
            "restarts": progress.restarts,
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
        if progress.stuck:
            session.begin_again()
        task = session.curriculum.task_for(progress.step, progress.sequences - progress.began)
        session.fit_rows()
        batch = task.batch(session.generator, session.sequences_per_process)
        rate = progress.rate_of(self._learning_rate)
        done = session.learner.step(task, batch, progress.step + 1, rate)
        if tally.steps % config.score_every == 0:
            tally.add_scores(task.scores(done.outputs, done.batch))
        tally.add(done.loss, done.gradient_norm)
        self._saver.up_to_date, self._saver.batch = False, done.batch
        session.count()

    def _validation_is_due(self) -> bool:
        config, progress = self.config, self.session.progress
        return crossed(progress.sequences, config.batch_size, config.validate_every)

    def _save_or_stop(self, now: float) -> None:
        due, signal = now >= self._save_at, self._stop.number
        if self.processes.world_size > 1:
            # Whatever one process decides must happen in all of them at the same step.
            wishes = [due and self.processes.is_global_zero, signal or 0]
            wishes = torch.tensor(wishes, device=self.processes.device)
            decided = cast(torch.Tensor, self.processes.all_reduce(wishes, reduce_op="max"))
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
        with self._stopwatch.stopped():
            self._saver.save()
        self._save_at = perf_counter() + self.config.checkpoint_every

    def _info(self) -> RunInfo:
        session, config = self.session, self.config
        return RunInfo(
            task=config.task,
            machine=config.machine,
            seed=config.seed,
            parameters=session.learner.flat.parameter.numel(),
            device=str(self.processes.device),
            threads=torch.get_num_threads(),
            processes=self.processes.world_size,
            max_sequences=config.max_sequences,
            stop_when_solved=config.stop_when_solved,
            pass_mark=session.task.pass_mark,
            resumed_at=session.progress.sequences,
            path=None if self._path is None else str(self._path),
            began_with=config.start_from,
            backend=str(session.machine.backend_choice()),
            has_errors=SOLVED in session.task.metrics,
            levels=1 if config.curriculum == "none" else session.task.max_difficulty,
        )

    def _result(self, value: dict[str, Any]) -> Result:
        self.session.fit_rows(all_rows=True)
        result = Result.from_dict(value, self._path)
        return replace(result, machine=self.session.machine)
