"""A run directory as pictures: the trained machine at work, and how it came there."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple, TypedDict

from tapehead.checks import listed, shown
from tapehead.files import clear_errors
from tapehead.forms import Points, Story, Tape
from tapehead.runs import TrainConfig, load_task, read_result
from tapehead.runs.records import read_start
from tapehead.tasks import Task
from tapehead.tasks.metrics import Metric
from tapehead.viewing.curves import learning_curves
from tapehead.viewing.generalisation import generalisation
from tapehead.viewing.page.document import document, linked
from tapehead.viewing.page.writing import write_page
from tapehead.viewing.problems import (
    load_viewed,
    point_figures,
    sequence_figures,
    story_figures,
    tape_figures,
)
from tapehead.viewing.seeds import drawable, read_seed
from tapehead.viewing.style import Format, machine_styles, save

PAGE = "view.html"
AS_TRAINED = "as trained"
"""The label of a task at its own size, where none of its test settings is as small."""


class Varied(NamedTuple):
    """The size that a task's test settings vary, as in `min_length` and `max_length`."""

    name: str
    lowest: int
    highest: int


def view_run(
    path: Path | str,
    out: Path | str | None = None,
    *,
    lengths: Sequence[int | str] | None = None,
    seed: int = 0,
    format: Format = "png",
    data: Path | str | None = None,
) -> list[Path]:
    """Draw a run: bits, memory use, heads, learning curve, generalisation and a summary, and write
    its page (docs/page.md), which shows every step.

    Each sequence is the first that the seed gives, not a chosen one. Pictures that need a memory
    are left out for a machine without one.

    Args:
        path: run directory.
        out: where the figures and the page go; None takes `<path>/figures`, and `<path>/view.html`.
        lengths: sizes to draw, labels of the task's test settings or other numbers; None takes the
            test settings, and where `data` brings some, those alone.
        seed: decides the sequences.
        format: of the figures: pdf and svg for papers.
        data: folder of the task's real data, such as a map to walk on; None takes the run's.

    Returns:
        The files written, the page last.

    Raises:
        TapeheadError: no run, no checkpoint, damaged files, or `out` cannot be written.
        ValueError: the task has no such length, or reads no data.
    """
    path = Path(path)
    at = (path if out is None else Path(out)) / PAGE
    out = path / "figures" if out is None else Path(out)
    config, machine, task = load_viewed(path, data=data)
    name = machine_name(config)
    label = machine_styles([name])[name].label
    varied = varied_size(task)
    if data is not None and lengths is None:
        known = load_task(path).test_settings()
        lengths = [size for size in task.test_settings() if size not in known] or None
    settings = choose_settings(task, lengths)
    with clear_errors(f"write figures to {out}"):
        out.mkdir(parents=True, exist_ok=True)
    size = typical_size(settings, varied)
    subject = f"{label}: {task.title}"
    several = len(task.test_settings()) > 1 or len(settings) > 1
    title = f"{subject}, {describe_size(size, varied)}" if several else subject
    by_form = {Tape: tape_figures, Story: story_figures, Points: point_figures}
    draw = by_form.get(task.tells, sequence_figures)
    figures, summarise, recordings = draw(
        machine, settings, size, seed=seed, subject=subject, title=title
    )

    history = read_seed(path)
    machines = {name: [history]}
    cost, _ = drawable(task, {name: history})
    if cost is not None:
        figures["learning"] = learning_curves(machines, metric=cost, title=subject)
    result = read_result(path)
    evaluation = (result or {}).get("evaluation") or {}
    error = error_metric(task, evaluation)
    levels = {at: scores[error.name] for at, scores in evaluation.items()} if error else {}
    errors = {name: levels} if len(levels) > 1 else None
    trained = (varied.lowest, varied.highest) if varied else None
    xlabel = varied.name if varied else ""
    log = error is not None and error.better == "lower"  # a reward can be below zero
    if errors:
        figures["generalisation"] = generalisation(
            errors, trained=trained, log=log, xlabel=xlabel, metric=error or "", title=subject
        )
    if summarise is not None and cost is not None:
        figures["summary"] = summarise(
            machines, errors, metric=cost, trained=trained, log_errors=log, xlabel=xlabel,
            error_metric=error or "", title=title,
        )  # fmt: skip
    with clear_errors(f"write figures to {out}"):
        files = [save(figure, out / f"{kind}.{format}") for kind, figure in figures.items()]
    held = document(
        **headed(config, task, settings, path), config=config, task=task, recordings=recordings,
        rows=history.rows, facts=read_start(path), result=result, files=linked(files, at),
    )  # fmt: skip
    with clear_errors(f"write the page to {at}"):
        return [*files, write_page(held, at)]


