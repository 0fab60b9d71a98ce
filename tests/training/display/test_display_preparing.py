"""What is said while the problems that a task trains on are made."""

import io
import json

from rich.console import Console

from tapehead.training import JsonReporter, LineReporter, Reporter, RichReporter
from tapehead.training.display import BriefReporter, Together
from tapehead.training.display.reporter import Messenger
from tapehead.training.display.showing import Shielded

CALLS = [(0, 900, None), (300, 900, 65.4), (600, 900, 30.04), (900, 900, 0.0)]
SAID = [
    "0 of 900 problems made",
    "300 of 900 problems made, 1:05 left",
    "600 of 900 problems made, 0:30 left",
    "900 of 900 problems made",
]


def told(reporter):
    for call in CALLS:
        reporter.preparing(*call)
    reporter.ended()


def lines_of(kind, **options):
    text = io.StringIO()
    told(kind(text, **options))
    return text.getvalue().splitlines()


def test_a_line_now_and_then_the_first_and_the_last():
    for kind in (LineReporter, BriefReporter):
        assert lines_of(kind, every=0.0) == SAID
        assert lines_of(kind, every=60.0) == [SAID[0], SAID[-1]]
    rows = [json.loads(line) for line in lines_of(JsonReporter, every=0.0)]
    assert rows == [
        {"event": "preparing", "done": done, "total": total, "seconds_left": left}
        for done, total, left in CALLS
    ]


def test_a_line_in_a_terminal_that_is_redrawn_and_goes():
    for run in (lambda display: display, lambda display: display.for_run("seed 1", 1)):
        console = Console(file=io.StringIO(), force_terminal=True, width=80)
        display = RichReporter(console)
        reporter = run(display)
        for call, text in zip(CALLS[:3], SAID, strict=False):
            reporter.preparing(*call)
            assert console.file.getvalue().endswith(text)
        reporter.preparing(*CALLS[3])
        last = console.file.getvalue().splitlines()[-1]
        assert "made" not in last.rpartition("\x1b[2K")[2]
        reporter.ended()
        assert display._live is None


def test_whoever_passes_on_what_is_told_passes_this_on():
    heard = []

    class Hears(Reporter):
        def preparing(self, *numbers):
            heard.append(numbers)

    told(Shielded(Together(Hears(), Hears())))
    assert heard == [call for call in CALLS for _ in range(2)]
    messages = []
    told(Messenger(messages.append))
    assert messages[:-1] == [("preparing", call) for call in CALLS]
