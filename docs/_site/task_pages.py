"""A page of the site for each task, written at each build from what the code knows of it.

What it is comes from its docstring, the options from its fields and their checks, the scores from
its metrics, and so on: nothing stands here that stands in `src/` too. In the Markdown files the
name of a task with a link to its source, as GitHub wants it, becomes a link to its page.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from inspect import getdoc
from pathlib import Path
from typing import Any, NamedTuple

from docstrings import blocks, is_field
from task_pictures import picture_of, trained_on

from tapehead.checks import checks_of
from tapehead.cli.base import usual_machine
from tapehead.cli.help import shown
from tapehead.cli.options import options_of
from tapehead.recipes import EXPERIMENTS
from tapehead.recipes.results import all_cells
from tapehead.registry import MACHINES, TASKS
from tapehead.viewing import save

GROUPS = {"graphs": "graphs", "babi": "babi", "geometry": "geometry", "tapes": "tapes"}
"""By the module of a task, below `tapehead.tasks`; the others are algorithmic."""
LINK = re.compile(r"\[`([\w-]+)`\]\(\.\./src/tapehead/tasks/[\w/]+\.py\)")


class Occurrence(NamedTuple):
    """An experiment in which a task occurs: what it is called there, and by what it is learned."""

    experiment: str
    label: str
    contestants: Sequence[str]


def group_of(name: str) -> str:
    module = TASKS[name].__module__.removeprefix("tapehead.tasks.").split(".")[0]
    return GROUPS.get(module, "algorithmic")


def task_names() -> list[str]:
    """Those of this package."""
    return [name for name in TASKS if TASKS[name].__module__.startswith("tapehead.")]


def example_of(name: str) -> Any:
    """A task with its defaults; one whose stories are files has simulated ones."""
    kind = TASKS[name]
    told = any(field.name == "generated" for field in fields(kind))
    return kind(generated=True) if told else kind()


def linked_to_tasks(text: str, up: str = "") -> str:
    """A Markdown page, its links to the sources of tasks turned to their pages."""

    def page(found: re.Match[str]) -> str:
        name = found[1]
        return f"[`{name}`]({up}tasks/{group_of(name)}/{name}.md)" if name in TASKS else found[0]

    return LINK.sub(page, text)


def occurrences(name: str) -> list[Occurrence]:
    """The experiments that train machines on a task or on a variant of it."""
    return [
        Occurrence(experiment.name, label, experiment.contestants)
        for experiment in EXPERIMENTS.values()
        for label in experiment.tasks
        if task_of(label) == name
    ]


def task_of(label: str) -> str:
    """The task that an experiment's label means: a variant has a number or a name behind it."""
    begins = [name for name in TASKS if f"{label}-".startswith(f"{name}-")]
    return max(begins, key=len)


def task_page(name: str, caption: str, results: Path) -> str:
    """The Markdown page of a task; its picture lies beside it."""
    task = example_of(name)
    return (
        "\n\n".join(
            [
                f"# {task.title}",
                f"`{name}` in commands. {task.source}.",
                *_prose(type(task)),
                f"![An example of {name}]({name}.png)",
                f"*{caption}*",
                *_example(type(task)),
                "## Options",
                _options(type(task)),
                "## Machines and training",
                *_training(name, task),
                "## Scores",
                *_scores(task),
                "## Results",
                _results(name, results),
            ]
        )
        + "\n"
    )


def _prose(kind: type) -> Iterable[str]:
    """The paragraphs of a docstring but for options and examples."""
    for block in blocks((getdoc(kind) or "").splitlines()):
        if not is_field(block) and not block[0].startswith(">>> "):
            yield "\n".join(block)


def _example(kind: type) -> Iterable[str]:
    for block in blocks((getdoc(kind) or "").splitlines()):
        if block[0].startswith(">>> "):
            yield "\n".join(["```pycon", *block, "```"])


