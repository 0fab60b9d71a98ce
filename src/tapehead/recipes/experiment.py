"""What an experiment is: the settings of its runs, how they are judged, and a figure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # what lists the experiments need not wait for torch
    import matplotlib.figure

    import tapehead.runs.config

SETTINGS = ("fast", "paper")


@dataclass(frozen=True)
class Published:
    """What a paper reports of one contestant on one task, in the experiment's unit.

    >>> from tapehead.recipes import EXPERIMENTS
    >>> recall = EXPERIMENTS["ntm/associative-recall"]
    >>> recall.published_of("associative-recall", "ntm-lstm").tests
    {'6': 0.0, '10': 1.8, '15': 4.8, '20': 7.0}
    """

    value: float | None
    """After training, at the training sizes."""
    source: str
    """Where it stands."""
    tests: Mapping[str, float] = field(default_factory=dict)
    """By the label of the task's test setting."""
    tests_source: str = ""
    """Where those stand."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A published experiment that `tapehead reproduce` runs again: machines trained on tasks.

    What looks at finished runs imports what it needs when it is called.

    >>> from tapehead.recipes import EXPERIMENTS
    >>> experiment = EXPERIMENTS["ntm/copy"]
    >>> experiment.tasks, experiment.contestants
    (('copy',), ('ntm-lstm', 'ntm-feedforward', 'lstm'))
    >>> experiment.recipe("copy", "ntm-lstm", "paper").learning_rate
    0.0001
    """

    name: str
    """Paper and subject, as on the command line: "ntm/copy"."""
    source: str
    """The paper and section that describe it."""
    tasks: tuple[str, ...]
    """Names of its tasks."""
    contestants: tuple[str, ...]
    """The machines that are compared, by name: "ntm-lstm", "ntm-feedforward", "lstm"."""
    recipe: Callable[[str, str, str], "tapehead.runs.config.TrainConfig"]
    """(task, contestant, setting) -> the settings of a run, but for its seed."""
    settings: tuple[str, ...] = SETTINGS
    """Those that there are recipes for."""
    metric: str = "bits"
    """The score that the paper reports."""
    unit: str = "bits per sequence"
    """What that is counted in."""
    published: Mapping[str, Mapping[str, Published]] = field(default_factory=dict)
    """By task and contestant."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """The parameter count that the paper gives, by contestant."""
    seeds: int = 5
    """How many seeds each contestant gets unless told otherwise."""
    seeds_of: Mapping[str, int] = field(default_factory=dict)
    """By contestant, where that is another number: a baseline that never learns needs few."""
    first_seed: int = 0
    """The first of them: 3,000 where a recipe was searched for on seeds below that."""
    until_solved: bool = False
    """Whether a run ends at its first success; else curves and tests are of the whole training."""
    judge: "Callable[[Contest], list[Cell]] | None" = None
    """From the finished runs of a contestant on a task to cells of the result; left out: a cell for
    the last validation and for each test, see `results.cells_of`."""
    told_with: tuple[str, ...] = ()
    """Options of the command line that its tasks have too, under their names."""
    judged_with: tuple[str, ...] = ()
    """Options of the command line that `judge` takes too, under their names."""
    check: Callable[..., None] | None = None
    """Looks at those options before anything is trained."""
    figure: "Callable[[Sequence[dict[str, Any]]], matplotlib.figure.Figure] | None" = None
    """From the cells of the result; left out: learning curves, and errors at the tests."""

    def usual_seeds(self, contestant: str) -> range:
        """Those that a contestant gets unless told otherwise."""
        count = self.seeds_of.get(contestant, self.seeds)
        return range(self.first_seed, self.first_seed + count)

    def published_of(self, task: str, contestant: str) -> Published | None:
        return self.published.get(task, {}).get(contestant)


Cell = dict[str, Any]
"""A machine on a task at one test setting, all its seeds: an entry of `result.json`."""


@runtime_checkable
class FinishedRun(Protocol):
    """A run that has been trained."""

    @property
    def config(self) -> "tapehead.runs.config.TrainConfig": ...
    @property
    def path(self) -> Path: ...


@dataclass(frozen=True)
class Contest:
    """The finished runs of one contestant on one task: what a judge looks at.

    Attributes:
        jobs: a run for each seed.
        results: of those runs, by seed, as in their `result.json`.
        options: what the command line says of how to judge them.
        cells: makes a cell for the last validation and one for each test.
    """

    experiment: Experiment
    setting: str
    task: str
    contestant: str
    jobs: Sequence[FinishedRun]
    results: Mapping[int, Mapping[str, Any]]
    options: Mapping[str, Any]
    cells: Callable[[], list[Cell]]


@dataclass(frozen=True, kw_only=True)
class Calculation:
    """A published experiment that trains no machine.

    Its module has `reproduce(folder, *, seeds, command)`, which writes `result.json` and
    `figure.png` into the folder and returns what the former holds, and `SEEDS`, its usual seeds.
    """

    name: str
    """Subject and experiment, as on the command line: "estimators/bernoulli"."""
    source: str
    """The paper and section that describe it."""
    module: str
    """Imported when it is run."""
