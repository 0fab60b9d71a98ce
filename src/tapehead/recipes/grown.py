"""The experiment `ntm/grown-memory`: copies far longer than those of training, by NTMs that were
trained with few rows and with many, in memories of several sizes."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tapehead.recipes import ntm
from tapehead.recipes.experiment import Contest, Experiment

if TYPE_CHECKING:
    import matplotlib.figure

    import tapehead.runs.config

TRAINED = {"ntm-lstm, 24 rows": 24, "ntm-lstm, 128 rows": 128}
"""Rows in training, where no copy is longer than 20: a memory that just fits, and the paper's."""

LENGTHS = (20, 120, 200, 500)
ROWS = (128, 256, 640)
"""The paper's memory, and two larger ones. A copy needs at least as many rows as vectors."""
TEST_SEQUENCES = 100


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The machine of `ntm/copy` with another number of rows in training."""
    config = ntm.recipe(task, "ntm-lstm", setting)
    options = config.machine_options | {"memory_size": TRAINED[contestant]}
    return dataclasses.replace(
        config,
        machine_options=options,
        test_sequences=0,
        test_memory_size=None,
        restart_after=None,
    )


def judge(contest: Contest) -> list[dict[str, Any]]:
    """The usual cell, and one for each length and memory."""
    from tapehead.runs import evaluate, load_run

    sequences = contest.options.get("test_sequences", TEST_SEQUENCES)
    usual, *_ = contest.cells()
    scores: dict[tuple[int, int], list[dict[str, float]]] = {}
    for job in sorted(contest.jobs, key=lambda job: job.config.seed):
        _, machine, task = load_run(job.path, step="latest")
        trained = machine.settable_rows
        assert trained is not None
        for rows in ROWS:
            machine.set_rows(trained)
            machine.set_rows(rows)
            for length in LENGTHS:
                setting = task.resized(min_length=length, max_length=length)
                found = evaluate(machine, setting, sequences=sequences)
                scores.setdefault((length, rows), []).append(found)
    cells = [usual]
    for (length, rows), found in scores.items():
        by_metric = {metric: [one[metric] for one in found] for metric in found[0]}
        test = {"test": f"length {length}, {rows} rows", "length": length, "rows": rows}
        values = {"values": by_metric[contest.experiment.metric], "scores": by_metric}
        cells.append(usual | test | values | {"published": None, "source": None})
    return cells


def figure(cells: Sequence[dict[str, Any]]) -> "matplotlib.figure.Figure":
    """Errors over the length, a panel for each memory."""
    from tapehead.viewing.memories import memories_figure

    errors: dict[str, dict[str, dict[int, list[float]]]] = {}
    for cell in cells:
        if cell["test"] is not None:
            panels = errors.setdefault(f"trained with {TRAINED[cell['machine']]} rows", {})
            panels.setdefault(f"tested with {cell['rows']}", {})[cell["length"]] = cell["values"]
    return memories_figure(
        errors, trained=(1, 20), title="NTM: copy, trained and tested with few rows and with many"
    )


EXPERIMENT = Experiment(
    name="ntm/grown-memory",
    source="not published: the machines of ntm/copy, with few rows and many",
    tasks=("copy",),
    contestants=tuple(TRAINED),
    recipe=recipe,
    seeds=10,
    first_seed=3_000,
    settings=("fast",),
    metric="bit_errors",
    unit="wrong bits per sequence",
    judge=judge,
    judged_with=("test_sequences",),
    figure=figure,
)
