"""Sizes of a task as options: `tapehead evaluate RUN --length 50 200`."""

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapehead import zoo
from tapehead.cli.command import check_run, wants_help
from tapehead.cli.naming import with_flags
from tapehead.cli.options import Option, UsageError, options_of

if TYPE_CHECKING:  # a help screen needs no torch
    from tapehead.tasks import Task


def size_options(argv: Sequence[str]) -> list[Option]:
    """The options of the task of the run that argv names, those of the run as defaults, and one
    for each range among them: --length stands for --min-length and --max-length.

    None where argv names no run but asks for help.

    Raises:
        UsageError: argv names no run.
    """
    named = [path for token in argv if (path := _config_of(token)) is not None]
    if not named:
        if not wants_help(argv) and argv and argv[0] and argv[0][0] != "-":
            check_run(Path(argv[0]).expanduser())
        return []
    from tapehead.runs import read_config
    from tapehead.tasks import TASKS

    config = read_config(named[0].parent)
    if config.task not in TASKS:
        return []
    fields = options_of(TASKS[config.task], **config.task_options)
    ranges = [
        Option(
            name=name,
            type=tuple[int, ...],
            default=(),
            help=f"Sizes to test, a row for each: --min-{name} and --max-{name} in one",
        )
        for option in fields
        if (name := option.name.removeprefix("max_")) != option.name
    ]
    return [*ranges, *fields]


def _config_of(token: str) -> Path | None:
    """The config.json of the run that an argument names, if it names one."""
    # Most arguments are no paths, and some cannot be any: too long, or of a home that is not there.
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        path = Path(token).expanduser()
        folder = zoo.folder_of(path)
        run = path if folder is None else folder / zoo.RUN
        if (run / "config.json").is_file():
            return run / "config.json"
    return None


def chosen_sizes(
    task: "Task", options: Sequence[Option], values: Mapping[str, Any]
) -> dict[str, "Task"]:
    """The task at each size asked for, by a label such as "length 50"; empty if none is.

    Raises:
        UsageError: the task cannot take such a size, or its machine could not read it.
    """
    changed = {option.name: values[option.name] for option in options
               if values[option.name] != option.default}  # fmt: skip
    lists = {name: changed.pop(name) for name in list(changed) if f"max_{name}" in values}
    for name in lists:
        for end in (f"min_{name}", f"max_{name}"):
            if end in changed:
                flag = end.replace("_", "-")
                raise UsageError(f"--{name} and --{flag} exclude each other")
    found: dict[str, Task] = {}
    for combination in itertools.product(*lists.values()) if changed or lists else ():
        sizes = dict(zip(lists, combination, strict=True))
        ends = {f"{end}_{name}": size for name, size in sizes.items() for end in ("min", "max")}
        label = ", ".join(
            f"{name.replace('_', ' ')} {size}" for name, size in (sizes | changed).items()
        )
        try:
            found[label] = task.resized(**ends, **changed)
        except (TypeError, ValueError) as error:
            told = str(error)
            for name in lists:  # both ends of a range are typed as one
                told = told.replace(f"min_{name}", name).replace(f"max_{name}", name)
            raise UsageError(with_flags(told, options)) from None
        for side, wanted in task.sizes.items():
            got = found[label].sizes[side]
            if wanted != got:
                raise UsageError(f"{label}: {side} would be {got}, the run's machine has {wanted}")
    return found
