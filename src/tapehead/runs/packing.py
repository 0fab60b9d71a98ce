"""A run packed for others: its trained machine, a card, and what it takes to look at it again.

    config.json, model.safetensors, README.md    the machine, see machines/pretrained.py
    run/                                         the run directory: settings, metrics and result;
                                                 of its last checkpoint all but the tensors

Unpacked, it is a run directory as any, but for what only training needs.
"""

import shlex
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.files import clear_errors
from tapehead.machines.pretrained import read_machine, read_weights
from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint, save_checkpoint
from tapehead.runs.config import TrainConfig
from tapehead.runs.evaluation import evaluate_settings
from tapehead.runs.loading import load_run
from tapehead.runs.records import CONFIG, METRICS, RESULT, read_result, read_start, run_id
from tapehead.runs.sealed import write_sealed
from tapehead.tasks import Task
from tapehead.tasks.metrics import PassMark
from tapehead.zoo import RUN


def pack(path: Path | str, folder: Path | str, *, name: str, reproduce: str) -> None:
    """Pack a finished run, with the machine of its best validation.

    Args:
        path: run directory.
        folder: emptied first, if it holds a packed run.
        name: what the machine is called: "ntm/copy".
        reproduce: the command that trains it again, in a checkout.

    Raises:
        TapeheadError: there is no run, it has not ended, or something cannot be read or written.
    """
    path, folder = Path(path), Path(folder)
    config, machine, task = load_run(path)
    result, start = read_result(path), read_start(path)
    if result is None:
        raise TapeheadError(f"{path} has not ended yet: resume it")
    scores: Mapping[str, float] = result["scores"]
    last = load_checkpoint(path / "checkpoint", checkpoint_steps(path / "checkpoint")[-1])
    best = last.progress["best"]
    if best and best["step"] != last.step:  # the result's scores are of another machine
        tests = evaluate_settings(
            machine.with_rows(config.test_memory_size),
            task,
            sequences=config.test_sequences or 200,
        )
        scores = best["scores"]
        result = {**result, "scores": scores, "evaluation": tests}
    with clear_errors(f"write to {folder}"):
        if (folder / RUN / CONFIG).is_file():
            shutil.rmtree(folder)
        (folder / RUN).mkdir(parents=True)
        for record in (METRICS, RESULT):
            shutil.copyfile(path / record, folder / RUN / record)
        # As it is typed again: it may have been typed with folders of one's own.
        again: dict[str, Any] = {"command": shlex.split(reproduce)}
        if "resumed" in start:
            again["resumed"] = [{**facts, **again} for facts in start["resumed"]]
        held = {"packed": held_against(task.pass_mark, scores)}
        write_sealed(folder / RUN / CONFIG, {**start, **again, **held})
    save_checkpoint(folder / RUN / "checkpoint", replace(last, parts={}))
    text = card(
        name,
        config,
        task,
        result,
        start,
        kind=type(machine).__name__,
        cpu_seconds=last.progress["cpu_seconds"],
        reproduce=reproduce,
    )
    machine.save_pretrained(folder, card=text)


def held_against(mark: PassMark, scores: Mapping[str, float]) -> dict[str, Any]:
    """What a list says of a packed machine without asking its task: the scores of its validation,
    the pass mark, as numbers and in words, and what it reached there."""
    return {
        "scores": dict(scores),
        "pass_mark": [mark.metric.name, mark.threshold],
        "mark": mark.words,
        "reached": mark.metric.shown(scores[mark.metric.name]),
    }


def unpack(folder: Path | str, out: Path | str) -> Path:
    """Make a packed run a run directory; the same one is left as it is.

    Returns:
        `out`.

    Raises:
        TapeheadError: the packed run is damaged, or `out` is something else or cannot be written.
    """
    folder, out = Path(folder), Path(out)
    if (out / CONFIG).is_file() and run_id(out) == run_id(folder / RUN) and _is_whole(out):
        return out
    weights = read_weights(folder, read_machine(folder))
    steps = checkpoint_steps(folder / RUN / "checkpoint")
    last = load_checkpoint(folder / RUN / "checkpoint", steps[-1], run_id(folder / RUN))
    best = (last.progress["best"] or {"step": last.step})["step"]
    if out.exists() and run_id(out) != run_id(folder / RUN):
        raise TapeheadError(f"{out} holds another run than {folder}: move it, or remove it")
    with clear_errors(f"write to {out}"):
        shutil.copytree(folder / RUN, out, dirs_exist_ok=True)
    tensors = replace(last, step=best, parts={"weights": weights})
    save_checkpoint(out / "checkpoint", tensors, keep=steps)
    return out


def _is_whole(out: Path) -> bool:
    """Whether unpacking came to its end."""
    return any((out / "checkpoint").glob("*/weights.safetensors"))


def card(
    name: str,
    config: TrainConfig,
    task: Task,
    result: Mapping[str, Any],
    start: Mapping[str, Any],
    *,
    kind: str,
    cpu_seconds: float,
    reproduce: str,
) -> str:
    """The text of a machine's README.md: what it does and how well, and how it was trained."""
    mark = task.pass_mark
    settings = {**config.machine_options, **config.objective_options}
    options = ", ".join(f"{key} {value}" for key, value in settings.items())
    changed = ", ".join(f"{key} {value}" for key, value in config.task_options.items())
    after = result["solved_after"]
    until = f", first met after {after['sequences']:,} sequences" if after else ""
    solves = "solves the task" if result["solved"] else "does not solve the task"
    told = textwrap.fill(
        f"{kind}, {start['parameters']:,} weights, trained on {task.title} ({task.source}). It "
        f"{solves}; the mark is {mark.metric.heading} {mark}{until}.",
        100,
    )
    versions = ", ".join(f"{part} {number}" for part, number in start["versions"].items() if number)
    return f"""---
library_name: tapehead
license: apache-2.0
tags: [tapehead, {config.machine}, {config.task}]
---

# {name}

{told}

```python
from tapehead import {kind}

machine = {kind}.from_pretrained("{name}")
```

`tapehead view {name}` shows it at work, step by step.

## Scores

Of its last validation{", and at the task's test sizes" if result["evaluation"] else ""}.

{_scores(task, result)}

## Training

| | |
|---|---|
| sequences | {result["sequences"]:,}, in batches of {config.batch_size} |
| CPU seconds, one thread | {cpu_seconds:,.0f} |
| seed | {config.seed} |
| machine | {options or "its defaults"} |
| task | {changed or "its defaults"} |
| optimiser | {config.optimiser}, learning rate {config.learning_rate:g}, {config.schedule} |
| commit | {start["commit"]}{" with changes" if start["commit_has_changes"] else ""} |
| versions | {versions} |
| again, in a checkout | `{reproduce}` |

A small machine for looking at and for tests. It does nothing but this task.
"""


def _scores(task: Task, result: Mapping[str, Any]) -> str:
    rows = {"as trained": result["scores"], **result["evaluation"]}
    metrics = [m for m in task.metrics if all(m.name in scores for scores in rows.values())]
    lines = [
        ["test", *(metric.heading for metric in metrics)],
        ["---"] * (len(metrics) + 1),
        *([label, *(m.shown(scores[m.name]) for m in metrics)] for label, scores in rows.items()),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
