"""Speed of the NTM's CPU kernels against eager PyTorch, torch.compile, JAX and torch.nn.LSTM.

    python benchmarks/ntm_speed.py results/speed/ntm

Writes result.json and figure.png there. Run it on a machine with nothing else to do. JAX is the
extra `tapehead[jax]`; without it that contender is left out, as is torch.compile by --quick.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
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
    "rows": [Workload(rows=rows) for rows in (64, 128, 256, 512, 1024, 2048, 4096)],
    "time": [Workload(time=time) for time in (10, 20, 41, 100, 200, 400)],
    "batch": [Workload(batch=batch) for batch in (1, 2, 4, 8, 16, 32, 64, 128)],
}


def compiled_step(workload: Workload):
    """The reference with its step compiled by torch.compile, run in a Python loop."""
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


def contenders(workload: Workload, quick: bool) -> dict:
    steps = {"cpu": ntm_step(workload, "cpu"), "lstm": lstm_step(workload)}
    steps["reference"] = ntm_step(workload, "reference")
    if not quick:
        steps["compiled"] = compiled_step(workload)
    try:
        from ntm_jax import jax_step
    except ImportError:
        return steps
    return steps | {"jax": jax_step(workload)}


def memory_of(every: int | None) -> float:
    """MiB that a pass and back adds at T = 200, batch 16, N = 1024, in a process of its own."""
    code = f"""
import resource
from tapehead.benchmark import Workload
from tapehead.ops.ntm import cpu
workload = Workload(time=200, rows=1024)
machine, x = workload.ntm("cpu"), workload.batch_of_inputs()
def run(x, every):
    projected, state = machine.input(x), machine.initial_state(16)
    weights, spec = machine._weights(), machine.spec
    features, _ = cpu.ntm(projected, weights, state, spec, checkpoint_every=every)
    features.sum().backward()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
run(x[:, :1], 1)
before = peak()
run(x, {every})
print(peak() - before)
"""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                                check=True).stdout)  # fmt: skip


def measure(quick: bool, seconds: float) -> dict:
    speed, scaling = [], {}
    for workload in SPEED[:3] if quick else SPEED:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            times = interleaved(contenders(workload, quick), seconds=seconds)
            speed.append(row_of(workload, threads, times))
            print(json.dumps(speed[-1]), flush=True)
    torch.set_num_threads(2)
    for axis, workloads in {} if quick else SCALING.items():
        scaling[axis] = []
        for workload in workloads:
            times = interleaved({"cpu": ntm_step(workload, "cpu")}, seconds=seconds / 2)
            row = row_of(workload, 2, times)
            scaling[axis].append(row)
            print(json.dumps(row), flush=True)
    memory = {} if quick else {str(every): memory_of(every) for every in (1, 4, 14, 50)}
    return {"speed": speed, "scaling": scaling, "memory_mib_by_checkpoint_every": memory}


def surroundings() -> dict:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    versions = {name: sys.modules[name].__version__ for name in ("torch", "numba", "jax", "numpy")
                if name in sys.modules}  # fmt: skip
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
    }


def draw(result: dict, path: Path) -> None:
    rows = [row for row in result["speed"] if row["threads"] == 2 and row["rows"] == 128]
    rows = [row for row in rows if row["time"] == 41]
    names = [n for n in ("lstm", "cpu", "jax", "compiled", "reference") if f"{n}_ms" in rows[0]]
    labels = {"lstm": "torch.nn.LSTM, no memory", "cpu": "tapehead", "jax": "JAX, scan + jit",
              "compiled": "torch.compile of the step", "reference": "eager PyTorch"}  # fmt: skip
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, name in enumerate(names):
        places = [index + (number - len(names) / 2 + 0.5) * 0.16 for index in range(len(rows))]
        axes.bar(places, [row[f"{name}_ms"] for row in rows], 0.15, label=labels[name])
    axes.set_xticks(range(len(rows)), [f"batch {row['batch']}" for row in rows])
    axes.set(yscale="log", ylabel="ms, forward + backward", title="NTM, 41 steps, two threads")
    axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each row, about")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    result = surroundings() | measure(options.quick, options.seconds)
    result["versions"] |= surroundings()["versions"]
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(result, options.out / "figure.png")


if __name__ == "__main__":
    main()
