"""One problem of a task and what a machine does with it, as pictures, by the form of the task."""

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from tapehead.machines.machine import Machine, Trace
from tapehead.runs import devices, randomness
from tapehead.runs.evaluation import run_machine
from tapehead.tasks import Batch, Task
from tapehead.tasks.babi import TextStory
from tapehead.viewing.bits import bit_figure, length_figure
from tapehead.viewing.episode import Episode
from tapehead.viewing.heads import heads_figure
from tapehead.viewing.memory import has_tensors, memory_figure
from tapehead.viewing.stories import Reading, story_figure
from tapehead.viewing.summary import summary_figure
from tapehead.viewing.tapes import Walk, tape_figure
from tapehead.viewing.words import word_figure

Drawn = tuple[dict[str, Figure], Callable[..., Figure] | None]
"""Figures by name, and what draws the summary when given learning curves; None: there is none."""


def sequence_figures(
    machine: Any, settings: Mapping[str, Any], size: str, *, seed: int, subject: str, title: str
) -> Drawn:
    """Answers at each size; memory and heads, of a machine that has them, at one."""
    runs = {
        label: run_episode(machine, setting, seed=seed, label=label)
        for label, setting in settings.items()
    }
    episodes = {label: episode for label, (episode, _) in runs.items()}
    episode, trace = runs[size]
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
    return figures, partial(summary_figure, episode, trace) if has_memory else None


def tape_figures(
    machine: Any, settings: Mapping[str, Task], size: str, *, seed: int, subject: str, title: str
) -> Drawn:
    """What the heads do on one tape."""
    outputs, batch, trace = run_one(machine, settings[size], seed=seed, label=size)
    return {"tape": tape_figure(walk_of(settings[size], outputs, batch, trace), title=title)}, None


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
    story = task.stories[number]
    reading = read_story(machine, task, story, len(story.questions) - 1)
    return {"story": story_figure(reading, title=title)}, None


def read_story(machine: Machine, task: Any, story: TextStory, question: int) -> Reading:
    """How a machine comes to its answer to one question of a story, by its number from 0."""
    device, dtype = devices.place(machine)
    with torch.no_grad():
        trace = machine.trace(**task.form_of(story).to(device, dtype)._asdict())
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
