"""The campaigns, cut short; they run in processes without the type checks of the other tests, which
come before the library's own."""

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))
import worker  # noqa: E402
from harness import Case, Wrong, complaint  # noqa: E402
from values import Mute, Odd  # noqa: E402


@pytest.mark.parametrize(
    ("campaign", "count"), [("constructors", 400), ("inputs", 120), ("runs", 20), ("options", 60)]
)
def test_a_short_campaign_finds_nothing(campaign, count):
    command = [sys.executable, FOLDER / "__main__.py", campaign, "--count", str(count)]
    done = subprocess.run([*command, "--seed", "3"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, row = done.stdout.splitlines()
    tried, accepted, refused, *rest = (int(n.replace(",", "")) for n in row.split()[1:])
    assert (tried, *rest) == (count, 0, 0, 0, 0)
    assert accepted > count / 40
    assert refused > count / 20


def test_kernels_equal_the_reference():
    command = [sys.executable, FOLDER / "__main__.py", "differential", "--count", "25"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    refused, undecided, *found = map(int, done.stdout.split()[-5:])
    assert (refused, found) == (0, [0, 0, 0]), done.stdout
    assert undecided <= 1  # rows as good as equally used, in an order that rounding decides


def refuse(error):
    raise error


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (None, None),
        (ValueError("size must be 1, got 2"), None),
        (TypeError("size must be 1, got 'a'"), None),
        (ValueError("wrong"), "names none of size"),
        (ValueError("sizes are wrong"), "names none of size"),
        (ValueError("size must be 1\ngot 2"), "not one clear line"),
        (ValueError("size " * 200), "not one clear line"),
        (ValueError(""), "not one clear line"),
        (UnicodeError("size"), "a UnicodeError"),
        (RuntimeError("size"), "RuntimeError"),
        (MemoryError(), "MemoryError"),
        (Wrong("other numbers"), "other numbers"),
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


DEADLY = """
import ctypes, json, os, signal, sys, time
first, count = (int(sys.argv[sys.argv.index(name) + 1]) for name in ("--first", "--count"))
out = int(sys.argv[sys.argv.index("--worker") + 1])
for number in range(first, first + count):
    os.write(out, f"[{number}]\\n".encode())
    if number == 2: os.kill(os.getpid(), signal.SIGSEGV)
    if number == 4: time.sleep(100)
    os.write(out, json.dumps([number, "accepted", "made", None]).encode() + b"\\n")
"""


def test_a_case_that_kills_its_process_or_never_ends_is_counted(tmp_path, monkeypatch):
    (tmp_path / "__main__.py").write_text(DEADLY)
    monkeypatch.setattr(worker, "FOLDER", tmp_path)
    found = list(worker.endings("made", seed=0, first=0, count=7, patience=5))
    assert [ending.number for ending in found] == list(range(7))
    assert {ending.number: ending.ending for ending in found if ending.wrong} == {
        2: "crashed",
        4: "hung",
    }
    assert "exit code -11" in found[2].wrong


def test_a_number_and_a_seed_say_all_of_a_case():
    sys.path.insert(0, str(FOLDER))
    import inputs

    def shown(number, seed):
        case = inputs.case(worker.draw_of("inputs", seed, number))
        return re.sub("0x[0-9a-f]+", "", f"{case.label} {case.values}")

    assert shown(5, 1) == shown(5, 1)
    assert len({shown(number, seed) for number in range(5) for seed in range(3)}) > 12
    assert worker.draw_of("inputs", 1, 2).random() != random.Random("1 2").random()
