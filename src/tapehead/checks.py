"""The one module that checks options: of machines, tasks, configs, optimisers and commands.

An option says what it may be in its annotation, and nowhere else:

    @checked
    def __init__(self, memory_size: Size = 128, gradient_clip: NotNegative = 0.0,
                 controller: Annotated[str, choice(CONTROLLERS)] = "lstm", biases: bool = True): ...

`checked` looks at every argument of a function before it runs, `check_fields` at every field of a
dataclass. A value of another kind is a TypeError, one out of range a ValueError, both with the line
`memory_size must be a whole number of at least 1, got 0`.

What is taken, everywhere alike: a whole number is an int or a numpy integer, and is kept as an int;
a bool, a float (even 5.0) and a tensor are none. A number is an int, a float or a numpy one, finite
in single precision, and is kept as a float. A switch is a bool, not 0 or 1.
"""

import difflib
import inspect
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache, wraps
from numbers import Integral, Real
from operator import index
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

LARGEST_WHOLE = 2**63 - 1
LARGEST, SMALLEST = 3.4028234663852886e38, 1.1754943508222875e-38
"""Of the positive numbers that single precision holds in full."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Check:
    """What an option may be.

    allowed: in words that go on from "must be".
    kind: from a value of the right type to the plain one that is kept; else raises TypeError.
    holds: whether a plain value is in range.
    names: those among the values that are allowed, if they can be listed.
    """

    allowed: str
    kind: Callable[[Any], Any]
    holds: Callable[[Any], bool] = lambda value: True
    names: Collection[str] = ()

    def __call__(self, name: str, value: Any) -> Any:
        """The value as it is kept.

        Raises:
            TypeError, ValueError: in one line that names the option, what it may be and what it is.
        """
        try:
            plain = self.kind(value)
        except TypeError:
            raise TypeError(f"{name} must be {self.allowed}, got {shown(value)}") from None
        if not self.holds(plain):
            raise ValueError(f"{name} must be {self.allowed}, got {shown(value)}")
        return plain


def whole(least: int = 1, most: int | None = None) -> Check:
    """A whole number of at least `least` and at most `most`, if there is a most."""
    top = LARGEST_WHOLE if most is None else most
    span = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Check(f"a whole number {span}", _whole, lambda value: least <= value <= top)


def number(
    least: float | None = None,
    *,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> Check:
    """A number that single precision holds, within bounds that belong to it (`least`, `most`) or
    do not (`above`, `below`). Above 0 means above it in single precision too."""
    start = -LARGEST if least is None else least
    if above is not None:
        start = max(SMALLEST, above) if above == 0 else above
    end = LARGEST if most is None else most

    def holds(value: float) -> bool:
        within = start <= value <= end  # false for NaN
        return within and (below is None or value < below) and (above is None or value > above)

    if above is not None:
        span = f" above {above:g}"
    elif most is not None or below is not None:
        span = f" from {start:g} to {f'{end:g}' if below is None else f'below {below:g}'}"
    else:
        span = "" if least is None else f" of at least {least:g}"
    return Check(f"a finite number{span}", _number, holds)


def choice(allowed: Collection[str]) -> Check:
    """One of some names."""
    names = tuple(allowed)
    return Check(f"one of {', '.join(names)}", _text, lambda value: value in allowed, names)


def choice_or_function(allowed: Collection[str], function: str) -> Check:
    """One of some names, or something that can be called, in words: what it takes and gives."""
    return Check(
        f"one of {', '.join(allowed)}, or {function}",
        lambda value: value if callable(value) else _text(value),
        lambda value: callable(value) or value in allowed,
        tuple(allowed),
    )


def optional(check: Check) -> Check:
    """None, or what `check` says."""
    return Check(
        check.allowed,
        lambda value: None if value is None else check.kind(value),
        lambda value: value is None or check.holds(value),
        check.names,
    )


def shown(value: object) -> str:
    """A value in an error: one short line, whatever its `repr` does."""
    try:
        text = repr(value)
    except Exception:  # of a number of 5,000 digits, or of a class that has gone wrong
        return f"a value of type {type(value).__name__}"
    return cut(text)


def cut(text: str) -> str:
    """A text in an error: one line, of a length to be read."""
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text):,} characters)"


def listed(names: Collection[str], most: int = 160) -> str:
    """Names in an error: all of them, or as many as `most` characters hold."""
    text, number = "", 0
    for name in names:
        longer = f"{text}, {name}" if text else name
        if len(longer) > most:
            return f"{text} and {len(names) - number} more"
        text, number = longer, number + 1
    return text


def did_you_mean(value: str, choices: Collection[str]) -> str:
    """For the end of an error: which of the choices was meant, if one is like the value."""
    near = [choice for choice in choices if value and choice.startswith(value)]
    near += difflib.get_close_matches(value, choices, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _whole(value: Any) -> int:
    # Of the type, as an object may say anything of its own class.
    if not issubclass(type(value), Integral) or type(value) is bool:
        raise TypeError
    return index(value)


def _number(value: Any) -> float:
    if not issubclass(type(value), Real) or type(value) is bool:
        raise TypeError
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return float("inf")


def _switch(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not issubclass(type(value), str):
        raise TypeError
    return str.__str__(value)


SWITCH = Check("true or false", _switch)
NAME = Check("a name", _text)

Size = Annotated[int, whole(1)]
Count = Annotated[int, whole(0)]
Layers = Annotated[int, whole(1, 1000)]
"""Of a stack; more would take minutes to make, and train nothing."""
Width = Annotated[int, whole(1, 2**16)]
"""Of a vector or an alphabet, each channel of which has a name."""
Positive = Annotated[float, number(above=0.0)]
NotNegative = Annotated[float, number(0.0)]
Finite = Annotated[float, number()]
Share = Annotated[float, number(0.0, below=1.0)]
"""From 0 to below 1."""


def check_of(annotation: Any) -> Check | None:
    """What an annotation asks of a value; None if it is for no option that is checked here."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return next((part for part in inside if isinstance(part, Check)), check_of(inside[0]))
    if origin is Literal:
        return choice(inside)
    if origin in (Union, types.UnionType):
        rest = [part for part in inside if part is not type(None)]
        inner = check_of(rest[0]) if len(rest) == 1 else None
        return optional(inner) if inner is not None else None
    return {bool: SWITCH, str: NAME, int: whole(0), float: number()}.get(annotation)


