"""The recipes of the DNC name machines that can be built, and differ in what they say."""

import dataclasses
import inspect

import pytest
import torch

from tapehead.machines import MACHINES
from tapehead.recipes import EXPERIMENTS, SETTINGS, recipe
from tapehead.recipes.dnc import VARIANTS
from tapehead.runs.build import build_machine, build_task
from tapehead.tasks import TASKS
from tapehead.training import TrainConfig

NAMES = [name for name in EXPERIMENTS if name.startswith("dnc/") and name != "dnc/graphs"]
CASES = [(name, contestant) for name in NAMES for contestant in EXPERIMENTS[name].contestants]


def config_of(name, contestant, setting="fast"):
    experiment = EXPERIMENTS[name]
    return experiment.recipe(*experiment.tasks, contestant, setting)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("name", "contestant"), CASES)
def test_every_machine_answers_its_task(name, contestant, setting):
    config = config_of(name, contestant, setting)
    task = build_task(config)
    machine = build_machine(config, task)
    batch = task.with_difficulty(1).batch(torch.Generator().manual_seed(0), 2)
    y, _ = machine(batch.inputs.x, lengths=batch.inputs.lengths)
    assert task.loss(y, batch).isfinite()
    assert config.test_sequences > 0


def test_the_papers_own_counts():
    assert len(EXPERIMENTS["dnc/copy"].usual_seeds("dnc")) == 20
    assert len(EXPERIMENTS["dnc/copy"].usual_seeds("lstm")) == 5
    allocation = config_of("dnc/allocation", "dnc")
    machine, task = allocation.machine_options, build_task(allocation)
    assert machine["memory_size"] == 10
    assert machine["controller"] == "feedforward"
    assert task.max_copies * task.length == 50
    assert config_of("dnc/allocation", "ntm-feedforward").machine_options["memory_size"] == 10


def test_contestants_meet_at_the_same_memory():
    for name in ("dnc/copy", "dnc/repeat-copy", "dnc/associative-recall"):
        dnc = config_of(name, "dnc").machine_options
        ntm = config_of(name, "ntm-lstm").machine_options
        for option in ("memory_size", "word_size", "num_reads", "hidden_size", "controller"):
            assert dnc[option] == ntm[option], (name, option)


def test_an_extension_changes_one_choice():
    plain = config_of("dnc/extensions", "dnc").to_dict()
    for name, (machine, task) in VARIANTS.items():
        changed = config_of("dnc/extensions", name).to_dict()
        assert changed.pop("machine_options") == plain["machine_options"] | machine
        assert changed.pop("task_options") == task
        assert len(machine) + len(task) == (name != "dnc")
        rest = {k: v for k, v in plain.items() if k not in ("machine_options", "task_options")}
        assert changed == rest


def test_training_a_dnc_starts_from_its_recipe():
    assert recipe("copy", "dnc") == config_of("dnc/copy", "dnc")
    assert recipe("chained-copy", "dnc") == config_of("dnc/allocation", "dnc")


def test_no_option_of_a_task_or_machine_is_one_of_training():
    """On the command line they stand side by side."""
    training = {field.name for field in dataclasses.fields(TrainConfig)}
    for kind in TASKS.values():
        # --task of a task with variants is not the TASK before the options.
        own = {field.name for field in dataclasses.fields(kind)} - {kind.variant}
        assert not training & own, kind.name
    for name, kind in MACHINES.items():
        assert not training & set(inspect.signature(kind).parameters), name
