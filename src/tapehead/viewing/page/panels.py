"""What the page shows, as data: Python says which panels an episode has, JavaScript draws kinds.

A panel is a kind, a title and the data of that kind. `assets/panels/<kind>.js` draws it;
docs/page.md lists the kinds and what each needs. Arrays in the data are packed by `packing.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GROUPS = {
    "answer": "Task and answer",
    "origins": "Where reads come from",
    "memory": "Memory over time",
    "addressing": "Addressing",
    "inside": "Everything else in the trace",
    "now": "At this step",
}
"""Parts of the page, in order: titles by name. The last is the column beside the others."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture of the page.

    kind: what draws it. name: one for each panel of an episode; what it shows, as in the trace.
    group: where it stands, see `GROUPS`. title: with the unit, if it has one.
    data: what the kind needs; values are plain, or arrays.
    """

    kind: str
    name: str
    group: str
    title: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One episode of the page: what there is to see at each of its steps.

    label: what it is called among the others. steps: how many there are. unit: what a step is.
    verdict: how many errors there are, in words. wrong: whether there is any.
    asked: steps (from 0) at which an answer is asked for.
    origins: where reads and rows came from, for the panels that show it; None: not known.
    note: what is to be said about it.
    """

    label: str
    steps: int
    panels: Sequence[Panel]
    unit: str = "step"
    verdict: str = ""
    wrong: bool = False
    asked: Sequence[int] = ()
    origins: Mapping[str, Any] | None = None
    note: str = ""
