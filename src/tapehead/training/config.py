"""Everything that decides a training run, as one frozen value that survives JSON."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

Option = bool | int | float | str
Optimiser = Literal["rmsprop", "graves-rmsprop", "adam"]
Schedule = Literal["constant", "linear", "cosine"]
Curriculum = Literal["none", "linear", "naive", "look-back"]
Precision = Literal["32", "64", "bf16-mixed"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run: what is trained on what, how, and for how long.

    Lengths of time are counted in sequences, so that they mean the same at every batch size.

    Raises:
        ValueError: a value is out of its range; names the option, the value and what is allowed.
        TypeError: a value has the wrong type.
    """

    task: str = "copy"
    """Name of the task, as `tapehead list` prints it."""
    task_options: dict[str, Option] = field(default_factory=dict)
    """Options of the task that differ from its defaults."""
    machine: str = "ntm"
    """Name of the machine, as `tapehead list` prints it."""
    machine_options: dict[str, Option] = field(default_factory=dict)
    """Options of the machine that differ from its defaults."""

    optimiser: Optimiser = "rmsprop"
    """rmsprop as in PyTorch, Graves' centred variant of 2013, or adam."""
    learning_rate: float = 4e-4
    """Step size after the warm-up."""
    momentum: float = 0.9
    """Momentum of either rmsprop; the first decay rate of adam."""
    decay: float | None = None
    """Decay of the squared gradient; left out: 0.95 for either rmsprop, 0.999 for adam."""
    epsilon: float | None = None
    """Added to the divisor; left out: 1e-4 for graves-rmsprop, otherwise 1e-8."""
    clip_value: float | None = 10.0
    """Clip each number of the gradient to plus or minus this."""
    clip_norm: float | None = None
    """Scale the whole gradient down to this norm."""
    fresh_optimiser: bool = True
    """Begin to choose with a new optimiser; for a machine whose addressing is annealed."""
    schedule: Schedule = "constant"
    """Course of the learning rate from the warm-up to max_sequences."""
    final_learning_rate: float = 0.0
    """Where the linear and cosine schedules end."""
    warmup: int = 0
    """Sequences over which the learning rate climbs from 0."""

    batch_size: int = 16
    """Sequences in a step, over all processes together."""
    max_sequences: int = 200_000
    """Stop after this many sequences."""
    stop_when_solved: bool = True
    """Stop as soon as a validation meets the task's pass mark."""
    curriculum: Curriculum = "none"
    """How the difficulty grows: not, evenly, when solved, or when solved with 10% looking back."""
    curriculum_start: int = 1
    """First difficulty of a curriculum."""
    curriculum_sequences: int | None = None
    """Sequences until the linear curriculum is at full difficulty; left out: half of all."""

    report_every: int = 1_000
    """Sequences averaged into one row of metrics."""
    score_every: int = 4
    """Steps from one that is scored to the next; the loss is averaged over all."""
    validate_every: int = 20_000
    """Sequences between validations; training under the pass mark calls for one at once."""
    validation_sequences: int = 512
    """Sequences in a validation, the same ones each time and for every seed."""
    test_sequences: int = 0
    """Sequences for each of the task's test settings after training; 0 skips them."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints."""

    seed: int = 0
    """Decides the weights and the training sequences."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N; auto takes a GPU if there is one."""
    precision: Precision = "32"
    """Floating point numbers: 32 or 64 bits, or bfloat16 where that is safe."""
    threads: int | None = None
    """CPU threads; left out: as many as PyTorch takes."""
    deterministic: bool = False
    """Use only operations that give the same bits each time; the CPU always does."""

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            _require(getattr(self, name) in allowed, self, name, f"one of {', '.join(allowed)}")
        for name in ("task", "machine", "device"):
            _require_type(isinstance(getattr(self, name), str), self, name, "a name")
        for name in ("task_options", "machine_options"):
            _require_type(_are_options(getattr(self, name)), self, name, "a table of plain values")
        for name in ("fresh_optimiser", "stop_when_solved", "deterministic"):
            _require_type(isinstance(getattr(self, name), bool), self, name, "true or false")
        for name, least in _WHOLE_NUMBERS.items():
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            _require_type(_is_whole(value), self, name, "a whole number")
            _require(value >= least, self, name, f"a whole number of at least {least}")
        for name, (allowed, holds) in _NUMBERS.items():
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            _require_type(_is_number(value), self, name, "a number")
            _require(math.isfinite(value) and holds(value), self, name, allowed)
            object.__setattr__(self, name, float(value))  # 1 and 1.0 are one setting
        known = self.device in ("auto", "cpu", "cuda") or (
            self.device.startswith("cuda:") and self.device[5:].isdecimal()
        )
        _require(known, self, "device", "auto, cpu, cuda or cuda:N")
        _require(
            self.final_learning_rate <= self.learning_rate,
            self,
            "final_learning_rate",
            f"at most the learning rate {self.learning_rate:g}",
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
                raise TypeError(f"unknown option {name!r}; allowed: {', '.join(known)}")
        return cls(**settings)


_CHOICES = {
    "optimiser": get_args(Optimiser),
    "schedule": get_args(Schedule),
    "curriculum": get_args(Curriculum),
    "precision": get_args(Precision),
}
_WHOLE_NUMBERS = {
    "warmup": 0,
    "batch_size": 1,
    "max_sequences": 1,
    "curriculum_start": 1,
    "curriculum_sequences": 1,
    "report_every": 1,
    "score_every": 1,
    "validate_every": 1,
    "validation_sequences": 1,
    "test_sequences": 0,
    "seed": 0,
    "threads": 1,
}
_POSITIVE = ("a number above 0", lambda value: value > 0)
_NOT_NEGATIVE = ("a number of at least 0", lambda value: value >= 0)
_FRACTION = ("a number from 0 to below 1", lambda value: 0 <= value < 1)
_NUMBERS = {
    "learning_rate": _POSITIVE,
    "final_learning_rate": _NOT_NEGATIVE,
    "momentum": _FRACTION,
    "decay": _FRACTION,
    "epsilon": _POSITIVE,
    "clip_value": _POSITIVE,
    "clip_norm": _POSITIVE,
    "checkpoint_every": _NOT_NEGATIVE,
}
_MAY_BE_NONE = {
    "decay",
    "epsilon",
    "clip_value",
    "clip_norm",
    "curriculum_sequences",
    "threads",
}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_options(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(option, bool | int | float | str)
        for name, option in value.items()
    )


def _require(holds: bool, config: TrainConfig, name: str, allowed: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {allowed}, got {getattr(config, name)!r}")


def _require_type(holds: bool, config: TrainConfig, name: str, allowed: str) -> None:
    if not holds:
        raise TypeError(f"{name} must be {allowed}, got {getattr(config, name)!r}")
