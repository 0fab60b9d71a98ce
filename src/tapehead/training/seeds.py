"""The same training with several seeds, one after another or in several processes."""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, cast

from tapehead.errors import TapeheadError
from tapehead.training.config import TrainConfig
from tapehead.training.failures import Stopped, stop_on_signal
from tapehead.training.loop import train
from tapehead.training.reporting import Reporter, RunInfo
from tapehead.training.result import Result


class SeedsFailed(TapeheadError):
    """Some seeds failed; the others went on to their end.

    results: of the seeds that did not fail.
    errors: message of each seed that did.
    """

    def __init__(self, results: list[Result], errors: dict[int, str]):
        (seed, message), *others = errors.items()
        more = f" (and {len(others)} more failed)" if others else ""
        super().__init__(f"seed {seed}: {message}{more}")
        self.results, self.errors = results, errors


def train_seeds(
    config: TrainConfig,
    seeds: Sequence[int],
    out: Path | str | None = None,
    *,
    workers: int = 1,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> list[Result]:
    """Train once for each seed.

    Args:
        config: all settings but the seed.
        seeds: any number of different seeds.
        out: gets one run directory for each seed, `seed-0` and so on; None keeps nothing.
        workers: processes that train at the same time, with one CPU thread each unless the config
            says otherwise. A script that uses them must guard its main part by
            `if __name__ == "__main__":`.
        resume: go on where an earlier call was stopped; seeds that had finished are not repeated.
        reporter: is asked by `for_seed` for a reporter for each seed.

    Returns:
        The results in the order of `seeds`; with several workers, without the machines.

    Raises:
        SeedsFailed: after all seeds have ended, if some failed.
        Stopped: a signal arrived; all seeds have saved what they have.
        ValueError: seeds repeat, or there are none.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be one or more different numbers, got {list(seeds)}")
    if workers < 1:
        raise ValueError(f"workers must be a whole number of at least 1, got {workers!r}")
    reporter = reporter or Reporter()
    jobs = {
        seed: (replace(config, seed=seed), None if out is None else Path(out) / f"seed-{seed}")
        for seed in seeds
    }
    if workers == 1 or len(jobs) == 1:
        results, errors = _one_after_another(jobs, resume, reporter)
    else:
        results, errors = _Workers(jobs, resume, reporter).run(min(workers, len(jobs)))
    ordered = [results[seed] for seed in seeds if seed in results]
    if errors:
        raise SeedsFailed(ordered, {seed: errors[seed] for seed in seeds if seed in errors})
    return ordered


_Jobs = dict[int, tuple[TrainConfig, Path | None]]
_Outcome = tuple[dict[int, Result], dict[int, str]]


def _one_after_another(jobs: _Jobs, resume: bool, reporter: Reporter) -> _Outcome:
    results, errors = {}, {}
    for seed, (config, path) in jobs.items():
        try:
            results[seed] = train(config, path, resume=resume, reporter=reporter.for_seed(seed))
        except Stopped:
            raise
        except TapeheadError as error:
            errors[seed] = str(error)
    return results, errors


class _Workers:
    """Hands seeds to processes and their news to the reporter."""

    def __init__(self, jobs: _Jobs, resume: bool, reporter: Reporter):
        self._waiting, self._resume, self._reporter = dict(jobs), resume, reporter
        self._total, self._jobs = len(jobs), jobs
        self._reporters: dict[int, Reporter] = {}
        self._busy: dict[Connection, int] = {}
        self._processes: dict[Connection, Any] = {}
        self._results: dict[int, Result] = {}
        self._errors: dict[int, str] = {}

    def run(self, workers: int) -> _Outcome:
        context = multiprocessing.get_context("spawn")  # a fork would inherit thread pools
        with stop_on_signal() as stop:
            try:
                for _ in range(workers):
                    ours, theirs = context.Pipe()
                    process = context.Process(target=_work, args=(theirs,), daemon=True)
                    process.start()
                    theirs.close()
                    self._processes[ours] = process
                    self._give_work(ours)
                told = False
                while self._busy:
                    if stop.number is not None and not told:
                        told, self._waiting = True, {}
                        for connection in self._busy:
                            _signal(self._processes[connection], signal.SIGTERM)
                    for connection in wait(list(self._busy), timeout=0.2):
                        self._hear(cast(Connection, connection))
            finally:
                for connection, process in self._processes.items():
                    connection.close()
                    if connection in self._busy:
                        process.terminate()
                    process.join()
        if stop.number is not None:
            raise Stopped(
                stop.number,
                f"with {len(self._results)} of {self._total} seeds done; resume to go on",
            )
        return self._results, self._errors

    def _give_work(self, connection: Connection) -> None:
        if not self._waiting:
            connection.send(None)
            return
        seed = next(iter(self._waiting))
        config, path = self._waiting.pop(seed)
        if config.threads is None:
            config = replace(config, threads=1)
        self._reporters[seed] = self._reporter.for_seed(seed)
        self._busy[connection] = seed
        connection.send((config.to_dict(), path, self._resume))

    def _hear(self, connection: Connection) -> None:
        seed = self._busy[connection]
        try:
            event, arguments = connection.recv()
        except (EOFError, OSError):
            process = self._processes[connection]
            process.join()
            self._errors[seed] = f"its process died (exit code {process.exitcode})"
            self._reporters[seed].ended()
            del self._busy[connection]
            return
        if event == "result":
            self._results[seed] = Result.from_dict(arguments[0], self._jobs[seed][1])
        elif event == "error":
            self._errors[seed] = arguments[0]
        elif event != "stopped":
            getattr(self._reporters[seed], event)(*arguments)
            return
        del self._busy[connection]
        self._give_work(connection)


class _Messenger(Reporter):
    """Sends all it is told to the parent process."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def started(self, info: RunInfo) -> None:
        self._connection.send(("started", (info,)))

    def progressed(self, sequences: int, seconds: float) -> None:
        self._connection.send(("progressed", (sequences, seconds)))

    def reported(self, row: Any) -> None:
        self._connection.send(("reported", (row,)))

    def noted(self, text: str) -> None:
        self._connection.send(("noted", (text,)))

    def finished(self, result: Any) -> None:
        self._connection.send(("finished", (result,)))

    def ended(self) -> None:
        self._connection.send(("ended", ()))


def _work(connection: Connection) -> None:
    """A worker process: train what is sent until nothing more is."""
    reporter = _Messenger(connection)
    # A signal that finds no training has nothing to save.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (job := connection.recv()) is not None:
        settings, path, resume = job
        try:
            config = TrainConfig.from_dict(settings)
            result = train(config, path, resume=resume, reporter=reporter)
            message = "result", (result.to_dict(),)
        except BrokenPipeError:
            return  # the parent is gone
        except Stopped:
            message = "stopped", ()
        except (TapeheadError, TypeError, ValueError) as error:
            message = "error", (str(error),)
        except Exception:
            message = "error", (traceback.format_exc(),)
        connection.send(message)


def _signal(process: Any, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
