"""Speed of the DNC's switches: each beside the reference, and what sparse links save.

    python benchmarks/dnc_switches.py results/speed/dnc-switches

Writes result.json and figure.png there. Two questions: how much quicker the kernel is than the
reference with each switch, at the sizes of the copy task; and what a training step costs for a
memory of 64 to 4,096 rows, with the whole link matrix and with eight links a row. One thread, and
processor time, which waiting for a busy machine does not enter.
"""

import argparse
import json
from pathlib import Path

import torch
from matplotlib.figure import Figure

from dnc_speed import SMALL, surroundings, times_of
from tapehead import DNC
from tapehead.machines import DNCState
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

SWITCHES = {
    "none": {},
    "layer_norm": {"layer_norm": True},
    "masked_lookup": {"masked_lookup": True},
    "sharp_links": {"sharp_links": True},
    "erase_freed": {"erase_freed": True},
    "bypass_dropout": {"bypass_dropout": 0.1},
    "sparse_links": {"sparse_links": 8},
    "all": {
        "layer_norm": True,
        "masked_lookup": True,
        "sharp_links": True,
        "erase_freed": True,
        "bypass_dropout": 0.1,
    },
}
NAMES = {"all": "all but sparse_links"}
ROWS = (64, 128, 256, 512, 1024, 2048, 4096)
KEPT = 8
LINKS = {"batch": 2, "time": 16, "word": 20, "reads": 1, "hidden": 100}


def machine_of(sizes: dict[str, int], rows: int, backend: str, **options) -> DNC:
    torch.manual_seed(0)
    return DNC(
        9,
        8,
        memory_size=rows,
        word_size=sizes["word"],
        num_reads=sizes["reads"],
        hidden_size=sizes["hidden"],
        backend=backend,
        **options,
    )


def step_of(machine: DNC, sizes: dict[str, int], state: DNCState | None = None):
    x = torch.rand(sizes["batch"], sizes["time"], 9)

    def step() -> None:
        machine(x, state)[0].sum().backward()

    return step


def full_of_links(machine: DNC, batch: int) -> DNCState:
    """A state in which every row has all the links it may have: most have fewer, and cost less."""
    state = machine.initial_state(batch)
    rows = machine.memory_size
    first = torch.randint(rows, (batch, rows, 1))
    columns = (first + 1 + torch.arange(state.link.shape[-1])) % rows
    return state._replace(link=torch.full_like(state.link, 0.2), link_columns=columns)


def measure_switches(rounds: int) -> list[dict]:
    """Milliseconds of a training step with each switch alone, and with all at once but the
    sparse links."""
    rows = []
    for name, options in SWITCHES.items():
        steps = {
            backend: step_of(machine_of(SMALL, SMALL["rows"], backend, **options), SMALL)
            for backend in ("cpu", "reference")
        }
        row = {"switch": name, **times_of(steps, rounds)}
        row["reference_over_cpu"] = row["reference_cpu_ms"] / row["cpu_cpu_ms"]
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def measure_links(rounds: int) -> list[dict]:
    """Milliseconds of one step in time of one sequence, forward and backward: with all links, and
    with eight a row, as a sequence begins and with all of them taken."""
    found = []
    for rows in ROWS:
        sparse = machine_of(LINKS, rows, "cpu", sparse_links=KEPT)
        steps = {
            "dense": step_of(machine_of(LINKS, rows, "cpu"), LINKS),
            "sparse": step_of(sparse, LINKS),
            "full": step_of(sparse, LINKS, full_of_links(sparse, LINKS["batch"])),
        }
        count = LINKS["batch"] * LINKS["time"]
        times = {name: value / count for name, value in times_of(steps, rounds).items()}
        row = {"rows": rows, **times, "share": times["full_cpu_ms"] / times["dense_cpu_ms"]}
        found.append(row)
        print(json.dumps(row), flush=True)
    return found


@styled
def switches_figure(switches: list[dict], links: list[dict]) -> Figure:
    figure = new_figure(DOUBLE, 52.0)
    axes = place(figure, 32.0, 10.0, 42.0, 34.0)
    for number, row in enumerate(switches):
        axes.barh(number, row["reference_cpu_ms"], 0.66, color=FAINT, lw=0)
        axes.barh(number, row["cpu_cpu_ms"], 0.66, color=READ, lw=0)
        text = f"{row['cpu_cpu_ms']:.0f}, {row['reference_cpu_ms']:.0f}"
        axes.annotate(text, (row["reference_cpu_ms"], number), (2, 0), va="center",
                      textcoords="offset points", fontsize=SMALL_TEXT)  # fmt: skip
    axes.set_yticks(
        range(len(switches)), [NAMES.get(row["switch"], row["switch"]) for row in switches]
    )
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_title("kernel (dark) and reference, batch 16 of copy")
    axes.set_xlabel("processor time, forward and backward (ms)")
    open_frame(axes)
    letter(axes, "a", 28.0)

    axes = place(figure, 118.0, 10.0, 46.0, 34.0)
    sizes = [row["rows"] for row in links]
    for name, label, colour in (("dense", "all", FAINT), ("full", "8", READ)):
        values = [row[f"{name}_cpu_ms"] for row in links]
        axes.plot(sizes, values, "o-", ms=2.5, color=colour)
        axes.annotate(label, (sizes[-1], values[-1]), (3, 0), va="center",
                      textcoords="offset points", fontsize=SMALL_TEXT)  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes[::2], [f"{size:,}" for size in sizes[::2]])
    axes.minorticks_off()
    axes.set_title("links kept of each row")
    axes.set_xlabel("rows of the memory")
    axes.set_ylabel("one step of one sequence (ms)")
    open_frame(axes)
    letter(axes, "b", 14.0)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rounds", type=int, default=9, help="of each measurement")
    parser.add_argument("--redraw", action="store_true", help="only draw what result.json holds")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    at = options.out / "result.json"
    if not options.redraw:
        torch.set_num_threads(1)
        switches, links = measure_switches(options.rounds), measure_links(options.rounds)
        result = surroundings("speed/dnc-switches") | {
            "cells": [],
            "speed": {"copy": SMALL, "switches": switches, "steps": LINKS, "links": links},
        }
        at.write_text(json.dumps(result, indent=1) + "\n")
    speed = json.loads(at.read_text())["speed"]
    save(switches_figure(speed["switches"], speed["links"]), options.out / "figure.png")


if __name__ == "__main__":
    main()
