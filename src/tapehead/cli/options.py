"""Options of a command, collected from dataclasses and constructors, and what several commands
ask of them.

Nothing is declared twice: names, types and defaults come from the signatures, descriptions from
the docstrings beside them.
"""

import ast
import dataclasses
import functools
import inspect
import operator
import re
import textwrap
import types
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tapehead.checks import Check, checks_of, did_you_mean, listed, shown
from tapehead.errors import TapeheadError


class UsageError(TapeheadError):
    """The command line itself is wrong: exit code 2."""


class UnknownOption(UsageError):
    """No option of the command has this flag."""

    def __init__(self, message: str, flag: str):
        super().__init__(message)
        self.flag = flag


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a command, or its positional argument when there is no default."""

    name: str
    type: Any
    default: Any = MISSING
    help: str = ""
    choices: Collection[str] = ()
    """All that it may be; what is not among them is refused as it is parsed."""
    names: Collection[str] = ()
    """Those of its values that have a name; its owner knows what else it may be."""

    @property
    def positional(self) -> bool:
        return self.default is MISSING

    @property
    def flag(self) -> str:
        if self.positional:  # of several, each is one
            return self.name.upper().removesuffix("S" if self.is_list else "")
        return "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        return self.type is bool

    @property
    def is_list(self) -> bool:
        return get_origin(self.type) is tuple

    @property
    def is_path(self) -> bool:
        return Path in (self.type, *get_args(self.type))

    @property
    def may_be_none(self) -> bool:
        return type(None) in get_args(self.type)

    @property
    def kind(self) -> str:
        """What a value looks like, in words."""
        kinds = {
            int: "a whole number",
            float: "a number",
            str: "a name",
            bool: "yes or no",
            Path: "a path",
        }
        if self.choices:
            return f"one of {listed(self.choices)}"
        if self.is_list:
            return {int: "whole numbers", str: "names", Path: "a path"}.get(
                get_args(self.type)[0], "values"
            )
        inner = [part for part in get_args(self.type) or (self.type,) if part is not type(None)]
        words = kinds.get(inner[0], "a value")
        return f"{words} or none" if self.may_be_none else words


def options_of(cls: type, **defaults: Any) -> list[Option]:
    """Every field of a dataclass as an option; `defaults` take the place of its own."""
    hints, texts, checks = get_type_hints(cls), _descriptions(cls), checks_of(cls)
    options = []
    for field in dataclasses.fields(cls):
        default = field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        options.append(
            _option(field.name, hints[field.name], defaults.get(field.name, default), texts, checks)
        )
    return options


def constructor_options(cls: type, **defaults: Any) -> list[Option]:
    """Every keyword-only argument of a constructor as an option."""
    init = cls.__init__
    hints, texts, checks = get_type_hints(init), _descriptions(cls), checks_of(init)
    return [
        _option(name, hints[name], defaults.get(name, parameter.default), texts, checks)
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]


def _option(
    name: str, hint: Any, default: Any, texts: dict[str, str], checks: Mapping[str, Check]
) -> Option:
    parts = get_args(hint) if type(None) in get_args(hint) else (hint,)
    choices = next((get_args(part) for part in parts if get_origin(part) is Literal), ())
    kind = str if choices else _typed(hint)
    return Option(
        name=name,
        type=str | None if choices and len(parts) > 1 else kind,
        default=default,
        help=texts.get(name, ""),
        choices=choices,
        names=checks[name].names if name in checks else (),
    )


def _typed(hint: Any) -> Any:
    """What of a type can be typed in: of a name or a function, the name."""
    parts = [part for part in get_args(hint) if part in (int, float, str, bool, type(None), Path)]
    if get_origin(hint) not in (Union, types.UnionType) or not parts:
        return hint
    return functools.reduce(operator.or_, parts)


def _descriptions(cls: type) -> dict[str, str]:
    """Descriptions by name: strings below the fields, and `name, other: text` in the docstring; of
    what a class inherits, those of its base."""
    texts: dict[str, str] = {}
    for kind in reversed(cls.__mro__):
        declares = kind is cls or "__init__" in vars(kind)
        if declares and kind.__module__.split(".")[0] not in ("builtins", "torch"):
            texts |= _own_descriptions(kind)
    return texts


def _own_descriptions(cls: type) -> dict[str, str]:
    texts: dict[str, str] = {}
    entry = r"^ *([a-z_]+(?:, [a-z_]+)*): (.*(?:\n +(?![a-z_, ]+: ).*)*)"
    for names, text in re.findall(entry, inspect.getdoc(cls) or "", re.MULTILINE):
        texts |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(text))):
                texts[name] = " ".join(text.split())
    return texts


def chosen_seeds(seeds: tuple[int, ...], count: int | None) -> tuple[int, ...]:
    """What --seeds and --num-seeds ask for together; nothing if neither is given.

    Raises:
        UsageError: both are given, seeds repeat, or there are fewer than none.
    """
    if count is None:
        if len(set(seeds)) != len(seeds):
            raise UsageError(f"--seeds must differ, got {' '.join(map(str, seeds))}")
        if any(seed < 0 for seed in seeds):
            raise UsageError(f"--seeds must be at least 0, got {min(seeds)}")
        return seeds
    if seeds:
        raise UsageError("--seeds and --num-seeds exclude each other")
    if count < 1:
        raise UsageError(f"--num-seeds must be a whole number of at least 1, got {count}")
    return tuple(range(count))


def check_seed(seed: int) -> None:
    """Raise a UsageError unless --seed is a seed."""
    if seed < 0:
        raise UsageError(f"--seed must be a whole number of at least 0, got {seed}")


def check_one_of(**switches: bool) -> None:
    """Raise a UsageError if two switches are on that exclude each other."""
    given = [f"--{name}" for name, on in switches.items() if on]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other")


def check_choice(what: str, value: str, choices: Collection[str]) -> None:
    """Raise a UsageError, with the nearest choice, unless the value is one of them."""
    if value not in choices:
        allowed, near = listed(choices), did_you_mean(value, choices)
        raise UsageError(f"{what} must be one of {allowed}, got {shown(value)}{near}")
