"""`tapehead view`: the figures of a run, and its page, as one HTML file."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tapehead.cli.command import first_imports, holds_runs, print_json, read, run_at
from tapehead.cli.options import UsageError, check_one_of, check_seed, options_of
from tapehead.cli.serving import check_port, server_at

EVERY = 1.0
"""Seconds between two looks at the files of a run that is served."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Draw the figures of a run: the trained machine at work, and how it came there. Of several
    runs, or of a folder of seeds, each is drawn, and the learning curves of all in one figure. No
    window opens. view.html in each run shows every step: open it in a browser, no network is
    needed."""

    runs: tuple[Path, ...]
    """Run directories, as written by `tapehead train`, folders of them, or machines of the zoo:
    ntm/copy (`tapehead zoo` lists them)."""
    out: Path | None = None
    """Where figures and page go; left out: figures in each run, the common one beside the runs."""
    sizes: tuple[str, ...] = ()
    """Sizes of the sequences to draw; left out: the task's test sizes."""
    seed: int = 0
    """Decides the sequences."""
    data: Path | None = None
    """Folder of the task's real data, such as a map to walk on; left out: as in training."""
    format: Literal["png", "pdf", "svg"] = "png"
    """Of the figures"""
    listing: bool = False
    """Draw nothing; print what the heads did on a memory, step by step, as a program."""
    port: int | None = None
    """Draw nothing; serve the page of a run on this port, new as it trains; 0: any that is free."""
    quiet: bool = False
    """Do not print the names of the files."""
    json: bool = False
    """Print them as JSON."""


def run(argv: Sequence[str]) -> int:
    command = read(View, argv, "tapehead view")
    check_seed(command.seed)
    check_one_of(quiet=command.quiet, json=command.json)
    if command.port is not None:
        check_port(command.port)
        if command.listing:
            raise UsageError("--port and --listing exclude each other")
        _refuse(command, "out", "format", "data", of="--port, which serves the run as it is")
    elif command.listing:
        _refuse(command, "out", "format", "data", of="--listing, which prints the run as it is")
    with first_imports():
        found = [path if holds_runs(path) else run_at(path) for path in command.runs]

        from tapehead.viewing.several import runs_in, view_runs

    runs = list(dict.fromkeys(run for path in found for run in runs_in(path)))
    if command.port is not None:
        return _serve(command, runs)
    if command.listing:
        return _list(command, runs)
    try:
        files = view_runs(
            runs,
            command.out,
            lengths=command.sizes or None,
            seed=command.seed,
            format=command.format,
            data=command.data,
        )
    except ValueError as error:
        words = re.sub("^data ", "--data ", str(error))
        raise UsageError(words.replace("lengths", "--sizes", 1)) from None
    if command.json:
        pages = [str(file) for file in files if file.suffix == ".html"]
        print_json(
            {"figures": [str(file) for file in files if str(file) not in pages], "pages": pages}
        )
    elif not command.quiet:
        for file in files:
            print(file)
    return 0


def _refuse(command: View, *names: str, of: str) -> None:
    """Raise a UsageError if one of these options is given, which another has no use for."""
    for option in options_of(View):
        if option.name in names and getattr(command, option.name) != option.default:
            raise UsageError(f"{option.flag} means nothing to {of}")


def _list(command: View, runs: Sequence[Path]) -> int:
    """Print the program of each run at each size."""
    from tapehead.viewing.listing import listing_of

    try:
        listings = [
            listing_of(path, size=size, seed=command.seed)
            for path in runs
            for size in command.sizes or (None,)
        ]
    except ValueError as error:
        raise UsageError(str(error).replace("lengths", "--sizes", 1)) from None
    if command.json:
        print_json({"listings": [listing.to_dict() for listing in listings]})
    elif not command.quiet:
        print("\n\n".join(map(str, listings)))
    return 0


def _serve(command: View, runs: Sequence[Path]) -> int:
    """Serve the page of one run, until a signal ends it."""
    from tapehead.viewing.watching import RunPage

    if len(runs) != 1:
        raise UsageError(f"--port shows a single run, got {len(runs)}")
    try:
        page = RunPage(runs[0], lengths=command.sizes or None, seed=command.seed)
    except ValueError as error:
        raise UsageError(str(error).replace("lengths", "--sizes", 1)) from None
    server = server_at(command.port or 0)
    try:
        if command.json:
            print_json({"event": "live", "address": server.address})
        elif not command.quiet:
            print(f"watch it at {server.address}; Ctrl-C ends it", flush=True)
        shown = None
        while True:
            state = page.state()
            if state != shown:
                server.show(page.document)
                shown = state
            time.sleep(EVERY)
    finally:
        server.close()
