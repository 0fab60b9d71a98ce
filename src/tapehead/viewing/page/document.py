"""All that a page holds, as one JSON value: the run, its learning curve, its episodes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tapehead.runs import TrainConfig
from tapehead.tasks import Task
from tapehead.tasks.metrics import LOSS
from tapehead.viewing.page.panels import GROUPS, Recording
from tapehead.viewing.style import INK_STOPS, WRONG_STOPS

MOST_ROWS = 4_000
"""Rows of a learning curve; of more, every so many are shown."""


def document(
    *,
    title: str,
    run: str = "",
    config: TrainConfig,
    task: Task,
    recordings: Sequence[Recording],
    counted: str = "",
    begin: str = "",
    rows: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    result: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    live: bool = False,
) -> dict[str, Any]:
    """Everything that a page shows.

    Args:
        title: machine and task. run: what the run is called.
        counted: what the labels of the recordings count, such as "length"; nothing: they say it.
        begin: the label of the recording that is shown first, or that of the first.
        facts: what config.json says beside the settings: commit, versions, hardware and so on.
        result: result.json, of a run that has ended.
        files: figures of the run: name to address, from where the page is.
        live: whether a training goes on.
    """
    return {
        "title": title,
        "run": run,
        "live": live,
        "groups": GROUPS,
        "colours": {"ink": INK_STOPS, "wrong": WRONG_STOPS},
        "facts": told_facts(config, facts, result),
        "settings": settings_of(config),
        "files": dict(files or {}),
        "curve": curve(task, rows),
        "counted": counted,
        "begin": next((n for n, each in enumerate(recordings) if each.label == begin), 0),
        "recordings": list(recordings),
    }


def curve(task: Task, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Training and validation rows as columns, and what each metric is called."""
    metrics = [*task.metrics, LOSS]
    metrics = [metric for metric in metrics if any(metric.name in row for row in rows)]
    kinds = {}
    for kind in ("train", "validation"):
        chosen = [row for row in rows if row.get("kind") == kind]
        every = -(-len(chosen) // MOST_ROWS) or 1
        thin = chosen[::-every][::-1]
        kinds[kind] = {
            "every": every,
            **{
                name: [row.get(name) for row in thin]
                for name in ("sequences", "seconds", *(metric.name for metric in metrics))
            },
        }
    mark = task.pass_mark
    return {
        "metrics": [
            {
                "name": metric.name,
                "title": metric.heading,
                "share": metric.is_share,
                "goal": mark.threshold if metric.name == mark.metric.name else None,
            }
            for metric in sorted(metrics, key=lambda metric: metric.name != mark.metric.name)
        ],
        **kinds,
    }


def told_facts(
    config: TrainConfig, facts: Mapping[str, Any], result: Mapping[str, Any] | None
) -> list[tuple[str, str]]:
    """What one asks of a run first, as text."""
    told = [("machine", config.machine), ("task", config.task), ("seed", str(config.seed))]
    if facts.get("parameters"):
        told.append(("parameters", f"{facts['parameters']:,}"))
    if result:
        after = result.get("solved_after")
        ended = (
            f"after {after['sequences']:,} sequences, {after['seconds']:,.1f} s"
            if after
            else f"no, after {result['sequences']:,} sequences, {result['seconds']:,.1f} s"
        )
        told.append(("solved", ended))
    commit = facts.get("commit")
    if commit:
        told.append(("commit", commit[:12] + (", changed" if facts["commit_has_changes"] else "")))
    versions = facts.get("versions") or {}
    named = [
        f"{name} {versions[name]}" for name in ("tapehead", "torch", "python") if versions.get(name)
    ]
    for label, value in (
        ("versions", ", ".join(named)),
        ("backend", facts.get("backend")),
        ("started", facts.get("started")),
        ("command", " ".join(facts.get("command") or ())),
    ):
        if value:
            told.append((label, str(value)))
    return told


def settings_of(config: TrainConfig) -> dict[str, list[tuple[str, str]]]:
    """All settings of a run, by what they belong to."""
    values = config.to_dict()
    parts = {
        "Machine": values.pop("machine_options"),
        "Task": values.pop("task_options"),
        "Objective": values.pop("objective_options"),
        "Training": values,
    }
    return {
        part: [(name, _told(value)) for name, value in options.items()]
        for part, options in parts.items()
        if options
    }


def _told(value: Any) -> str:
    """A setting as one would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None or value == "" else str(value)


def linked(files: Sequence[Path], page: Path) -> dict[str, str]:
    """Figures by name, as addresses relative to the page's folder."""
    return {file.stem: file.relative_to(page.parent).as_posix() for file in files}
