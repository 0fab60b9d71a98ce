"""Do short runs still give the same numbers to the bit?

    python benchmarks/golden.py record golden.json     # before a change
    python benchmarks/golden.py compare golden.json    # after it; exit status 1 if a number moved

Each run is a few hundred sequences of a task on a machine: every task with an NTM, every machine on
copy, every optimiser. What is kept is the loss of every row and a digest of the final weights. The
bits depend on the processor and on the versions of PyTorch and Numba, so a recording is worth
something only on the machine that made it; none is kept in the repository.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

from tapehead.forms import Sequence, Tape
from tapehead.tasks import TASKS
from tapehead.training import Reporter, TrainConfig, train

SMALL = {"memory_size": 16, "word_size": 8, "hidden_size": 20}
SEQUENCES = 320
CHOOSING = {"memory_init": "uniform", **SMALL}
MACHINES: dict[str, tuple[str, dict[str, Any]]] = {
    "ntm": ("ntm", SMALL),
    "ntm, every switch": (
        "ntm",
        SMALL
        | {
            "controller": "feedforward",
            "num_layers": 2,
            "num_reads": 2,
            "num_writes": 2,
            "read_first": False,
            "similarity": "manhattan",
            "memory_init": "learned",
            "head_init": "random",
            "gradient_clip": 0.1,
        },
    ),
    "ntm, reference": ("ntm", SMALL | {"backend": "reference"}),
    "dnc": ("dnc", SMALL),
    "dnc, two layers": ("dnc", SMALL | {"num_layers": 2, "num_reads": 3, "gradient_clip": 10.0}),
    "dnc, later switches": (
        "dnc",
        SMALL
        | {
            "masked_lookup": True,
            "sharp_links": True,
            "layer_norm": True,
            "erase_freed": True,
            "bypass_dropout": 0.1,
        },
    ),
    "dnc, sparse, both ways": ("dnc", SMALL | {"sparse_links": 4, "bidirectional": True}),
    "lstm": ("lstm", {"hidden_size": 20, "num_layers": 2}),
    "discrete-ntm, reinforce": ("discrete-ntm", CHOOSING | {"estimator": "reinforce"}),
    "discrete-ntm, rebar": ("discrete-ntm", CHOOSING | {"estimator": "rebar"}),
    "discrete-ntm, relax": ("discrete-ntm", CHOOSING | {"estimator": "relax"}),
    "discrete-ntm, annealed": (
        "discrete-ntm",
        CHOOSING
        | {
            "addressing": "annealed",
            "soft_batches": 5,
            "annealing": 10,
            "estimator": "straight-through-gumbel",
        },
    ),
    "dynamic-ntm": ("dynamic-ntm", SMALL | {"estimator": "reinforce"}),
    "dynamic-ntm, soft": ("dynamic-ntm", SMALL | {"addressing": "soft"}),
    "sparse-ntm": ("sparse-ntm", SMALL | {"num_heads": 2}),
    "tardis": ("tardis", SMALL),
}


class Recorder(Reporter):
    """Keeps what does not depend on the clock."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def reported(self, row: Any) -> None:
        clock = ("seconds", "cpu_seconds", "sequences_per_second")
        self.rows.append({name: value for name, value in row.items() if name not in clock})


def trained(task: str, machine: str, options: dict[str, Any], **settings: Any) -> dict[str, Any]:
    config = TrainConfig.from_dict(
        {
            "task": task,
            "machine": machine,
            "machine_options": options,
            "max_sequences": SEQUENCES,
            "report_every": SEQUENCES // 4,
            "validate_every": SEQUENCES // 2,
            "validation_sequences": 16,
            "threads": 1,
            "seed": 7,
            **settings,
        }
    )
    recorder = Recorder()
    result = train(config, reporter=recorder)
    assert result.machine is not None
    return {"rows": recorder.rows, "weights": digest(result.machine)}


def digest(machine: torch.nn.Module) -> str:
    """Of all weights, by name."""
    whole = hashlib.sha256()
    for name, tensor in sorted(machine.state_dict().items()):
        whole.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
    return whole.hexdigest()


def runs() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (machine, options) in MACHINES.items():
        found[f"copy: {name}"] = trained("copy", machine, options)
    for task in TASKS:
        if task != "copy" and TASKS[task].tells is Sequence:
            batch = 4 if task in ("traversal", "shortest-path", "inference") else 16
            for machine in ("ntm", "dnc"):
                found[f"{task}: {machine}"] = trained(task, machine, SMALL, batch_size=batch)
    for optimiser in ("adam", "graves-rmsprop"):
        found[f"copy: ntm, {optimiser}"] = trained("copy", "ntm", SMALL, optimiser=optimiser)
    found["copy: ntm, schedule"] = trained(
        "copy", "ntm", SMALL, schedule="cosine", warmup=64, clip_norm=1.0, curriculum="naive"
    )
    found["copy: ntm, float64"] = trained("copy", "ntm", SMALL, precision="64")
    for kind in (kind for kind in TASKS.values() if kind.tells is Tape):
        for controller in ("direct", "lstm"):
            options = {"controller": controller, "memory": kind.one_way}
            name = f"{kind.name}: rl-ntm, {controller}"
            found[name] = trained(kind.name, "rl-ntm", options, optimiser="adam")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Do short runs still give the same numbers?")
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    now = json.loads(json.dumps(runs()))
    if arguments.what == "record":
        arguments.file.write_text(json.dumps(now, indent=1))
        print(f"{len(now)} runs recorded in {arguments.file}")
        return 0
    before = json.loads(arguments.file.read_text())
    moved = [name for name in before if now.get(name) != before[name]]
    for name in moved:
        print(f"moved: {name}" if name in now else f"gone: {name}")
    print(f"{len(before) - len(moved)} of {len(before)} runs are the same to the bit")
    return 1 if moved else 0


if __name__ == "__main__":
    sys.exit(main())
