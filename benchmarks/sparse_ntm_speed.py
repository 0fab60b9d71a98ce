"""What a memory of a thousand to a million rows costs: the sparse NTM beside the dense NTM.

    python benchmarks/sparse_ntm_speed.py results/speed/sparse-ntm

Writes result.json and figure.png there. A training step is 100 steps in time of one sequence,
forward and backward, with four heads and words of 32, as in figure 1 of Rae et al. 2016 (arXiv
1610.09027). The sparse NTM is measured twice: from an empty memory, as a sequence begins, and from
one in which every row holds something, where each step looks at all of them. One thread; processor
time, which waiting for a busy machine does not enter. Memory is the most that a process of its own
held beyond what it held before its first training step, kernels loaded.

A dense NTM needs more memory than there is from some size on; each size that would is left out,
and `dense_ends` says so.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure

from dnc_speed import surroundings
from tapehead import NTM, SparseNTM
from tapehead.files import write_json
from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    READ,
    WRITE,
    letter,
    new_figure,
    open_frame,
    place,
    save,
    styled,
)
from tapehead.viewing.style import SMALL as SMALL_TEXT

ROWS = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000)
SIZES = {"batch": 1, "time": 100, "inputs": 8, "word": 32, "heads": 4, "hidden": 100}
KINDS = ("sparse, empty", "sparse, full", "dense")
MOST_BYTES = 4 * 2**30
"""Beyond this a dense NTM is not tried: its tape holds the memory of every fourth step."""


def machine_of(kind: str, rows: int) -> NTM | SparseNTM:
    torch.manual_seed(0)
    common = {"memory_size": rows, "word_size": SIZES["word"], "hidden_size": SIZES["hidden"]}
    if kind == "dense":
        heads = {"num_reads": SIZES["heads"], "num_writes": SIZES["heads"]}
        return NTM(SIZES["inputs"], 8, **common, **heads, backend="cpu")
    return SparseNTM(SIZES["inputs"], 8, **common, num_heads=SIZES["heads"], backend="cpu")


def state_of(kind: str, machine: NTM | SparseNTM):
    """Where to begin: nothing was written, or every row was, no two in the same step."""
    if kind != "sparse, full":
        return None
    rows = machine.memory_size
    state = machine.initial_state(SIZES["batch"])
    return state._replace(
        memory=torch.randn(SIZES["batch"], rows, SIZES["word"]),
        accessed=torch.randperm(rows).expand(SIZES["batch"], -1),
        clock=torch.full((SIZES["batch"],), rows),
    )


def dense_bytes(rows: int) -> int:
    """What the dense NTM keeps for its backward pass, about: memories and weightings."""
    memories = rows * SIZES["word"] * SIZES["time"] / 4
    weightings = rows * 2 * SIZES["heads"] * 5 * SIZES["time"]
    return int(4 * SIZES["batch"] * (memories + weightings))


def held(what: str) -> float:
    """MiB of this process, now (VmRSS) or at most since the mark was set back (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def measure(kind: str, rows: int, rounds: int) -> dict:
    """Of one kind at one size, in this process."""
    torch.set_num_threads(1)
    small, machine = machine_of(kind, 16), machine_of(kind, rows)
    x = torch.rand(SIZES["batch"], SIZES["time"], SIZES["inputs"])
    small(x)[0].sum().backward()  # loads the kernels
    state = state_of(kind, machine)
    # Sets back the most that was held: loading a kernel takes more than running it.
    Path("/proc/self/clear_refs").write_text("5")
    before, times = held("VmRSS"), []
    machine(x, state)[0].sum().backward()
    most = held("VmHWM") - before
    for _ in range(rounds):
        begun = time.process_time()
        machine(x, state)[0].sum().backward()
        times.append(1e3 * (time.process_time() - begun))
    return {
        "kind": kind,
        "rows": rows,
        "cpu_ms": statistics.median(times),
        "fastest_cpu_ms": min(times),
        "peak_mib": most,
    }


def in_a_process(kind: str, rows: int, rounds: int) -> dict:
    command = [sys.executable, __file__, "--measure", kind, str(rows), "--rounds", str(rounds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure_all(rounds: int, at: Path) -> None:
    """Every kind at every size into result.json, one after the other; goes on where it stopped."""
    result = json.loads(at.read_text()) if at.exists() else surroundings("speed/sparse-ntm")
    found = result.get("speed", {}).get("costs", [])
    done, ends = {(row["kind"], row["rows"]) for row in found}, None
    for rows in ROWS:
        for kind in KINDS:
            if (kind, rows) in done:
                continue
            if kind == "dense" and dense_bytes(rows) > MOST_BYTES:
                ends = ends or rows
                continue
            few = rounds if rows < 100_000 else max(1, rounds // 3)
            found.append(in_a_process(kind, rows, few))
            print(json.dumps(found[-1]), flush=True)
            speed = {"sizes": SIZES, "rows_per_head": 4, "costs": found, "dense_ends": ends}
            write_json(at, result | {"cells": [], "speed": speed})


LOOKS = {
    "sparse, empty": (READ, "o", "sparse, empty memory"),
    "sparse, full": (WRITE, "s", "sparse, full memory"),
    "dense": (FAINT, "^", "dense"),
}


@styled
def figure_of(speed: dict) -> Figure:
    figure = new_figure(DOUBLE, 58.0)
    panels = (("cpu_ms", "processor time (ms)"), ("peak_mib", "memory (MiB)"))
    for number, (value, label) in enumerate(panels):
        axes = place(figure, 16.0 + number * 90.0, 10.0, 62.0, 40.0)
        for kind, (colour, marker, name) in LOOKS.items():
            rows = [row for row in speed["costs"] if row["kind"] == kind]
            values = [max(row[value], 0.1) for row in rows]
            at = [row["rows"] for row in rows]
            axes.plot(at, values, color=colour, marker=marker, ms=3, label=name)
        axes.set(xscale="log", yscale="log", xlabel="rows of the memory", ylabel=label)
        axes.minorticks_off()
        axes.set_title("forward and backward, 100 steps of a sequence")
        if number == 0:
            axes.legend(loc="upper left", fontsize=SMALL_TEXT)
        open_frame(axes)
        letter(axes, "ab"[number], 13.0)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=9, help="of each measurement")
    parser.add_argument("--redraw", action="store_true", help="only draw what result.json holds")
    parser.add_argument("--measure", nargs=2, help="one kind at one size, for a process of its own")
    options = parser.parse_args()
    if options.measure:
        kind, rows = options.measure
        print(json.dumps(measure(kind, int(rows), options.rounds)))
        return
    if options.out is None:
        parser.error("say where result.json and figure.png are to go")
    options.out.mkdir(parents=True, exist_ok=True)
    at = options.out / "result.json"
    if not options.redraw:
        measure_all(options.rounds, at)
    save(figure_of(json.loads(at.read_text())["speed"]), options.out / "figure.png")


if __name__ == "__main__":
    main()
