"""The command line with values that nobody should pass: it does what was asked, or ends with 2 and
one line that names the option, and nothing left behind; with 1 and one line where a job fails.

Training and long tests are not run: of interest is what is let through to them.
"""

import contextlib
import functools
import os
import random
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from unittest import mock

from commands import ended
from harness import Case, Wrong

from tapehead.cli import COMMANDS, module_of, reproduce
from tapehead.cli import train as train_command
from tapehead.cli.options import Option, options_of
from tapehead.cli.sweep import Sweep
from tapehead.cli.training_options import options_for
from tapehead.machines import MACHINES
from tapehead.recipes import EXPERIMENTS
from tapehead.runs.config import TrainConfig
from tapehead.tasks import TASKS

VALUES = (
    "", "0", "1", "2", "-1", "-0", "1.5", "1e3", "1e39", "-1e39", "1e-400", "nan", "inf", "-inf",
    "1_000", "0x10", " 3", "3 ", "٣", "1000000000000", "9223372036854775808", "1" * 400, "none",
    "None", "true", "false", "yes", "copy", "ntm", "lstm", "é", "\x00", "a\nb", "x" * 1000, "~",
    "/", ".", "..", "/dev/null", "/proc/1/mem", "--", "-", "---", "-x", "--out", "--seed", "[]",
    "{}", "()", "'", '"', "\\", "$HOME", "*", "cuda", "cuda:99", "cpu", "meta", "banana", "best",
)  # fmt: skip


def case(draw: random.Random) -> Case:
    """One command with one to three arguments added, replaced, doubled or taken away."""
    name = draw.choice((*COMMANDS, "train", "train", "train"))
    argv, options = _command(name, draw)
    # What is wrong from the start, or may be.
    trains = name in ("train", "sweep")
    names = [] if trains else [option.flag for option in options if option.positional]
    names += [] if trains else argv[1:]
    for _ in range(draw.choice((1, 1, 2, 3))):
        names += _spoil(argv, options, draw)
    if draw.random() < 0.05:
        argv[:0] = [draw.choice(VALUES)]
        names += [argv[0], "command"]
    about = tuple(dict.fromkeys(spelt for name in names for spelt in _spellings(name)))
    return Case(name, lambda: called(argv, about), None, {"argv": argv, "names": about})


def _spellings(name: str) -> list[str]:
    """How a line may write an option, an argument or a value: as typed, as a setting, as Python
    shows it, or cut where it is long; and what an option hangs together with."""
    plain = name.removeprefix("--").removeprefix("no-").replace("-", "_")
    found = [name, plain, f"--{plain.replace('_', '-')}", repr(name), repr(name)[:60], name[:60]]
    found += [name.strip(), *name.splitlines()]
    if name.startswith("-"):
        found += [other for one, other in _TOGETHER if one == plain]
        found += [word for word in plain.split("_") if word not in _TOO_COMMON]
    return [each for each in found if each.strip()]


_TOO_COMMON = ("size", "max", "min", "num", "length", "sequences", "every")
_TOGETHER = (
    ("out", "run directory"),
    ("max_sequences", "memory"),
    ("batch_size", "memory"),
)


def _command(name: str, draw: random.Random) -> tuple[list[str], list[Option]]:
    if name in ("train", "sweep"):
        task = draw.choice(tuple(TASKS))
        kind = TASKS[task]
        # A machine that chooses cannot be told what depends on its answers.
        fits = [
            name
            for name, machine in MACHINES.items()
            if machine.reads is kind.tells
            and not (kind.interactive and machine.trained_by != "supervised")
        ]
        machine = draw.choice(fits)
        searched = ["--vary", "learning-rate=1e-4..1e-2"] if name == "sweep" else []
        return [name, task, "--machine", machine, *searched], _training_options(name, task, machine)
    options = options_of(getattr(import_module(module_of(name)), name.capitalize()))
    if name == "reproduce":
        return [name, draw.choice((*EXPERIMENTS, "nonsense"))], options
    if name in ("evaluate", "view", "export", "ask"):
        return [name, draw.choice(("run", "nowhere", "."))], options
    return [name], options


@functools.cache
def _training_options(command: str, task: str, machine: str) -> list[Option]:
    base = TrainConfig(task=task, machine=machine)
    kind = Sweep if command == "sweep" else train_command.Train
    return options_for(base, True, kind).all


def _spoil(argv: list[str], options: Sequence[Option], draw: random.Random) -> list[str]:
    """Change arguments; what an error about it may name."""
    option, value = draw.choice(options), draw.choice(VALUES)
    flag = option.flag if not option.positional else value
    how = draw.choice(("value", "value", "value", "equals", "bare", "name", "more", "less"))
    if how == "equals":
        argv.append(f"{flag}={value}")
    elif how == "bare":
        argv.append(flag)
    elif how == "name":
        argv += [flag[: draw.randint(1, len(flag))] if flag else "-", value]
    elif how == "more":
        argv.append(value)
    elif how == "less" and len(argv) > 1:
        place = draw.randrange(1, len(argv))
        gone = argv.pop(place)
        # Its value is an argument now, or it is what an option lacks.
        near = [argv[place - 1], *argv[place : place + 1]]
        return [gone, *near, *(option.flag for option in options if option.positional)]
    else:
        argv += [flag, value]
    # A value may be taken for an argument, and the one before it then lacks its own.
    return [flag, value, option.flag, *argv[-3:-1]] if how in ("more", "name") else [flag, value]


def called(argv: list[str], names: tuple[str, ...]) -> str:
    """How a command ended; raises a Wrong where that was not well."""
    before = Path.cwd()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(os.chdir, before)
        os.chdir(folder)
        stack.enter_context(mock.patch.dict(os.environ, {"HOME": str(folder), "COLUMNS": "100"}))
        # What would take minutes is another campaign's.
        for owner, name in ((train_command, "_train"), (reproduce, "_contest")):
            stack.enter_context(mock.patch.object(owner, name, return_value=0))
        stack.enter_context(mock.patch.object(reproduce, "_calculation", return_value=0))
        stack.enter_context(mock.patch("tapehead.benchmark.ntm_speed", return_value=[]))
        stack.enter_context(mock.patch("tapehead.training.sweeping.Sweep.run"))
        stack.enter_context(mock.patch("tapehead.cli.view._serve", return_value=0))
        code, _ = ended(argv, names)
        left = sorted(path.name for path in folder.rglob("*"))
    if code == 0:
        return "accepted"
    if left:
        raise Wrong(f"exit code {code} left {left}")
    return f"refused, exit {code}"
