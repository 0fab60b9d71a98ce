"""The experiment `babi/table`: the table that papers on memory print, from our results.

It trains nothing. It reads what `tapehead reproduce babi/...` wrote below `results/`, and writes
the errors on the twenty tasks side by side, with the published ones: machines that read sentences
and machines that read words apart, and what has not been run marked.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from tapehead.errors import TapeheadError
from tapehead.recipes import babi_dynamic_ntm, babi_joint, babi_words
from tapehead.recipes.babi import PUBLISHED, TASKS
from tapehead.recipes.results import read_result, write_cells
from tapehead.runs.provenance import provenance
from tapehead.tasks.babi.library import TITLES
from tapehead.tasks.babi.stories import FAILED
from tapehead.viewing.tables import Entry, TableColumn, table_figure

NAME = "babi/table"
COMMAND = f"tapehead reproduce {NAME}"
SEEDS: tuple[int, ...] = ()
RESULTS = Path("results") / "babi"
"""What is read: every result below."""
TABLE = "table.md"
SETTING = "fast"


class Column(NamedTuple):
    """A machine of the table.

    experiment: whose cells of this machine are shown, if it has any.
    published: error of each task in %.
    """

    title: str
    view: str
    trained: str
    experiment: str
    machine: str
    published: Sequence[float]
    source: str


_OWN, _TOGETHER = "each task on its own", "all tasks together"
COLUMNS = (
    Column("MemN2N", "sentences", _OWN, "babi/memory-network", "memory-network",
           PUBLISHED["memory-network"], "Sukhbaatar et al. 2015, as in Henaff et al. 2017"),
    Column("EntNet", "sentences", _OWN, "babi/entity-network", "entity-network",
           PUBLISHED["entity-network"], "Henaff et al. 2017"),
    Column("DMN+", "sentences", _OWN, "babi/dynamic-memory-network", "dynamic-memory-network",
           PUBLISHED["dynamic-memory-network"],
           "Xiong, Merity & Socher 2016, as in Henaff et al. 2017"),
    Column("D-NTM", "sentences", _OWN, babi_dynamic_ntm.EXPERIMENT.name, babi_dynamic_ntm.SOFT,
           [4.4, 27.5, 71.3, 0.0, 1.7, 1.5, 6.0, 1.7, 0.6, 19.8, 0.0, 6.2, 7.5, 17.5, 0.0, 49.6,
            1.2, 0.2, 39.5, 0.0], "Gulcehre et al. 2018, as in Henaff et al. 2017"),
    Column("MemN2N", "sentences", _TOGETHER, "babi/joint", "memory-network",
           babi_joint.PUBLISHED["memory-network"], babi_joint.SOURCES["memory-network"]),
    Column("EntNet", "sentences", _TOGETHER, "babi/joint", "entity-network",
           babi_joint.PUBLISHED["entity-network"], babi_joint.SOURCES["entity-network"]),
    *(
        Column(title, "words", _TOGETHER, babi_words.EXPERIMENT.name, machine,
               babi_words.PUBLISHED[machine], babi_words.SOURCES[machine])
        for title, machine in (("LSTM", "lstm"), ("NTM", "ntm-lstm"), ("DNC", "dnc"))
    ),
)  # fmt: skip
"""From left to right. Published errors are those of the best of several runs, by validation, unless
the source says otherwise."""


def reproduce(folder: Path, *, seeds: Sequence[int] = SEEDS, command: str = COMMAND) -> Any:
    """Write `result.json`, `table.md` and `figure.png` into `folder`; returns what the first holds.

    Raises:
        TapeheadError: there are no results yet, or one cannot be read.
    """
    if seeds:
        raise TapeheadError(f"--seeds means nothing to {NAME}, which trains nothing")
    shown = [(column, _found(column)) for column in COLUMNS]
    if not any(cells for _, cells in shown):
        raise TapeheadError(
            f"there are no results below {RESULTS}: `tapehead reproduce babi/memory-network` makes "
            "some"
        )
    result = write_cells(
        folder,
        NAME,
        "Henaff et al. (2017), Table 2; Graves et al. (2016), Extended Data Table 1",
        [_cell(column, cells) for column, cells in shown if cells],
        provenance() | {"command": command},
    )
    (folder / TABLE).write_text(markdown(shown), encoding="utf-8")
    drawn = [_drawn(column, cells) for column, cells in shown]
    table_figure(_labels(), drawn, notes=NOTES).savefig(folder / "figure.png")
    return result


NOTES = (
    "Errors on the test questions in %, those above 5 % in orange; mean over our seeds, and our "
    "best seed by validation.",
    "Grey: published; machines in grey have not been run here. * trained on simulated stories.",
)
"""Below the picture."""


Cells = Mapping[str, Mapping[str, Any]]
"""Cells of a machine by task."""


def _found(column: Column) -> Cells:
    """Our cells of a column in our own setting; none if nothing has been run."""
    result = read_result(RESULTS / column.experiment.partition("/")[2])
    cells = result["cells"] if result is not None else []
    return {
        cell["task"]: cell
        for cell in cells
        if cell["machine"] == column.machine
        and cell["task"] in TASKS
        and cell["setting"] == SETTING
    }


def _cell(column: Column, cells: Cells) -> dict[str, Any]:
    """The mean over tasks of each seed that has run them all."""
    seeds = sorted(set.intersection(*(set(cell["seeds"]) for cell in cells.values())))
    done = [task for task in TASKS if task in cells]

    def of(task: str, name: str) -> list[float | int]:
        """What a cell says of each of the seeds."""
        cell = cells[task]
        return [cell[name][cell["seeds"].index(seed)] for seed in seeds]

    def total(name: str, tasks: Sequence[str]) -> list[float | int]:
        return [sum(each) for each in zip(*(of(task, name) for task in tasks), strict=True)]

    # One run for all tasks is in the cell of each.
    trained = done if column.trained == _OWN else done[:1]
    errors = [_percents(column, cells[task])[1] for task in done]
    published = fmean(column.published[TASKS.index(task)] for task in done)
    return {
        "machine": f"{column.machine}, {column.trained}",
        "task": "babi",
        "setting": SETTING,
        "test": f"mean of {len(done)} tasks",
        "metric": "wrong",
        "unit": "share of questions answered wrongly",
        "seeds": seeds,
        "values": [value / len(done) for value in total("values", done)],
        "best": round(fmean(errors) / 100, 6),
        "failed": sum(error > 100 * FAILED for error in errors),
        "solved": sum(
            max(values) <= FAILED
            for values in zip(*(of(task, "values") for task in done), strict=True)
        ),
        "sequences": total("sequences", trained),
        "seconds": total("seconds", trained),
        "published": round(published / 100, 6),
        "source": column.source,
    }


def _percents(column: Column, cell: Mapping[str, Any]) -> tuple[float, float]:
    """Mean over seeds, and best seed by validation."""
    return 100 * fmean(cell["values"]), 100 * cell["best"]


def _labels() -> list[str]:
    return [f"{number} {title}" for number, title in TITLES.items()]


def _drawn(column: Column, cells: Cells) -> TableColumn:
    entries = []
    for task, published in zip(TASKS, column.published, strict=True):
        cell = cells.get(task)
        mean, best = (None, None) if cell is None else _percents(column, cell)
        note = "" if cell is None or cell["trained_on"] == "10k" else "*"
        entries.append(Entry(mean, best, published, note))
    group = f"{column.view}, {column.trained}"
    return TableColumn(column.title, group, entries, run=bool(cells))


def markdown(shown: Sequence[tuple[Column, Cells]]) -> str:
    """The table as text, a part for each way of reading and training."""
    parts = [
        "# bAbI, error on the test questions in %\n\n"
        f"Written by `{COMMAND}` from the results beside it. Each machine has three columns:\n"
        "the mean over our seeds, our best seed by validation, and the published error. A task is "
        "failed above 5 %.\nErrors of machines that read sentences and of machines that read "
        "words are not to be compared: sentences are easier.\n"
    ]
    for group in dict.fromkeys((column.view, column.trained) for column, _ in shown):
        members = [pair for pair in shown if pair[0][1:3] == group]
        parts.append(f"\n## {group[0].capitalize()}, {group[1]}\n\n{_part(members)}")
    notes = {
        f"- \\*: {column.title} on {task}: trained on {cells[task]['trained_on']}.\n"
        for column, cells in shown
        for task in cells
        if cells[task]["trained_on"] != "10k"
    }
    sources = {f"- {column.title}, {column.trained}: {column.source}.\n" for column, _ in shown}
    return "".join([*parts, "\n", *sorted(notes), "\nPublished:\n\n", *sorted(sources)])


def _part(members: Sequence[tuple[Column, Cells]]) -> str:
    head, rule = ["task"], ["---"]
    for column, cells in members:
        head += [f"{column.title} mean", "best", "published"] if cells else [
            f"{column.title}, not run", "published"
        ]  # fmt: skip
        rule += ["--:"] * (3 if cells else 2)
    columns = [_drawn(column, cells) for column, cells in members]
    rows = [
        [label, *(text for column in columns for text in column.texts(row))]
        for row, label in enumerate(_labels())
    ]
    rows += [
        [label, *(text for column in columns for text in column.summary(label))]
        for label in ("mean", "failed")
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, rule, *rows]]
    return "\n".join(lines) + "\n"
