"""How many seeds of each machine solved each task, beside what is published."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tapehead.viewing.legend import line_up, strip
from tapehead.viewing.style import (
    DOUBLE,
    SMALL,
    TEXT,
    MachineStyle,
    Number,
    letter,
    machine_styles,
    new_figure,
    open_frame,
    place,
    styled,
)

Cells = Sequence[Mapping[str, Any]]


@styled
def success_figure(cells: Cells, titles: Mapping[str, str], *, width: Number = DOUBLE) -> Figure:
    """How many seeds solved each task, beside the paper's verdict, and how soon.

    Args:
        cells: as in `result.json`, one for each machine and task; `published` is 1 where the paper
            solved the task and 0 where it did not.
        titles: task -> what the figure calls it.
        width: millimetres.
    """
    tasks = [task for task in titles if any(cell["task"] == task for cell in cells)]
    machines = list(dict.fromkeys(cell["machine"] for cell in cells))
    looks = _looks(machines)
    left, between, right, top = 30.0, 12.0, 12.0, 12.0
    height, inner = 11.0 * len(tasks), (width - left - between - right) / 2
    figure = new_figure(width, top + height + 12.0)
    share = place(figure, left, top, inner, height)
    soon = place(figure, left + inner + between, top, inner, height)
    most = max(max(cell["sequences"]) for cell in cells)
    for cell in cells:
        look = looks[cell["machine"]]
        order = machines.index(cell["machine"])
        y = tasks.index(cell["task"]) + 0.4 * (order - (len(machines) - 1) / 2)
        share.barh(y, cell["success_rate"], 0.32, color=look.colour, alpha=0.85, lw=0)
        note = f"{cell['solved']} of {len(cell['seeds'])}"
        share.text(cell["success_rate"] + 0.02, y, note, va="center", fontsize=SMALL, color=TEXT)
        if cell["published"] is not None:
            share.plot(
                [cell["published"]], [y], "o", mfc="white", mec=look.colour, mew=1.0, ms=4.5,
                zorder=5, clip_on=False,
            )  # fmt: skip
        done = [
            sequences
            for sequences, solved in zip(cell["sequences"], cell["solved_by_seed"], strict=True)
            if solved
        ]
        soon.plot(
            done, [y] * len(done), look.marker, color=look.colour, ms=4.0, mec="white", mew=0.5,
            alpha=0.85, clip_on=False,
        )  # fmt: skip
        if len(done) < len(cell["seeds"]):
            note = f"× {len(cell['seeds']) - len(done)}"
            soon.text(
                1.04, y, note, va="center", fontsize=SMALL, color=look.colour,
                transform=soon.get_yaxis_transform(),
            )  # fmt: skip
    for axes in (share, soon):
        axes.set_ylim(len(tasks) - 0.5, -0.5)
        axes.set_yticks(range(len(tasks)))
        axes.tick_params(axis="y", length=0)
        open_frame(axes)
        axes.spines["left"].set_visible(axes is share)
    share.set_yticklabels([titles[task] for task in tasks])
    soon.set_yticklabels([])
    share.set_xlim(0, 1.0)
    share.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    share.set_xlabel("seeds that solved the task")
    soon.set_xscale("log")
    soon.set_xlim(0.8 * min(min(cell["sequences"]) for cell in cells), most)
    soon.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    soon.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e3:,.0f}"))
    soon.xaxis.set_minor_formatter(NullFormatter())
    soon.set_xlabel("sequences until solved (thousands; ×: seeds not solved)")
    letter(share, "a", 26.0)
    letter(soon, "b", 6.0)
    _keys(figure, looks, width)
    return figure


def _looks(machines: Sequence[str]) -> dict[str, MachineStyle]:
    known = {
        "rl-ntm-direct": MachineStyle(
            label="direct-access controller", colour="#882255", marker="o", dashes="-"
        ),
        "rl-ntm-lstm": MachineStyle(
            label="LSTM controller", colour="#56b4e9", marker="s", dashes="-"
        ),
    }
    return {name: known.get(name) or machine_styles([name])[name] for name in machines}


def _keys(figure: Figure, looks: Mapping[str, MachineStyle], width: Number) -> None:
    said = "open marks: published (at 100% solved, at 0% not)"
    labels = [*(look.label for look in looks.values()), said]
    marks: list[dict[str, Any]] = [
        *({"marker": look.marker, "color": look.colour, "mec": "white"} for look in looks.values()),
        {"marker": "o", "mfc": "white", "mec": TEXT},
    ]
    axes = strip(figure, width, 4.0)
    for label, mark, (x, y) in zip(labels, marks, line_up(labels, width), strict=True):
        axes.plot([x + 5], [y], ls="", ms=4.5, mew=0.8, **mark)
        axes.text(x + 8.5, y, label, va="center_baseline", fontsize=SMALL)
