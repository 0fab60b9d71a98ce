"""Help fits on a screen and shows every option of every command with its default."""

import re
import subprocess
import sys
import time

import pytest

from tapehead.cli import COMMANDS
from tapehead.cli.ask import Ask
from tapehead.cli.bench import Bench
from tapehead.cli.completion import Completion
from tapehead.cli.evaluate import Evaluate
from tapehead.cli.export import Export
from tapehead.cli.help import shown
from tapehead.cli.list_ import List
from tapehead.cli.options import constructor_options, options_of
from tapehead.cli.reproduce import Reproduce
from tapehead.cli.results import Results
from tapehead.cli.sweep import Sweep
from tapehead.cli.train import Train
from tapehead.cli.view import View
from tapehead.cli.zoo import Zoo
from tapehead.machines import MACHINES
from tapehead.recipes import recipe
from tapehead.tasks import TASKS
from tapehead.training import TrainConfig
from tapehead.training.objectives import OBJECTIVES

COMMAND_CLASSES = {
    "train": Train,
    "evaluate": Evaluate,
    "view": View,
    "zoo": Zoo,
    "export": Export,
    "ask": Ask,
    "reproduce": Reproduce,
    "sweep": Sweep,
    "results": Results,
    "list": List,
    "bench": Bench,
    "completion": Completion,
}


def assert_shown(options, screen):
    for option in options:
        wanted = option.flag if option.positional else f"{option.flag} {shown(option.default)}"
        assert re.search(rf"^ .*{re.escape(wanted)}( |$)", screen, re.MULTILINE), wanted


@pytest.mark.parametrize("name", COMMAND_CLASSES)
def test_help_is_one_screen_with_every_option_and_its_default(call, name):
    outcome = call(name, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) <= {"train": 60, "sweep": 58, "reproduce": 36}.get(name, 24)
    assert lines[0].startswith(f"usage: tapehead {name}")
    assert_shown(options_of(COMMAND_CLASSES[name]), outcome.out)
    assert call(name, "-h") == outcome


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", COMMAND_CLASSES)
def test_help_wraps_at_the_width_of_the_terminal(call, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    outcome = call(name, "--help")
    lengths = [len(line) for line in outcome.out.splitlines()]
    assert width - 30 < max(lengths) <= width
    assert_shown(options_of(COMMAND_CLASSES[name]), outcome.out)


def recipe_of(task, machine):
    """Settings of their recipe, or None."""
    try:
        return recipe(f"{task}-1" if TASKS[task].variant else task, machine)
    except ValueError:
        return None


# All that have a recipe, and of the others enough to see each task and each machine.
PAIRS = [
    (task, machine)
    for task in TASKS
    for machine in MACHINES
    if task == "copy" or machine == "lstm" or recipe_of(task, machine) is not None
]


@pytest.mark.parametrize(("task", "machine"), PAIRS)
def test_train_shows_the_options_of_the_machine_and_task_at_hand(call, task, machine):
    outcome = call("train", task, "--machine", machine, "--help")
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 100
    config = recipe_of(task, machine) or TrainConfig(task=task, machine=machine, test_sequences=512)
    hidden = ("task", "machine", "task_options", "machine_options", "objective_options")
    training = [
        option
        for option in options_of(TrainConfig, **config.to_dict())
        if option.name not in hidden
    ]
    assert_shown(training, outcome.out)
    assert_shown(constructor_options(MACHINES[machine], **config.machine_options), outcome.out)
    assert_shown(options_of(TASKS[task], **config.task_options), outcome.out)
    objective = OBJECTIVES[MACHINES[machine].trained_by]
    assert_shown(constructor_options(objective, **config.objective_options), outcome.out)


def test_defaults_look_as_one_would_type_them(call):
    out = call("train", "copy", "--help").out
    for text in ("--quiet no", "--stop-when-solved yes", "--clip-norm none", "--clip-value 10 "):
        assert f"  {text}" in out
    assert '--data ""' in call("train", "traversal", "--help").out


def test_the_recipe_supplies_the_defaults(call):
    paper = call("train", "ngrams", "--controller", "feedforward", "--setting=paper", "--help").out
    assert "--optimiser graves-rmsprop" in paper
    assert "--learning-rate 3e-05" in paper
    assert "--controller feedforward" in paper
    assert "--learning-rate 0.0001" in call("train", "copy", "--setting", "paper", "--help").out


@pytest.mark.parametrize("machine", MACHINES)
def test_help_all_describes_every_option(call, machine):
    screen = call("train", "copy", "--machine", machine, "--help-all").out
    assert max(map(len, screen.splitlines())) <= 100
    options = [
        *options_of(Train),
        *options_of(TrainConfig),
        *constructor_options(MACHINES[machine]),
        *constructor_options(OBJECTIVES[MACHINES[machine].trained_by]),
        *options_of(TASKS["copy"]),
    ]
    for option in options:
        assert option.help, f"{option.flag} has no description"
        if option.flag in screen and not option.positional:
            beside = re.search(rf"{option.flag} \S+ *\n? +(\S+)", screen)
            assert beside, option.flag
            assert not beside[1].startswith("--"), option.flag


def test_every_option_of_every_task_is_described():
    for name, task in TASKS.items():
        for option in options_of(task):
            assert option.help, f"{name}: {option.flag} has no description"


def test_no_option_means_two_things():
    def names(options):
        return [option.name for option in options]

    own = [*names(options_of(Train)), *names(options_of(TrainConfig))]
    of_machines = {
        machine: names(
            constructor_options(machine) + constructor_options(OBJECTIVES[machine.trained_by])
        )
        for machine in MACHINES.values()
    }
    of_tasks = {task: names(options_of(task)) for task in TASKS.values()}
    for task in TASKS.values():
        for machine in MACHINES.values():
            known = [*own, *of_machines[machine], *of_tasks[task]]
            twice = {name for name in known if known.count(name) > 1}
            assert twice <= {"task", "machine"}


def test_the_overview_names_every_command(call):
    outcome = call("--help")
    assert outcome.code == 0
    assert set(COMMANDS) == set(COMMAND_CLASSES)
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", outcome.out, re.MULTILINE)
    assert call("--version").out.startswith("tapehead ")


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["evaluate", "--help"]])
def test_a_look_around_needs_no_torch(tmp_path, arguments):
    code = (
        "import sys; from tapehead.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(code or (3 if 'torch' in sys.modules else 0))"
    )
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done
    assert time.perf_counter() - begun < 10  # half a second on a machine of one's own
