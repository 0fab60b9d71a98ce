"""The zoo: its files are of the runs that its table says, and one command makes them again."""

from dataclasses import replace

import pytest

from tapehead import NTM, Machine, zoo
from tapehead.recipes import zoo as recipes
from tapehead.runs import TrainConfig, evaluate, read_config, read_result
from tapehead.runs.build import build_task
from tapehead.runs.records import read_start
from tapehead.tasks import TASKS, Copy

NAMES = zoo.names()


@pytest.mark.parametrize("name", NAMES)
def test_each_is_the_machine_of_its_recipe_and_solves_its_task(name):
    folder = zoo.ZOO / name
    config, result = read_config(folder / zoo.RUN), read_result(folder / zoo.RUN)
    wanted = recipes.ZOO[name].config  # its rates may have been tuned since
    for part in ("task", "task_options", "machine", "seed"):
        assert getattr(config, part) == getattr(wanted, part)
    assert result is not None
    assert result["solved"]
    start = read_start(folder / zoo.RUN)
    machine = Machine.from_pretrained(name)
    assert sum(weight.numel() for weight in machine.parameters()) == start["parameters"]
    card = (folder / "README.md").read_text()
    assert f"{type(machine).__name__}, {start['parameters']:,} weights" in card
    assert start["commit"] in card
    # An installed package has no place for what is trained.
    assert f"| again, in a checkout | `{recipes.COMMAND} {name}` |" in card
    assert name.startswith(f"{config.machine}/")
    # What the list says of it is what the card says.
    packed = start["packed"]
    metric = build_task(config).pass_mark.metric
    assert packed["pass_mark"][0] == metric.name
    assert packed["reached"] == metric.shown(packed["scores"][metric.name])
    row = next(line for line in card.splitlines() if line.startswith("| as trained |"))
    assert f"| {packed['reached']} |" in row
    goal = packed["mark"].removesuffix(" bits").removesuffix(" bit").removeprefix(metric.label)
    assert f"the mark is {metric.heading}{goal}, first met" in " ".join(card.split())


def test_they_are_small():
    sizes = [file.stat().st_size for file in zoo.ZOO.rglob("*") if file.is_file()]
    assert sum(sizes) < 20e6
    assert max(sizes) < 2e6
    assert "ntm/copy" in NAMES


def test_one_of_them_does_what_its_card_says():
    scores = evaluate(NTM.from_pretrained("ntm/copy"), Copy(), sequences=8)
    assert scores["bit_errors"] == 0


def test_every_exhibit_has_a_recipe_whose_machine_fits_its_task():
    for name, exhibit in recipes.ZOO.items():
        machine, _, task = name.partition("/")
        config = exhibit.config
        assert config.machine == machine
        # "copy-tape-lstm" is of the task copy-tape, and not of copy.
        named = [name for name in TASKS if f"{task}-".startswith(f"{name}-")]
        assert build_task(config).name == max(named, key=len)
        assert (config.seed, config.threads) == (exhibit.seed, 1)


def test_the_command_trains_and_packs(tmp_path, monkeypatch, capsys):
    """A toy recipe, whose pass mark any machine meets, and one that none does."""
    tiny = TrainConfig(
        machine="lstm", machine_options={"hidden_size": 4}, task_options={"max_length": 1},
        batch_size=4, max_sequences=8, validate_every=4, validation_sequences=4, test_sequences=1,
        threads=1,
    )  # fmt: skip

    class Toy:
        def __init__(self, config):
            self.config = config

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo")
    easy = replace(tiny, task="ngrams", task_options={})
    monkeypatch.setattr(recipes, "ZOO", {"lstm/easy": Toy(easy), "lstm/hard": Toy(tiny)})
    mark = build_task(easy).pass_mark._replace(threshold=1e9)
    monkeypatch.setattr(type(build_task(easy)), "pass_mark", mark)
    assert recipes.main() == 0
    assert zoo.names() == ["lstm/easy"]
    assert "lstm/hard: solved False" in capsys.readouterr().out
    card = (tmp_path / "zoo/lstm/easy/README.md").read_text()
    assert "`python -m tapehead.recipes.zoo lstm/easy`" in card
    packed = read_start(tmp_path / "zoo/lstm/easy" / zoo.RUN)["packed"]
    assert (packed["pass_mark"], packed["mark"]) == (["regret", 1e9], "regret below 1e+09 bits")
    assert f"| {packed['scores']['regret']:.3f} |" in card
    monkeypatch.setattr(recipes, "ZOO", {"lstm/easy": Toy(replace(easy, seed=1))})
    assert recipes.main(["lstm/easy"]) == 1
    assert capsys.readouterr().err.startswith("lstm/easy: cannot resume: seed was 0 and is now 1")


def test_solved_results_without_a_machine_are_listed_with_the_reason(monkeypatch, capsys):
    def cell(machine, task, experiment="ntm/copy", solved=3, setting="fast"):
        named = {"experiment": experiment, "machine": machine, "task": task}
        return named | {"solved": solved, "setting": setting}

    cells = [
        cell("ntm-lstm", "copy"),
        cell("ntm-feedforward", "copy"),
        cell("lstm", "copy", solved=0),
        cell("ntm-feedforward", "copy", setting="paper"),
        cell("ntm-lstm", "ngrams", "ntm/ngrams"),
        cell("rl-ntm-direct", "copy", "discrete/rl-ntm"),
        cell("exact", "bernoulli", "estimators/bernoulli"),
        # The same machine in other experiments, and in studies of an option.
        cell("ntm-lstm", "copy", "dnc/copy"),
        cell("ntm-lstm, read first", "copy", "ntm/read-order"),
        cell("ntm soft", "copy", "discrete/copy"),
    ]
    wanted = {
        "ntm/copy: ntm-feedforward on copy": (
            "ntm/copy-feedforward is in the table ZOO and not trained yet, or did not solve its "
            "task"
        ),
        "ntm/ngrams: ntm-lstm on ngrams": (
            "ntm/ngrams is in the table ZOO and not trained yet, or did not solve its task"
        ),
        "discrete/rl-ntm: rl-ntm-direct on copy": (
            "the experiment has this task or machine no more"
        ),
    }
    assert recipes.lacking(cells, ["ntm/copy"]) == wanted
    assert recipes.lacking(cells[:1], []) != {}
    monkeypatch.setattr(recipes, "all_cells", lambda folder: cells[1:3])
    monkeypatch.delitem(recipes.ZOO, "ntm/copy-feedforward")
    assert recipes.main(["--lacking"]) == 0
    assert capsys.readouterr().out == "ntm/copy: ntm-feedforward on copy: not in the table ZOO\n"
