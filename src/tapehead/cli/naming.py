"""Options in complaints, named as one writes them on the command line."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tapehead.cli.options import Option
from tapehead.errors import TapeheadError


def with_flags(complaint: str, options: Iterable[Option]) -> str:
    """A complaint about settings, with their names as one writes them on the command line: those
    of two words wherever they stand, one word only where the line begins with it or, of a run that
    cannot be resumed, where it can be nothing else."""
    flags = {option.name: option.flag for option in options}

    def flag(found: re.Match[str]) -> str:
        return flags.get(found[0], found[0])

    def allowed(found: re.Match[str]) -> str:
        # What this command has no option for cannot be changed by it.
        names = [flags[name] for name in found[0].split(", ") if name in flags]
        return ", ".join(names) or found[0]

    written = re.sub(r"(?<=; only )[a-z_, ]+(?= may change)", allowed, complaint)
    written = re.sub(r"^\w+|(?<=cannot resume: )\w+", flag, written)
    return re.sub(r"(?<![\w'\"./-])[a-z]+(?:_[a-z0-9]+)+(?![\w'\"./(])", flag, written)


@contextmanager
def resumed_with_flags(options: Iterable[Option]) -> Iterator[None]:
    """Around a training: why a run cannot be resumed, with its options as one writes them."""
    try:
        yield
    except TapeheadError as error:
        if "cannot resume: " in str(error):
            error.args = (with_flags(str(error), options),)
        raise
