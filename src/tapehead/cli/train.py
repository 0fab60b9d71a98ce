"""`tapehead train`: one run, or one for each of several seeds."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tapehead.cli import tracking
from tapehead.cli.base import given, settings_before
from tapehead.cli.command import HelpRequest, print_json, wants_help
from tapehead.cli.engine import check_engine, engine_of
from tapehead.cli.matching import matched
from tapehead.cli.naming import resumed_with_flags, with_flags
from tapehead.cli.options import UsageError, check_one_of, chosen_seeds, options_of
from tapehead.cli.serving import check_port, server_at
from tapehead.cli.training_options import (
    check_config,
    config_of,
    help_of,
    options_for,
    parse_for,
)
from tapehead.registry import AddressError
from tapehead.runs.config import TrainConfig

if TYPE_CHECKING:
    from tapehead.cli.live import LivePage
    from tapehead.training.display.showing import Showing

PROG = "tapehead train"


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a machine until it solves a task, test it and draw its figures, in a run directory."""

    task: str
    """What to learn, or module:Class of your own."""
    machine: str = "ntm"
    """What learns it."""
    setting: str = "fast"
    """Where the defaults below come from, ours or the paper's."""
    seeds: tuple[int, ...] = ()
    """Several runs, one for each of these seeds, in folders of --out."""
    num_seeds: int | None = None
    """As --seeds, the first so many from 0 on."""
    workers: int | None = None
    """With --seeds, runs at a time; left out: one for each core."""
    engine: str = "processes"
    """With --seeds, what does the runs, on this machine or a cluster."""
    ray_address: str | None = None
    """With --engine ray, its head, HOST:PORT; left out: that of this machine."""
    match_parameters: str | None = None
    """As wide as gives it as many parameters as this machine's recipe has."""
    out: Path | None = None
    """Run directory; left out: runs/TASK-MACHINE-N, the first that is free."""
    resume: bool = False
    """Go on with the run in --out, or start it; its options but for those given."""
    figures: bool = True
    """Draw figures and page at the end; --no-figures leaves them to `tapehead view`."""
    live: bool = False
    """Watch it in a browser while it goes on: the address is printed."""
    port: int = 0
    """With --live, the port of that address; 0 takes any that is free."""
    track: tracking.Name | None = None
    """What else follows the run, beside metrics.jsonl."""
    quiet: bool = False
    """Say nothing but errors."""
    json: bool = False
    """Report as lines of JSON."""


def run(argv: Sequence[str]) -> int:
    try:
        with resumed_with_flags(options_of(Train)):
            base, task_given = settings_before(argv)
        options = options_for(base, task_given, Train)
    except AddressError as error:
        raise UsageError(str(error)) from None
    if wants_help(argv) or "--help-all" in argv:
        raise HelpRequest(help_of(Train, PROG, base, options, "--help-all" in argv))
    values = parse_for(base, options, argv, PROG)
    own = [field.name for field in dataclasses.fields(Train) if field.name != "task"]
    command = Train(task=base.task, **{name: values[name] for name in own})
    seeds = chosen_seeds(command.seeds, command.num_seeds)
    if seeds and given(argv, "--seed") is not None:
        raise UsageError("--seed and --seeds exclude each other")
    command = dataclasses.replace(command, seeds=seeds)
    try:
        config = config_of(base, options, values)
        _checked(command, config)
        config = matched(command, config, argv)
    except (TypeError, ValueError) as error:
        raise UsageError(with_flags(str(error), options.all)) from None
    with resumed_with_flags(options.all):
        return _train(command, config)


