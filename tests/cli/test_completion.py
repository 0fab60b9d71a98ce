"""The TAB key: bash itself is asked what it would offer."""

import re
import subprocess

import pytest
from calls import complaint, process

from tapehead.cli import COMMANDS
from tapehead.cli.completion import ZSH, script
from tapehead.machines import MACHINES
from tapehead.tasks import TASKS

# As bash calls the function of `complete -F`, each line of input being words up to the cursor.
ASK = r"""
source "$1"
complete -p tapehead
while IFS= read -r line; do
    IFS=$'\t' read -ra COMP_WORDS <<< "$line"
    [[ "$line" == *$'\t' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _tapehead
    echo "${COMPREPLY[*]}"
done
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The script that a real process prints."""
    folder = tmp_path_factory.mktemp("completion")
    outcome = process("completion", "bash", folder=folder)
    assert (outcome.code, outcome.err) == (0, "")
    (folder / "tapehead").write_text(outcome.out)
    return folder / "tapehead"


@pytest.fixture(scope="module")
def offered(printed):
    """What bash offers after each of several lines, the last word of which is being typed."""

    def ask(*lines):
        split = [re.sub("(=)", r" \1 ", line).split(" ") for line in lines]
        done = subprocess.run(
            ["bash", "--norc", "-u", "-c", ASK, "bash", str(printed)],
            input="".join("\t".join(["tapehead", *words]) + "\n" for words in split),
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        registered, *answers = done.stdout.splitlines()
        assert registered == "complete -o bashdefault -o default -F _tapehead tapehead"
        return [set(answer.split()) for answer in answers]

    return ask


def test_values_and_names_are_offered_where_they_fit(offered):
    wanted = {
        "": {*COMMANDS, "--help", "--version"},
        "tr": {"train"},
        "train ": set(TASKS),
        "train --machine ": set(MACHINES),
        "train --machine=e": {"entity-network"},
        "train copy --optimiser ": {"rmsprop", "graves-rmsprop", "adam"},
        "train --out copy as": {"associative-recall"},
        "train copy --schedule li": {"linear"},
        "train copy --alloc": set(),
        "train copy --machine dnc --alloc": {"--allocation"},
        "train copy --machine=dnc --alloc": {"--allocation"},
        "train copy --no-fig": {"--no-figures"},
        "train copy --controller ": {"lstm", "feedforward"},
        "train reverse-tape --controller ": {"direct", "lstm"},
        "train --max-items": set(),
        "train associative-recall --max-items": {"--max-items"},
        "reproduce dnc/c": {"dnc/copy"},
        "reproduce --out dnc/copy dnc/c": {"dnc/copy"},
        "reproduce dnc/copy --setting ": {"fast", "paper"},
        "completion ": {"bash", "zsh"},
        "nonsense ": set(),
    }  # fmt: skip
    assert dict(zip(wanted, offered(*wanted), strict=True)) == wanted


def test_files_are_left_to_the_shell(offered):
    lines = ("view ", "view runs/a ", "evaluate ru", "train copy --out ", "list --folder ")
    assert offered(*lines) == [set()] * len(lines)


def test_every_option_of_the_help_screens_is_offered(call, offered):
    lines = [name for name in COMMANDS if name != "train"]
    lines += [f"train copy --machine {machine}" for machine in MACHINES]
    lines += [f"train {task}" for task in TASKS]
    for line, found in zip(lines, offered(*(f"{line} --" for line in lines)), strict=True):
        screen = call(*line.split(), "--help").out
        options = screen[screen.index("Options with their defaults") :]
        shown = set(re.findall(r"(?:^|(?<=  ))(--[a-z-]+)(?= )", options, re.MULTILINE))
        assert shown <= found, line
        assert shown or line == "completion"


def test_a_plug_in_is_offered_and_an_odd_name_does_no_harm(monkeypatch):
    monkeypatch.setitem(TASKS.addresses, "theirs", "tapehead.tasks.copy:Copy")
    monkeypatch.setitem(TASKS.addresses, "$(touch x)", "tapehead.tasks.copy:Copy")
    with TASKS.holding():  # what is loaded by these names goes again
        text = script("bash")
    assert "'task theirs')" in text
    assert "touch" not in text


def test_zsh_takes_the_same_functions(call):
    text = call("completion", "zsh").out
    assert text == f"{ZSH}{script('bash')}\n"


def test_an_unknown_shell_is_one_line(call):
    outcome = call("completion", "fish")
    assert "SHELL must be one of bash, zsh, got 'fish'" in complaint(outcome, code=2)
