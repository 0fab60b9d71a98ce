"""Which settings a run that goes on may change."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tapehead.checks import shown
from tapehead.errors import TapeheadError
from tapehead.runs.config import TrainConfig

_NONE = object()
"""In place of an option that was not given."""
MANNER = ("checkpoint_every", "keep_every", "device", "threads", "deterministic")
"""Options that say how a run is done, not what comes out of it."""
MAY_CHANGE = (
    "max_sequences",
    "stop_when_solved",
    "cooldown",
    "patience",
    "test_sequences",
    *MANNER,
)
"""Options that a resumed run may change, as they decide only what is still to come; any other would
make it a run of neither setting."""


def check_resumable(earlier: TrainConfig, config: TrainConfig) -> None:
    """
    Raises:
        TapeheadError: a run of the earlier settings cannot go on with these.
    """
    for option in differing(earlier, config):
        what = (
            f"cannot resume: {_change(option, getattr(earlier, option), getattr(config, option))}"
        )
        if option not in MAY_CHANGE:
            raise TapeheadError(f"{what}; only {', '.join(MAY_CHANGE)} may change")
        bound = _bound_to_length(earlier)
        if option == "max_sequences" and bound is not None:
            raise TapeheadError(
                f"{what}, but {bound}: from its first step a longer run is another one, so train "
                "it in a folder of its own"
            )


def _change(option: str, before: Any, now: Any) -> str:
    """What was and what is; of the options of a machine, a task or an objective, the first of them
    that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        option = next(n for n in {**before, **now} if before.get(n, _NONE) != now.get(n, _NONE))
        before, now = before.get(option, _NONE), now.get(option, _NONE)
    then, since = ("its default" if value is _NONE else shown(value) for value in (before, now))
    return f"{option} was {then} and is now {since}"


def _bound_to_length(config: TrainConfig) -> str | None:
    """How a run's course depends on max_sequences, in words."""
    if config.schedule != "constant":
        return f"the {config.schedule} schedule of the learning rate ends at max_sequences"
    if config.curriculum == "linear" and config.curriculum_sequences is None:
        return "the linear curriculum ends half-way to max_sequences"
    if config.restart_after is not None:
        return "a run begins anew only where restart_after sequences are left before max_sequences"
    return None


def differing(earlier: TrainConfig, config: TrainConfig) -> list[str]:
    """Names of the options that two settings do not share."""
    return [
        option.name
        for option in fields(TrainConfig)
        if getattr(earlier, option.name) != getattr(config, option.name)
    ]