@cache
def checks_of(declared: Callable[..., Any]) -> Mapping[str, Check]:
    """The checks of a function's arguments or a dataclass's fields, by name."""
    hints = get_type_hints(declared, include_extras=True)
    found = {name: check_of(hint) for name, hint in hints.items() if name != "return"}
    return {name: check for name, check in found.items() if check is not None}


def check_fields(value: Any) -> None:
    """Check every field of a dataclass, and keep its plain value; for `__post_init__`.

    Raises:
        TypeError, ValueError: see `Check`.
    """
    checks = checks_of(type(value))
    for field in fields(value):
        if field.name in checks:
            plain = checks[field.name](field.name, getattr(value, field.name))
            object.__setattr__(value, field.name, plain)  # it may be frozen


def checked_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """The arguments of a call, each checked as its annotation says; see `checked`."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{function.__qualname__}: {error}") from None
    for name, check in checks_of(function).items():
        if name in bound.arguments:
            bound.arguments[name] = check(name, bound.arguments[name])
    return bound


def checked(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """The function, with every argument checked as its annotation says before it runs.

    Raises:
        TypeError, ValueError: see `Check`; TypeError too for an argument that it does not have.
    """

    @wraps(function)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        bound = checked_arguments(function, args, kwargs)
        return function(*bound.args, **bound.kwargs)

    return wrapper
