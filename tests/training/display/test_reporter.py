import io
import json
import re
import time

import pytest
from rich.console import Console

from tapehead.tasks.metrics import BIT_ERRORS, PassMark
from tapehead.training import JsonReporter, LineReporter, RichReporter, RunInfo, make_reporter
from tapehead.training.display import QuietReporter
from tapehead.training.display.picture import sparkline
from tapehead.training.display.words import clock

INFO = RunInfo(
    task="copy",
    machine="ntm",
    seed=3,
    parameters=67_561,
    device="cpu",
    threads=2,
    processes=1,
    max_sequences=200_000,
    stop_when_solved=True,
    pass_mark=PassMark(BIT_ERRORS, 0.1),
    resumed_at=0,
    path="runs/copy",
)
ROW = {
    "kind": "train",
    "step": 1_250,
    "sequences": 20_000,
    "seconds": 8.0,
    "loss": 0.012345,
    "bit_errors": 1.25,
    "solved": 0.5,
    "bits": 2.0,
    "sequences_per_second": 2_500.0,
}
VALIDATION = {
    "kind": "validation",
    "step": 1_250,
    "sequences": 20_000,
    "bit_errors": 0.05,
    "passed": True,
}
RESULT = {
    "solved": True,
    "sequences": 20_000,
    "seconds": 8.0,
    "scores": {"bit_errors": 0.05},
}


def test_a_curriculum_says_where_it_is():
    """Else a loss that jumps as a level begins has no reason that one could see."""
    file = io.StringIO()
    reporter = LineReporter(file)
    reporter.started(RunInfo(**{**vars(INFO), "levels": 4}))
    for sequences, level in ((20_000, 1), (40_000, 1), (60_000, 3)):
        reporter.reported(ROW | {"sequences": sequences, "difficulty": level})
    reporter.ended()
    said = [line.split()[0:4] for line in file.getvalue().splitlines()[2:]]
    assert said[0] == ["level", "1", "of", "4"]
    assert [words[0] for words in said] == ["level", "20,000", "40,000", "level", "60,000"]
    assert said[3][1] == "3"
    plain = io.StringIO()
    reporter = LineReporter(plain)
    reporter.started(INFO)
    reporter.reported(ROW | {"difficulty": 1})
    reporter.ended()
    assert "level" not in plain.getvalue()


def test_a_world_has_no_column_of_what_is_without_error():
    """Its moves are neither right nor wrong."""
    for has_errors in (True, False):
        file = io.StringIO()
        reporter = LineReporter(file)
        reporter.started(RunInfo(**{**vars(INFO), "has_errors": has_errors}))
        reporter.reported({k: v for k, v in ROW.items() if k != "solved" or has_errors})
        head, row = (re.split("  +", line.strip()) for line in file.getvalue().splitlines()[1:3])
        assert ("without error" in head) == has_errors
        assert len(row) == len(head)  # none is empty


def tell(reporter):
    reporter.started(INFO)
    reporter.progressed(16, 0.1)
    reporter.progressed(8_000, 3.2)
    reporter.reported(ROW)
    reporter.progressed(20_000, 8.0)
    reporter.reported(VALIDATION)
    reporter.noted("warning: mind the gap")
    reporter.finished(RESULT)
    reporter.ended()


def test_lines():
    file = io.StringIO()
    tell(LineReporter(file))
    assert file.getvalue().splitlines() == [
        "ntm on copy   seed 3   67,561 parameters   cpu, 2 threads   runs/copy",
        "   sequences        loss  wrong bits  without error  per second   time left",
        "      20,000     0.01235       1.250          50.0%       2,500        1:12",
        "validation at 20,000: 0.050 wrong bits, solved",
        "warning: mind the gap",
        "solved after 20,000 sequences in 8.0 s",
    ]


def test_lines_of_several_seeds_are_told_apart():
    file = io.StringIO()
    LineReporter(file).for_run(f"seed {4}", 4).noted("hello")
    assert file.getvalue() == "seed 4: hello\n"


def test_json_lines():
    file = io.StringIO()
    tell(JsonReporter(file))
    events = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [event.pop("event") for event in events] == [
        "started", "reported", "reported", "noted", "finished",
    ]  # fmt: skip
    assert events[1] == ROW
    assert events[0]["pass_mark"] == ["bit_errors", 0.1]
    assert events[4] == RESULT


def test_quiet_says_only_what_a_user_should_know(capsys):
    tell(QuietReporter())
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "warning: mind the gap\n")


