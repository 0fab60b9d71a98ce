"""Every wrong call: exit code 2, and one line that says what, where and what would be right."""

import json

import pytest
from calls import complaint

from tapehead.tasks import TASKS
from tapehead.training import TrainConfig

NAMES = ", ".join(TASKS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian", "copy"], "tapehead: no command 'trian'; did you mean train?"),
        (["train"], f"tapehead train: TASK is missing: one of {NAMES}"),
        (["train", "--seed", "3"], f"tapehead train: TASK is missing: one of {NAMES}"),
        (["train", "copi"], "got 'copi'; did you mean copy?"),
        (["train", "copy", "--machine", "ltsm"], "got 'ltsm'; did you mean lstm?"),
        (
            ["train", "copy", "--setting", "slow"],
            "--setting must be one of fast, paper, got 'slow'",
        ),
        (
            ["train", "copy", "--memry-size", "9"],
            "tapehead train: unknown option --memry-size; did you mean --memory-size?",
        ),
        (
            ["train", "copy", "--machine=lstm", "--memory-size", "9"],
            "tapehead train: --memory-size is an option of discrete-ntm, dnc, ",
        ),
        (
            ["train", "copy", "--machine=ntm", "--addressing", "discrete"],
            "--addressing is an option of discrete-ntm, dynamic-ntm, tardis; not of ntm",
        ),
        (
            ["sweep", "copy", "--machine=lstm", "--no-peepholes"],
            "tapehead sweep: --no-peepholes is an option of tardis; not of lstm",
        ),
        (
            ["train", "copy", "--machine=ntm", "--estimator=rebar"],
            "--estimator is an option of discrete-ntm, dynamic-ntm, tardis; not of ntm",
        ),
        (["train", "copy", "-q"], "tapehead train: unknown option -q"),
        (
            ["train", "copy", "--hidden-size", "ten"],
            "tapehead train: --hidden-size must be a whole number, got 'ten'",
        ),
        (
            ["train", "copy", "--hidden-size=1.5"],
            "tapehead train: --hidden-size must be a whole number, got '1.5'",
        ),
        (
            ["train", "copy", "--clip-value", "much"],
            "tapehead train: --clip-value must be a number or none, got 'much'",
        ),
        (
            ["train", "copy", "--learning-rate"],
            "tapehead train: --learning-rate needs a number",
        ),
        (
            ["train", "copy", "--max-length", "--quiet"],
            "tapehead train: --max-length needs a whole number",
        ),
        (
            ["train", "copy", "--optimiser", "sgd"],
            "tapehead train: --optimiser must be one of rmsprop, graves-rmsprop, adam, got 'sgd'",
        ),
        (["train", "copy", "again"], "tapehead train: unexpected argument again"),
        (["train", "copy", "c\nd"], "tapehead train: unexpected argument c d"),
        (
            ["train", "copy", "--hidden-size", "0"],
            "tapehead train: --hidden-size must be a whole number of at least 1, got 0",
        ),
        (
            ["train", "copy", "--controller", "gru"],
            "tapehead train: --controller must be one of lstm, feedforward, or a function",
        ),
        (
            ["train", "copy", "--controller", "hidden_size"],
            "got 'hidden_size'",  # a value, and no option
        ),
        (
            ["train", "copy", "--restart-after", "none", "--restart-mark", "3"],
            "tapehead train: --restart-mark must be left out without --restart-after, got 3.0",
        ),
        (
            ["train", "copy", "--num-bits", "1000000000"],
            "--num-bits must be a whole number from 1 to 65536, got 1000000000",
        ),
        (
            ["train", "copy", "--min-length", "30"],
            "--max-length must be a whole number of at least 30, got 20",
        ),
        (
            ["train", "copy", "--learning-rate", "-1"],
            "tapehead train: --learning-rate must be a finite number above 0, got -1.0",
        ),
        (
            ["train", "copy", "--resume"],
            "tapehead train: --resume needs --out, the run directory to go on with",
        ),
        (["train", "copy", "--seeds", "1", "1"], "tapehead train: --seeds must differ, got 1 1"),
        (
            ["train", "copy", "--quiet", "--json"],
            "tapehead train: --quiet and --json exclude each other",
        ),
        (["evaluate"], "tapehead evaluate: RUN is missing"),
        (["evaluate", "nowhere"], "tapehead evaluate: there is no run directory nowhere"),
        (["evaluate", "."], "tapehead evaluate: . is not a run directory: it has no config.json"),
        (["view", "."], "tapehead view: . is not a run directory: it has no config.json"),
        (["reproduce"], "tapehead reproduce: EXPERIMENT is missing"),
        (["reproduce", "ntm/cpy"], "got 'ntm/cpy'; did you mean ntm/copy?"),
        (["reproduce", "ntm/copy", "--num-seeds=0"], "--num-seeds must be a whole number of at"),
        (["reproduce", "ntm/copy", "--machines", "ntm"], "got 'ntm'; did you mean ntm-lstm?"),
        (
            ["reproduce", "discrete/copy", "--setting=paper"],
            "--setting must be one of fast, got 'paper'",
        ),
        (
            ["reproduce", "discrete/rl-ntm", "--data=here"],
            "--data means nothing to discrete/rl-ntm",
        ),
        (
            ["reproduce", "discrete/tardis", "--machines", "tardis"],
            "got 'tardis'; did you mean tardis straight-through-gumbel?",
        ),
        (
            ["reproduce", "estimators/bernoulli", "--resume"],
            "tapehead reproduce: --resume means nothing to estimators/bernoulli",
        ),
        (["bench", "--batches", "0"], "--batches must be at least 1, got 0"),
        (["bench", "--seconds", "0"], "--seconds must be above 0, got 0"),
        (["results", "--fold"], "tapehead results: unknown option --fold; did you mean --folder?"),
        (["results", "--folder", "nowhere"], "there is no folder nowhere with results"),
    ],
)
def test_it_says_in_one_line_what_is_wrong(call, arguments, message):
    assert message in complaint(call(*arguments), 2)


