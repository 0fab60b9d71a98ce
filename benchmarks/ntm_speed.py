"""Speed of the NTM's CPU kernels against eager PyTorch, torch.compile, JAX and torch.nn.LSTM.

    python benchmarks/ntm_speed.py results/speed/ntm

Writes result.json and figure.png there. Run it on a machine with nothing else to do. --quick goes
through every part with few sizes and repetitions, to see that all of them run. JAX is the extra
`tapehead[jax]`; without it that contender is left out.
"""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tapehead.benchmark import Workload, interleaved, lstm_step, ntm_step, row_of
from tapehead.viewing.curves import plain_number
from tapehead.viewing.legend import beside
from tapehead.viewing.style import DOUBLE, letter, new_figure, open_frame, place, save, styled

SPEED = [
    Workload(batch=batch, time=time, rows=rows)
    for rows in (128, 1024)
    for time in (41, 200)
    for batch in (1, 16, 64)
]
SCALING = {
    "rows": (64, 128, 256, 512, 1024, 2048, 4096),
    "time": (10, 20, 41, 100, 200, 400),
    "batch": (1, 2, 4, 8, 16, 32, 64, 128),
}
CHECKPOINT_EVERY = (1, 4, 14, 50)
THREADS = 2


def compiled_step(workload: Workload):
    """The reference with its step compiled by torch.compile, run in a Python loop."""
    # Past a few sizes the compiler would give up on a function and run it as it is.
    torch.compiler.reset()
    machine, x = workload.ntm("reference"), workload.batch_of_inputs()
    one = torch.compile(machine.step)

    def step() -> None:
        state = machine.initial_state(workload.batch)
        outputs = []
        for x_t in x.unbind(1):
            y, state = one(x_t, state)
            outputs.append(y)
        torch.stack(outputs, 1).sum().backward()

    return step


def contenders(workload: Workload, threads: int) -> dict:
    """All of them with all threads; alone, those that can be held to one thread."""
    steps = {"cpu": ntm_step(workload, "cpu"), "lstm": lstm_step(workload)}
    steps["reference"] = ntm_step(workload, "reference")
    if threads == THREADS:
        steps["compiled"] = compiled_step(workload)
        if find_spec("jax"):
            steps["jax"] = Elsewhere("ntm_jax", "jax_step", workload)
    return steps


class Elsewhere:
    """A contender in a process of its own, which runs a step when asked and says what it took.

    JAX and PyTorch each own threads that go on spinning for a while after their work: in one
    process, on as many cores as threads, either would be measured at half its speed. Hence the
    pauses too.
    """

    PAUSE = 0.05

    def __init__(self, module: str, function: str, workload: Workload):
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        arguments = (theirs, module, function, workload)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()

    def __call__(self) -> float:
        time.sleep(self.PAUSE)
        self._ours.send(True)
        milliseconds = self._ours.recv()
        time.sleep(self.PAUSE)
        return milliseconds

    def close(self) -> None:
        self._ours.send(False)
        self._process.join()


def serve(connection: Connection, module: str, function: str, workload: Workload) -> None:
    """The other side of `Elsewhere`."""
    step = getattr(import_module(module), function)(workload)
    while connection.recv():
        start = time.perf_counter()
        step()
        connection.send(1e3 * (time.perf_counter() - start))


def memory_of(every: int | None) -> float:
    """MiB that a pass and back adds at T = 200, batch 16, N = 1024, in a process of its own."""
    code = f"""
from pathlib import Path
from tapehead.benchmark import Workload
workload = Workload(time=200, rows=1024)
machine, x = workload.ntm("cpu"), workload.batch_of_inputs()
def run(x):
    machine(x)[0].sum().backward()
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
run(x[:, :1])
# Forget the peak of compiling or loading.
Path("/proc/self/clear_refs").write_text("5")
before = peak()
machine.memory_checkpoint_every = {every}
run(x)
print(peak() - before)
"""
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def measure(quick: bool, seconds: float) -> dict:
    speed, scaling = [], {}
    for workload in SPEED[:2] if quick else SPEED:
        for threads in (1, THREADS):
            torch.set_num_threads(threads)
            steps = contenders(workload, threads)
            times = interleaved(steps, seconds=seconds, least_rounds=2 if quick else 5)
            if "jax" in steps:
                steps["jax"].close()
            speed.append(row_of(workload, threads, times))
            if threads == THREADS:
                speed[-1]["times_one_thread"] = speed[-2]["cpu_ms"] / speed[-1]["cpu_ms"]
            print(json.dumps(speed[-1]), flush=True)
    for axis, sizes in SCALING.items():
        scaling[axis] = []
        for size in sizes[:2] if quick else sizes:
            workload = Workload(**{axis: size})
            times = interleaved({"cpu": ntm_step(workload, "cpu")}, seconds=seconds / 2)
            scaling[axis].append(row_of(workload, THREADS, times))
            print(json.dumps(scaling[axis][-1]), flush=True)
    memory = {}
    for every in CHECKPOINT_EVERY[1:3] if quick else CHECKPOINT_EVERY:
        memory[str(every)] = memory_of(every)
        print(f"memory kept every {every} steps: {memory[str(every)]:.1f} MiB", flush=True)
    return {"speed": speed, "scaling": scaling, "memory_mib_by_checkpoint_every": memory}


