"""Every wrong call: exit code 2, and one line that says what, where and what would be right."""

import pytest
from calls import complaint

from tapehead.tasks import TASKS

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
            "tapehead train: unknown option --memory-size",
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
        (
            ["train", "copy", "--hidden-size", "0"],
            "tapehead train: hidden_size must be a whole number of at least 1, got 0",
        ),
        (
            ["train", "copy", "--controller", "gru"],
            "tapehead train: controller must be one of lstm, feedforward, got 'gru'",
        ),
        (
            ["train", "copy", "--min-length", "30"],
            "max_length must be a whole number of at least 30, got 20",
        ),
        (
            ["train", "copy", "--learning-rate", "-1"],
            "tapehead train: learning_rate must be a finite number above 0, got -1.0",
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
        (
            ["evaluate", ".", "--step", "last"],
            "--step must be best, latest or the number of a step",
        ),
        (["view", "."], "tapehead view: . is not a run directory: it has no config.json"),
        (["reproduce"], "tapehead reproduce: EXPERIMENT is missing"),
        (["reproduce", "ntm/cpy"], "got 'ntm/cpy'; did you mean ntm/copy?"),
        (["reproduce", "ntm/copy", "--seeds", "0"], "--seeds must be a whole number of at least 1"),
        (["reproduce", "ntm/copy", "--machines", "ntm"], "got 'ntm'; did you mean ntm-lstm?"),
        (
            ["reproduce", "estimators/bernoulli", "--resume"],
            "tapehead reproduce: --resume means nothing to estimators/bernoulli",
        ),
        (["bench", "--batches", "0"], "--batches must be at least 1, got 0"),
        (["bench", "--seconds", "0"], "--seconds must be above 0, got 0"),
        (["list", "--result"], "tapehead list: unknown option --result; did you mean --results?"),
        (["list", "--results"], "tapehead list: there is no folder results with results"),
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
