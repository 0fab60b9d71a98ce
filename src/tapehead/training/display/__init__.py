"""What a person or a program sees of training while it goes on."""

import sys

from tapehead.checks import shown
from tapehead.training.display.brief import BriefReporter
from tapehead.training.display.lines import JsonReporter, LineReporter
from tapehead.training.display.live import RichReporter
from tapehead.training.display.reporter import QuietReporter, Reporter, RunInfo
from tapehead.training.display.together import Together

__all__ = [
    "BriefReporter",
    "JsonReporter",
    "LineReporter",
    "QuietReporter",
    "Reporter",
    "RichReporter",
    "RunInfo",
    "Together",
    "make_reporter",
]


def make_reporter(kind: str = "auto", *, many: bool = False) -> Reporter:
    """A reporter by name: rich, lines, brief, json, quiet, or auto.

    auto draws live progress if standard output is a terminal, and prints lines otherwise: brief
    ones for `many` runs.

    Raises:
        ValueError: there is no such reporter.
    """
    kinds = {
        "rich": RichReporter,
        "lines": LineReporter,
        "brief": BriefReporter,
        "json": JsonReporter,
        "quiet": QuietReporter,
    }
    if kind == "auto":
        # Of a process that was started without an output it is None.
        on_screen = sys.stdout is not None and sys.stdout.isatty()
        kind = "rich" if on_screen else "brief" if many else "lines"
    if kind not in kinds:
        raise ValueError(f"reporter must be auto or one of {', '.join(kinds)}, got {shown(kind)}")
    return kinds[kind]()
