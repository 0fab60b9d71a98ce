"""What only shows ends no run: panes of any width, displays that raise, outputs that are gone."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest
from rich.console import Console, ConsoleDimensions
from test_reporter import INFO, ROW, tell

from tapehead.training import Reporter, RichReporter, TrainConfig, train, train_seeds
from tapehead.training.display.showing import Shielded

TINY = TrainConfig(
    task="copy", machine="lstm", machine_options={"hidden_size": 4, "num_layers": 1},
    max_sequences=32, batch_size=8, report_every=16,
    validation_sequences=4, test_sequences=0, task_options={"max_length": 2},
)  # fmt: skip


def set_width(terminal, width):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))


class Terminal:
    """A real one, whose other end is read by a thread."""

    def __init__(self, width):
        self.ours, self.theirs = pty.openpty()
        set_width(self.theirs, width)
        self.text = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                self.text += os.read(self.ours, 65536)
            except OSError:
                return


@pytest.fixture
def console(monkeypatch):
    """Makes a console on a terminal of so many columns."""
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    opened = []

    def make(width):
        terminal = Terminal(width)
        file = os.fdopen(terminal.theirs, "w", encoding="utf-8")

        # Rich asks the standard streams for their size, which are no terminal here.
        def size(_):
            columns, lines = os.get_terminal_size(terminal.theirs)
            return ConsoleDimensions(columns, lines)

        kind = type("OnTerminal", (Console,), {"size": property(size)})
        opened.append((terminal, file))
        return terminal, kind(file=file, force_terminal=True, color_system=None)

    yield make
    for terminal, file in opened:
        file.close()
        os.close(terminal.ours)


def test_the_live_display_draws_at_every_width(console):
    """Not shielded: it does not fail in the first place."""
    terminal, on_it = console(80)
    for width in range(1, 201):
        set_width(terminal.theirs, width)
        tell(RichReporter(on_it))


def test_the_live_display_draws_while_its_pane_shrinks_and_grows(console):
    terminal, on_it = console(80)
    display = RichReporter(on_it)
    first, second = display.for_run(f"seed {0}", 0), display.for_run(f"seed {1}", 1)
    for seed, one in enumerate((first, second)):
        one.started(type(INFO)(**{**vars(INFO), "seed": seed}))
    for width in [*range(120, 0, -1), *range(1, 120, 7)]:
        set_width(terminal.theirs, width)
        for one in (first, second):
            one.progressed(16 * width, float(width))
            one.reported(ROW)
        display.noted("mind the gap")
    for one in (first, second):
        one.ended()


class Broken(Reporter):
    """Raises whenever it is told anything, or only at one call."""

    def __init__(self, error, only=None):
        self._error, self._only, self.calls = error, only, []

    def __getattribute__(self, name):
        if name in ("started", "progressed", "reported", "noted", "finished", "ended"):
            return lambda *details: self._fail(name)
        return super().__getattribute__(name)

    def _fail(self, name):
        self.calls.append(name)
        if self._only in (None, name):
            raise self._error


ERRORS = [IndexError("pop from empty list"), OSError(5, "Input/output error"), ValueError("no")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_reporter_that_raises_ends_no_run_and_is_named_once(error, capsys, tmp_path):
    broken = Broken(error)
    result = train(TINY, tmp_path / "run", reporter=broken)
    assert result.sequences == 32
    assert (tmp_path / "run" / "result.json").exists()
    assert broken.calls[0] == "started"
    assert broken.calls[-1] == "ended"
    assert broken.calls.count("reported") >= 2  # it is tried again
    text = capsys.readouterr().err
    assert text.count("showing this failed, the job goes on: ") == 1
    assert type(error).__name__ in text


@pytest.mark.parametrize("workers", [1, 2])
def test_nor_does_one_of_several_seeds(workers, capsys):
    results = train_seeds(TINY, (0, 1), workers=workers, reporter=Broken(ERRORS[0]))
    assert [result.sequences for result in results] == [32, 32]
    assert capsys.readouterr().err.count("showing this failed") == 1


def test_a_closed_pipe_is_a_wish_to_stop():
    with pytest.raises(BrokenPipeError):
        Shielded(Broken(BrokenPipeError())).noted("hello")


def test_where_nobody_can_be_told_that_is_no_error_either(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "__stderr__", None)
    Shielded(Broken(ERRORS[0])).noted("hello")


COMMAND = [
    "train", "copy", "--machine=lstm", "--hidden-size=4", "--num-layers=1", "--max-length=2",
    "--max-sequences=2000", "--batch-size=8", "--report-every=400", "--validation-sequences=4",
    "--test-sequences=1", "--no-figures", "--no-stop-when-solved",
]  # fmt: skip


def test_a_run_lives_through_a_shrinking_pane(tmp_path):
    terminal = Terminal(100)
    errors, width = tmp_path / "errors", 100
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tapehead", *COMMAND, f"--out={tmp_path / 'run'}"],
            stdin=terminal.theirs, stdout=terminal.theirs, stderr=file,
        )  # fmt: skip
        while process.poll() is None:
            width = width - 3 if width > 3 else 100
            set_width(terminal.theirs, width)
            time.sleep(0.02)
    assert process.returncode == 0, errors.read_text(encoding="utf-8")
    assert (tmp_path / "run" / "result.json").exists()
    assert b"backend" in terminal.text


@pytest.mark.parametrize(
    ("output", "unbuffered", "figures"),
    [(">&-", "", True), (">/dev/full", "", False), (">/dev/full", "1", False)],
)
def test_a_run_without_an_output_is_trained_to_its_end(tmp_path, output, unbuffered, figures):
    done = subprocess.run(
        ["bash", "-c", f'exec "$0" -m tapehead "$@" {output}', sys.executable, *COMMAND,
         f"--out={tmp_path / 'run'}", "--figures" if figures else "--no-figures"],
        capture_output=True, text=True, timeout=200,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    assert (tmp_path / "run" / "result.json").exists(), done
    assert (tmp_path / "run" / "figures" / "learning.png").exists() is figures, done
    assert "Traceback" not in done.stderr
    # What cannot be written is an error of the command, after the run has come to its end.
    assert done.returncode == (0 if output == ">&-" else 1), done
