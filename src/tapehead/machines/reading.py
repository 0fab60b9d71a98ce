"""What the machines that read stories share."""

from typing import Any

import torch

from tapehead.forms import Story
from tapehead.machines.machine import check_range
from tapehead.ops import gate


def check_story(machine: Any, story: Story) -> None:
    """Raise a TypeError or ValueError that names the first part of a story that the machine cannot
    read: numbers out of range would be read from beyond its tables."""
    gate.check_rank("sentences", story.sentences, "distinct", machine.sentence_length)
    gate.check_rank("told", story.told, "batch", "time")
    batch = len(story.told)
    gate.check_rank("questions", story.questions, batch, "asked")
    gate.check_rank("known", story.known, *story.questions.shape)
    device = machine._weight().device
    for name, tensor in story._asdict().items():
        gate.check_type(name, tensor, torch.int64, device, "as the machine's weights are there")
    check_range("sentences", story.sentences, 0, machine.vocabulary_size - 1)
    for name in ("told", "questions"):
        check_range(name, getattr(story, name), 0, len(story.sentences) - 1)
    check_range("known", story.known, 0, story.told.shape[1])
