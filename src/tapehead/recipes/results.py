"""Results of published experiments run again: `results/<experiment>/result.json`.

A file holds where its numbers come from and `cells`, one for each machine, setting and test: the
published value, one value of ours for each seed, and what it took. A cell without a `test` is the
machine after training at the training sizes; one with a `test` is at that test setting of the task.
"""

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.recipes.experiment import Cell, Experiment


def cells_of(
    experiment: Experiment,
    task: str,
    contestant: str,
    setting: str,
    runs: Mapping[int, Mapping[str, Any]],
) -> list[Cell]:
    """The cells of one contestant on one task, from the `result.json` of its run with each seed."""
    seeds = sorted(runs)
    results = [runs[seed] for seed in seeds]
    published = experiment.published_of(task, contestant)
    common = {
        "machine": contestant,
        "task": task,
        "setting": setting,
        "metric": experiment.metric,
        "unit": experiment.unit,
        "seeds": seeds,
    }
    cost = {
        "solved": sum(bool(result["solved"]) for result in results),
        "solved_by_seed": [bool(result["solved"]) for result in results],
        "success_rate": sum(bool(result["solved"]) for result in results) / len(results),
        # Until solved, or all of them in vain.
        "sequences": [(result["solved_after"] or result)["sequences"] for result in results],
        "seconds": [round((result["solved_after"] or result)["seconds"], 1) for result in results],
    }
    restarts = [result.get("restarts", 0) for result in results]
    if any(restarts):
        cost["restarts"] = restarts
    cells = [
        common
        | {"test": None, "values": [result["scores"][experiment.metric] for result in results]}
        | {"scores": _by_metric([result["scores"] for result in results])}
        | cost
        | {
            "published": published.value if published else None,
            "source": published.source if published else None,
        }
    ]
    for test in results[0].get("evaluation", {}):
        scores = [result["evaluation"][test] for result in results]
        known = published is not None and test in published.tests
        cells.append(
            common
            | {"test": test, "values": [score[experiment.metric] for score in scores]}
            | {"scores": _by_metric(scores)}
            | cost
            | {
                "published": published.tests[test] if published and known else None,
                "source": published.tests_source if published and known else None,
            }
        )
    return cells


