"""`tapehead completion`: what the TAB key knows about `tapehead`, as a script for a shell.

The script is a table of words and a function that looks them up. It starts no Python, so that TAB
answers at once; who installs another package with machines or tasks prints it again.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal, get_args

from tapehead.cli.command import read
from tapehead.cli.options import Option, options_of

Shell = Literal["bash", "zsh", "fish"]


@dataclass(frozen=True, kw_only=True)
class Completion:
    """Print a script that lets the TAB key complete commands, tasks, options and their values. Try
    it with `source <(tapehead completion bash)`; that line in ~/.bashrc or, with zsh, in ~/.zshrc
    keeps it; with fish,
    `tapehead completion fish | source` in ~/.config/fish/config.fish."""

    shell: str
    """Which shell."""


def run(argv: Sequence[str]) -> int:
    command = read(Completion, argv, "tapehead completion", choices={"shell": get_args(Shell)})
    print(script(command.shell))
    return 0


def script(shell: str) -> str:
    """The script for a shell."""
    head = ZSH if shell == "zsh" else ""
    row, text = (
        ("    case {}\n        set found {}", FISH)
        if shell == "fish"
        else ("    {}) found={} ;;", BASH)
    )
    rows = "\n".join(
        row.format(shlex.quote(key), shlex.quote(" ".join(words)))
        for key, words in _table().items()
    )
    return head + text.replace("    TABLE", rows).strip()


def _table() -> dict[str, list[str]]:
    """What may follow a command, a flag of a command, a machine, a task, or a flag of these."""
    from tapehead.cli import COMMANDS, module_of
    from tapehead.cli.base import usual_machine
    from tapehead.cli.reproduce import CHOICES
    from tapehead.cli.sweep import Sweep
    from tapehead.cli.train import Train
    from tapehead.cli.training_options import options_for
    from tapehead.registry import MACHINES, TASKS
    from tapehead.runs.config import TrainConfig

    table: dict[str, list[str]] = {"commands": [*COMMANDS, "--help", "--version"]}
    for name in COMMANDS:
        if name in ("train", "sweep"):
            kind = Train if name == "train" else Sweep
            usual = options_for(TrainConfig(), True, kind)
            options = [*usual.common, *usual.training]
        else:
            module: Any = import_module(module_of(name))
            kind = getattr(module, name.capitalize())
            choices = {"reproduce": CHOICES, "completion": {"shell": get_args(Shell)}}.get(name, {})
            options = [
                replace(option, choices=choices.get(option.name, option.choices))
                for option in options_of(kind)
            ]
        table |= _rows(name, options)
        table[name] += ["--help", *(["--help-all"] if name in ("train", "sweep") else [])]
    for name in _plain(MACHINES):
        own = options_for(TrainConfig(machine=name), True, Train)
        table |= _rows(f"machine {name}", [*own.machine, *own.objective])
    for name in _plain(TASKS):
        own = options_for(TrainConfig(task=name), True, Train)
        table |= _rows(
            f"task {name}", [*own.task, *(own.objective if TASKS[name].trained_by else [])]
        )
        table[f"usual {name}"] = [usual_machine(name)]
    return table


def _rows(group: str, options: Sequence[Option]) -> dict[str, list[str]]:
    """The flags of a group, the choices of its positional argument, and the choices of each flag
    that takes a value: none of a number, a path or a name."""
    rows: dict[str, list[str]] = {group: []}
    for option in options:
        if option.positional:
            rows[f"{group} positional"] = _plain(option.choices)
            continue
        rows[group].append(option.flag)
        if option.is_switch:
            rows[group].append(f"--no-{option.flag[2:]}")
        else:
            rows[f"{group} {option.flag}"] = _plain(option.choices or option.names)
    return rows


def _plain(names: Iterable[str]) -> list[str]:
    """Those that a shell takes as one word."""
    return [name for name in names if re.fullmatch(r"[\w./:-]+", name)]


ZSH = """\
autoload -U +X compinit && compinit -u
autoload -U +X bashcompinit && bashcompinit
"""

BASH = r"""
# Completion of `tapehead`, printed by `tapehead completion`.
_tapehead_words() {
    case "$1" in
    TABLE
    *) found=; return 1 ;;
    esac
}

