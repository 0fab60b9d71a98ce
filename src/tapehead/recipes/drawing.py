"""The figure of a result: learning curves, and error at the paper's test sizes."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.files import clear_errors
from tapehead.recipes.experiment import Experiment
from tapehead.recipes.jobs import ExperimentJob
from tapehead.recipes.results import Cell
from tapehead.runs.build import build_task
from tapehead.tasks import TASKS
from tapehead.viewing import Seed, compare, read_seed, save
from tapehead.viewing.generalisation import Level
from tapehead.viewing.view import varied_size


def draw_result(
    experiment: Experiment,
    setting: str,
    jobs: Sequence[ExperimentJob],
    cells: Sequence[Cell],
    path: Path,
) -> Path:
    """Draw `figure.png` from the metrics of the runs and the cells of the result.

    Raises:
        TapeheadError: the metrics are damaged, or the figure cannot be written.
    """
    machines: dict[str, list[Seed]] = {}
    for job in jobs:
        machines.setdefault(job.contestant, []).append(read_seed(job.path))
    errors: dict[str, dict[Level, list[float]]] = {}
    published_errors: dict[str, dict[Level, float]] = {}
    for cell in cells:
        if cell["test"] is not None:
            errors.setdefault(cell["machine"], {})[cell["test"]] = cell["values"]
            if cell["published"] is not None:
                published_errors.setdefault(cell["machine"], {})[cell["test"]] = cell["published"]
    several = any(len(levels) > 1 for levels in errors.values())
    varied = varied_size(build_task(jobs[0].config))
    figure = compare(
        machines,
        errors if several else None,
        metric=experiment.metric,
        error_metric=experiment.metric,
        log_errors=True,
        published={
            cell["machine"]: cell["published"]
            for cell in cells
            if cell["test"] is None and cell["published"] is not None
        }
        or None,
        published_errors=published_errors or None,
        trained=(varied.lowest, varied.highest) if varied else None,
        xlabel=varied.name if varied else "test",
        title=f"{TASKS[jobs[0].config.task].title}, {setting} setting",
    )
    with clear_errors(f"write {path}"):
        return save(figure, path)