def test_no_command_at_all_shows_the_commands(call):
    outcome = call()
    assert outcome.code == 2
    assert "tapehead train copy" in outcome.err


def test_a_wrong_call_leaves_nothing_behind(call, tmp_path):
    assert call("train", "copy", "--hidden-size", "0").code == 2
    assert list(tmp_path.iterdir()) == []


RUN = "run"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["evaluate", RUN, "--device", "banana"],
            "--device must be auto, cpu, cuda or cuda:N",
        ),
        (["evaluate", RUN, "--step=last"], "--step must be best, latest or the number of a step"),
        (["evaluate", RUN, "--device=meta"], "--device must be auto, cpu, cuda or cuda:N"),
        (["evaluate", RUN, "--seed=-1"], "--seed must be a whole number of at least 0, got -1"),
        (["evaluate", RUN, "--length"], "--length needs whole numbers"),
        (["evaluate", RUN, "--length=0"], "evaluate: --length must be a whole number"),
        (["evaluate", RUN, "--length=3", "--max-length=4"], "--length and --max-length exclude"),
        (["evaluate", RUN, "--num-bits=4"], "input_size would be 5, the run's machine has 9"),
        (["evaluate", RUN, "--items=4"], "unknown option --items"),
        (["evaluate", ""], "RUN must be a path, got ''"),
        (["view"], "RUN is missing"),
        (["view", RUN, ""], "RUN must be a path, got ''"),
        (["view", RUN, "nowhere"], "there is no run directory nowhere"),
        (["view", RUN, "--out="], "--out must be a path or none, got ''"),
        (["view", RUN, "--sizes"], "--sizes needs names"),
        (["view", RUN, "--seed=-1"], "--seed must be a whole number of at least 0, got -1"),
        (["view", RUN, "--quiet", "--json"], "--quiet and --json exclude each other"),
        (["train", "copy", "--seeds"], "--seeds needs whole numbers"),
        (["train", "copy", "--seeds", "0", "x"], "--seeds must be whole numbers, got 'x'"),
        (["train", "copy", "--seed=3", "--seeds", "1"], "--seed and --seeds exclude each other"),
        (["train", "copy", "--seed=3", "--num-seeds=2"], "--seed and --seeds exclude each other"),
        (["train", "copy", "--seeds=1", "--num-seeds=2"], "--seeds and --num-seeds exclude each"),
        (["train", "copy", "--num-seeds=0"], "--num-seeds must be a whole number of at least 1"),
        (["train", "copy", "--seeds=-1"], "--seeds must be at least 0, got -1"),
        (["train", "copy", "--workers=2"], "--workers needs --seeds or --num-seeds"),
        (["train", "copy", "--out", ""], "--out must be a path or none, got ''"),
        (["train", "copy", "--device=cuda:77"], "device 'cuda:77' does not exist"),
        (
            ["train", "copy", "--max-length=2", "--curriculum=linear", "--curriculum-start=4"],
            "--curriculum-start must be at most 2",
        ),
        (["reproduce", "ntm/copy", "--seeds"], "--seeds needs whole numbers"),
        (["reproduce", "ntm/copy", "--seeds", "1", "1"], "--seeds must differ, got 1 1"),
        (
            ["reproduce", "ntm/copy", "--seeds=1", "--num-seeds=2"],
            "--seeds and --num-seeds exclude",
        ),
        (["reproduce", "ntm/copy", "--machines"], "--machines needs names"),
        (["reproduce", "ntm/copy", "--runs", ""], "--runs must be a path or none, got ''"),
        (["reproduce", "ntm/copy", "--quiet", "--json"], "--quiet and --json exclude each other"),
        (["reproduce", "dnc/graphs", "--data="], "--data must be a folder or an archive, got ''"),
        (["results", "--folder="], "--folder must be a path or none, got ''"),
        (["bench", "--batches"], "--batches needs whole numbers"),
        (["bench", "--seconds=nan"], "--seconds must be above 0, got nan"),
        (["bench", "--seconds=inf"], "--seconds must be above 0, got inf"),
    ],
)
def test_what_was_once_taken_in_silence(call, tmp_path, arguments, message):
    (tmp_path / RUN).mkdir()
    config = TrainConfig(machine="lstm").to_dict()
    (tmp_path / RUN / "config.json").write_text(json.dumps({"format": 1, "config": config}))
    before = sorted(tmp_path.rglob("*"))
    assert message in complaint(call(*arguments), 2)
    assert sorted(tmp_path.rglob("*")) == before, "nothing is written"