def _by_metric(scores: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    return {metric: [score[metric] for score in scores] for metric in scores[0]}


def write_result(
    folder: Path, experiment: Experiment, cells: Sequence[Cell], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Write `folder/result.json`, keeping the cells of other machines, tasks and settings there, of
    machines and tasks that the experiment still has.

    Each cell names the command and commit that it came from, unless it names its own; those of the
    file are the last ones.

    Raises:
        TapeheadError: the folder cannot be written, or holds something else.
    """
    facts = {name: provenance[name] for name in _FACTS}
    renewed = {(cell["machine"], cell.get("task"), cell["setting"]) for cell in cells}
    kept = [
        cell
        for cell in (read_result(folder) or {"cells": []})["cells"]
        if (cell["machine"], cell.get("task"), cell["setting"]) not in renewed
        and cell["machine"] in experiment.contestants
        and cell.get("task") in experiment.tasks
    ]
    cells = kept + [{**facts, **cell} for cell in cells]
    return write_cells(folder, experiment.name, experiment.source, cells, provenance)


_FACTS = ("command", "commit", "commit_has_changes")


def write_cells(
    folder: Path, name: str, paper: str, cells: Sequence[Cell], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Write `folder/result.json` with these cells in place of those there; returns what it holds.

    Args:
        name: of the experiment or calculation.
        paper: where it is described.
        provenance: as of `runs.provenance`, and the `command`.

    Raises:
        TapeheadError: the folder cannot be written.
    """
    from tapehead.files import clear_errors, write_json

    result = {
        "experiment": name,
        "paper": paper,
        **{fact: provenance[fact] for fact in _FACTS},
        "versions": provenance["versions"],
        "hardware": provenance["hardware"],
        "cells": [*cells],
    }
    with clear_errors(f"write to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "result.json", result)
    return result


def read_result(folder: Path) -> dict[str, Any] | None:
    """A folder's result, or None if it has none.

    Raises:
        TapeheadError: its result.json cannot be read or is something else.
    """
    path = folder / "result.json"
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise TapeheadError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise TapeheadError(f"{path} is damaged: not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get("cells"), list):
        raise TapeheadError(f"{path} is not a result: it has no cells")
    return value


def all_cells(folder: Path) -> list[Cell]:
    """The cells of every result below a folder, each with its `experiment`."""
    cells = []
    for path in sorted(folder.glob("**/result.json")):
        result = read_result(path.parent)
        assert result is not None
        cells += [{"experiment": result.get("experiment", ""), **cell} for cell in result["cells"]]
    return cells


SUMMARY = Path(__file__).with_name("results.json")
"""What `tapehead results` shows of the repository's results, for installed packages:
`python -m tapehead.recipes.results` writes it, a line for each cell. A line leaves out what is as
in the line before."""

_SUMMARISED = (
    "experiment", "machine", "task", "setting", "test", "metric", "unit", "seeds", "values",
    "solved", "solved_by_seed", "sequences", "seconds", "published", "source", "commit", "commits",
)  # fmt: skip


def cells_at(folder: Path | None = None) -> list[Cell]:
    """The cells of every result below a folder; left out: of `results` in the current folder, or
    those that come with the package, without their curves and further scores."""
    here = Path("results")
    if folder is None and not here.is_dir():
        cell: Cell = {}
        return [cell := cell | line for line in json.loads(SUMMARY.read_bytes())]
    return all_cells(folder or here)


_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")

Row = dict[str, str | int | float | bool | None]
FIELDS = (
    "experiment", "machine", "task", "setting", "test", "metric", "unit", "seed", "value",
    "solved", "sequences", "seconds", "published", "source", "commit",
)  # fmt: skip
"""Of a row: where it stands, and one seed's value. `solved` is None where it is only known of how
many seeds. `commit` has the first 12 characters of the one that the seed was trained at; where the
seeds of an older result were trained at several, it is not known which and it has all of them."""


def rows_of(cells: Sequence[Cell]) -> list[Row]:
    """A flat row for each seed of each cell."""
    return [
        {name: cell.get(name) for name in FIELDS}
        | {"seed": seed, "value": cell["values"][place], "solved": solved[place]}
        | {name: cell[name][place] for name in ("sequences", "seconds")}
        | {"commit": commits[place]}
        for cell in cells
        for solved, commits in ((_solved_by_seed(cell), _commit_by_seed(cell)),)
        for place, seed in enumerate(cell["seeds"])
    ]


def _solved_by_seed(cell: Cell) -> list[bool | None]:
    count, seeds = cell["solved"], len(cell["seeds"])
    alike = count == seeds if count in (0, seeds) else None
    return cell.get("solved_by_seed") or [alike] * seeds


def _commit_by_seed(cell: Cell) -> list[str | None]:
    return _short(cell.get("commits") or [cell.get("commit")] * len(cell["seeds"]))


def summary(folder: Path) -> str:
    """The text of `SUMMARY` for the results below a folder."""
    lines, before = [], {}
    for cell in all_cells(folder):
        told = {name: _short(cell.get(name)) for name in _SUMMARISED}
        new = {name: value for name, value in told.items() if before.get(name, ...) != value}
        lines.append(json.dumps(new))
        before = told
    return "[\n{}\n]\n".format(",\n".join(lines))


def _short(value: Any) -> Any:
    """A number as precise as any table shows it, and of a commit what tells it from others."""
    if isinstance(value, list):
        return [_short(one) for one in value]
    if isinstance(value, str):
        return _COMMIT.sub(lambda found: found[0][:12], value)
    return float(f"{value:.7g}") if isinstance(value, float) else value


def middle(values: Sequence[float | int]) -> float | int:
    """The median: what a result shows of several seeds."""
    return statistics.median(values)


if __name__ == "__main__":
    SUMMARY.write_text(summary(Path("results")), encoding="utf-8")
