"""The command line: one door to training, evaluation, pictures and published experiments.

Exit code 0 for done, 2 for a wrong call, 1 for a failed job; errors are one line on stderr.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from tapehead import __version__
from tapehead.cli.command import HelpRequest
from tapehead.cli.options import UsageError, did_you_mean
from tapehead.errors import TapeheadError

COMMANDS = {
    "train": "train a machine on a task",
    "evaluate": "score a trained machine at the task's test sizes",
    "view": "draw the figures of a run",
    "reproduce": "run a published experiment again and set our numbers beside the paper's",
    "list": "print tasks, machines, experiments and results",
    "bench": "time a training step on this computer",
}
_MODULES = {"list": "listing"}
DEBUG = "TAPEHEAD_DEBUG"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    prog = "tapehead"
    try:
        if not arguments or arguments[0] in ("-h", "--help"):
            print(_overview(), file=sys.stdout if arguments else sys.stderr)
            return 0 if arguments else 2
        if arguments[0] == "--version":
            print(f"tapehead {__version__}")
            return 0
        name, *rest = arguments
        if name not in COMMANDS:
            near = did_you_mean(name, list(COMMANDS)) or f"; there are {', '.join(COMMANDS)}"
            raise UsageError(f"no command {name!r}{near}")
        prog = f"tapehead {name}"
        code = import_module(f"tapehead.cli.{_MODULES.get(name, name)}").run(rest)
        if sys.stdout is not None:  # closed before we began
            sys.stdout.flush()
        return code
    except HelpRequest as help_text:
        print(help_text)
        return 0
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return 1
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        print(f"{prog}: {_one_line(error)}", file=sys.stderr)
        # A job that a signal stopped ends as shells expect: 130 or 143.
        return 2 if isinstance(error, UsageError) else getattr(error, "exit_code", 1)


def _overview() -> str:
    lines = ["usage: tapehead COMMAND ...", "", "Neural networks with an external memory.", ""]
    lines += [f"  {name:<11}{summary}" for name, summary in COMMANDS.items()]
    lines += [
        "",
        "Start with `tapehead train copy`, which learns to copy in seconds on a laptop.",
        "`tapehead COMMAND --help` shows the options of a command.",
    ]
    return "\n".join(lines)


def _one_line(error: Exception) -> str:
    if isinstance(error, TapeheadError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first} ({DEBUG}=1 shows where)"
