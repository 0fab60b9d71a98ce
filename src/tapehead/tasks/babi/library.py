"""The stories of the bAbI tasks in memory: as they were told and as numbers, by split."""

import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from tapehead.tasks.babi.encoding import Encoded, Vocabulary, encode
from tapehead.tasks.babi.files import read_split
from tapehead.tasks.babi.simulation import QUESTIONS, all_words, simulate
from tapehead.tasks.babi.text import TextStory, parse

TITLES = {
    1: "single supporting fact",
    2: "two supporting facts",
    3: "three supporting facts",
    4: "two argument relations",
    5: "three argument relations",
    6: "yes/no questions",
    7: "counting",
    8: "lists/sets",
    9: "simple negation",
    10: "indefinite knowledge",
    11: "basic coreference",
    12: "conjunction",
    13: "compound coreference",
    14: "time reasoning",
    15: "basic deduction",
    16: "basic induction",
    17: "positional reasoning",
    18: "size reasoning",
    19: "path finding",
    20: "agent's motivations",
}
"""What Weston et al. call them, by number."""

Number = Literal[
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10",
    "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "all",
]  # fmt: skip
Split = Literal["train", "valid", "test"]
FAILED = 0.05
"""The share of wrong answers above which the authors count a task as failed."""
OFTEN_MISSING = 3
"""The task whose training file of 10,000 questions is often not among the others."""
_TOLD = {"10k": 1800, "1k": 180}
"""Training stories that the authors have of it."""


class Library(NamedTuple):
    """All stories of a task, as they were told and as numbers, by split."""

    vocabulary: Vocabulary
    sentence_length: int
    """Words of the longest sentence or question."""
    texts: Mapping[str, list[TextStory]]
    """Without those of splits that are simulated."""
    encoded: Mapping[str, Encoded]
    questions_each: Mapping[str, float]
    """Mean number of questions of a story."""


@lru_cache(maxsize=32)
def library_of(data: str, size: str, task: str, generated: bool) -> Library:
    """All stories of a task; read once a process. Those of all tasks, if generated, have simulated
    ones for training on the task whose file is often missing.

    Raises:
        TapeheadError: the files cannot be found or read.
    """
    place = Path(data) if data else None
    texts: dict[str, list[TextStory]] = {"train": [], "valid": [], "test": []}
    if task == "all" or not generated:
        for number in TITLES if task == "all" else [int(task)]:
            simulated = generated and number == OFTEN_MISSING
            found = _held_out(place, size, number) if simulated else _texts(place, size, number)
            if simulated:
                draw = random.Random(0)
                found["train"] = [simulate(number, draw) for _ in range(_TOLD[size])]
            for split, stories in found.items():
                texts[split] += stories
    elif data:
        texts |= _held_out(place, size, int(task))
    everything = [story for stories in texts.values() for story in stories]
    everything += all_words() if generated else []
    vocabulary = Vocabulary.of(everything)
    length = max(
        len(words)
        for story in everything
        for words in (*story.sentences, *(question.words for question in story.questions))
    )
    encoded = {
        split: encode(stories, vocabulary, length) for split, stories in texts.items() if stories
    }
    each = {
        split: sum(len(story.questions) for story in stories) / max(1, len(stories))
        for split, stories in texts.items()
    }
    each |= {split: float(QUESTIONS) for split, stories in texts.items() if not stories}
    return Library(vocabulary, length, texts, encoded, each)


def _held_out(data: Path | None, size: str, task: int) -> dict[str, list[TextStory]]:
    """The stories for validation and test of one task."""
    return {split: parse(*read_split(data, size, task, split)[:2]) for split in ("valid", "test")}


def _texts(data: Path | None, size: str, task: int) -> dict[str, list[TextStory]]:
    """The stories of one task by split."""
    found, undivided = {}, False
    for split in ("train", "valid", "test"):
        text, where, whole = read_split(data, size, task, split)
        found[split] = parse(text, where)
        undivided |= whole
    if undivided:
        stories = found["train"]
        kept = len(stories) - max(1, len(stories) // 10)
        found |= {"train": stories[:kept], "valid": stories[kept:]}
    return found