_tapehead() {
    local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
    local command="${COMP_WORDS[1]}" machine= task= flag= given= all= names= at word group found
    local -a groups
    COMPREPLY=()
    # bash takes --machine=ntm for three words, zsh for one.
    [[ "$current" == "=" ]] && current=
    [[ "$before" == "=" ]] && before="${COMP_WORDS[COMP_CWORD-2]}"
    if ((COMP_CWORD == 1)); then
        _tapehead_words commands
        COMPREPLY=($(compgen -W "$found" -- "$current"))
        return 0
    fi
    _tapehead_words "$command positional" && names=" $found "
    for ((at = 2; at < COMP_CWORD; at++)); do
        word="${COMP_WORDS[at]}"
        [[ "$word" == "=" ]] && continue
        if [[ "$word" == --machine=* ]]; then
            flag=--machine
            word="${word#*=}"
        fi
        if [[ "$flag" == --machine ]]; then
            machine="$word"
        elif [[ "$flag" == --* ]] && _tapehead_words "$command $flag"; then
            :
        elif [[ "$names" == *" $word "* ]]; then
            given="$word"
        fi
        flag="$word"
    done
    groups=("$command")
    if [[ "$command" == train || "$command" == sweep ]]; then
        task="$given"
        _tapehead_words "usual ${task:-copy}"
        groups+=("machine ${machine:-$found}" "task ${task:-copy}")
    fi
    # The value of a flag. No words: files, as for any command.
    for group in "${groups[@]}"; do
        if [[ "$before" == --* ]] && _tapehead_words "$group $before"; then
            COMPREPLY=($(compgen -W "$found" -- "$current"))
            return 0
        fi
    done
    if [[ "$current" != -* ]] && _tapehead_words "$command positional"; then
        if [[ -z "$given" ]]; then
            COMPREPLY=($(compgen -W "$found" -- "$current"))
            return 0
        fi
    fi
    for group in "${groups[@]}"; do
        _tapehead_words "$group" && all="$all $found"
    done
    COMPREPLY=($(compgen -W "$all" -- "$current"))
}

complete -o bashdefault -o default -F _tapehead tapehead
"""

FISH = r"""
# Completion of `tapehead`, printed by `tapehead completion`.
function _tapehead_words
    set -l found
    switch "$argv[1]"
    TABLE
    case '*'
        return 1
    end
    string split -n ' ' -- $found
    return 0
end

# What may stand where the cursor is; fails where that is for files.
function _tapehead_answers
    set -l given (commandline -opc)
    set -l current (commandline -ct)
    set -e given[1]
    if not set -q given[1]
        _tapehead_words commands
        return
    end
    set -l command $given[1]
    set -e given[1]
    set -l names (_tapehead_words "$command positional")
    set -l positional $status
    set -l machine
    set -l task
    set -l flag
    for word in $given
        if string match -q -- '--machine=*' $word
            set machine (string replace -- --machine= '' $word)
        else if test "$flag" = --machine
            set machine $word
        else if string match -q -- '--*' "$flag"; and _tapehead_words "$command $flag" >/dev/null
        else if contains -- $word $names
            set task $word
        end
        set flag $word
    end
    set -l groups $command
    if contains -- $command train sweep
        set -l asked $task copy
        test -n "$machine"; or set machine (_tapehead_words "usual $asked[1]")
        set -a groups "machine $machine" "task $asked[1]"
    end
    # The value of a flag. No words: files, as for any command.
    set -l before $flag
    set -l start
    if string match -q -- '--*=*' "$current"
        set before (string split -m 1 = -- $current)[1]
        set start $before=
    end
    if string match -q -- '--*' "$before"
        for group in $groups
            set -l found (_tapehead_words "$group $before"); or continue
            test -n "$found"; or return 1
            string replace -r '^' -- "$start" $found
            return 0
        end
    end
    if test $positional = 0 -a -z "$task"; and not string match -q -- '-*' "$current"
        test -n "$names"; or return 1
        printf '%s\n' $names
        return 0
    end
    set -l all
    for group in $groups
        set -a all (_tapehead_words $group)
    end
    string match -q -- "$current*" $all; or return 1
    printf '%s\n' $all
end

complete -c tapehead -n '_tapehead_answers >/dev/null' -f -a '(_tapehead_answers)'
"""
