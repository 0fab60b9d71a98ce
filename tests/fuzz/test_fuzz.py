"""The campaigns, cut short; each runs in a process without the type checks of the other tests,
which come before the library's own."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))
from harness import Case, Mute, Odd, complaint  # noqa: E402


@pytest.mark.parametrize("campaign", ["constructors"])
def test_a_short_campaign_finds_nothing(campaign):
    command = [sys.executable, FOLDER / f"{campaign}.py", "--count", "800", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refused, ValueError" in done.stdout
    assert "refused, TypeError" in done.stdout


def refuse(error):
    raise error


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (None, None),
        (ValueError("size must be 1, got 2"), None),
        (TypeError("size must be 1, got 'a'"), None),
        (ValueError("wrong"), "names none of size"),
        (ValueError("size must be 1\ngot 2"), "not one clear line"),
        (ValueError("size " * 200), "not one clear line"),
        (UnicodeError("size"), "a UnicodeError"),
        (RuntimeError("size"), "RuntimeError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_the_harness_sees_what_is_not_one_clear_line(error, found):
    case = Case("made", lambda: error and refuse(error), ("size",), {"size": 2})
    wrong = complaint(case)[1]
    assert wrong is None if found is None else found in wrong


def test_odd_values_are_odd():
    for ask in (lambda: Odd() == 1, lambda: bool(Odd()), lambda: repr(Mute())):
        with pytest.raises(RuntimeError, match="asked"):
            ask()
