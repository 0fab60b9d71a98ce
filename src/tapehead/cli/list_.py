"""`tapehead list`: tasks, machines with their sizes, and experiments."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tapehead.cli.command import print_json, read, table
from tapehead.cli.help import packed, screen_width
from tapehead.cli.options import options_of
from tapehead.recipes import CALCULATIONS, REPRODUCIBLE, ours
from tapehead.registry import EXPERIMENTS, MACHINES, TASKS


@dataclass(frozen=True, kw_only=True)
class List:
    """Print what there is. Without an option: machines, tasks and experiments by name."""

    machines: bool = False
    """Every machine, and the parameters of the papers' configurations beside ours."""
    tasks: bool = False
    """Every task, its options and where it comes from."""
    experiments: bool = False
    """Every experiment that `tapehead reproduce` runs, and its contestants."""
    json: bool = False
    """Print JSON instead of tables."""


def run(argv: Sequence[str]) -> int:
    command = read(List, argv, "tapehead list")
    parts = {
        "machines": (_machines, _show_machines),
        "tasks": (_tasks, _show_tasks),
        "experiments": (_experiments, _show_experiments),
    }
    chosen = [name for name in parts if getattr(command, name)]
    if not chosen:
        overview = _overview()
        print_json(overview) if command.json else _show_overview(overview)
        return 0
    found = {name: parts[name][0]() for name in chosen}
    if command.json:
        print_json(found)
    else:
        print("\n\n".join(parts[name][1](found[name]) for name in chosen))
    return 0


def _overview() -> dict[str, dict[str, str]]:
    return {
        "machines": {name: MACHINES.summary(name) for name in MACHINES},
        "tasks": {name: TASKS.summary(name) for name in TASKS},
        "experiments": {
            name: CALCULATIONS[name].source if name in CALCULATIONS else EXPERIMENTS.summary(name)
            for name in REPRODUCIBLE
        },
    }


def _show_overview(overview: dict[str, dict[str, str]]) -> None:
    width = max(len(name) for entries in overview.values() for name in entries) + 2
    for heading, entries in overview.items():
        print(heading.capitalize())
        for name, summary in entries.items():
            print(f"  {name:<{width}}{_shortened(summary, screen_width() - 2 - width)}")
        print()
    print("Your own go by module:Class, experiments by module:NAME (docs/extending.md).")
    print("More: tapehead list --machines, --tasks, --experiments; tapehead results")


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3].rsplit(" ", 1)[0] + " ..."


def _machines() -> list[dict[str, Any]]:
    """One row for each configuration of a paper: its parameter count and ours."""
    from tapehead.runs.build import build_machine, build_task

    rows = []
    for experiment in ours():
        for contestant in experiment.parameters:
            (task,) = experiment.tasks
            config = experiment.recipe(task, contestant, "paper")
            machine = build_machine(config, build_task(config))
            rows.append(
                {
                    "machine": contestant,
                    "task": task,
                    "options": config.machine_options,
                    "parameters": sum(weight.numel() for weight in machine.parameters()),
                    "published": experiment.parameters[contestant],
                    "source": experiment.source,
                }
            )
    return rows


def _show_machines(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["Machines"]
    machines = [(name, MACHINES.summary(name)) for name in MACHINES]
    width = max(len(name) for name, _ in machines) + 2
    room = screen_width() - 2 - width
    lines += [f"  {name:<{width}}{_shortened(text, room)}" for name, text in machines]
    cells = []
    for row in rows:
        options, published = row["options"], row["published"]
        layers = f"{options['num_layers']} x {options['hidden_size']}"
        memory = (
            f"{options['memory_size']} x {options['word_size']}" if "word_size" in options else ""
        )
        cells.append(
            [
                row["machine"],
                row["task"],
                str(options.get("num_reads", "")),
                layers,
                memory,
                f"{published:,}" if published else "",
                f"{row['parameters']:,}",
                f"{row['parameters'] / published - 1:+.1%}" if published else "",
            ]
        )
    header = ["machine", "task", "heads", "controller", "memory", "published", "ours", "difference"]
    return "\n".join(
        [
            *lines,
            "",
            "Parameters of the papers' configurations",
            table(cells, header=header, numbers=(2, 5, 6, 7)),
            "Why they differ: docs/departures.md",
        ]
    )


def _tasks() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "title": task.title,
            "source": task.source,
            "options": {option.name: option.default for option in options_of(task)},
            "test_settings": list(task().test_settings()),
            "pass_mark": [mark.metric.name, mark.threshold],
            "solved": f"{mark.metric.heading} {mark}",
        }
        for name, task in TASKS.items()
        for mark in (task().pass_mark,)
    ]


def _show_tasks(tasks: Sequence[dict[str, Any]]) -> str:
    blocks = [
        "\n".join(
            [
                *textwrap.wrap(
                    f"{task['name']}: {task['title']}, {task['source']}", screen_width()
                ),
                f"  solved at {task['solved']}",
                *textwrap.wrap(
                    f"tested at {'; '.join(task['test_settings'])}",
                    screen_width(),
                    initial_indent="  ",
                    subsequent_indent="  ",
                ),
                *packed(options_of(TASKS[task["name"]])),
            ]
        )
        for task in tasks
    ]
    return "\n\n".join(blocks)


def _experiments() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "source": experiment.source,
            "tasks": list(experiment.tasks),
            "machines": list(experiment.contestants),
            "metric": experiment.metric,
            "unit": experiment.unit,
        }
        for name, experiment in EXPERIMENTS.items()
        if name not in CALCULATIONS
    ] + [
        {"name": name, "source": other.source, "tasks": [], "machines": [], "metric": None}
        for name, other in CALCULATIONS.items()
    ]


def _show_experiments(experiments: Sequence[dict[str, Any]]) -> str:
    width = max(len(found["name"]) for found in experiments) + 2
    lines = []
    for found in experiments:
        lines += textwrap.wrap(
            f"{found['name']:<{width}}{found['source']}",
            screen_width(),
            subsequent_indent=" " * width,
        )
        if found["machines"]:
            # Names may hold commas and spaces: "ntm-lstm, read first".
            whole = [name.replace(" ", "\xa0") for name in found["machines"]]
            indent = " " * width
            listed = textwrap.wrap(" | ".join(whole), screen_width(), initial_indent=indent,
                                   subsequent_indent=indent)  # fmt: skip
            lines += [line.replace("\xa0", " ") for line in listed]
    return "\n".join(["Experiments of `tapehead reproduce`", *lines])
