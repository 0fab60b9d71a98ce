"""A search as a folder: a journal of its trials, and the runs of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapehead.checks import whole
from tapehead.errors import TapeheadError
from tapehead.files import clear_errors
from tapehead.runs.config import TrainConfig
from tapehead.runs.result import Result
from tapehead.runs.sealed import read_sealed, write_sealed
from tapehead.training.display.reporter import Reporter
from tapehead.training.fleet.engines import Engine
from tapehead.training.fleet.jobs import Job, run_jobs
from tapehead.training.sweeping.space import Vary
from tapehead.training.sweeping.trial import Trial, is_hopeless, merit, trial_of

if TYPE_CHECKING:
    import optuna

SETTINGS, JOURNAL, TRIAL = "sweep.json", "journal.log", "trial.json"
PATIENCE = 3.0
"""Once a trial has solved all seeds, the runs of later ones end after so many times its slowest."""


class Sweep:
    """A search in a folder, new or to go on with.

    Best is what leaves the fewest seeds unsolved, and of those the fewest sequences, at the median.
    Optuna's TPE proposes (Bergstra et al. 2011, Algorithms for hyper-parameter optimization). Its
    random numbers are drawn anew for each trial from `seed` and the trial's number, so that a
    search that was stopped goes on as if it had not been.

    Args:
        folder: gets sweep.json, the journal, and a folder of run directories for each trial.
        space: what varies, by name.
        config_of: the settings with some values of what varies; raises ValueError if they do not go
            together. The seed is put in later.
        seeds: what each trial is trained with. Report on others.
        command: as typed, for sweep.json.

    Raises:
        TapeheadError: the folder holds another search, or something else; Optuna is missing.

    >>> from tempfile import mkdtemp
    >>> from tapehead.training import TrainConfig
    >>> from tapehead.training.fleet import Here
    >>> from tapehead.training.sweeping import Range, Sweep
    >>> def config_of(values):
    ...     return TrainConfig(machine="lstm", max_sequences=16, batch_size=8, report_every=8,
    ...                        validation_sequences=4, **values)
    >>> space = {"learning_rate": Range(1e-4, 1e-2)}
    >>> sweep = Sweep(mkdtemp(), space, config_of, seeds=(1000, 1001))
    >>> sweep.run(2, Here())
    >>> [(trial.number, trial.seeds, trial.solved) for trial in sweep.trials]
    [(0, 2, 0), (1, 2, 0)]
    """

    def __init__(
        self,
        folder: Path | str,
        space: Mapping[str, Vary],
        config_of: Callable[[Mapping[str, Any]], TrainConfig],
        *,
        seeds: Sequence[int],
        seed: int = 0,
        command: str = "",
    ):
        if not seeds or len(set(seeds)) < len(seeds):
            raise ValueError(f"seeds must be one or more different numbers, got {list(seeds)}")
        if not space:
            raise ValueError("space must name at least one option that varies")
        self.folder = Path(folder)
        self._space, self._config_of, self.seeds = dict(space), config_of, tuple(seeds)
        self._seed, self._command = seed, command
        self._study = _study(self._begin())

    @property
    def trials(self) -> list[Trial]:
        """Those that have ended, in order."""
        return _trials(self.folder, self._study)

    @property
    def best(self) -> Trial | None:
        """The first of the best, of those with a result."""
        return min((trial for trial in self.trials if trial.is_whole), key=merit, default=None)

    def run(
        self,
        trials: int,
        engine: Engine,
        reporter: Reporter | None = None,
        *,
        at_once: int | None = 1,
    ) -> None:
        """Go on until there are so many trials in all.

        Args:
            at_once: seeds of a trial that are trained before it is seen whether the others can
                still make it the best; None: all of them.

        Raises:
            Stopped: a signal arrived; the runs under way have saved what they have.
        """
        import optuna

        whole(1)("trials", trials)
        at_once = len(self.seeds) if at_once is None else at_once
        running = optuna.trial.TrialState.RUNNING
        for begun in self._study.get_trials(states=(running,)):
            self._do(begun.number, begun.params, engine, reporter, at_once)
        while len(self._study.trials) < trials:
            number = len(self._study.trials)
            self._study.sampler = optuna.samplers.TPESampler(
                seed=hash((self._seed, number)) % 2**32
            )
            proposed = self._study.ask()
            values = {name: vary.choose(name, proposed) for name, vary in self._space.items()}
            self._do(proposed.number, values, engine, reporter, at_once)

    def _begin(self) -> Path:
        """Write sweep.json, or compare with the one that is there; gives the journal."""
        import tapehead

        wanted = {
            "space": {name: repr(vary) for name, vary in self._space.items()},
            "seeds": list(self.seeds),
            "seed": self._seed,
            "config": self._config_of(self._first()).to_dict(),
        }
        path = self.folder / SETTINGS
        if path.exists():
            known, _ = read_sealed(path, "sweep")
            for name, value in wanted.items():
                if known.get(name) != value:
                    raise TapeheadError(
                        f"{self.folder} holds another search: {name} is different there; choose "
                        "another folder, or give the options that it began with"
                    )
        else:
            with clear_errors(f"write to {self.folder}"):
                self.folder.mkdir(parents=True, exist_ok=True)
                if any(self.folder.iterdir()):
                    raise TapeheadError(f"{self.folder} is not empty and holds no search")
                more = {"command": self._command, "version": tapehead.__version__}
                write_sealed(path, wanted | more)
        return self.folder / JOURNAL

    def _first(self) -> dict[str, Any]:
        return {name: vary.examples[0] for name, vary in self._space.items()}

    def _do(
        self,
        number: int,
        values: Mapping[str, Any],
        engine: Engine,
        reporter: Reporter | None,
        at_once: int,
    ) -> None:
        """Train the seeds of a trial, and write down what came of it."""
        import optuna

        try:
            config = self._config_of(values)
        except ValueError as error:
            self._write(Trial(number=number, values=values, reason=str(error)))
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)
            return
        best, most = self.best, config.max_sequences
        if best is not None and best.solved == len(self.seeds):
            config = replace(config, max_sequences=min(most, int(PATIENCE * best.slowest)))
        ended: dict[int, Result | None] = {}
        waiting = list(self.seeds)
        while waiting and not is_hopeless(best, ended):
            now, waiting = waiting[:at_once], waiting[at_once:]
            jobs = [
                Job(config=replace(config, seed=seed), path=self._path(number, seed), resume=True)
                for seed in now
            ]
            results, _ = run_jobs(jobs, engine, reporter)
            ended |= {seed: results.get(place) for place, seed in enumerate(now)}
        trial = trial_of(number, values, list(ended.values()), most)
        self._write(trial)
        self._study.tell(number, trial.seeds - trial.solved + trial.sequences / most)

    def _path(self, number: int, seed: int) -> Path:
        return _folder(self.folder, number) / f"seed-{seed}"

    def _write(self, trial: Trial) -> None:
        folder = _folder(self.folder, trial.number)
        with clear_errors(f"write to {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            write_sealed(folder / TRIAL, asdict(trial))


def read_sweep(folder: Path | str) -> tuple[dict[str, Any], list[Trial]]:
    """What sweep.json says, and the trials that have ended.

    Raises:
        TapeheadError: the folder holds no search.
    """
    settings, _ = read_sealed(Path(folder) / SETTINGS, "sweep")
    return settings, _trials(Path(folder), _study(Path(folder) / JOURNAL))


def importances(folder: Path | str) -> dict[str, float]:
    """Which share of the differences each option explains (PED-ANOVA, Watanabe et al. 2023), the
    largest first; empty before four trials have ended."""
    import optuna

    study = _study(Path(folder) / JOURNAL)
    ended = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    if len(ended) < 4 or len({trial.value for trial in ended}) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _trials(folder: Path, study: "optuna.Study") -> list[Trial]:
    from optuna.trial import TrialState

    ended = study.get_trials(states=(TrialState.COMPLETE, TrialState.FAIL))
    files = [_folder(folder, each.number) / TRIAL for each in ended]
    return [Trial(**read_sealed(file, "trial")[0]) for file in files]


def _folder(folder: Path, number: int) -> Path:
    return folder / f"trial-{number:03}"


def _study(journal: Path) -> "optuna.Study":
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise TapeheadError(
            "a search needs Optuna: pip install 'tapehead[sweep]' brings it"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with clear_errors(f"read {journal}"):
        storage = JournalStorage(JournalFileBackend(str(journal)))
        return optuna.create_study(
            study_name="sweep", storage=storage, direction="minimize", load_if_exists=True
        )