def screen(width, tell, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    tell(RichReporter(console))
    file.flush()
    return file.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_live_progress_fits_the_terminal(width):
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen(width, tell))
    assert max(len(line) for line in re.split(r"[\r\n]+", text)) <= width
    assert "ntm on copy" in text
    assert "20,000 of 200,000" in text
    assert ("2,500/s" in text) == (width > 60)  # the first to go where there is no room
    assert "at most 1:12 left" in text
    assert "wrong bits 1.25 (goal 0.1)" in text
    assert "warning: mind the gap" in text
    assert "✓ seed 3  solved after 20,000 sequences in 8.0 s" in text
    assert ("0.050 wrong bits" in text) == (width > 60)


def test_live_progress_without_unicode():
    text = screen(80, tell, encoding="ascii")
    assert "+ seed 3  solved" in text


def test_live_progress_of_several_seeds_ends_with_a_line_for_each():
    def tell_two(reporter):
        first, second = reporter.for_run(f"seed {0}", 0), reporter.for_run(f"seed {1}", 1)
        for seed, one in enumerate((first, second)):
            one.started(RunInfo(**{**vars(INFO), "seed": seed}))
        for one in (second, first):
            one.progressed(100, 1.0)
            one.finished(RESULT | {"solved": one is first})
            one.ended()

    text = screen(100, tell_two)
    assert text.count("67,561 parameters") == 1
    assert "✗ seed 1  not solved" in text
    assert "✓ seed 0  solved" in text


def test_a_failed_run_gives_the_terminal_back():
    def fail(reporter):
        reporter.started(INFO)
        reporter.ended()

    assert screen(80, fail).rstrip().endswith("\x1b[?25h")  # the cursor is shown again


def test_sparkline():
    assert sparkline([8.0, 4.0, 2.0, 1.0, 0.5, 0.1, 0.0], 0.1, 10) == "█▇▆▅▄▁▁"
    assert sparkline([0.05, 0.0], 0.1, 10) == "▁▁"
    assert sparkline([16.0] * 50 + [0.01] * 50, 0.1, 4) == "██▁▁"


def test_clock():
    assert [clock(s) for s in (0.04, 9.84, 75.0, 7_385.0)] == ["0.0 s", "9.8 s", "1:15", "2:03:05"]
    assert clock(9.84, whole=True) == "0:10"


def test_reporters_by_name(monkeypatch):
    assert isinstance(make_reporter("json"), JsonReporter)
    assert isinstance(make_reporter(), LineReporter)  # tests have no terminal
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert isinstance(make_reporter(), RichReporter)
    with pytest.raises(
        ValueError, match="auto or one of rich, lines, brief, json, quiet, got 'loud'"
    ):
        make_reporter("loud")


def tell_nothing_for_a_while(reporter):
    reporter.started(INFO)
    reporter.progressed(160, 1.0)
    reporter.progressed(320, 3.0)
    time.sleep(0.5)
    reporter.ended()


def test_lines_come_however_rare_the_rows_are():
    file = io.StringIO()
    tell_nothing_for_a_while(LineReporter(file, every=0.05))
    _, head, *rows = file.getvalue().splitlines()
    assert len(rows) >= 2
    assert {row.split()[0] for row in rows} == {"320"}
    # 160 sequences in two seconds, and 199,680 are left.
    assert rows[-1].split() == ["320", "80", "41:36"]
    assert len(rows[-1]) == len(head)
    written = file.getvalue()
    time.sleep(0.2)
    assert file.getvalue() == written  # none after the end


def test_a_program_hears_of_it_too():
    file = io.StringIO()
    tell_nothing_for_a_while(JsonReporter(file, every=0.05))
    events = [json.loads(line) for line in file.getvalue().splitlines()]
    assert events[-1] == {"event": "progressed", "sequences": 320, "seconds": 3.0}


def test_rows_that_come_often_are_enough():
    file = io.StringIO()
    tell(LineReporter(file, every=10.0))
    assert len(file.getvalue().splitlines()) == 6


@pytest.mark.parametrize(("resumed_at", "said"), [(0, True), (16, False)])
def test_whose_weights_a_run_began_with(resumed_at, said):
    """A recipe may name some that nobody asked for."""
    file = io.StringIO()
    reporter = LineReporter(file)
    began = {"began_with": "dnc/traversal", "resumed_at": resumed_at}
    reporter.started(RunInfo(**{**vars(INFO), **began}))
    reporter.ended()
    first = file.getvalue().splitlines()[0]
    assert ("   begun with the weights of dnc/traversal   runs/copy" in first) == said


def test_the_backend_stands_in_the_first_line():
    file = io.StringIO()
    reporter = LineReporter(file)
    reporter.started(
        RunInfo(**{**vars(INFO), "backend": "reference (cpu: it does not know masked)"})
    )
    reporter.ended()
    first = file.getvalue().splitlines()[0]
    assert "   backend reference (cpu: it does not know masked)   runs/copy" in first