def _checked(command: Train, config: TrainConfig) -> None:
    """Refuse what cannot work before anything is written."""
    check_one_of(quiet=command.quiet, json=command.json)
    if command.workers is not None and not command.seeds:
        raise UsageError("--workers needs --seeds or --num-seeds")
    if command.engine != "processes" and not command.seeds:
        raise UsageError("--engine needs --seeds or --num-seeds")
    check_engine(command)
    tracking.check_track(command.track)
    if command.live and command.seeds:
        raise UsageError("--live shows a single run: leave out --seeds and --num-seeds")
    if command.port and not command.live:
        raise UsageError("--port needs --live")
    check_port(command.port)
    if command.resume and command.out is None:
        raise UsageError("--resume needs --out, the run directory to go on with")
    if command.workers is not None and command.workers < 1:
        raise UsageError(f"--workers must be a whole number of at least 1, got {command.workers}")
    check_config(config)


def _train(command: Train, config: TrainConfig) -> int:
    from tapehead.cli.evaluate import scores_table
    from tapehead.runs.build import build_task
    from tapehead.training import make_reporter, train, train_seeds
    from tapehead.training.display import Together
    from tapehead.training.display.showing import Showing
    from tapehead.training.resuming import check_run_folder

    show = Showing()
    out = command.out or _free_folder(config)
    if not command.seeds:  # before an address is told, and before anything is compiled
        check_run_folder(out, config, resume=command.resume)
    talkative = not command.quiet and not command.json
    reporter = make_reporter("quiet" if command.quiet else "json" if command.json else "auto")
    reporter = tracking.followed(reporter, command.track)
    live = _live_page(command, config, show) if command.live else None
    if live is not None:
        reporter = Together(reporter, live)
    if not command.seeds:
        result = train(config, out, resume=command.resume, reporter=reporter)
        if result.evaluation and talkative:
            show(print, f"\n{scores_table(result.evaluation, build_task(config).metrics)}\n")
        paths = [out]
    else:
        engine = engine_of(command, config, len(command.seeds))
        results = train_seeds(
            config,
            command.seeds,
            out,
            engine=engine,
            resume=command.resume,
            reporter=reporter,
        )
        if talkative:
            solved = sum(result.solved for result in results)
            show(print, f"{solved} of {len(results)} seeds solved")
        paths = [out / f"seed-{result.seed}" for result in results]
    if talkative:
        show(print, f"run directory: {out}")
    if command.figures:
        from tapehead.viewing import view_runs  # matplotlib takes most of a second

        files = view_runs(paths)
        pages = [file for file in files if file.suffix == ".html"]
        figures = [file for file in files if file not in pages]
        if command.json:
            names = {
                "files": [str(file) for file in figures],
                "pages": [str(file) for file in pages],
            }
            show(print_json, {"event": "figures", **names})
        elif talkative:
            show(print, f"figures: {_listed(figures)}")
            show(print, f"to watch every step, open {', '.join(map(str, pages))} in a browser")
    if live is not None:
        show(live.close)
    return int(show.failed)


def _live_page(command: Train, config: TrainConfig, show: "Showing") -> "LivePage":
    """The page of the run, on a server that ends with this process."""
    from tapehead.cli.live import LivePage

    server = server_at(command.port)
    if command.json:
        show(print_json, {"event": "live", "address": server.address})
    elif not command.quiet:
        show(print, f"watch it at {server.address}")
    return LivePage(config, server)


def _listed(files: Sequence[Path]) -> str:
    """Files by folder: runs/x/figures/bits.png, heads.png."""
    folders: dict[Path, list[str]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file.name)
    return "; ".join(
        ", ".join([str(folder / names[0]), *names[1:]]) for folder, names in folders.items()
    )


def folder_name(config: TrainConfig) -> str:
    """TASK-MACHINE, and the controller of one that has several."""
    name = f"{config.task}-{config.machine}"
    if "controller" in config.machine_options:
        name += f"-{config.machine_options['controller']}"
    return re.sub(r"\W+", "-", name)


def _free_folder(config: TrainConfig) -> Path:
    """runs/TASK-MACHINE-N that is not there yet."""
    stem = Path("runs") / folder_name(config)
    numbers = range(1, 1_000_000)
    return next(path for number in numbers if not (path := Path(f"{stem}-{number}")).exists())
