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

import matplotlib.pyplot as plt
import torch

from tapehead.benchmark import Workload, interleaved, lstm_step, ntm_step, row_of

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


LABELS = {
    "lstm": "torch.nn.LSTM, no memory",
    "cpu": "tapehead",
    "jax": "JAX, scan + jit",
    "compiled": "torch.compile of the step",
    "reference": "eager PyTorch",
}
AXES = {"rows": "rows of memory", "time": "steps", "batch": "sequences of a batch"}


def draw(result: dict, path: Path) -> None:
    """Contenders side by side, and how the kernel's cost grows along each axis."""
    rows = [
        row
        for row in result["speed"]
        if (row["threads"], row["rows"], row["time"]) == (THREADS, 128, 41)
    ]
    names = [name for name in LABELS if f"{name}_ms" in rows[0]]
    figure, (bars, lines) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for number, name in enumerate(names):
        places = [index + (number - len(names) / 2 + 0.5) * 0.16 for index in range(len(rows))]
        bars.bar(places, [row[f"{name}_ms"] for row in rows], 0.15, label=LABELS[name])
    bars.set_xticks(range(len(rows)), [f"batch {row['batch']}" for row in rows])
    bars.set(yscale="log", ylabel="ms, forward + backward", title="NTM, 41 steps, two threads")
    bars.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False)
    for axis, measured in result["scaling"].items():
        sizes = [row[axis] for row in measured]
        lines.plot(sizes, [row["cpu_ms"] for row in measured], "o-", label=AXES[axis])
    lines.set(xscale="log", yscale="log", title="tapehead, one size at a time", xlabel="size")
    lines.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="few sizes and repetitions of each")
    parser.add_argument("--seconds", type=float, help="for each row, about: 10, or 0.5 if quick")
    options = parser.parse_args()
    seconds = options.seconds or (0.5 if options.quick else 10.0)
    options.out.mkdir(parents=True, exist_ok=True)
    result = surroundings() | measure(options.quick, seconds)
    result["versions"] |= surroundings()["versions"]
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(result, options.out / "figure.png")


if __name__ == "__main__":
    main()
