"""One story with its questions, and what a machine looks at."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tapehead.forms import Story
from tapehead.machines.machine import Machine, Trace
from tapehead.runs import devices, randomness
from tapehead.tasks.babi import TextStory
from tapehead.viewing.page.recordings import story_recording
from tapehead.viewing.problems.running import Drawn, one_thread
from tapehead.viewing.stories import Reading, story_figure
from tapehead.viewing.traces import has_tensors

STORIES = 4
"""Stories on the page."""
MOST_QUESTIONS = 12
"""Questions of a story on the page; of a longer one the last."""


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
    recordings = [story_recording(readings, label="story 1")]
    for other in range(1, STORIES):
        another = (number + other) % len(task.stories)
        told = readings_of(machine, task, task.stories[another])
        recordings.append(story_recording(told, label=f"story {other + 1}"))
    return Drawn({"story": story_figure(readings[-1], title=title)}, None, recordings)


def read_story(machine: Machine, task: Any, story: TextStory, question: int) -> Reading:
    """How a machine comes to its answer to one question of a story, by its number from 0.

    Of a machine that hears the story word by word it is known what it says, the first word of its
    answer, and not what it looked at.
    """
    if task.tells is Story:
        return reading_of(task, story, question, trace_story(machine, task, story))
    return _heard(machine, task, story, question)


def _heard(machine: Machine, task: Any, story: TextStory, question: int) -> Reading:
    device, dtype = devices.place(machine)
    asked = story.questions[question]
    told = story.sentences[: asked.known]
    # An answer that nobody knows has one step, the last that the machine hears.
    questions = (*story.questions[:question], asked._replace(answer=""))
    heard = task.form_of(story._replace(sentences=told, questions=questions))
    with torch.no_grad():
        y, _ = machine(**heard.to(device, dtype)._asdict())
    chances = task.answer.probabilities(y[0, -1].double())
    best = int(chances.argmax())
    return Reading(
        sentences=[" ".join(words) for words in told],
        supporting=asked.supporting,
        looked=np.zeros((len(told), 0)),
        columns=[],
        of_question=None,
        question=" ".join(asked.words) + "?",
        said=task.answer.names[best],
        chance=float(chances[best]),
        asked=asked.answer or None,
    )


def readings_of(machine: Machine, task: Any, story: TextStory) -> list[Reading]:
    """How a machine comes to its answers to the last questions of a story."""
    trace = trace_story(machine, task, story)
    count = len(story.questions)
    numbers = range(max(0, count - MOST_QUESTIONS), count)
    return [reading_of(task, story, number, trace) for number in numbers]


def trace_story(machine: Machine, task: Any, story: TextStory) -> Trace:
    """All that a machine does with a story and its questions."""
    device, dtype = devices.place(machine)
    with torch.no_grad(), one_thread():
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
