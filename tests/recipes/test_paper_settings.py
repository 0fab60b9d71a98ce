"""The table in docs/departures.md of what `--setting paper` sets is what the recipes set."""

import ast
import re
from pathlib import Path

import pytest

from tapehead.recipes import EXPERIMENTS, dnc_graphs, recipe
from tapehead.runs.build import build_machine, build_task
from tapehead.training import TrainConfig

PAGE = Path(__file__).parents[2] / "docs" / "departures.md"
ROW = re.compile(r"\| (NTM|LSTM|DNC) \| (\d+) \| `(\w+)` \| `(.+?)` \| `(.+?)` \|")
ROWS = [
    (machine, int(entry), option, ast.literal_eval(paper), ast.literal_eval(usual))
    for machine, entry, option, paper, usual in ROW.findall(PAGE.read_text())
]
EVERY = [
    (task, contestant, experiment.recipe)
    for experiment in EXPERIMENTS.values()
    for task in experiment.tasks
    for contestant in experiment.contestants
    # What is compared there is the order of reading itself.
    if experiment.name != "ntm/read-order" and "paper" in experiment.settings
]


def of(config, option):
    if option in TrainConfig.__dataclass_fields__:
        return getattr(config, option)
    return config.machine_options.get(option, "the default")


@pytest.mark.parametrize(("task", "contestant", "settings"), EVERY)
def test_every_recipe_of_a_paper_takes_its_side_of_each_departure(task, contestant, settings):
    config = settings(task, contestant, "paper")
    rows = [row for row in ROWS if row[0].lower() == config.machine]
    assert rows
    for _, _, option, paper, _ in rows:
        if option == "batch_size" and contestant != "dnc":
            assert config.batch_size == 1
        elif option != "batch_size":
            assert of(config, option) == paper, option


@pytest.mark.parametrize(("machine", "entry", "option", "paper", "usual"), ROWS)
def test_the_table_names_the_defaults(machine, entry, option, paper, usual):
    config = TrainConfig(machine=machine.lower())
    if option in TrainConfig.__dataclass_fields__:
        assert getattr(config, option) == usual
    else:
        assert getattr(build_machine(config, build_task(config)), option) == usual


def entries(heading):
    """The numbered entries below a heading, by number."""
    section = re.split(r"^## ", PAGE.read_text(), flags=re.M)
    text = next(part for part in section if part.startswith(heading))
    return {
        int(n): body for n, body in re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", text, re.M | re.S)
    }


@pytest.mark.parametrize(
    ("machine", "heading"), [("NTM", "Neural Turing"), ("DNC", "Differentiable")]
)
def test_every_switch_that_goes_back_is_in_the_table(machine, heading):
    found = set()
    for number, body in entries(heading).items():
        switches = re.findall(
            r"`(\w+)=[^`]+`(?: and `(\w+)=[^`]+`)? goe?s? ?back", " ".join(body.split())
        )
        found |= {(number, option) for pair in switches for option in pair if option}
    assert len(found) >= (3 if machine == "NTM" else 2)
    assert found <= {(entry, option) for kind, entry, option, *_ in ROWS if kind == machine}


def test_entries_are_numbered_without_a_gap_and_each_names_a_test_or_says_why_not():
    for heading in ("Neural Turing", "Differentiable", "TARDIS", "RL-NTM"):
        found = entries(heading)
        assert list(found) == list(range(1, len(found) + 1))
    tests = "".join(path.read_text() for path in PAGE.parents[1].glob("tests/**/test_*.py"))
    for name in re.findall(r"\btest_\w+(?![\w./*])", PAGE.read_text()):
        assert f"def {name}" in tests or f"{name}.py" in PAGE.read_text(), name


def test_shortest_path_has_no_look_back_and_the_papers_looks_at_the_lesson():
    paper = {task: recipe(task, "dnc", "paper") for task in dnc_graphs.CURRICULA}
    assert {task: config.curriculum for task, config in paper.items()} == {
        "traversal": "look-back",
        "shortest-path": "naive",
        "inference": "look-back",
    }
    # Every 100 batches of 2, every 2,000 of 1.
    assert paper["traversal"].report_every == 200
    shortest = paper["shortest-path"]
    assert (shortest.report_every, shortest.validation_sequences) == (2_000, 50)
    assert {recipe(task, "dnc").curriculum for task in paper} == {"look-back"}
