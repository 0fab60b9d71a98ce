"""`tapehead export`: one step of a trained machine as a program for other runtimes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tapehead.cli.command import print_json, read, run_at
from tapehead.cli.options import check_one_of


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write one step of a trained machine as a program for other runtimes, which takes the state
    and gives the next one: (x, *state) -> (y, *state), for any number of sequences. It is loaded
    again and compared with the machine."""

    run: Path
    """Run directory, as written by `tapehead train`, or a machine of the zoo."""
    onnx: bool = False
    """Write step.onnx; left out: step.pt2, for torch.export.load."""
    out: Path | None = None
    """Where it goes; left out: export in the run directory."""
    quiet: bool = False
    """Say nothing but errors."""
    json: bool = False
    """Print files, names and difference as JSON."""


def run(argv: Sequence[str]) -> int:
    command = read(Export, argv, "tapehead export")
    check_one_of(quiet=command.quiet, json=command.json)
    path = run_at(command.run)

    from tapehead.machines.exporting import BATCHES, STEPS, export_step
    from tapehead.runs import load_run

    _, machine, _ = load_run(path)
    found = export_step(machine, command.out or path / "export", onnx=command.onnx)
    if command.json:
        files = [str(file) for file in found.files]
        print_json({**found._asdict(), "files": files})
    elif not command.quiet:
        for file in found.files:
            print(file)
        print(f"({', '.join(found.inputs)}) -> ({', '.join(found.outputs)})")
        sizes = ", ".join(map(str, BATCHES))
        print(
            "not compared with the machine: onnxruntime is not installed"
            if found.difference is None
            else f"off by at most {found.difference:.1g} of the machine's numbers, over {STEPS} "
            f"steps of {sizes} sequences"
        )
    return 0
