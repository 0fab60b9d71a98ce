"""The same training with several seeds, one after another or in several processes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapehead.checks import whole
from tapehead.errors import TapeheadError
from tapehead.runs.config import TrainConfig
from tapehead.runs.result import Result
from tapehead.signals import Stopped
from tapehead.training.display.reporter import Reporter, RunInfo
from tapehead.training.display.showing import Shielded, Showing
from tapehead.training.entry import train
from tapehead.training.fleet.workers import Tell, Workers


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
    whole(1)("workers", workers)
    reporter = Shielded(reporter or Reporter())
    jobs = {
        seed: (replace(config, seed=seed), None if out is None else Path(out) / f"seed-{seed}")
        for seed in seeds
    }
    if workers == 1 or len(jobs) == 1:
        results, errors = _one_after_another(jobs, resume, reporter)
    else:
        results, errors = _side_by_side(jobs, resume, reporter, workers)
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


def _side_by_side(jobs: _Jobs, resume: bool, reporter: Reporter, workers: int) -> _Outcome:
    results, errors, reporters = {}, {}, {}
    arguments = {
        seed: (replace(config, threads=config.threads or 1).to_dict(), path, resume)
        for seed, (config, path) in jobs.items()
    }
    with Workers(_train, arguments, workers) as pool:
        for news in pool:
            if news is None:
                continue
            seed = news.key
            if news.event == "started":
                reporters[seed] = Shielded(reporter.for_seed(seed), Showing(pool.request))
            elif news.event == "told":
                told, details = news.value
                getattr(reporters[seed], told)(*details)
            elif news.event == "done":
                results[seed] = Result.from_dict(news.value, jobs[seed][1])
            elif news.event in ("failed", "died"):
                errors[seed] = news.value
            if news.event == "died":
                reporters[seed].ended()
    if pool.stopped_by is not None:
        done = f"with {len(results)} of {len(jobs)} seeds done; resume to go on"
        raise Stopped(pool.stopped_by, done)
    return results, errors


def _train(tell: Tell, settings: dict[str, Any], path: Path | None, resume: bool) -> dict[str, Any]:
    """In a process of its own: train one seed."""
    config = TrainConfig.from_dict(settings)
    return train(config, path, resume=resume, reporter=_Messenger(tell)).to_dict()


class _Messenger(Reporter):
    """Tells the parent process all it is told."""

    def __init__(self, tell: Tell):
        self._tell = tell

    def started(self, info: RunInfo) -> None:
        self._tell(("started", (info,)))

    def progressed(self, sequences: int, seconds: float) -> None:
        self._tell(("progressed", (sequences, seconds)))

    def reported(self, row: Any) -> None:
        self._tell(("reported", (row,)))

    def noted(self, text: str) -> None:
        self._tell(("noted", (text,)))

    def finished(self, result: Any) -> None:
        self._tell(("finished", (result,)))

    def ended(self) -> None:
        self._tell(("ended", ()))
