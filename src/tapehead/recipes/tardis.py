"""The study `discrete/tardis`: TARDIS beside an LSTM and an NTM on copy and associative recall."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tapehead.recipes.discrete import Schedule, trial
from tapehead.recipes.trials import Trial, run_trials
from tapehead.tasks import Task, make_task

NAME = "discrete/tardis"
PAPER = "Gulcehre, Chandar & Bengio 2017 (arXiv 1701.08718); no values of these tasks at hand"
SEEDS = tuple(range(5))

CONTESTANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tardis straight-through-gumbel": ("tardis", {"estimator": "straight-through-gumbel"}),
    "tardis reinforce": ("tardis", {"estimator": "reinforce", "entropy": 0.0005}),
    "lstm": ("lstm", {"hidden_size": 128, "num_layers": 1}),
    "ntm": ("ntm", {"memory_size": 64, "memory_init": "uniform"}),
}
"""Name -> kind and options."""


def tasks() -> dict[str, tuple[Task, Schedule]]:
    """The tasks, small enough for an hour of one core, and how they are trained: without
    lessons."""
    copy = make_task("copy", max_length=10)
    recall = make_task("associative-recall", max_items=3)
    schedule = Schedule(learning_rate=2e-3, clip_norm=1.0, lessons=False)
    return {"copy": (copy, schedule), "associative-recall": (recall, schedule)}


def trials() -> list[Trial]:
    """A trial for each contestant and task."""
    return [
        trial(name, kind, options, task, schedule)
        for task, schedule in tasks().values()
        for name, (kind, options) in CONTESTANTS.items()
    ]


def reproduce(
    folder: Path,
    *,
    seeds: Sequence[int] = SEEDS,
    command: str = f"tapehead reproduce {NAME}",
    chosen: Sequence[Trial] | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Run the study; write `result.json` and `figure.png` into `folder`.

    Args:
        how: machines, workers, quiet and json of `run_trials`.

    Returns:
        What `result.json` holds.
    """
    # Drawing is slow to import, and a caller of the functions above may not need it.
    from tapehead.viewing.races import task_figure
    from tapehead.viewing.style import save

    result = run_trials(NAME, PAPER, chosen or trials(), seeds, folder, command, **how)
    titles = {name: task.title for name, (task, _) in tasks().items()}
    save(task_figure(result["cells"], titles), folder / "figure.png")
    return result
