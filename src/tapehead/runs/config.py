"""Everything that decides a training run, as one frozen value that survives JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Literal

from tapehead.checks import (
    LARGEST_WHOLE,
    NAME,
    SWITCH,
    Check,
    Count,
    NotNegative,
    Positive,
    Share,
    Size,
    check_fields,
    listed,
    number,
    shown,
    whole,
)

Option = bool | int | float | str
Optimiser = Literal["rmsprop", "graves-rmsprop", "adam"]
Schedule = Literal["constant", "linear", "cosine"]
Curriculum = Literal["none", "linear", "naive", "look-back", "leaping"]
Precision = Literal["32", "64", "bf16-mixed"]
Threads = Annotated[int, whole(1, 1024)]
"""As many as the largest machines have cores; a process that asks for 100,000 is killed. Not bound
to the cores that are here: a run may be looked at on another machine."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run: what is trained on what, how, and for how long.

    Lengths of time are counted in sequences, so that they mean the same at every batch size.

    Raises:
        ValueError: a value is out of its range; names the option, the value and what is allowed.
        TypeError: a value has the wrong type.

    >>> from dataclasses import replace
    >>> from tapehead.training import TrainConfig
    >>> config = TrainConfig(task="copy", task_options={"max_length": 5}, machine="dnc")
    >>> replace(config, seed=1).learning_rate
    0.0004
    >>> replace(config, learning_rate=-1.0)
    Traceback (most recent call last):
        ...
    ValueError: learning_rate must be a finite number above 0, got -1.0
    """

    task: str = "copy"
    """Name of the task, as `tapehead list` prints it."""
    task_options: dict[str, Option] = field(default_factory=dict)
    """Options of the task that differ from its defaults."""
    machine: str = "ntm"
    """Name of the machine, as `tapehead list` prints it."""
    machine_options: dict[str, Option] = field(default_factory=dict)
    """Options of the machine that differ from its defaults."""
    objective_options: dict[str, Option] = field(default_factory=dict)
    """Options of the machine's objective that differ from its defaults."""

    start_from: str | None = None
    """Trained machine whose weights it begins with: a run, a saved machine or one of the zoo."""

    optimiser: Optimiser = "rmsprop"
    """rmsprop as in PyTorch, Graves' centred variant of 2013, or adam."""
    learning_rate: Positive = 4e-4
    """Step size after the warm-up."""
    momentum: Share = 0.9
    """Momentum of either rmsprop; the first decay rate of adam."""
    decay: Share | None = None
    """Decay of the squared gradient; left out: 0.95 for either rmsprop, 0.999 for adam."""
    epsilon: Positive | None = None
    """Added to the divisor; left out: 1e-4 for graves-rmsprop, otherwise 1e-8."""
    l2: NotNegative = 0.0
    """Times each weight, added to its gradient after clipping; 0: no such penalty."""
    weight_decay: NotNegative = 0.0
    """Times the learning rate, the share of each weight that a step takes away; adam: AdamW."""
    clip_value: Positive | None = 10.0
    """Clip each number of the gradient to plus or minus this."""
    clip_norm: Positive | None = None
    """Scale the whole gradient down to this norm."""
    fresh_optimiser: bool = True
    """Begin to choose with a new optimiser; for a machine whose addressing is annealed."""
    choosing_epsilon: Positive | None = None
    """Of the optimiser once an annealed machine begins to choose; left out: as before."""
    schedule: Schedule = "constant"
    """Course of the learning rate from the warm-up to max_sequences."""
    final_learning_rate: NotNegative = 0.0
    """Where the linear and cosine schedules end."""
    warmup: Count = 0
    """Sequences over which the learning rate climbs from 0."""

    batch_size: Size = 16
    """Sequences in a step, over all processes together."""
    max_sequences: Size = 200_000
    """Stop after this many sequences."""
    stop_when_solved: bool = True
    """Stop as soon as a validation meets the task's pass mark."""
    cooldown: Count = 0
    """Sequences to train on for once solved, while the rate falls as a cosine to its last."""
    weight_average: Count = 0
    """Sequences over which the weights are averaged that are judged and kept; 0: not at all."""
    curriculum: Curriculum = "none"
    """How the difficulty grows: not, evenly, or as levels are solved, each kind in its own way."""
    curriculum_start: Size = 1
    """First difficulty of a curriculum."""
    curriculum_sequences: Size | None = None
    """Sequences until the linear curriculum is at full difficulty; left out: half of all."""

    lesson_rows: bool = False
    """In each lesson, as many rows as its graphs have edges; of the DNC and the sparse NTM."""
    spare_rows: NotNegative = 0.0
    """With lesson_rows, up to this share more in each batch, drawn evenly; 0: just as many."""
    lesson_mark: Positive | None = None
    """Errors (in a world: reward) a sequence that pass a lesson; left out: the task's pass mark."""

    patience: Size | None = None
    """Sequences in a lesson, or without lessons unsolved, after which the rate is halved."""
    restart_after: Size | None = None
    """Begin anew with other weights after so many sequences, unless the task is solved by then."""
    restart_mark: Positive | None = None
    """Errors (in a world: reward) a sequence in training that avert a restart too."""

    report_every: Size = 1_000
    """Sequences averaged into one row of metrics."""
    score_every: Size = 4
    """Steps from one that is scored to the next; the loss is averaged over all."""
    validate_every: Size = 20_000
    """Sequences between validations; training under the pass mark calls for one at once."""
    validation_sequences: Size = 512
    """Sequences in a validation, the same ones each time and for every seed."""
    checkpoint_every: NotNegative = 60.0
    """Seconds between checkpoints."""
    keep_every: Size | None = None
    """Sequences between checkpoints kept for good; left out: the last two and the best stay."""
    test_sequences: Count = 0
    """Sequences for each of the task's test settings after training; 0 skips them."""
    test_memory_size: Size | None = None
    """Rows that a machine whose memory can grow gets for validations and tests."""

    seed: Count = 0
    """Decides the weights and the training sequences."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N; auto takes a GPU if there is one."""
    precision: Precision = "32"
    """Floating point numbers: 32 or 64 bits, or bfloat16 where that is safe."""
    threads: Threads | None = None
    """CPU threads; left out: as many as PyTorch takes."""
    deterministic: bool = False
    """Use only operations that give the same bits each time; the CPU always does."""

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("task_options", "machine_options", "objective_options"):
            object.__setattr__(self, name, _OPTIONS(name, getattr(self, name)))
        if self.restart_mark is not None and self.restart_after is None:
            raise ValueError(
                f"restart_mark must be left out without restart_after, got {self.restart_mark!r}"
            )
        if self.restart_after is not None and self.start_from is not None:
            raise ValueError(
                "restart_after must be left out with start_from, whose weights a restart would "
                f"give up, got {self.restart_after!r}"
            )
        if self.spare_rows and not self.lesson_rows:
            raise ValueError(f"spare_rows must be 0 without lesson_rows, got {self.spare_rows!r}")
        if self.cooldown and not self.stop_when_solved:
            raise ValueError(
                f"cooldown must be 0 without stop_when_solved, which ends it, got {self.cooldown}"
            )
        known = self.device in ("auto", "cpu", "cuda") or (
            self.device.startswith("cuda:") and self.device[5:].isdecimal()
        )
        if not known:
            raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {shown(self.device)}")
        if self.final_learning_rate > self.learning_rate:
            raise ValueError(
                f"final_learning_rate must be at most the learning rate {self.learning_rate:g}, "
                f"got {self.final_learning_rate!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "TrainConfig":
        """The reverse of `to_dict`; options left out take their defaults.

        Raises:
            TypeError: an option is unknown or a value has the wrong type.
            ValueError: a value is out of its range.
        """
        known = [option.name for option in fields(cls)]
        for name in settings:
            if name not in known:
                raise TypeError(f"unknown option {shown(name)}; allowed: {listed(known)}")
        return cls(**_of_today(settings))


_MOVED = (
    "annealing",
    "soft_batches",
    "soft_entropy_cost",
    "estimator",
    "baseline",
    "samples",
    "temperature",
    "entropy",
)
"""Options of machines until tapehead 0.1.0, and of their objectives since."""


def _of_today(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are called today."""
    machine = settings.get("machine_options")
    if "objective_options" in settings or not isinstance(machine, dict):
        return dict(settings)
    moved = {name: value for name, value in machine.items() if name in _MOVED}
    kept = {name: value for name, value in machine.items() if name not in _MOVED}
    if kept.get("addressing") == "annealed":
        kept["addressing"] = "discrete"
        moved.setdefault("annealing", 10_000)
    elif (
        kept.get("addressing", "soft" if settings.get("machine") == "dynamic-ntm" else "") == "soft"
    ):
        moved = {}
    else:
        for name in ("annealing", "soft_batches", "soft_entropy_cost"):
            moved.pop(name, None)
    return {**settings, "machine_options": kept, "objective_options": moved}


def _table(value: object) -> dict[str, Option]:
    """A table of options in plain values, as JSON knows them."""
    if not isinstance(value, dict):
        raise TypeError
    return {NAME("", name): _plain(name, option) for name, option in value.items()}


def _plain(name: str, option: object) -> Option:
    for check in (SWITCH, NAME, whole(-LARGEST_WHOLE), number()):
        try:
            return check(name, option)
        except TypeError:
            continue
    raise TypeError


_OPTIONS = Check("a table of plain values", _table)