def surroundings() -> dict:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    versions = {
        name: version(name) for name in ("torch", "numba", "jax", "numpy") if find_spec(name)
    }
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )  # fmt: skip
    return {
        "experiment": "speed/ntm",
        "command": "python " + " ".join(sys.argv),
        "commit": commit.stdout.strip(),
        "versions": versions | {"python": platform.python_version()},
        "hardware": f"{model}, {os.cpu_count()} cores",
        "load_before": os.getloadavg()[0],
        "unit": "milliseconds of a forward and backward pass",
        # Nothing here was trained: no rows for the table of all results.
        "cells": [],
    }


LOOKS = {
    "reference": ("eager PyTorch", "#8a8a8a", "o"),
    "jax": ("JAX, scan and jit", "#009e73", "^"),
    "compiled": ("torch.compile of the step", "#b06a00", "v"),
    "cpu": ("tapehead", "#0072b2", "s"),
    "lstm": ("torch.nn.LSTM, no memory", "#4d4d4d", "D"),
}
AXES = {
    "batch": ("sequences of a batch", "s", "-"),
    "time": ("steps", "^", (0, (5, 1.4))),
    "rows": ("rows of memory", "v", (0, (1.1, 1.1))),
}
USUAL = Workload()


@styled
def speed_figure(result: dict) -> Figure:
    """The contenders at three batch sizes, and how the kernel's cost grows with each size."""
    figure = new_figure(DOUBLE, 61.0)
    panels = [
        place(figure, left, 6.0, width, 46.0) for left, width in ((12.0, 52.0), (112.0, 60.0))
    ]
    rows = [
        row
        for row in result["speed"]
        if (row["threads"], row["rows"], row["time"]) == (THREADS, USUAL.rows, USUAL.time)
    ]
    for axes, mark, title in zip(
        panels,
        "ab",
        (
            f"{USUAL.time} steps, {USUAL.rows} rows, {THREADS} threads",
            "tapehead, one size at a time",
        ),
        strict=True,
    ):
        axes.set(xscale="log", yscale="log", title=title)
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
        open_frame(axes)
        letter(axes, mark, 10.0)
    labels = {}
    for name, (label, colour, marker) in LOOKS.items():
        if f"{name}_ms" in rows[0]:
            sizes, times = zip(*((row["batch"], row[f"{name}_ms"]) for row in rows), strict=True)
            panels[0].plot(sizes, times, color=colour, marker=marker, mec="white", mew=0.5)
            labels[label] = (times[-1], colour)
    batches = [row["batch"] for row in rows]
    panels[0].set_xticks(batches, batches)
    panels[0].xaxis.set_minor_locator(NullLocator())
    panels[0].set(xlabel="sequences of a batch", ylabel="forward and backward pass (ms)")
    beside(panels[0], labels)
    for axis, (label, marker, dashes) in AXES.items():
        look = {"color": LOOKS["cpu"][1], "ls": dashes, "marker": marker, "mec": "white"}
        usual = getattr(USUAL, axis)
        sizes, times = zip(
            *((row[axis] / usual, row["cpu_ms"]) for row in result["scaling"][axis]), strict=True
        )
        first, last = result["scaling"][axis][0][axis], result["scaling"][axis][-1][axis]
        panels[1].plot(sizes, times, label=f"{label}, {first} to {last:,}", mew=0.5, **look)
    panels[1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    one = f"{USUAL.batch} sequences, {USUAL.time} steps, {USUAL.rows} rows"
    panels[1].set_xlabel(f"size; 1 is {one}")
    panels[1].legend(loc="upper left", bbox_to_anchor=(0.0, 1.0))
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="few sizes and repetitions of each")
    parser.add_argument("--seconds", type=float, help="for each row, about: 10, or 0.5 if quick")
    parser.add_argument("--redraw", action="store_true", help="only draw what result.json holds")
    options = parser.parse_args()
    if options.redraw:
        result = json.loads((options.out / "result.json").read_text())
        save(speed_figure(result), options.out / "figure.png")
        return
    seconds = options.seconds or (0.5 if options.quick else 10.0)
    options.out.mkdir(parents=True, exist_ok=True)
    result = surroundings() | measure(options.quick, seconds)
    result["versions"] |= surroundings()["versions"]
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    save(speed_figure(result), options.out / "figure.png")


if __name__ == "__main__":
    main()
