"""One problem of a task and what a machine does with it, as pictures, by the form of the task."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from tapehead.forms import Points, Story, Tape
from tapehead.machines.machine import Machine, Trace
from tapehead.machines.recurrent import Recurrent
from tapehead.runs import devices, randomness
from tapehead.runs.evaluation import run_machine
from tapehead.tasks import Batch, Task
from tapehead.tasks.babi import TextStory
from tapehead.tasks.graphs.task import GraphTask
from tapehead.tasks.metrics import SOLVED, VALID
from tapehead.viewing.bits import bit_figure, length_figure
from tapehead.viewing.episode import Episode
from tapehead.viewing.heads import heads_figure
from tapehead.viewing.maps import graph_map
from tapehead.viewing.memory import memory_figure
from tapehead.viewing.page.panels import Recording
from tapehead.viewing.page.recordings import (
    point_recording,
    sequence_recording,
    story_recording,
    tape_recording,
)
from tapehead.viewing.points import Pointed, answer_figure, steps_figure
from tapehead.viewing.stories import Reading, story_figure
from tapehead.viewing.summary import summary_figure
from tapehead.viewing.tapes import Walk, tape_figure
from tapehead.viewing.traces import has_tensors
from tapehead.viewing.words import word_figure

STORIES = 4
"""Stories on the page."""
MOST_QUESTIONS = 12
"""Questions of a story on the page; of a longer one the last."""

MOST_POINTERS = 200
"""Pointers of an answer on the page; longer ones are left out."""


class Drawn(NamedTuple):
    """Figures by name, what draws the summary when given learning curves (None: there is none),
    and what the page shows: of the same runs of the machine."""

    figures: dict[str, Figure]
    summarise: Callable[..., Figure] | None
    recordings: Sequence[Recording]


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
    recordings = [
        _sequence(settings[label], *runs[label], start_of(machine), label=label)
        for label in sorted(runs, key=lambda label: label != size)
    ]
    return Drawn(
        figures, partial(summary_figure, episode, trace) if has_memory else None, recordings
    )


def _sequence(
    task: Any, outputs: Tensor, batch: Batch, trace: Trace, start: Tensor | None, *, label: str
) -> Recording:
    """What the page shows of one sequence, from what `run_one` gives."""
    graph = None
    if isinstance(task, GraphTask):
        graph = graph_map(batch, task.answer.said(outputs, batch))
    return sequence_recording(
        episode_of(task, outputs, batch), trace, label=label, start=start, graph=graph
    )


def start_of(machine: Any) -> Tensor | None:
    """The memory that a machine starts with, (1, rows, word), if it has one."""
    if not isinstance(machine, Recurrent):
        return None
    with torch.no_grad():
        state = machine.initial_state(1)
    start = getattr(state, "memory", getattr(state, "content", None))
    return None if start is None else start.clone()  # weights may change while it is looked at


def tape_figures(
    machine: Any, settings: Mapping[str, Task], size: str, *, seed: int, subject: str, title: str
) -> Drawn:
    """What the heads do on one tape."""
    runs = {
        label: run_one(machine, task, seed=seed, label=label) for label, task in settings.items()
    }
    walks = {label: walk_of(settings[label], *run) for label, run in runs.items()}
    recordings = [
        tape_recording(walks[label], label=label)
        for label in sorted(walks, key=lambda label: label != size)
    ]
    return Drawn({"tape": tape_figure(walks[size], title=title)}, None, recordings)


def walk_of(task: Task, outputs: Tensor, batch: Batch, trace: Trace) -> Walk:
    """What a machine did on the first tape of a batch."""
    answer, asked = task.answer, batch.mask[0]
    active = trace.active[0] > 0
    heads = {name: trace.tensors[name][0][active].int() for name in ("input_head", "memory_head")}
    tape = batch.inputs.symbols[0]
    used = int((tape != 0).nonzero().max()) + 1
    names = [answer.names[symbol] for symbol in tape[:used].tolist()]
    memory = heads["memory_head"].cpu().numpy()
    return Walk(
        tape=names,
        asked=[" ".join(words) for words in answer.spelled(batch.targets[0][asked])],
        said=[" ".join(words) for words in answer.spelled(answer.said(outputs, batch)[0][asked])],
        input_head=heads["input_head"].cpu().numpy(),
        memory_head=memory if memory.any() else None,
        wrote=(trace.wrote[0][active] > 0).cpu().numpy(),
    )


def story_figures(
    machine: Machine,
    settings: Mapping[str, Any],
    size: str,
    *,
    seed: int,
    subject: str,
    title: str,
) -> Drawn:
    """What the machine looked at for the last question of one story."""
    task = settings[size]
    generator = randomness.generator_for(seed, randomness.Stream.TEST)
    number = int(torch.randint(len(task.stories), (), generator=generator))
    readings = readings_of(machine, task, task.stories[number])
    recordings = [story_recording(readings, label=f"story {number + 1:,}")]
    for other in range(1, STORIES):
        another = (number + other) % len(task.stories)
        told = readings_of(machine, task, task.stories[another])
        recordings.append(story_recording(told, label=f"story {another + 1:,}"))
    return Drawn({"story": story_figure(readings[-1], title=title)}, None, recordings)


def read_story(machine: Machine, task: Any, story: TextStory, question: int) -> Reading:
    """How a machine comes to its answer to one question of a story, by its number from 0."""
    return reading_of(task, story, question, trace_story(machine, task, story))


def readings_of(machine: Machine, task: Any, story: TextStory) -> list[Reading]:
    """How a machine comes to its answers to the last questions of a story."""
    trace = trace_story(machine, task, story)
    count = len(story.questions)
    numbers = range(max(0, count - MOST_QUESTIONS), count)
    return [reading_of(task, story, number, trace) for number in numbers]


def trace_story(machine: Machine, task: Any, story: TextStory) -> Trace:
    """All that a machine does with a story and its questions."""
    device, dtype = devices.place(machine)
    with torch.no_grad():
        return machine.trace(**task.form_of(story).to(device, dtype)._asdict())


def reading_of(task: Any, story: TextStory, question: int, trace: Trace) -> Reading:
    """How a traced machine comes to its answer to one question of a story."""
    asked = story.questions[question]
    chances = task.answer.probabilities(trace.y[0, question].double())
    best = int(chances.argmax())
    attention = trace.attention[0, question].cpu()
    if has_tensors(trace, "gates"):
        looked = trace.gates[0, : asked.known].cpu()
        columns, of_question = [f"slot {n + 1}" for n in range(looked.shape[1])], attention[0]
    else:
        looked, of_question = attention[:, : asked.known].T, None
        columns = [f"hop {n + 1}" for n in range(looked.shape[1])]
    return Reading(
        sentences=[" ".join(words) for words in story.sentences[: asked.known]],
        supporting=asked.supporting,
        looked=looked.numpy(),
        columns=columns,
        of_question=None if of_question is None else of_question.numpy(),
        question=" ".join(asked.words) + "?",
        said=task.answer.names[best],
        chance=float(chances[best]),
        asked=asked.answer or None,
    )


def recorded(machine: Any, task: Any, *, seed: int = 0, label: str = "") -> Callable[[], Recording]:
    """Run a machine on one fresh problem of a task now; what the page shows of it is made when it
    is asked for, and may be made in another thread."""
    if task.tells is Story:
        generator = randomness.generator_for(seed, randomness.Stream.TEST)
        number = int(torch.randint(len(task.stories), (), generator=generator))
        readings = readings_of(machine, task, task.stories[number])
        return partial(story_recording, readings, label=f"story {number + 1:,}")
    outputs, batch, trace = run_one(machine, task, seed=seed, label=label)
    if task.tells is Tape:
        return partial(tape_recording, walk_of(task, outputs, batch, trace), label=label)
    if task.tells is Points:
        return partial(point_recording, pointed_of(task, outputs, batch, trace), label=label)
    start = start_of(machine)
    return cache(partial(_sequence, task, outputs, batch, trace, start, label=label))


def point_figures(
    machine: Machine,
    settings: Mapping[str, Task],
    size: str,
    *,
    seed: int,
    subject: str,
    title: str,
) -> Drawn:
    """An answer beside the right one, and how the machine came to it."""
    runs = {
        label: pointed_of(task, *run_one(machine, task, seed=seed, label=label))
        for label, task in settings.items()
    }
    pointed = runs[size]
    figures = {"answer": answer_figure(pointed, title=title)}
    if pointed.shape != "order":
        figures["steps"] = steps_figure(pointed, title=title)
    recordings = [
        point_recording(runs[label], label=label)
        for label in sorted(runs, key=lambda label: label != size)
        if len(runs[label].attention) <= MOST_POINTERS
    ]
    return Drawn(figures, None, recordings)


def pointed_of(task: Any, outputs: Tensor, batch: Batch, trace: Trace) -> Pointed:
    """What a machine answered to the first problem of a batch."""
    points = batch.inputs
    count = int(points.sizes[0])
    said, right = (
        answer[0][: int((answer[0] != 0).cumprod(0).sum())].cpu().numpy()
        for answer in (points.answer, batch.targets)
    )
    scores = task.scores(outputs, batch)
    values = {m: m.shown(float(scores[m.name][0])) for m in task.judged if m != VALID}
    notes = [f"{v} {m.label}" if m.is_share else f"{m.label} {v}" for m, v in values.items()]
    solved = bool(scores[SOLVED.name][0])
    return Pointed(
        xy=points.xy[0, :count].cpu().double().numpy(),
        right=right,
        said=said,
        attention=trace.attention[0, : len(said) + 1, : count + 1].cpu().numpy(),
        shape=task.shape,
        solved=solved,
        note=", ".join(["right" if solved else "not right", *notes]),
    )


def run_episode(
    machine: Machine, task: Any, *, seed: int = 0, label: str = ""
) -> tuple[Episode, Trace]:
    """Run a machine on one fresh sequence of a task, keeping everything it does inside."""
    outputs, batch, trace = run_one(machine, task, seed=seed, label=label)
    return episode_of(task, outputs, batch), trace


def run_one(
    machine: Machine, task: Task, *, seed: int = 0, label: str = ""
) -> tuple[Tensor, Batch, Trace]:
    """Outputs of a machine for one fresh problem of a task, the batch that they answer, and all
    that the machine did.

    Seed and label decide the problem, so that one size is not a longer copy of another.
    """
    device, dtype = devices.place(machine)
    path = (zlib.crc32(label.encode()),)
    batch = task.batch(randomness.generator_for(seed, randomness.Stream.TEST, *path), 1)
    states = randomness.capture_globals(device)
    try:
        with torch.no_grad():
            randomness.seed_globals(seed, int(randomness.Stream.TEST))
            outputs, batch = run_machine(task, machine, batch, device, dtype)
            # Of what the machine was told in the end, with the same draws.
            randomness.seed_globals(seed, int(randomness.Stream.TEST))
            trace = machine.trace(**batch.inputs._asdict())
    finally:
        randomness.restore_globals(states, device)
    return outputs, batch, trace


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
        part=answer.part,
        words=answer.word_names,
        asked=answer.spelled(batch.targets[0][asked]),
        said=answer.spelled(answer.said(outputs, batch)[0][asked]),
    )
