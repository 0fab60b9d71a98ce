"""What an experiment is: a task, the machines that meet on it, and what was published of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what lists the experiments need not wait for torch
    import tapehead.runs.config

SETTINGS = ("fast", "paper")


@dataclass(frozen=True)
class Published:
    """What a paper reports of one contestant on one task, in the experiment's unit.

    >>> from tapehead.recipes import EXPERIMENTS
    >>> EXPERIMENTS["ntm/associative-recall"].published["ntm-lstm"].tests
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
    """A published experiment that `tapehead reproduce` runs again.

    >>> from tapehead.recipes import EXPERIMENTS
    >>> experiment = EXPERIMENTS["ntm/copy"]
    >>> experiment.task, experiment.contestants
    ('copy', ('ntm-lstm', 'ntm-feedforward', 'lstm'))
    >>> experiment.recipe("copy", "ntm-lstm", "paper").learning_rate
    0.0001
    """

    name: str
    """Paper and task, as on the command line: "ntm/copy"."""
    source: str
    """The paper and section that describe it."""
    task: str
    """Name of its task."""
    contestants: tuple[str, ...]
    """The machines that are compared, by name: "ntm-lstm", "ntm-feedforward", "lstm"."""
    recipe: Callable[[str, str, str], "tapehead.runs.config.TrainConfig"]
    """(task, contestant, setting) -> the settings of a run, but for its seed."""
    metric: str = "bits"
    """The score that the paper reports."""
    unit: str = "bits per sequence"
    """What that is counted in."""
    published: Mapping[str, Published] = field(default_factory=dict)
    """By contestant."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """The parameter count that the paper gives, by contestant."""
    seeds: int = 5
    """How many seeds each contestant gets unless told otherwise."""
    until_solved: bool = False
    """Whether a run ends at its first success; else curves and tests are of the whole training."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A published experiment that is not a race of trained machines, and runs by its own rules.

    Its module has `reproduce(folder, *, seeds, command)`, which writes `result.json` and
    `figure.png` into the folder and returns what the former holds, and `SEEDS`, its usual seeds.
    """

    name: str
    """Subject and experiment, as on the command line: "estimators/bernoulli"."""
    source: str
    """The paper and section that describe it."""
    module: str
    """Imported when it is run."""
    options: tuple[str, ...] = ()
    """What else `reproduce` takes, under the names that the command line has for it."""
