"""The way in: `train` a machine on a task, from the beginning or from a checkpoint."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tapehead.errors import TapeheadError
from tapehead.runs.build import build_machine, build_task, check_memory
from tapehead.runs.checkpoint import checkpoint_steps
from tapehead.runs.config import TrainConfig
from tapehead.runs.loading import start_from
from tapehead.runs.result import Result
from tapehead.signals import Interrupted, Stopped, StopRequest, interrupt_on_signal
from tapehead.training.display.reporter import Reporter
from tapehead.training.display.showing import Shielded, Showing
from tapehead.training.failures import NonFiniteError
from tapehead.training.loop import Loop
from tapehead.training.objectives import make_objective
from tapehead.training.processes import launch_processes, process_settings
from tapehead.training.resuming import open_run, restore_latest
from tapehead.training.session import Session


def train(
    config: TrainConfig,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> Result:
    """Train a machine on a task.

    Under `torchrun`, each process calls this; the first one writes and reports.

    Args:
        config: all settings.
        out: run directory; None keeps nothing but the result.
        resume: go on from the last checkpoint in `out`, and on the CPU arrive at the same bits as
            if training had never stopped. Starts afresh if there is none yet.
        reporter: is told what happens; None is told nothing.

    Returns:
        How it ended, with the trained machine.

    Raises:
        ValueError, TypeError: an option has an impossible value; names it and what is allowed.
        NonFiniteError: a loss, gradient, weight or score is not finite.
        Stopped: SIGINT, SIGTERM or SIGHUP arrived, or the reporter writes into a closed pipe;
            everything so far is saved.
        TapeheadError: the run directory cannot be used, there is no machine of the name
            `start_from`, or a checkpoint is damaged, foreign or newer.
    """
    reporter, stop = reporter or Reporter(), StopRequest()
    task = build_task(config)
    with ExitStack() as stack:
        stack.enter_context(process_settings(config))
        stack.enter_context(_interrupted(out))
        machine = build_machine(config, task)
        if config.start_from is not None and not (resume and _has_checkpoint(out)):
            start_from(machine, config.start_from)
        objective = make_objective(machine, task, **config.objective_options)
        check_memory(config, task, machine)
        processes = launch_processes(config)
        reporter = Shielded(reporter if processes.is_global_zero else Reporter(), Showing(stop))
        try:
            task.prepare(reporter.preparing)
        except BaseException:
            reporter.ended()
            raise
        session = Session(config, task, machine, objective, processes)
        stack.callback(session.learner.release)
        run = None
        if out is not None and processes.is_global_zero:
            facts = {
                "parameters": sum(weights.numel() for weights in machine.parameters()),
                "backend": str(machine.backend_choice()),
            }
            run = stack.enter_context(
                open_run(out, config, facts, resume=resume, reporter=reporter)
            )
        stack.callback(reporter.ended)
        if out is not None and resume:
            restore_latest(session, Path(out), run, reporter)
        try:
            loop = Loop(session, run, reporter, stop, Path(out) if out else None)
            loop.run()
            return loop.finish()
        except NonFiniteError as error:
            if out is not None:
                error.save(Path(out), processes.global_rank)
            raise


@contextmanager
def _interrupted(out: Path | str | None) -> Iterator[None]:
    """Say that a signal ended what comes before and after the steps."""
    try:
        with interrupt_on_signal():
            yield
    except Interrupted as error:
        where = "; nothing is saved"
        if _has_checkpoint(out):
            where = f"; resume to go on with what is saved in {out}"
        raise Stopped(error.number, f"before or after its steps{where}") from None


def _has_checkpoint(out: Path | str | None) -> bool:
    """Whether there is anything to go on with; what cannot be read is told of when it is opened."""
    try:
        return out is not None and bool(checkpoint_steps(Path(out) / "checkpoint"))
    except TapeheadError:
        return False
