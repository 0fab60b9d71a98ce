"""The recipes of the NTM paper say what its tables say."""

import json

import pytest

from tapehead.recipes import EXPERIMENTS, SETTINGS, recipe
from tapehead.runs.build import build_machine, build_task

TASKS = ("copy", "repeat-copy", "associative-recall", "ngrams", "priority-sort")
# Tables 1 and 2: heads, controller size, layers, learning rate. Table 3: units, learning rate.
FEEDFORWARD = [(1, 100, 1e-4), (1, 100, 1e-4), (4, 256, 1e-4), (1, 100, 3e-5), (8, 512, 3e-5)]
LSTM_CONTROLLER = [
    (1, 100, 1, 1e-4), (1, 100, 1, 1e-4), (1, 100, 1, 1e-4), (1, 100, 1, 3e-5), (5, 100, 2, 3e-5),
]  # fmt: skip
LSTM = [(256, 3e-5), (512, 3e-5), (256, 1e-4), (128, 1e-4), (128, 3e-5)]


OTHERWISE = {
    # Where the fast setting leaves the tables: reads, writes, units, layers.
    ("ntm-feedforward", "ngrams"): (2, 1, 100, 1),
    ("ntm-feedforward", "priority-sort"): (8, 8, 128, 1),
    ("ntm-lstm", "priority-sort"): (5, 5, 100, 1),
}

ROWS = {"copy": 24}
"""In training; the tests are taken with more."""


def check_sizes(machine, contestant, task, setting, heads, units, layers):
    expected = (heads, heads, units, layers)
    if setting == "fast":
        expected = OTHERWISE.get((contestant, task), expected)
    spec = machine.spec
    found = (spec.num_reads, spec.num_writes, machine.hidden_size, machine.num_layers)
    assert found == expected
    rows = ROWS.get(task, 128) if setting == "fast" else 128
    assert (machine.memory_size, machine.word_size) == (rows, 20)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("task", "row"), list(zip(TASKS, FEEDFORWARD, strict=True)))
def test_table_1(task, row, setting):
    config = recipe(task, "ntm-feedforward", setting)
    machine = build_machine(config, build_task(config))
    heads, units, rate = row
    assert config.machine == "ntm"
    assert machine.spec.controller == "feedforward"
    check_sizes(machine, "ntm-feedforward", task, setting, heads, units, 1)
    if setting == "paper":
        assert config.learning_rate == rate


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("task", "row"), list(zip(TASKS, LSTM_CONTROLLER, strict=True)))
def test_table_2(task, row, setting):
    config = recipe(task, "ntm-lstm", setting)
    machine = build_machine(config, build_task(config))
    heads, units, layers, rate = row
    assert config.machine == "ntm"
    assert machine.spec.controller == "lstm"
    check_sizes(machine, "ntm-lstm", task, setting, heads, units, layers)
    if setting == "paper":
        assert config.learning_rate == rate


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("task", "row"), list(zip(TASKS, LSTM, strict=True)))
def test_table_3(task, row, setting):
    config = recipe(task, "lstm", setting)
    machine = build_machine(config, build_task(config))
    units, rate = row
    assert config.machine == "lstm"
    assert (machine.hidden_size, machine.num_layers) == (units, 3)
    if setting == "paper":
        assert config.learning_rate == rate


@pytest.mark.parametrize("contestant", ["ntm-lstm", "ntm-feedforward", "lstm"])
@pytest.mark.parametrize("task", TASKS)
def test_the_paper_setting_trains_as_the_paper_does(task, contestant):
    """Section 4.6: RMSProp as in Graves 2013, momentum 0.9, gradients cut to (-10, 10)."""
    config = recipe(task, contestant, "paper")
    assert config.optimiser == "graves-rmsprop"
    assert (config.momentum, config.decay, config.epsilon) == (0.9, 0.95, 1e-4)
    assert (config.clip_value, config.clip_norm) == (10.0, None)
    assert (config.schedule, config.curriculum, config.batch_size) == ("constant", "none", 1)
    assert config.task_options == {}
    machine = build_machine(config, build_task(config))
    learned = {name for name, _ in machine.named_parameters() if name.startswith("initial")}
    if contestant == "lstm":
        assert learned == {"initial_hidden", "initial_cell"}
    else:
        assert not machine.spec.read_first
        assert {"initial_memory", "initial_reads"} < learned
        assert ("initial_hidden" in learned) == (contestant == "ntm-lstm")
    assert config.max_sequences == (500_000 if task == "repeat-copy" else 1_000_000)
    assert config.test_sequences > 0


def test_recipes_share_no_tables():
    """A run that changed its options must not change the next recipe."""
    first = recipe("copy", "ntm")
    first.machine_options["memory_size"] = 7
    assert recipe("copy", "ntm").machine_options["memory_size"] == ROWS["copy"]
    assert recipe("copy", "ntm") == recipe("copy", "ntm-lstm", "fast")


def test_a_recipe_that_does_not_exist():
    with pytest.raises(ValueError, match="setting must be one of fast, paper, got 'slow'"):
        recipe("copy", "ntm", "slow")
    with pytest.raises(ValueError, match=r"no recipe for task 'cpy'; there are some for copy, rep"):
        recipe("cpy", "ntm")
    with pytest.raises(ValueError, match=r"no recipe for 'tardis' on copy; .* ntm-lstm, ntm"):
        recipe("copy", "tardis")


def test_published_values_stand_at_sizes_that_the_tasks_test():
    for experiment in EXPERIMENTS.values():
        assert set(experiment.published) <= set(experiment.tasks)
        for name, contestants in experiment.published.items():
            task = build_task(experiment.recipe(name, experiment.contestants[0], "fast"))
            assert set(contestants) <= set(experiment.contestants)
            for published in contestants.values():
                assert set(published.tests) <= set(task.test_settings())
                assert published.source
                assert bool(published.tests) == bool(published.tests_source)
                json.dumps([published.value, dict(published.tests)])
    for name in TASKS:
        published = EXPERIMENTS[f"ntm/{name}"].published[name]
        assert set(published) == {"ntm-lstm", "ntm-feedforward", "lstm"}
    recall = EXPERIMENTS["ntm/associative-recall"].published_of("associative-recall", "lstm")
    assert recall.tests["20"] == 38.5
    assert EXPERIMENTS["ntm/priority-sort"].published_of("priority-sort", "lstm").value == 58
    assert EXPERIMENTS["ntm/priority-sort"].published_of("copy", "lstm") is None
