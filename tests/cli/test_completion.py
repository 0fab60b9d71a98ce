"""The TAB key: bash and fish themselves are asked what they would offer."""

import re
import subprocess

import pytest
from calls import complaint, process

from skips import needs
from tapehead.cli import COMMANDS
from tapehead.cli.completion import ZSH, script
from tapehead.machines import MACHINES
from tapehead.registry import EXPERIMENTS
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


WANTED = {
    "": {*COMMANDS, "--help", "--version"},
    "tr": {"train"},
    "train ": set(TASKS),
    "train --machine ": set(MACHINES),
    "train --machine=e": {"entity-network"},
    "train copy --optimiser ": {"rmsprop", "graves-rmsprop", "adam"},
    "train --out copy as": {"associative-recall"},
    "train copy --schedule li": {"linear"},
    "train copy --alloc": set(),
    "sweep copy --machine dnc --alloc": {"--allocation"},
    "sweep copy --va": {"--validate-every", "--validation-sequences", "--vary"},
    "train copy --machine dnc --alloc": {"--allocation"},
    "train copy --machine=dnc --alloc": {"--allocation"},
    "train copy --match-parameters dn": {"dnc"},
    "train copy --track ": {"tensorboard", "trackio"},
    "train copy --no-fig": {"--no-figures"},
    "train copy --controller ": {"lstm", "feedforward"},
    "train reverse-tape --controller ": {"direct", "lstm"},
    "train --max-items": set(),
    "train associative-recall --max-items": {"--max-items"},
    "reproduce dnc/c": {"dnc/copy"},
    "reproduce --out dnc/copy dnc/c": {"dnc/copy"},
    "reproduce dnc/copy --setting ": {"fast", "paper"},
    "completion ": {"bash", "zsh", "fish"},
    "nonsense ": set(),
}  # fmt: skip
"""What is offered where a line ends."""


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
    assert dict(zip(WANTED, offered(*WANTED), strict=True)) == WANTED


def test_files_are_left_to_the_shell(offered):
    lines = ("view ", "view runs/a ", "evaluate ru", "train copy --out ", "results --folder ")
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
    monkeypatch.setitem(EXPERIMENTS.addresses, "theirs/study", "nowhere:STUDY")
    with TASKS.holding():  # what is loaded by these names goes again
        text = script("bash")
    assert "'task theirs')" in text
    assert re.search(r"'reproduce positional'\) found='ntm/copy .* theirs/study ", text)
    assert "touch" not in text


def test_zsh_takes_the_same_functions(call):
    text = call("completion", "zsh").out
    assert text == f"{ZSH}{script('bash')}\n"


def test_fish_has_the_same_table(call):
    bash = re.findall(r"^ +('.+'|[a-z]+)\) found=(.*) ;;$", script("bash"), re.MULTILINE)
    fish = re.findall(
        r"^ +case (.+)\n +set found (.*)$", call("completion", "fish").out, re.MULTILINE
    )
    assert len(bash) > 100
    assert fish == bash


@needs("fish")
def test_fish_offers_the_same(tmp_path):
    """As fish itself completes a line; where bash has no words both offer files, here `here`."""
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "here").touch()
    (tmp_path / "tapehead.fish").write_text(script("fish"))
    lines = [*WANTED, "view ", "view --listing runs/a --se", "results --folder "]
    ask = 'source ../tapehead.fish; while read -l l; echo (complete -C "tapehead $l"); end'
    done = subprocess.run(
        ["fish", "--no-config", "-c", ask], cwd=tmp_path / "script",
        input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    offered = dict(
        zip(lines, (set(line.split()) for line in done.stdout.splitlines()), strict=True)
    )
    files = {line: {"here"} for line in ("nonsense ", "view ", "results --folder ")}
    whole = {
        "train --machine=e": {"--machine=entity-network"},
        "view --listing runs/a --se": {"--seed"},
    }
    assert offered == WANTED | files | whole


def test_an_unknown_shell_is_one_line(call):
    outcome = call("completion", "tcsh")
    assert "SHELL must be one of bash, zsh, fish, got 'tcsh'" in complaint(outcome, code=2)
