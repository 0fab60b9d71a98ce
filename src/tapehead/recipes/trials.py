"""The runs of a study, each written down as soon as it is done.

`result.json` is all the memory there is: a study that was killed and is started again finds its
finished runs there, as long as their settings are still those of the recipe, and does the rest.
"""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tapehead.checks import listed, shown
from tapehead.errors import TapeheadError
from tapehead.recipes.results import Cell, read_result
from tapehead.runs.files import clear_errors, write_json
from tapehead.runs.provenance import provenance
from tapehead.signals import CLOSED_PIPE, Stopped, StopRequest
from tapehead.training.fleet import Here, News, Processes, default_workers
from tapehead.training.fleet.workers import Tell

Outcome = Mapping[str, Any]
"""Of one run: "value", "solved", "sequences", "seconds" (of CPU time), and "rows", its curve."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One machine on one task, to be run with several seeds.

    Attributes:
        options: all that decides a run beside its seed, as plain JSON values.
        defaults: of options, those that a run made before they existed had without saying so.
        run: from a seed to its outcome; with several workers it must survive pickling.
        published, source: the value in print, and where it stands.
    """

    machine: str
    task: str
    setting: str
    metric: str
    unit: str
    options: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    run: Callable[[int], Outcome]
    published: float | None = None
    source: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What a cell says of every run in it."""
        names = ("machine", "task", "setting", "metric", "unit", "published", "source")
        return {name: getattr(self, name) for name in names} | {"options": dict(self.options)}


def run_trials(
    name: str,
    paper: str,
    trials: Sequence[Trial],
    seeds: Sequence[int],
    folder: Path,
    command: str,
    *,
    machines: Sequence[str] = (),
    workers: int | None = None,
    quiet: bool = False,
    json: bool = False,
) -> dict[str, Any]:
    """Do what is not done yet, seed by seed, so that a study cut short has something of all.
    Finished runs of other seeds stay in the result.

    Args:
        machines: run only these, all if there are none; those run before stay in the result.
        workers: runs at a time, each a process with one thread; None: one for each core. A single
            one runs here, with the threads there are.
        quiet, json: do not print a line for each run that ends.

    Returns:
        What `folder/result.json` then holds: a cell for each trial.

    Raises:
        TapeheadError: no such machine, or the folder cannot be written or holds something else, or
            a run failed.
        Stopped: a signal arrived, or nobody reads what is printed.
    """
    known_machines = list(dict.fromkeys(trial.machine for trial in trials))
    for machine in machines:
        if machine not in known_machines:
            allowed = listed(known_machines)
            raise TapeheadError(f"--machines must be one of {allowed}, got {shown(machine)}")
    about = provenance()
    outcomes: list[dict[int, Outcome]] = [_known(folder, trial) for trial in trials]
    folder.mkdir(parents=True, exist_ok=True)

    def write() -> dict[str, Any]:
        result = {
            "experiment": name,
            "paper": paper,
            "command": command,
            **{fact: about[fact] for fact in ("commit", "commit_has_changes")},
            **{fact: about[fact] for fact in ("versions", "hardware")},
            "cells": [
                _cell(trial, known) for trial, known in zip(trials, outcomes, strict=True) if known
            ],
        }
        with clear_errors(f"write to {folder}"):
            write_json(folder / "result.json", result)
        return result

    todo = [
        (index, seed)
        for seed in seeds
        for index, trial in enumerate(trials)
        if seed not in outcomes[index] and (not machines or trial.machine in machines)
    ]
    workers = min(workers or default_workers(), max(1, len(todo)))
    runs = {(index, seed): (trials[index].run, seed) for index, seed in todo}
    ended = 0

    def hear(news: News[tuple[int, int]] | None) -> None:
        nonlocal ended
        if news is None:
            return
        if news.event in ("failed", "died"):
            raise TapeheadError(news.value)
        if news.event == "done":
            (index, seed), outcome = news.key, news.value
            trial, ended = trials[index], ended + 1
            outcomes[index][seed] = {**outcome, "commit": about["commit"]}
            write()
            if not (quiet or json):
                run = f"{ended}/{len(todo)} {trial.machine}, {trial.task}, seed {seed}"
                print(f"{run}: {_verdict(outcome)}", flush=True)

    with _stopped_with(outcomes, todo):
        if workers == 1:
            Here().do(_run, runs, hear, StopRequest())
        else:
            number = Processes(workers).do(_run_in_one_thread, runs, hear, StopRequest())
            if number is not None:
                raise Stopped(number, "")
    return write()


@contextmanager
def _stopped_with(
    outcomes: Sequence[Mapping[int, Outcome]], todo: Sequence[tuple[int, int]]
) -> Iterator[None]:
    """Say of a study that is stopped what is kept of it: the runs that are done, and only those."""
    try:
        yield
    except (KeyboardInterrupt, BrokenPipeError, Stopped) as error:
        done = sum(seed in outcomes[index] for index, seed in todo)
        kept = f"with {done} of {len(todo)} runs done and written; the same command does the rest"
        number = CLOSED_PIPE
        if isinstance(error, KeyboardInterrupt):
            number = getattr(error, "number", signal.SIGINT)
        elif isinstance(error, Stopped):
            number = error.signal
        raise Stopped(number, f"{kept}, those under way from their start") from None


def _verdict(outcome: Outcome) -> str:
    solved = "solved" if outcome["solved"] else "not solved"
    return f"{solved} after {outcome['sequences']:,} sequences, {outcome['seconds']:.0f} s"


def _run(tell: Tell, run: Callable[[int], Outcome], seed: int) -> Outcome:
    return run(seed)


def _run_in_one_thread(tell: Tell, run: Callable[[int], Outcome], seed: int) -> Outcome:
    """In a process of its own."""
    torch.set_num_threads(1)
    return run(seed)


_BY_SEED = {
    "values": "value",
    "solved_by_seed": "solved",
    "sequences": "sequences",
    "seconds": "seconds",
    "curves": "rows",
    "commits": "commit",
}
"""A list of a cell, and what of each outcome is in it."""


def _cell(trial: Trial, known: Mapping[int, Outcome]) -> Cell:
    runs = [known[seed] for seed in sorted(known)]
    solved = sum(bool(run["solved"]) for run in runs)
    return {
        **trial.facts,
        "seeds": sorted(known),
        "solved": solved,
        "success_rate": solved / len(runs),
        **{many: [run[one] for run in runs] for many, one in _BY_SEED.items()},
    }


def _known(folder: Path, trial: Trial) -> dict[int, Outcome]:
    """The outcomes of this trial that an earlier call has written."""
    for cell in (read_result(folder) or {"cells": []})["cells"]:
        said = {**cell, "options": _filled(cell.get("options", {}), trial.defaults)}
        if all(said.get(fact) == value for fact, value in trial.facts.items()):
            columns = zip(*(cell[many] for many in _BY_SEED), strict=True)
            rows = [dict(zip(_BY_SEED.values(), column, strict=True)) for column in columns]
            return dict(zip(cell["seeds"], rows, strict=True))
    return {}


def _filled(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the default of each that is missing, tables within tables too."""
    return {
        **options,
        **{
            name: _filled(options.get(name, {}), default)
            if isinstance(default, Mapping)
            else options.get(name, default)
            for name, default in defaults.items()
        },
    }
