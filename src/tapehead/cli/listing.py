"""`tapehead list`: tasks, machines with their sizes, experiments and results."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapehead.cli.command import print_json, read, table
from tapehead.cli.help import packed, screen_width
from tapehead.cli.options import UsageError, options_of
from tapehead.recipes import CALCULATIONS, EXPERIMENTS
from tapehead.recipes.results import all_cells, middle, packaged_cells
from tapehead.registry import MACHINES, TASKS


@dataclass(frozen=True, kw_only=True)
class List:
    """Print what there is. Without an option: machines, tasks and experiments by name."""

    machines: bool = False
    """Every machine, and the parameters of the papers' configurations beside ours."""
    tasks: bool = False
    """Every task, its options and where it comes from."""
    experiments: bool = False
    """Every experiment that `tapehead reproduce` runs, and its contestants."""
    results: bool = False
    """Every result so far, our numbers beside the published ones."""
    folder: Path | None = None
    """Where the results are; left out: results/, or those that come with tapehead."""
    json: bool = False
    """Print JSON instead of tables."""


def run(argv: Sequence[str]) -> int:
    command = read(List, argv, "tapehead list")
    parts = {
        "machines": (_machines, _show_machines),
        "tasks": (_tasks, _show_tasks),
        "experiments": (_experiments, _show_experiments),
        "results": (lambda: _results(command.folder), results_table),
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
            name: other.source for name, other in [*EXPERIMENTS.items(), *CALCULATIONS.items()]
        },
    }


def _show_overview(overview: dict[str, dict[str, str]]) -> None:
    width = max(len(name) for entries in overview.values() for name in entries) + 2
    for heading, entries in overview.items():
        print(heading.capitalize())
        for name, summary in entries.items():
            print(f"  {name:<{width}}{_shortened(summary, screen_width() - 2 - width)}")
        print()
    print("More: tapehead list --machines, --tasks, --experiments, --results")


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3].rsplit(" ", 1)[0] + " ..."


def _machines() -> list[dict[str, Any]]:
    """One row for each configuration of a paper: its parameter count and ours."""
    from tapehead.runs.build import build_machine, build_task

    rows = []
    for experiment in EXPERIMENTS.values():
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


def _results(folder: Path | None) -> list[dict[str, Any]]:
    if folder is None:
        here = Path("results")
        return all_cells(here) if here.is_dir() else packaged_cells()
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} with results")
    return all_cells(folder)


def results_table(cells: Sequence[dict[str, Any]]) -> str:
    """A table for each experiment, setting and metric, and for each task if there are several."""
    if not cells:
        return "no results yet: `tapehead reproduce ntm/copy` makes some"
    tasks: dict[str, set[str]] = {}
    for cell in cells:
        tasks.setdefault(cell["experiment"], set()).add(cell["task"])
    sections: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        parts = [cell["experiment"], cell["setting"]]
        if len(tasks[cell["experiment"]]) > 1:
            parts.append(cell["task"])
        unit = "" if cell["unit"] in ("", "1") else f" ({cell['unit']})"
        heading = f"{', '.join(parts)}: {cell['metric']}{unit}"
        sections.setdefault(heading, []).append(cell)
    blocks = [
        "\n".join([*textwrap.wrap(heading, screen_width()), _section(members)])
        for heading, members in sections.items()
    ]
    return "\n\n".join([*blocks, "Ours: median over seeds (least to most)."])


def _section(cells: Sequence[dict[str, Any]]) -> str:
    """The table at full length if it fits; or else numbers of fewer digits, no seconds, and names
    on several lines."""
    for digits, left_out in ((4, ()), (3, ()), (3, ("seconds",)), (2, ("seconds", "sequences"))):
        columns = {
            "machine": [cell["machine"] for cell in cells],
            "test": [
                cell.get("test", "") or ("as trained" if "test" in cell else "") for cell in cells
            ],
            "ours": [_spread(cell["values"], digits) for cell in cells],
            "published": [
                "" if cell["published"] is None else _number(cell["published"], digits)
                for cell in cells
            ],
            "solved": [f"{cell['solved']}/{len(cell['seeds'])}" for cell in cells],
            "sequences": [f"{middle(cell['sequences']):,.0f}" for cell in cells],
            "seconds": [f"{middle(cell['seconds']):,.0f}" for cell in cells],
        }
        shown = {
            name: column
            for name, column in columns.items()
            if name not in left_out and (name not in ("test", "published") or any(column))
        }
        texts = sum(name in ("machine", "test") for name in shown)
        made = table(
            list(zip(*shown.values(), strict=True)),
            header=list(shown),
            numbers=range(texts, len(shown)),
            width=screen_width(),
        )
        if max(map(len, made.splitlines())) <= screen_width():
            break
    return made


def _spread(values: Sequence[float | int], digits: int) -> str:
    least, most = _number(min(values), digits), _number(max(values), digits)
    if least == most:
        return least
    return f"{_number(middle(values), digits)} ({least} to {most})"


def _number(value: float | int, digits: int) -> str:
    return f"{value:.{digits}g}"
