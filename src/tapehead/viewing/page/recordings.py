"""From one problem and what a machine did with it to what the page shows of it, by the form of the
task; `viewing/problems` runs the machine, for the figures and for this."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapehead.machines.machine import Trace
from tapehead.viewing.episode import NOTABLE, Episode
from tapehead.viewing.image import group_names
from tapehead.viewing.maps import GraphMap
from tapehead.viewing.origins import MOST, Origins, origins_of
from tapehead.viewing.page.panels import Panel, Recording
from tapehead.viewing.page.traced import origin_data, origin_panels, trace_panels
from tapehead.viewing.points import Pointed, arrows_of, sides_of
from tapehead.viewing.stories import Reading
from tapehead.viewing.tapes import Walk


def sequence_recording(
    episode: Episode,
    trace: Trace,
    *,
    label: str,
    start: Any = None,
    origins: Origins | None = None,
    graph: GraphMap | None = None,
) -> Recording:
    """Of a sequence: what went in and came out, and every tensor of the trace.

    Args:
        start: the memory before the first step, (1, rows, word), of a machine that has one.
        origins: where its reads came from, if that is worked out already.
        graph: where the episode is about a graph.
    """
    panels = answer_panels(episode)
    if origins is None and start is not None:
        origins = origins_of(trace, start)
    if origins is not None:
        panels += origin_panels(origins)
    if graph is not None:
        panels.append(map_panel(graph))
    panels += trace_panels(trace)
    return Recording(
        label=label,
        steps=len(episode.inputs),
        panels=panels,
        verdict=episode.verdict,
        wrong=bool(episode.wrong.any()),
        asked=np.flatnonzero(episode.mask).tolist(),
        origins=None if origins is None else origin_data(origins),
        note=_missing_origins(trace, start) if origins is None else "",
    )


def _missing_origins(trace: Trace, start: Any) -> str:
    writes = trace.tensors.get("write_weights")
    if start is None or writes is None:
        return ""
    numbers = writes[0].numel() * trace.tensors["memory"].shape[-1]
    if numbers > MOST:
        return "Where reads come from is left out: this episode is too long for so large a memory."
    return "Where reads come from is not known: this machine writes by a rule of its own."


def answer_panels(episode: Episode) -> list[Panel]:
    """Inputs, targets and outputs, wrong ones marked; the words of an answer in words."""
    of_all = episode.outputs.shape[1]
    if episode.words:
        episode = episode.notable(NOTABLE)
    count = episode.outputs.shape[1]
    some = "" if count == of_all else f"; the likeliest {count} of {of_all}"
    quiet = ~episode.mask
    panels = [
        _channels("inputs", "Inputs", episode.inputs, episode.input_names),
        _channels("targets", "Targets", episode.targets, episode.output_names, quiet=quiet),
        _channels(
            "outputs", f"Outputs (probability{some})", episode.outputs, episode.output_names,
            quiet=quiet, wrong=episode.wrong,
        ),
    ]  # fmt: skip
    if episode.words:
        data = {
            "rows": list(episode.words),
            "at": np.flatnonzero(episode.mask).tolist(),
            "asked": [list(words) for words in episode.asked],
            "said": [list(words) for words in episode.said],
        }
        panels.append(
            Panel(kind="words", name="words", group="answer", title="Asked and said", data=data)
        )
    return panels


def _channels(
    name: str,
    title: str,
    values: np.ndarray,
    names: Sequence[str] | None,
    *,
    quiet: np.ndarray | None = None,
    wrong: np.ndarray | None = None,
) -> Panel:
    limit = 1.0
    data = {
        "values": values[:, None],
        "low": -limit if (values < 0).any() else 0.0,
        "high": limit,
        "axis": "channel",
        "bands": [],
        "names": None if names is None else list(names),
        "groups": None if names is None else group_names(names),
        "rows": None,
        "heads": "",
        "quiet": None if quiet is None else np.flatnonzero(quiet).tolist(),
        "wrong": None if wrong is None or not wrong.any() else wrong.astype(float)[:, None],
    }
    return Panel(kind="heat", name=name, group="answer", title=title, data=data)


def map_panel(graph: GraphMap) -> Panel:
    """The graph as it is told, and the edges asked for and said at the steps of the answer."""
    data = {
        "names": list(graph.names),
        "xy": graph.xy.tolist(),
        "edges": [list(edge) for edge in graph.edges],
        "labels": list(graph.labels),
        "told": list(graph.told),
        "walk": [[step, asked, said] for step, asked, said in graph.walk],
    }
    return Panel(kind="map", name="map", group="now", title="The graph", data=data)


def tape_recording(walk: Walk, *, label: str) -> Recording:
    """Of a tape: where the heads are, and what is written."""
    steps = len(walk.wrote)
    data = {
        "tape": list(walk.tape),
        "asked": list(walk.asked),
        "said": list(walk.said),
        "input_head": walk.input_head.tolist(),
        "memory_head": None if walk.memory_head is None else walk.memory_head.tolist(),
        "wrote": walk.wrote.astype(bool).tolist(),
    }
    return Recording(
        label=label,
        steps=steps,
        panels=[
            Panel(kind="tape", name="tape", group="answer", title="Tapes and heads", data=data)
        ],
        verdict=walk.verdict,
        wrong=list(walk.asked) != list(walk.said),
        asked=np.flatnonzero(walk.wrote).tolist(),
    )


def point_recording(pointed: Pointed, *, label: str) -> Recording:
    """Of points: what the machine looked at for each of its pointers, the wrong ones marked."""
    steps, channels = pointed.attention.shape
    wrong = np.zeros((steps, channels), dtype=bool)
    if not pointed.solved:
        for step in range(steps):
            said, right = (
                int(answer[step]) if step < len(answer) else 0
                for answer in (pointed.said, pointed.right)
            )
            wrong[step, said] = said != right
    names = ["end", *(f"point {number}" for number in range(1, channels))]
    panels = [
        _channels("attention", "Chance of each pointer", pointed.attention, names, wrong=wrong)
    ]
    if pointed.shape != "order":
        panels.insert(0, _points(pointed))
    return Recording(
        label=label,
        steps=steps,
        panels=panels,
        verdict=pointed.note,
        wrong=not pointed.solved,
        asked=range(steps),
    )


def _points(pointed: Pointed) -> Panel:
    """Points, arrows where the machine went, and under them the right answer."""
    data = {
        "xy": pointed.xy.tolist(),
        "arrows": [
            {"step": arrow.step, "from": arrow.start, "to": arrow.end, "right": arrow.right}
            for arrow in arrows_of(pointed)
        ],
        "wanted": sides_of(pointed),
        "attention": pointed.attention[:, 1:],
    }
    return Panel(
        kind="points", name="points", group="answer", title="Points and pointers", data=data
    )


def story_recording(readings: Sequence[Reading], *, label: str) -> Recording:
    """Of a story: a step for each of its questions."""
    longest = max(readings, key=lambda reading: len(reading.sentences))
    sentences, columns = list(longest.sentences), list(longest.columns)
    looked = np.zeros((len(readings), len(sentences), len(columns)))
    for number, reading in enumerate(readings):
        looked[number, : len(reading.sentences)] = reading.looked
    asked = [part for reading in readings if (part := reading.of_question) is not None]
    wrong = sum(reading.asked not in (None, reading.said) for reading in readings)
    known = all(reading.asked is not None for reading in readings)
    data = {
        "sentences": sentences,
        "columns": columns,
        "looked": looked,
        "of_question": np.stack(asked) if len(asked) == len(readings) else None,
        "readings": [
            {
                "known": len(reading.sentences),
                "supporting": list(reading.supporting),
                "question": reading.question,
                "said": reading.said,
                "chance": reading.chance,
                "asked": reading.asked,
            }
            for reading in readings
        ],
    }
    total = len(readings)
    verdict = f"{wrong} of {total} answers wrong" if wrong else f"all {total} answers right"
    return Recording(
        label=label,
        steps=total,
        unit="question",
        panels=[Panel(kind="story", name="story", group="answer", title="The story", data=data)],
        verdict=verdict if known else "",
        wrong=bool(wrong),
        asked=range(total),
    )