def test_a_file_name_without_end_is_cut(call):
    for command in (["evaluate", "x" * 1000], ["view", "x" * 1000]):
        line = complaint(call(*command), 1)
        assert "File name too long: xxx" in line
        assert line.endswith(" characters)")
        assert len(line) < 300


def test_a_value_that_is_no_path_is_not_taken_for_one(call):
    line = complaint(call("evaluate", "nowhere", "--seed", "1" * 400), 2)
    assert line == "tapehead evaluate: there is no run directory nowhere"
    line = complaint(call("list", "--machines="), 2)
    assert line == "tapehead list: unexpected argument ''"


@pytest.mark.parametrize(
    "argv",
    [
        ["view", ".", "--seed", "x" * 1000],
        ["train", "copy", "--decay", "x" * 1000],
        ["train", "copy", "--json=" + "x" * 1000],
        ["train", "copy", "--" + "x" * 1000, "1"],
        ["x" * 1000],
        ["reproduce", "ntm/cop"],
        ["reproduce", "y" * 1000],
    ],
    ids=lambda argv: " ".join(argv)[:25],
)
def test_a_long_value_or_list_makes_no_screenful(argv, call):
    line = complaint(call(*argv), 2)
    assert len(line) < 300
    # Whatever was cut is told of, or the nearest of the names that were left out.
    assert "characters" in line or "did you mean ntm/copy?" in line
