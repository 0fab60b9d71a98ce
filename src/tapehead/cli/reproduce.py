"""`tapehead reproduce`: a published experiment again, our numbers beside the paper's."""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from tapehead.cli import tracking
from tapehead.cli.command import print_json, read
from tapehead.cli.engine import check_engine, engine_of
from tapehead.cli.naming import resumed_with_flags
from tapehead.cli.options import UsageError, check_choice, check_one_of, chosen_seeds, options_of
from tapehead.cli.results import results_table
from tapehead.files import clear_errors
from tapehead.recipes import REPRODUCIBLE, SETTINGS, Calculation, Experiment
from tapehead.recipes.jobs import plan
from tapehead.recipes.reproduce import Reproduced, reproduce
from tapehead.registry import ENGINES, AddressError
from tapehead.runs.config import TrainConfig
from tapehead.training import make_reporter


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Run a published experiment again: train every contestant with several seeds, score them at
    the paper's test sizes, and write result.json and figure.png with our numbers beside the
    paper's."""

    experiment: str
    """Which one, or module:NAME of your own"""
    setting: str = "fast"
    """Our optimiser and rates, or the paper's"""
    seeds: tuple[int, ...] = ()
    """Seeds that each contestant gets; left out: its usual ones."""
    num_seeds: int | None = None
    """As --seeds, the first so many from 0 on."""
    machines: tuple[str, ...] = ()
    """Only these contestants; left out: all."""
    tasks: tuple[str, ...] = ()
    """Only these tasks, of an experiment that has several; left out: all."""
    out: Path | None = None
    """Folder of result.json and figure.png; left out: results/EXPERIMENT."""
    runs: Path | None = None
    """Folder of the run directories; left out: runs/EXPERIMENT/SETTING."""
    resume: bool = False
    """Go on: finished runs are kept, stopped ones continue."""
    workers: int | None = None
    """Runs at a time, each with one thread; left out: one for each core."""
    engine: str = "processes"
    """What does the runs: processes of this machine, or a Ray cluster."""
    ray_address: str | None = None
    """With --engine ray, its head, HOST:PORT; left out: that of this machine."""
    max_sequences: int | None = None
    """Give up on a run after this many sequences; left out: the recipe's."""
    test_sequences: int | None = None
    """Sequences for each test size; left out: the recipe's."""
    data: str | None = None
    """Folder or archive with the stories, for babi/...; folder with the tables of the London
    Underground, for dnc/graphs."""
    track: tracking.Name | None = None
    """What else follows the runs, beside their metrics.jsonl."""
    show: bool = False
    """Print the settings of each contestant on each task, and train nothing."""
    quiet: bool = False
    """Say nothing but errors."""
    json: bool = False
    """Print the result as one line of JSON at the end, and nothing else."""


CHOICES: dict[str, Collection[str]] = {
    "experiment": REPRODUCIBLE,
    "setting": SETTINGS,
    "engine": ENGINES,
}


def run(argv: Sequence[str]) -> int:
    command = read(Reproduce, argv, "tapehead reproduce", choices=CHOICES)
    check_one_of(quiet=command.quiet, json=command.json)
    check_engine(command)
    tracking.check_track(command.track)
    if command.data == "":
        raise UsageError("--data must be a folder or an archive, got ''")
    command = replace(command, seeds=chosen_seeds(command.seeds, command.num_seeds))
    for name in ("workers", "max_sequences", "test_sequences"):
        value = getattr(command, name)
        if value is not None and value < 1:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} must be a whole number of at least 1, got {value}")
    # As typed, without the folder that tapehead is installed in.
    command_line = shlex.join(["tapehead", "reproduce", *argv])
    try:
        experiment = REPRODUCIBLE[command.experiment]
    except AddressError as error:
        raise UsageError(str(error)) from None
    if isinstance(experiment, Calculation):
        return _calculation(command, experiment, command_line)
    with resumed_with_flags(options_of(Reproduce)):
        return _contest(command, experiment, command_line)


_TRAINED = ("setting", "machines", "tasks", "runs", "resume", "workers", "engine", "ray_address",
            "max_sequences", "test_sequences", "data", "track", "show")  # fmt: skip
"""Options that only trained machines have a use for."""


def _contest(command: Reproduce, experiment: Experiment, command_line: str) -> int:
    if command.data is not None and "data" not in (*experiment.judged_with, *experiment.told_with):
        raise UsageError(f"--data means nothing to {experiment.name}")
    check_choice("--setting", command.setting, experiment.settings)
    for machine in command.machines:
        check_choice("--machines", machine, experiment.contestants)
    for task in command.tasks:
        check_choice("--tasks", task, experiment.tasks)
    if command.show:
        _show_settings(command, experiment)
        return 0
    judging = {"test_sequences": command.test_sequences, "data": command.data}
    found = reproduce(
        experiment,
        command.setting,
        seeds=command.seeds,
        machines=command.machines,
        tasks=command.tasks,
        out=command.out,
        runs=command.runs,
        resume=command.resume,
        engine=lambda jobs: engine_of(command, jobs[0].config, len(jobs)),
        reporter=tracking.followed(
            make_reporter("quiet" if command.quiet or command.json else "auto", many=True),
            command.track,
        ),
        command=command_line,
        max_sequences=command.max_sequences,
        **{name: value for name, value in judging.items() if value is not None},
    )
    _show(command, found)
    return 0


def _show_settings(command: Reproduce, experiment: Experiment) -> None:
    """Of each contestant on each task, what differs from the defaults of a run."""
    plain = TrainConfig().to_dict()
    found: list[dict[str, Any]] = []
    jobs = plan(
        experiment, command.setting, [0], Path(),
        contestants=command.machines, tasks=command.tasks, max_sequences=command.max_sequences,
    )  # fmt: skip
    for job in jobs:
        config = job.config.to_dict()
        own = {"task": config["task"], "machine": config["machine"]}
        own |= {name: value for name, value in config.items() if value != plain[name]}
        found.append({"contestant": job.contestant, "on": job.task, "settings": own})
    if command.json:
        print_json(found)
        return
    for each in found:
        print(f"{each['contestant']} on {each['on']}, {command.setting}:")
        for name, value in each["settings"].items():
            if isinstance(value, dict):
                value = " ".join(f"{key}={part}" for key, part in value.items())
            print(f"  {name:<22}{value}")
        print()
    print("All else is as `TrainConfig` has it, and the seed is each run's own.")


def _calculation(command: Reproduce, calculation: Calculation, command_line: str) -> int:
    for option in options_of(Reproduce):
        if option.name in _TRAINED and getattr(command, option.name) != option.default:
            raise UsageError(f"{option.flag} means nothing to {calculation.name}")
    module = import_module(calculation.module)
    folder = command.out or Path("results") / calculation.name
    with clear_errors(f"write to {folder}"):
        result = module.reproduce(folder, seeds=command.seeds or module.SEEDS, command=command_line)
    files = (folder / "result.json", folder / "figure.png")
    _show(command, Reproduced(result, result["cells"], files))
    return 0


def _show(command: Reproduce, found: Reproduced) -> None:
    result, cells, files = found
    if command.json:
        print_json(result)
    elif not command.quiet:
        print(results_table([{"experiment": result["experiment"], **cell} for cell in cells]))
        print(f"\nwritten: {', '.join(map(str, files))}")