def _options(kind: type) -> str:
    checks = checks_of(kind)
    rows = [
        (
            f"`{option.name}`",
            f"`{shown(option.default)}`",
            "text" if option.type is str and not option.names else checks[option.name].allowed,
            option.help,
        )
        for option in options_of(kind)
    ]
    return _table(("option", "default", "must be", "what it is"), rows)


def _training(name: str, task: Any) -> Iterable[str]:
    """What can learn it, with which commands."""
    usual, told = usual_machine(name), " --generated" if hasattr(task, "generated") else ""
    yield f"```\ntapehead train {name}{told}\n```"
    fitting = [machine for machine, kind in MACHINES.items() if kind.reads is task.tells]
    links = ", ".join(_machine(machine) for machine in fitting)
    yield (
        f"It tells a {{py:class}}`~tapehead.forms.{task.tells.__name__}`, which these machines "
        f"read: {links}. `--machine` chooses one; left out, it is `{usual}`."
    )
    if task.max_difficulty > 1:
        yield f"A curriculum (`--curriculum`) leads through its {task.max_difficulty} levels."
    if task.trained_by:
        yield f"Machines are trained on it by `{task.trained_by}`."
    trained = {
        name_of: None
        for label in dict.fromkeys([name, *(each.label for each in occurrences(name))])
        for name_of in trained_on(label)
    }
    if trained:
        listed = "\n".join(f"tapehead view {each}" for each in trained)
        yield "Trained machines of the [zoo](../../zoo.md) to look at:"
        yield f"```\n{listed}\n```"


def _machine(name: str) -> str:
    return f"{{py:class}}`{name} <tapehead.{MACHINES[name].__name__}>`"


def _scores(task: Any) -> Iterable[str]:
    rows = [
        (f"`{metric.name}`", metric.label, metric.unit or "a number", metric.better)
        for metric in task.metrics
    ]
    yield _table(("score", "what it counts", "unit", "better"), rows)
    mark = task.pass_mark
    text = (
        "Each is a mean over sequences; a unit of % is a share of the sequences. The task counts "
        f"as solved when `{mark.metric.name}` is {mark}."
    )
    tests = list(task.test_settings())
    if tests:
        text += f" Trained machines are tested at: {', '.join(tests)}."
    yield text


def _results(name: str, results: Path) -> str:
    """Links to the pages of results in which it occurs."""
    found: dict[str, list[str]] = {}
    for each in occurrences(name):
        found.setdefault(each.experiment, []).extend(each.contestants)
    for cell in all_cells(results):
        if cell.get("task") == name and cell["experiment"] not in EXPERIMENTS:
            found.setdefault(cell["experiment"], []).append(cell["machine"])
    lines = [
        f"- [{experiment}](../../results/{experiment}.md): {'; '.join(dict.fromkeys(machines))}"
        for experiment, machines in found.items()
        if (results / experiment / "result.json").exists()
    ]
    return "\n".join(lines) or "None yet."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def write_pages(results: Path, out: Path) -> dict[str, str]:
    """Write page and picture of every task into `out`, and return the pages by name.

    A page that did not change is left as it is, so that Sphinx need not read it again; one whose
    task is gone is removed.
    """
    pages: dict[str, str] = {}
    for name in task_names():
        at = out / group_of(name) / f"{name}.md"
        at.parent.mkdir(parents=True, exist_ok=True)
        picture = picture_of(example_of(name))
        save(picture.figure, at.with_suffix(".png"))
        pages[name] = task_page(name, picture.caption, results)
        if not at.exists() or at.read_text(encoding="utf-8") != pages[name]:
            at.write_text(pages[name], encoding="utf-8")
    for old in out.glob("*/*.*"):
        if old.stem not in pages or group_of(old.stem) != old.parent.name:
            old.unlink()
    return pages


def _begin(app: Any) -> None:
    docs = Path(app.srcdir)
    write_pages(docs.parent / "results", docs / "tasks")


def _read(app: Any, name: str, source: list[str]) -> None:
    source[0] = linked_to_tasks(source[0], "../" * name.count("/"))


def setup(app: Any) -> Mapping[str, bool]:
    app.connect("builder-inited", _begin)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
