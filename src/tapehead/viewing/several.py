"""Several runs as pictures: each by itself, and the learning curves of all in one figure."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tapehead.errors import TapeheadError
from tapehead.files import clear_errors
from tapehead.runs import TrainConfig, load_task, read_config
from tapehead.viewing.curves import learning_curves
from tapehead.viewing.seeds import Seed, drawable, read_seed
from tapehead.viewing.style import Format, save
from tapehead.viewing.view import machine_name, view_run


def runs_in(path: Path) -> list[Path]:
    """A run directory itself, or those in a folder of seeds, by their numbers; none if it is
    neither."""
    if (path / "config.json").is_file():
        return [path]
    inside = [config.parent for config in path.glob("*/config.json")]
    return sorted(inside, key=lambda run: [_number(part) for part in re.split(r"(\d+)", run.name)])


def view_runs(
    paths: Sequence[Path | str],
    out: Path | str | None = None,
    *,
    lengths: Sequence[int | str] | None = None,
    seed: int = 0,
    format: Format = "png",
    data: Path | str | None = None,
) -> list[Path]:
    """Draw every run as `view_run` does, and the learning curves of all of them together.

    Args:
        paths: run directories, all of one task.
        out: where the figures go, those of each run in a folder of its own; None leaves each run's
            in it, and puts `learning.png` beside the runs.
        lengths, seed, format, data: as for `view_run`.

    Returns:
        The files written.

    Raises:
        TapeheadError: as `view_run`, or the runs are of different tasks.
        ValueError: the task has no such length, or reads no data.
    """
    runs = [Path(path) for path in paths]
    if len(runs) == 1:
        return view_run(runs[0], out, lengths=lengths, seed=seed, format=format, data=data)
    configs = {run: read_config(run) for run in runs}
    tasks = dict.fromkeys(config.task for config in configs.values())
    if len(tasks) > 1:
        raise TapeheadError(
            f"the runs are of different tasks ({', '.join(tasks)}): view them apart"
        )
    above = Path(os.path.commonpath([run.absolute().parent for run in runs]))
    files = []
    for run in runs:
        own = None if out is None else Path(out) / run.absolute().relative_to(above)
        files += view_run(run, own, lengths=lengths, seed=seed, format=format, data=data)
    metric, shown = drawable(load_task(runs[0]), {run: read_seed(run) for run in runs})
    if metric is not None:
        machines = _by_machine(configs, shown)
        folder = _as_given(above) if out is None else Path(out)
        with clear_errors(f"write figures to {folder}"):
            figure = learning_curves(machines, metric=metric)
            files.append(save(figure, folder / f"learning.{format}"))
    return files


def _by_machine(configs: dict[Path, TrainConfig], runs: dict[Path, Seed]) -> dict[str, list[Seed]]:
    """Learning curves by machine; seeds of the same settings are one machine."""
    groups: dict[str, list[tuple[Path, Seed]]] = {}
    settings: dict[str, TrainConfig] = {}
    for run, seed in runs.items():
        config = configs[run]
        same = replace(config, seed=0)
        name = machine_name(config)
        if settings.setdefault(name, same) != same:
            # Other settings of a machine that is there already: told apart by their folders.
            known = next((other for other, value in settings.items() if value == same), None)
            name = known or f"{name}, {run.name}"
            settings[name] = same
        groups.setdefault(name, []).append((run, seed))
    return {name: [seed for _, seed in members] for name, members in groups.items()}


def _as_given(path: Path) -> Path:
    """Relative to the current folder where it lies in it, as names on the command line do."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _number(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdecimal() else (-1, part)
