"""The command line: one door to training, evaluation, pictures and published experiments.

Exit code 0 for done, 2 for a wrong call, 1 for a failed job or for one that is done but whose
output could not be written, 128 + N for one that signal N stopped
(130 for Ctrl-C, 141 for a closed pipe); errors are one line on stderr.
"""

import codecs
import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from tapehead import __version__
from tapehead.checks import did_you_mean, shown
from tapehead.cli.command import HelpRequest
from tapehead.cli.options import UsageError
from tapehead.errors import TapeheadError
from tapehead.signals import CLOSED_PIPE, interrupt_on_signal

COMMANDS = {
    "train": "train a machine on a task",
    "evaluate": "score a trained machine at the task's test sizes",
    "view": "draw the figures of a run",
    "zoo": "list the trained machines that come with tapehead",
    "export": "write a trained machine's step for torch.export or ONNX",
    "ask": "tell a trained reader a story, and ask it",
    "reproduce": "run a published experiment again and set our numbers beside the paper's",
    "sweep": "search for settings that train on every seed",
    "results": "print every result so far, as tables or as CSV",
    "list": "print tasks, machines and experiments",
    "bench": "time a training step on this computer",
    "completion": "print a script that teaches the shell's TAB key",
}
_MODULES = {"list": "list_"}  # as `list` it would hide the built-in one in this file
DEBUG = "TAPEHEAD_DEBUG"
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _print_any_name()
    prog = f"tapehead {arguments[0]}" if arguments and arguments[0] in COMMANDS else "tapehead"
    try:
        with interrupt_on_signal():
            code = _run(arguments)
            if sys.stdout is not None:  # closed before we began
                sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our output has seen enough
        return 128 + CLOSED_PIPE
    except KeyboardInterrupt as error:
        number = signal.Signals(getattr(error, "number", signal.SIGINT))
        _complain(f"{prog}: stopped by {number.name}")
        return 128 + number
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        _complain(f"{prog}: {_one_line(error)}")
        return 2 if isinstance(error, UsageError) else getattr(error, "exit_code", 1)
    finally:
        _let_go_of_closed_pipes()


def _run(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"tapehead {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        near = did_you_mean(name, list(COMMANDS)) or f"; there are {', '.join(COMMANDS)}"
        raise UsageError(f"no command {shown(name)}{near}")
    try:
        return import_module(module_of(name)).run(rest)
    except HelpRequest as help_text:
        print(help_text)
        return 0


def module_of(command: str) -> str:
    """The module that runs a command."""
    return f"tapehead.cli.{_MODULES.get(command, command)}"


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        print(line, file=sys.stderr, flush=True)


def _let_go_of_closed_pipes() -> None:
    """What is left for them would be written, in vain and with a complaint, at the very end."""
    for stream, handle in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), handle)


def _print_any_name() -> None:
    """Let a name that the terminal's encoding lacks be printed as well as can be: bytes that came
    with the command line as they came, other characters as escapes."""

    def written(error: UnicodeError) -> tuple[bytes, int]:
        assert isinstance(error, UnicodeEncodeError)
        part = error.object[error.start : error.end]
        escaped = (
            bytes([ord(char) - 0xDC00])
            if "\udc80" <= char <= "\udcff"
            else char.encode("ascii", "backslashreplace")
            for char in part
        )
        return b"".join(escaped), error.end

    codecs.register_error("tapehead", written)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="tapehead")


def _overview() -> str:
    lines = ["usage: tapehead COMMAND ...", "", "Neural networks with an external memory.", ""]
    lines += [f"  {name:<11}{summary}" for name, summary in COMMANDS.items()]
    lines += [
        "",
        "Start with `tapehead view ntm/copy`, which shows a trained machine at work, or with",
        "`tapehead train copy`, which learns to copy in seconds on a laptop.",
        "`tapehead COMMAND --help` shows the options of a command.",
    ]
    return "\n".join(lines)


def _one_line(error: Exception) -> str:
    if isinstance(error, TapeheadError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        # "File name too long" is one that fills screens.
        return (
            f"{error.strerror}: {_cut(str(error.filename))}" if error.filename else error.strerror
        )
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first} ({_own_line(error)}{DEBUG}=1 shows where)"


def _own_line(error: Exception) -> str:
    """Where in a file of the user's own, a task or a machine, the error came up; "" if in none."""
    here = os.path.join(os.getcwd(), "")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        name = os.path.relpath(frame.filename, here) if frame.filename.startswith(here) else ""
        if name and "site-packages" not in name and not frame.filename.startswith(_PACKAGE):
            return f"{name}, line {frame.lineno}, in {frame.name}; "
    return ""


def _cut(name: str, most: int = 120) -> str:
    return name if len(name) <= most else f"{name[:most]}... ({len(name):,} characters)"
