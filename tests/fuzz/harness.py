"""One call with values that nobody should pass: it works, or says in one clear line what is wrong.

A campaign is a function that makes a case of a random generator, so that a number and a seed say
all there is to a case.
"""

import random
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

LONGEST_LINE = 300
REFUSALS = (TypeError, ValueError)


class Case(NamedTuple):
    """One call.

    names: what the error may be about; one of them must stand in it. None: `call` looks itself.
    values: what it was given, to be shown if it ends badly.
    kinds: errors that are a refusal; of these very types.

    `call` may return how it ended, in words; else it was accepted. It raises a `Wrong` where it
    finds out that what came back was not right.
    """

    label: str
    call: Callable[[], Any]
    names: tuple[str, ...] | None
    values: dict[str, Any]
    kinds: tuple[type[Exception], ...] = REFUSALS


Campaign = Callable[[random.Random], Case]


class Wrong(Exception):
    """A call was accepted, and its result is wrong; or refused, and it left something behind."""


def complaint(case: Case) -> tuple[str, str | None]:
    """How a case ended, and what is wrong with that, if anything is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ending = case.call()
    except Wrong as error:
        return "wrong", str(error)[:2000]
    except Exception as error:
        kind, text = type(error), shown(error)
        if kind not in case.kinds:
            return "wrong", f"a {kind.__name__}: {text[:1000]!r}"
        fault = fault_of(text, case.names)
        return (f"refused, {kind.__name__}", None) if fault is None else ("wrong", fault)
    return ending if isinstance(ending, str) else "accepted", None


def fault_of(text: str, names: tuple[str, ...] | None) -> str | None:
    """Why a text is not one clear line about one of the names, or None if it is."""
    if not text.strip() or "\n" in text or len(text) > LONGEST_LINE:
        return f"not one clear line: {text[:1000]!r}"
    if names is not None and not any(
        re.search(rf"(?<!\w){re.escape(n)}(?!\w)", text) for n in names
    ):
        return f"names none of {', '.join(name[:40] for name in names)}: {text!r}"
    return None


def shown(value: object) -> str:
    """A text of anything, whatever it says of itself."""
    try:
        return str(value)
    except Exception:
        return f"a {type(value).__name__} that cannot be shown"