def machine_name(config: TrainConfig) -> str:
    """What figures call the machine of a run: "ntm-lstm", "ntm-feedforward", "dnc" ..."""
    if config.machine != "ntm":
        return config.machine
    return f"ntm-{config.machine_options.get('controller', 'lstm')}"


class Heading(TypedDict):
    """What a page says above everything, see `document`: machine and task; what the run is called;
    what its episodes are counted by, and which comes first."""

    title: str
    run: str
    counted: str
    begin: str


def headed(
    config: TrainConfig, task: Task, settings: Mapping[str, Task], path: Path | None = None
) -> Heading:
    """The heading of a page, with the task's variant and the sizes of training.

    Args:
        path: run directory; None: it has none that is worth naming.
    """
    name, varied = machine_name(config), varied_size(task)
    title = f"{machine_styles([name])[name].label}: {task.title}"
    if task.variant:
        title += f", {task.variant} {getattr(task, task.variant)}"
    if varied:
        sizes = f"{varied.lowest}–{varied.highest}".removeprefix(f"{varied.highest}–")
        title += f", {describe_size(sizes, varied)}"
    run = ""
    if path is not None:
        parts = path.resolve().parts
        run = "/".join(parts[-2:] if "zoo" in parts[-3:-2] else parts[-1:])
    return {
        "title": title, "run": run, "counted": varied.name if varied else "",
        "begin": typical_size(dict(settings), varied) if task.tells is not Story else "",
    }  # fmt: skip


def varied_size(task: Task) -> Varied | None:
    """The one size in which the task's test settings differ from it, if there is one."""
    settings = task.test_settings().values()
    names = [field.name.removeprefix("max_") for field in fields(task)]
    varied = [
        name
        for name in names
        if hasattr(task, f"min_{name}")
        and any(getattr(s, f"max_{name}") != getattr(task, f"max_{name}") for s in settings)
    ]
    if len(varied) != 1:
        return None
    name = varied[0]
    return Varied(name, getattr(task, f"min_{name}"), getattr(task, f"max_{name}"))


def choose_settings(task: Task, lengths: Sequence[int | str] | None = None) -> dict[str, Task]:
    """The task at the sizes to draw, by label; its own too where all test settings are larger.

    Raises:
        ValueError: neither a test setting nor a size that the task can take.
    """
    known = task.test_settings()
    if lengths is None:
        seen = any(_within(setting, task) for setting in known.values())
        return known if seen else {AS_TRAINED: task, **known}
    if not lengths:
        raise ValueError("lengths must name at least one size, got none")
    varied, settings = varied_size(task), {}
    for length in map(str, lengths):
        if length in known:
            settings[length] = known[length]
        elif varied and length.isdecimal():
            size = {f"min_{varied.name}": int(length), f"max_{varied.name}": int(length)}
            settings[length] = task.resized(**size)
        else:
            allowed = listed(known) + (", or another whole number" if varied else "")
            raise ValueError(
                f"lengths: {shown(length)} is no size of {task.name}; allowed: {allowed}"
            )
    return settings


def _within(setting: Task, task: Task) -> bool:
    """Whether a setting's sizes are none above those of the task."""
    ends = [field.name for field in fields(task) if field.name.startswith("max_")]
    return all(getattr(setting, end) <= getattr(task, end) for end in ends)


def typical_size(settings: dict[str, Task], varied: Varied | None) -> str:
    """The largest size that training has seen, or else the first."""
    if varied is None:
        return next(iter(settings))
    if AS_TRAINED in settings:
        return AS_TRAINED
    seen = [
        size for size, s in settings.items() if getattr(s, f"max_{varied.name}") <= varied.highest
    ]
    key = f"max_{varied.name}"
    return max(
        seen or settings, key=lambda size: getattr(settings[size], key) * (1 if seen else -1)
    )


def describe_size(size: str, varied: Varied | None) -> str:
    """A size in a title: "length 20", "6 items"."""
    if varied is None or not size.replace("–", "").isdecimal():
        return size
    return f"{size} {varied.name}" if varied.name.endswith("s") else f"{varied.name} {size}"


def error_metric(task: Task, evaluation: Mapping[str, Mapping[str, float]]) -> Metric | None:
    """The first of the task's metrics that every test of a run has: its count of errors, unless
    the run is older than that."""
    if not evaluation:
        return None
    shared = (m for m in task.metrics if all(m.name in scores for scores in evaluation.values()))
    return next(shared, None)
