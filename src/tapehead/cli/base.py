"""The settings that a `tapehead train` starts from, before its options change any."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.checks import shown
from tapehead.cli.command import wants_help
from tapehead.cli.options import UsageError, check_choice
from tapehead.errors import TapeheadError
from tapehead.recipes import SETTINGS, usual_settings
from tapehead.registry import MACHINES, TASKS
from tapehead.runs.config import TrainConfig


def settings_before(argv: Sequence[str]) -> tuple[TrainConfig, bool]:
    """The settings before the command line changes any: those of the run that is resumed, the
    recipe's, or else the defaults; and whether the task is given."""
    places = zip(["", *argv], argv, strict=False)
    task = next((token for before, token in places if token in TASKS and before != "--out"), None)
    if argv and not argv[0].startswith("-"):
        task = argv[0]
    earlier = _earlier(argv)
    if earlier is not None:
        for name, told in (("task", task), ("machine", given(argv, "--machine"))):
            before = getattr(earlier, name)
            if told not in (None, before):
                raise TapeheadError(
                    f"cannot resume: {name} was {shown(before)} and is now {shown(told)}"
                )
        return earlier, task is not None
    if task is None:
        if not wants_help(argv) and "--help-all" not in argv:
            out = given(argv, "--out")
            if "--resume" in argv and out:
                raise UsageError(f"there is no run in {out} to resume: name a TASK to start one")
            raise UsageError(f"TASK is missing: one of {', '.join(TASKS)}")
        task = "copy"
    check_choice("TASK", task, TASKS)
    machine = given(argv, "--machine") or usual_machine(task)
    check_choice("--machine", machine, MACHINES)
    setting = given(argv, "--setting") or "fast"
    check_choice("--setting", setting, SETTINGS)
    contestant = machine
    usual = {"ntm": "lstm", "rl-ntm": "direct"}
    if machine in usual:
        contestant = f"{machine}-{given(argv, '--controller') or usual[machine]}"
    variant = TASKS[task].variant
    told = given(argv, f"--{variant}") if variant else None
    try:
        chosen = {variant: told} if told else {}
        return usual_settings(task, chosen, contestant, setting, machine=machine), True
    except ValueError as error:
        raise UsageError(str(error)) from None


def usual_machine(task: str) -> str:
    """The NTM, or the first machine that can read what the task tells."""
    fitting = (name for name, kind in MACHINES.items() if kind.reads is TASKS[task].tells)
    return "ntm" if MACHINES["ntm"].reads is TASKS[task].tells else next(fitting)


def _earlier(argv: Sequence[str]) -> TrainConfig | None:
    """The settings of the run, or of one of the seeds, that is resumed; None if there is none, or
    if a setting is named, whose options are then held against the run's."""
    out = given(argv, "--out")
    if "--resume" not in argv or not out or given(argv, "--setting"):
        return None
    folder = Path(out).expanduser()
    runs = sorted(path.parent for path in folder.glob("seed-*/config.json"))
    if not (folder / "config.json").exists():
        if not runs:
            return None
        if "--seeds" not in argv:
            raise UsageError(f"{folder} holds a run for each seed: name all of them with --seeds")
        folder = runs[0]

    from tapehead.runs import read_config

    return read_config(folder, to_resume=True)


def given(argv: Sequence[str], flag: str) -> str | None:
    """The value of an option that decides which other options there are."""
    value = None
    for position, token in enumerate(argv):
        if token == flag and position + 1 < len(argv):
            value = argv[position + 1]
        elif token.startswith(f"{flag}="):
            value = token.removeprefix(f"{flag}=")
    return value
