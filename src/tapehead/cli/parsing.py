"""Values of options from argv: tyro parses them, and what it rejects becomes one clear line."""

import contextlib
import dataclasses
import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from tapehead.checks import cut, did_you_mean, shown
from tapehead.cli.options import Option, UnknownOption, UsageError, check_choice


def parse(options: Sequence[Option], argv: Sequence[str], prog: str) -> dict[str, Any]:
    """Values of all options by name.

    Raises:
        UsageError: an option is unknown or has a value that it cannot take.
    """
    import tyro

    by_flag = {option.flag: option for option in options if not option.positional}
    positional = [option for option in options if option.positional]
    tokens = _normalised(argv, by_flag, positional)
    command = dataclasses.make_dataclass(
        "Command",
        [
            (option.name, Annotated[option.type, tyro.conf.Positional])
            if option.positional
            else (option.name, option.type, option.default)
            for option in options
        ],
        kw_only=True,
        frozen=True,
    )
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            values = tyro.cli(command, args=tokens, prog=prog, add_help=False)
    except SystemExit:
        raise UsageError(_one_line(complaint.getvalue(), options, tokens)) from None
    found = {option.name: getattr(values, option.name) for option in options}
    for option in options:
        value = found[option.name]
        if option.choices and not (value is None and option.may_be_none):
            check_choice(option.flag, value, option.choices)
        elif option.is_list and not value and (option.positional or option.flag in tokens):
            raise UsageError(
                f"{option.flag} {'is missing' if option.positional else _needs(option)}"
            )
        if option.is_path:
            whole = tuple(_path(option, path) for path in (value if option.is_list else [value]))
            found[option.name] = whole if option.is_list else whole[0]
    return found


def _path(option: Option, path: Path | None) -> Path | None:
    """A path with ~ for the home folder, also where the shell left it: `--out=~/runs`."""
    if path is None:
        return None
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(f"{option.flag}: there is no home folder {path.parts[0]}") from None


def _normalised(
    argv: Sequence[str], by_flag: dict[str, Option], positional: Sequence[Option]
) -> list[str]:
    """Split `--flag=value`, spell none as tyro does, and refuse unknown flags."""
    tokens: list[str] = []
    for token in argv:
        flag, equals, value = token.partition("=") if token.startswith("--") else (token, "", "")
        tokens += [flag.replace("_", "-"), value] if equals else [token]
    switches = {f"--no-{flag[2:]}": o for flag, o in by_flag.items() if o.is_switch}
    known = by_flag | switches
    for position, token in enumerate(tokens):
        before = known.get(tokens[position - 1]) if position else None
        if token.startswith("--"):
            tokens[position] = flag = token.replace("_", "-")
            if flag not in known:
                near = did_you_mean(flag, list(known))
                raise UnknownOption(f"unknown option {cut(token)}{near}", flag)
        elif token.startswith("-") and not re.fullmatch(r"-[\d.].*", token):
            raise UsageError(f"unknown option {cut(token)}{did_you_mean('-' + token, list(known))}")
        elif not token:
            for option in [before] if before else positional:
                if option.is_path:  # which would be the current folder
                    raise UsageError(f"{option.flag} must be {option.kind}, got ''")
        elif token == "none" and before is not None and before.may_be_none:
            tokens[position] = "None"
    return tokens


def _one_line(complaint: str, options: Sequence[Option], tokens: Sequence[str]) -> str:
    """What tyro said in a box, as a line of our own if it is about one option."""
    # The box is drawn in lines or, on a plain terminal, in minus signs and bars.
    named = re.search(r"--[a-z][a-z-]*", complaint)
    option = next((option for option in options if named and option.flag == named[0]), None)
    if option is not None and option.flag in tokens:
        after = tokens[len(tokens) - tokens[::-1].index(option.flag) :]
        values = list(itertools.takewhile(lambda token: token[:2] != "--", after))
        if not any(values):
            return f"{option.flag} {_needs(option)}"
        # Of a list of numbers, the first that is none.
        numbers = option.is_list and get_args(option.type)[0] is int
        value = next((v for v in values if numbers and not _is_whole(v)), values[0])
        return f"{option.flag} must be {option.kind}, got {shown(value)}"
    missing = [option for option in options if option.positional]
    if "Unrecognized" in complaint:
        extra = re.search(r"Unrecognized options: ([^│|\n]*)", complaint)
        text = extra[1].strip() if extra else ""
        # A long one was broken into lines there, as was one of several lines.
        first = [token for token in tokens if (token.strip().splitlines() or [""])[0] == text]
        begun = [token for token in tokens if text and token.startswith(text)]
        whole = next(iter([*first, *begun]), text)
        return f"unexpected argument {cut(whole) or repr(whole)}"
    if "Missing" in complaint and missing:
        return f"{missing[0].flag} is missing"
    return " ".join(re.sub(r"[│|╭╮╰╯─+]+|-{3,}", " ", complaint).split())


def _needs(option: Option) -> str:
    return f"needs {option.kind}"


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", text) is not None
