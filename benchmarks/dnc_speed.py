"""Speed of the DNC's CPU kernels: against the reference, and against what memory allows.

    python benchmarks/dnc_speed.py results/speed/dnc

Writes result.json and figure.png there. Run it on a machine with nothing else to do; on a busy one
trust the processor time of one thread (`..._cpu_ms`), which waiting does not enter.

The link matrix is what a DNC moves: rows x rows numbers for each sequence and step. The least that
a training step can do is to read and write it on the way forward; and on the way back to write it
again between two kept ones, to read it there, and to read and write its gradient. Keeping all of
them instead moves as much. That traffic over the bandwidth of a plain copy is the bound.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from matplotlib.figure import Figure

from tapehead import DNC
from tapehead.viewing.style import (
    DOUBLE,
    FAINT,
    READ,
    letter,
    new_figure,
    open_frame,
    place,
    save,
    styled,
)
from tapehead.viewing.style import (
    SMALL as SMALL_TEXT,
)

SMALL = {"batch": 16, "time": 41, "rows": 64, "word": 20, "reads": 1, "hidden": 100}
LARGE = {"batch": 16, "time": 41, "rows": 256, "word": 64, "reads": 4, "hidden": 256}
PASSES = 6
"""Times that a training step moves the link matrix at least: see above."""


def step_of(sizes: dict[str, int], backend: str):
    torch.manual_seed(0)
    machine = DNC(
        9,
        8,
        memory_size=sizes["rows"],
        word_size=sizes["word"],
        num_reads=sizes["reads"],
        hidden_size=sizes["hidden"],
        backend=backend,
    )
    x = torch.rand(sizes["batch"], sizes["time"], 9)

    def step() -> None:
        machine(x)[0].sum().backward()

    return step


def times_of(steps: dict, rounds: int) -> dict[str, float]:
    """Median, fastest and processor milliseconds of each step, taken in turn."""
    for step in steps.values():
        step()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            taken[name].append((1e3 * spent[0], 1e3 * spent[1]))
    found = {}
    for name, pairs in taken.items():
        walls, cpus = zip(*pairs, strict=True)
        found[f"{name}_ms"] = statistics.median(walls)
        found[f"{name}_fastest_ms"] = min(walls)
        found[f"{name}_cpu_ms"] = statistics.median(cpus)
    return found


def bandwidth(rounds: int = 20) -> dict[str, float]:
    """GB/s of a copy far larger than any cache, bytes read and bytes written both counted."""
    source = torch.zeros(2**26)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size() / 1e9
    times = times_of({"copy": lambda: target.copy_(source)}, rounds)
    cpu = times["copy_cpu_ms"] / torch.get_num_threads()
    return {
        "gb_per_s": moved / (times["copy_fastest_ms"] / 1e3),
        "cpu_gb_per_s": moved / (cpu / 1e3),
    }


def measure(rounds: int, threads: tuple[int, ...]) -> list[dict]:
    rows = []
    for count in threads:
        torch.set_num_threads(count)
        row = SMALL | {"threads": count}
        steps = {backend: step_of(SMALL, backend) for backend in ("cpu", "reference")}
        row |= times_of(steps, rounds)
        for kind in ("ms", "fastest_ms", "cpu_ms"):
            row[f"reference_over_cpu_{kind}"] = row[f"reference_{kind}"] / row[f"cpu_{kind}"]
        rows.append(row)
        print(json.dumps(row), flush=True)

        row = LARGE | {"threads": count} | bandwidth()
        row |= times_of({"cpu": step_of(LARGE, "cpu")}, rounds)
        moved = PASSES * 4 * LARGE["rows"] ** 2 * LARGE["batch"] * LARGE["time"] / 1e9
        row["link_gb"] = moved
        row["bound_ms"] = 1e3 * moved / row["gb_per_s"]
        row["times_bound"] = row["cpu_fastest_ms"] / row["bound_ms"]
        row["times_bound_cpu"] = row["cpu_cpu_ms"] / count / (1e3 * moved / row["cpu_gb_per_s"])
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def surroundings(experiment: str) -> dict:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )  # fmt: skip
    versions = {name: sys.modules[name].__version__ for name in ("torch", "numba", "numpy")}
    return {
        "experiment": experiment,
        "command": "python " + " ".join(sys.argv),
        "commit": commit.stdout.strip(),
        "versions": versions | {"python": platform.python_version()},
        "hardware": f"{model}, {os.cpu_count()} cores",
        "load_before": LOAD,
        "unit": "milliseconds of a forward and backward pass",
    }


@styled
def speed_figure(rows: list[dict]) -> Figure:
    """The kernel beside the reference, and beside the least that moving its links takes."""
    figure = new_figure(DOUBLE, 44.0)
    halves = (
        (rows[::2], "processor time of a forward and backward pass (ms)",
         {"cpu_cpu_ms": ("kernel", READ), "reference_cpu_ms": ("reference", FAINT)}),
        (rows[1::2], "time of a forward and backward pass (ms)",
         {"cpu_fastest_ms": ("kernel", READ), "bound_ms": ("moving the links", FAINT)}),
    )  # fmt: skip
    for number, (measured, xlabel, bars) in enumerate(halves):
        axes = place(figure, 36.0 + number * 88.0, 8.0, 46.0, 27.0)
        names = []
        for row in measured:
            threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
            for name, (label, colour) in bars.items():
                y = len(names) * 0.8 + 0.5 * (len(names) // 2)
                axes.barh(y, row[name], 0.66, color=colour, lw=0)
                digits = 1 if row[name] < 10 else 0
                axes.annotate(f"{row[name]:.{digits}f}", (row[name], y), (2, 0), va="center",
                              textcoords="offset points", fontsize=SMALL_TEXT)  # fmt: skip
                names.append((y, f"{label}, {threads}"))
        axes.set_yticks(*zip(*names, strict=True))
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        size = measured[0]
        axes.set_title(f"{size['rows']} rows of {size['word']} numbers, batch {size['batch']}")
        axes.set_xlabel(xlabel)
        open_frame(axes)
        letter(axes, "ab"[number], 32.0)
    return figure


LOAD = os.getloadavg()[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rounds", type=int, default=15, help="of each measurement")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--redraw", action="store_true", help="only draw what result.json holds")
    options = parser.parse_args()
    if options.redraw:
        result = json.loads((options.out / "result.json").read_text())
        save(speed_figure(result["speed"]), options.out / "figure.png")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    rows = measure(options.rounds, tuple(options.threads))
    # The table of results has no columns for speed.
    result = surroundings("speed/dnc") | {"cells": [], "speed": rows}
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    save(speed_figure(rows), options.out / "figure.png")


if __name__ == "__main__":
    main()
