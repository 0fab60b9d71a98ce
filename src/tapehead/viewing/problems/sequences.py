"""One sequence, and what a machine does with it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tapehead.machines.machine import Machine, Trace
from tapehead.machines.recurrent import Recurrent
from tapehead.tasks import Batch
from tapehead.tasks.graphs.task import GraphTask
from tapehead.viewing.bits import bit_figure, length_figure
from tapehead.viewing.episode import Episode
from tapehead.viewing.heads import heads_figure
from tapehead.viewing.maps import GraphMap, graph_map
from tapehead.viewing.memory import memory_figure
from tapehead.viewing.origins import Origins, origins_of
from tapehead.viewing.page.panels import Recording
from tapehead.viewing.page.recordings import sequence_recording
from tapehead.viewing.problems.running import Drawn, run_one
from tapehead.viewing.summary import summary_figure
from tapehead.viewing.traces import has_tensors
from tapehead.viewing.walks import edges_read, walk_figure
from tapehead.viewing.words import word_figure


def sequence_figures(
    machine: Any, settings: Mapping[str, Any], size: str, *, seed: int, subject: str, title: str
) -> Drawn:
    """Answers at each size; memory and heads, of a machine that has them, at one."""
    runs = {
        label: run_one(machine, setting, seed=seed, label=label)
        for label, setting in settings.items()
    }
    episodes = {
        label: episode_of(settings[label], outputs, batch)
        for label, (outputs, batch, _) in runs.items()
    }
    episode, trace = episodes[size], runs[size][2]
    answer_figure = word_figure if episode.words else bit_figure
    figures = {"bits": answer_figure(episode, title=title)}
    if len(episodes) > 1 and not episode.words:
        figures["lengths"] = length_figure(episodes, title=subject)
    has_memory = has_tensors(trace, "read_weights", "write_weights")
    if has_memory:
        values = has_tensors(trace, "add", "reads")
        figures["memory"] = memory_figure(episode, trace, values=values, title=title)
    if has_tensors(trace, "gate", "strength", "sharpening", "shift"):
        figures["heads"] = heads_figure(trace, answer_starts=episode.answer_starts, title=title)
    graph, start = graph_of(settings[size], *runs[size][:2]), start_of(machine)
    origins = None
    if graph is not None and graph.walk:
        origins = None if start is None else origins_of(trace, start)
        read = () if origins is None else edges_read(graph, origins)
        figures["walk"] = walk_figure(graph, read, title=title)
    recordings = [
        recorded_sequence(
            settings[label], *runs[label], start, label=label,
            origins=origins if label == size else None,
        )
        for label in runs
    ]  # fmt: skip
    return Drawn(
        figures, partial(summary_figure, episode, trace) if has_memory else None, recordings
    )


def recorded_sequence(
    task: Any,
    outputs: Tensor,
    batch: Batch,
    trace: Trace,
    start: Tensor | None,
    *,
    label: str,
    origins: Origins | None = None,
) -> Recording:
    """What the page shows of one sequence, from what `run_one` gives; `origins` as for
    `sequence_recording`."""
    return sequence_recording(
        episode_of(task, outputs, batch), trace, label=label, start=start, origins=origins,
        graph=graph_of(task, outputs, batch),
    )  # fmt: skip


def graph_of(task: Any, outputs: Tensor, batch: Batch) -> GraphMap | None:
    """The graph that a sequence tells of, if it is one of a task of graphs."""
    if not isinstance(task, GraphTask):
        return None
    return graph_map(batch, task.answer.said(outputs, batch), task.known)


def start_of(machine: Any) -> Tensor | None:
    """The memory that a machine starts with, (1, rows, word), if it has one."""
    if not isinstance(machine, Recurrent):
        return None
    with torch.no_grad():
        state = machine.initial_state(1)
    start = getattr(state, "memory", getattr(state, "content", None))
    return None if start is None else start.clone()  # weights may change while it is looked at


def run_episode(
    machine: Machine, task: Any, *, seed: int = 0, label: str = ""
) -> tuple[Episode, Trace]:
    """Run a machine on one fresh sequence of a task, keeping everything it does inside."""
    outputs, batch, trace = run_one(machine, task, seed=seed, label=label)
    return episode_of(task, outputs, batch), trace


def episode_of(task: Any, outputs: Tensor, batch: Batch) -> Episode:
    """The first sequence of a batch and a machine's logits for it, as the task reads them."""
    answer, asked = task.answer, batch.mask[0]
    return Episode(
        inputs=batch.inputs.x[0],
        targets=batch.targets[0],
        outputs=answer.probabilities(outputs[0].double()),
        mask=asked,
        input_names=task.channel_names,
        output_names=task.output_names,
        wrong=answer.wrong_channels(outputs, batch)[0],
        unit=answer.unit,
        channelwise=answer.channelwise,
        part=answer.part,
        words=answer.word_names,
        asked=answer.spelled(batch.targets[0][asked]),
        said=answer.spelled(answer.said(outputs, batch)[0][asked]),
    )
