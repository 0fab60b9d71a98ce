"""`tapehead sweep`: search for settings that train on every seed, and soon."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapehead.checks import cut, did_you_mean
from tapehead.cli import tracking
from tapehead.cli.base import settings_before
from tapehead.cli.command import HelpRequest, print_json, table, wants_help
from tapehead.cli.engine import check_engine, engine_of
from tapehead.cli.help import shown
from tapehead.cli.naming import with_flags
from tapehead.cli.options import (
    Option,
    UsageError,
    check_one_of,
    check_seed,
    chosen_seeds,
    options_of,
)
from tapehead.cli.parsing import parse
from tapehead.cli.train import folder_name
from tapehead.cli.training_options import (
    check_config,
    config_of,
    help_of,
    options_for,
    parse_for,
)
from tapehead.files import clear_errors
from tapehead.registry import AddressError
from tapehead.runs.config import TrainConfig

if TYPE_CHECKING:
    from tapehead.training.sweeping import Trial, Vary

PROG = "tapehead sweep"
SEEDS = (1000, 1001, 1002)
"""Far from those that results are reported on, which count from 0."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Search for settings that solve a task on every seed, and soon. The options of `tapehead
    train` say what stays fixed."""

    task: str
    """What to learn."""
    machine: str = "ntm"
    """What learns it."""
    setting: str = "fast"
    """Where the defaults below come from, ours or the paper's."""
    vary: tuple[str, ...] = ()
    """What is searched: NAME=LOW..HIGH or NAME=A,B,C of options below."""
    trials: int = 20
    """How many choices are tried, those of earlier calls counted."""
    seeds: tuple[int, ...] = SEEDS
    """What each is trained with. Report your results on others."""
    seed: int = 0
    """Decides what is tried."""
    workers: int | None = None
    """Seeds at a time; left out: one for each core."""
    engine: str = "processes"
    """What does the runs, on this machine or a cluster."""
    ray_address: str | None = None
    """With --engine ray, its head, HOST:PORT; left out: that of this machine."""
    out: Path | None = None
    """Folder, which goes on if it is there; left out: sweeps/TASK-MACHINE."""
    track: tracking.Name | None = None
    """What else follows the runs, beside their metrics.jsonl."""
    show: bool = False
    """Only print the trials of --out, and draw sweep.png there."""
    quiet: bool = False
    """Say nothing but errors."""
    json: bool = False
    """Print the trials as lines of JSON."""


def run(argv: Sequence[str]) -> int:
    if "--show" in argv and not wants_help(argv):
        return _show(argv)
    try:
        base, _ = settings_before(argv)
        options = options_for(base, True, Sweep)
    except AddressError as error:
        raise UsageError(str(error)) from None
    if wants_help(argv) or "--help-all" in argv:
        raise HelpRequest(help_of(Sweep, PROG, base, options, "--help-all" in argv))
    values = parse_for(base, options, argv, PROG)
    names = [option.name for option in options.common if option.name != "TASK"]
    command = Sweep(task=base.task, **{name: values.pop(name) for name in names})
    _check(command)

    from tapehead.training import make_reporter
    from tapehead.training.fleet import Processes
    from tapehead.training.sweeping import Sweep as Search

    varied = {option.name: option for group in options[1:] for option in group}
    space = dict(_vary(text, varied) for text in command.vary)
    if len(space) < len(command.vary):
        raise UsageError("--vary must name each option once")

    def chosen(found: Mapping[str, Any]) -> TrainConfig:
        config = config_of(base, options, {**values, **found})
        check_config(config)
        return config

    first = {name: vary.examples[0] for name, vary in space.items()}
    try:
        config = chosen(first)
        for name, vary in space.items():
            for value in vary.examples[1:]:  # with the others' first ones it must be possible
                chosen({**first, name: value})
    except (TypeError, ValueError) as error:
        raise UsageError(f"--vary: {with_flags(str(error), options.all)}") from None
    out = command.out or Path("sweeps") / folder_name(config)
    engine = engine_of(command, config, len(command.seeds))
    search = Search(
        out, space, chosen, seeds=command.seeds, seed=command.seed,
        command=shlex.join(["tapehead", "sweep", *argv]),
    )  # fmt: skip
    search.run(
        command.trials,
        engine,
        tracking.followed(
            make_reporter("quiet" if command.quiet or command.json else "auto", many=True),
            command.track,
        ),
        # A cluster has room for all of them, if nothing else is said.
        at_once=engine.count if isinstance(engine, Processes) else command.workers,
    )
    if not command.quiet:
        _tell(search.trials, out, as_json=command.json)
    return 0


def _check(command: Sweep) -> None:
    check_one_of(quiet=command.quiet, json=command.json)
    check_engine(command)
    tracking.check_track(command.track)
    check_seed(command.seed)
    chosen_seeds(command.seeds, None)
    if not command.vary:
        raise UsageError("--vary must name at least one option, such as learning-rate=1e-4..1e-2")
    for name in ("trials", "workers"):
        value = getattr(command, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be a whole number of at least 1, got {value}")


def _vary(text: str, options: Mapping[str, Option]) -> "tuple[str, Vary]":
    """The option that varies, and what it may be."""
    from tapehead.training.sweeping import parse_vary

    name, equals, values = text.removeprefix("--").partition("=")
    option = options.get(name.replace("-", "_"))
    if not equals or option is None:
        near = did_you_mean(name, [each.replace("_", "-") for each in options])
        allowed = "NAME=LOW..HIGH or NAME=A,B with the name of an option"
        raise UsageError(f"--vary must be {allowed}, got {cut(text)}{near}")

    def read(value: str) -> Any:
        if option.is_switch:
            if value not in ("yes", "no"):
                raise ValueError(f"must be yes,no, got {value}")
            return value == "yes"
        return parse([option], [f"{option.flag}={value}"], PROG)[option.name]

    try:
        return option.name, parse_vary(values, read)
    except ValueError as error:
        raise UsageError(f"--vary {name} {error}") from None


def _show(argv: Sequence[str]) -> int:
    options = [option for option in options_of(Sweep) if option.name != "task"]
    values = parse(options, argv, PROG)
    check_one_of(quiet=values["quiet"], json=values["json"])
    folder = values["out"]
    if folder is None:
        raise UsageError("--show needs --out, the folder of a search")

    from tapehead.training.sweeping.sweep import importances, read_sweep
    from tapehead.viewing.style import save
    from tapehead.viewing.sweeps import sweep_figure

    _, trials = read_sweep(folder)
    if not values["quiet"]:
        _tell(trials, folder, as_json=values["json"])
    if any(trial.is_whole for trial in trials):
        with clear_errors(f"write to {folder}"):
            file = save(sweep_figure(trials, importances(folder)), folder / "sweep.png")
        if not (values["quiet"] or values["json"]):
            print(f"drawn: {file}")
    return 0


def _tell(trials: "Sequence[Trial]", out: Path, *, as_json: bool) -> None:
    """The trials, the best first."""
    from tapehead.training.sweeping.trial import merit

    ordered = sorted(trials, key=lambda trial: (not trial.is_whole, *merit(trial)))
    if as_json:
        for trial in ordered:
            print_json({**vars(trial), "values": dict(trial.values)})
        return
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    rows = [
        [
            str(trial.number),
            f"{trial.solved} of {trial.seeds}" if trial.is_whole else "-",
            f"{trial.sequences:,.0f}" if trial.solved else "-",
            f"{trial.seconds:,.1f}" if trial.is_whole else "-",
            *(shown(trial.values.get(name)) for name in names),
        ]
        for trial in ordered
    ]
    header = ["trial", "solved", "sequences", "seconds", *(n.replace("_", "-") for n in names)]
    print(table(rows, header=header, numbers=range(len(header))))
    for trial in ordered:
        if not trial.is_whole:
            print(f"trial {trial.number}: {trial.reason}")
    print(f"search: {out}")
