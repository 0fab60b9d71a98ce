"""The same training with several seeds, one after another or in several processes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tapehead.checks import whole
from tapehead.errors import TapeheadError
from tapehead.runs.config import TrainConfig
from tapehead.runs.result import Result
from tapehead.training.display.reporter import Reporter
from tapehead.training.fleet.engines import Engine, Here, Processes
from tapehead.training.fleet.jobs import Job, run_jobs


class SeedsFailed(TapeheadError):
    """Some seeds failed; the others went on to their end.

    results: of the seeds that did not fail.
    errors: message of each seed that did.

    >>> from tapehead.training import SeedsFailed, TrainConfig, train_seeds
    >>> config = TrainConfig(machine="lstm", learning_rate=1e30, max_sequences=64, batch_size=16)
    >>> try:
    ...     train_seeds(config, [3])
    ... except SeedsFailed as error:
    ...     print(error.results, list(error.errors))
    [] [3]
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
    engine: Engine | None = None,
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
        engine: where they train instead, see `fleet/engines.py`.
        resume: go on where an earlier call was stopped; seeds that had finished are not repeated.
        reporter: is asked by `for_run` for a reporter for each seed.

    Returns:
        The results in the order of `seeds`; without the machines if other processes trained them.

    Raises:
        SeedsFailed: after all seeds have ended, if some failed.
        Stopped: a signal arrived; all seeds have saved what they have.
        ValueError: seeds repeat, or there are none.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be one or more different numbers, got {list(seeds)}")
    whole(1)("workers", workers)
    jobs = [
        Job(
            config=replace(config, seed=seed),
            path=None if out is None else Path(out) / f"seed-{seed}",
            resume=resume,
        )
        for seed in seeds
    ]
    if engine is None:
        engine = Here() if workers == 1 or len(jobs) == 1 else Processes(workers)
    results, errors = run_jobs(jobs, engine, reporter)
    ordered = [results[place] for place in sorted(results)]
    if errors:
        raise SeedsFailed(ordered, {seeds[place]: errors[place] for place in sorted(errors)})
    return ordered
