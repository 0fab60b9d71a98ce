"""Fresh stories of tasks 1, 2 and 3: a small world of people who walk about and carry things.

Its rules are those that Weston et al. (2015) publish of theirs, its words those of their files.
"""

import random
from collections.abc import Iterable
from typing import NamedTuple

from tapehead.tasks.babi.text import Question, TextStory, Words

PEOPLE = ("daniel", "john", "mary", "sandra")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
THINGS = ("apple", "football", "milk")
GO = ("went to", "went back to", "journeyed to", "travelled to", "moved to")
GET = ("got", "grabbed", "picked up", "took")
DROP = ("discarded", "dropped", "left", "put down")
_DEEDS = ("go", "get", "drop")
SIMULATED = (1, 2, 3)
"""Tasks that can be simulated."""
QUESTIONS = 5
"""Of a story."""
_BETWEEN = 2
"""Sentences told before each attempt to ask."""
_RECENT = 5
"""Of so many last sentences one tells who got or dropped the thing that is asked about."""


class _Stay(NamedTuple):
    """A thing is at a place that the story tells of."""

    place: str
    sentence: int
    """In which somebody came there with it, or had come there before getting it."""


class _World:
    """Where everybody and everything is, and what was told of it."""

    def __init__(self, task: int, draw: random.Random):
        self._task, self._draw = task, draw
        self._place = {person: draw.choice(PLACES) for person in PEOPLE}
        self._arrival: dict[str, int] = {}
        self._spot = {thing: draw.choice(PLACES) for thing in THINGS}
        self._holder: dict[str, str | None] = dict.fromkeys(THINGS)
        self._touched: dict[str, int] = {}
        self._stay: dict[str, _Stay] = {}
        self._carried: dict[str, list[_Stay]] = {thing: [] for thing in THINGS}
        """Where each was carried to since somebody got it last."""
        self.sentences: list[Words] = []

    def tell(self) -> None:
        """Somebody does something: a deed is drawn, and another one if it cannot be done, so that
        those who can do more do more."""
        draw, done = self._draw, False
        while not done:
            person, deed = draw.choice(PEOPLE), draw.choice(_DEEDS) if self._task > 1 else "go"
            if deed == "go":
                place = draw.choice(PLACES)
                done = place != self._place[person]
                if done:
                    self._go(person, place)
            else:
                things = [t for t in THINGS if self._can(person, deed, t)]
                done = bool(things)
                if done:
                    self._handle(person, draw.choice(things))

    def ask(self) -> Question | None:
        """A question that the story answers, or None."""
        choices = [self._where_is_person, self._where_is_thing, self._where_was_thing]
        return choices[self._task - 1]()

    def _can(self, person: str, deed: str, thing: str) -> bool:
        holder = self._holder[thing]
        if deed == "drop":
            return holder == person
        return holder is None and self._spot[thing] == self._place[person]

    def _say(self, *words: str) -> int:
        self.sentences.append(tuple(" ".join(words).split()))
        return len(self.sentences) - 1

    def _go(self, person: str, place: str) -> None:
        sentence = self._say(person, self._draw.choice(GO), "the", place)
        self._place[person], self._arrival[person] = place, sentence
        for thing in THINGS:
            if self._holder[thing] == person:
                self._stay[thing] = _Stay(place, sentence)
                self._carried[thing].append(self._stay[thing])

    def _handle(self, person: str, thing: str) -> None:
        """Get a thing, or drop it."""
        drops = self._holder[thing] == person
        there = self._draw.choice(["there", ""])
        sentence = self._say(person, self._draw.choice(DROP if drops else GET), "the", thing, there)
        self._touched[thing] = sentence
        self._holder[thing] = None if drops else person
        self._spot[thing] = self._place[person]
        if drops:
            return
        self._carried[thing] = []
        self._stay.pop(thing, None)
        if person in self._arrival:
            self._stay[thing] = _Stay(self._place[person], self._arrival[person])

    def _recent(self, things: Iterable[str]) -> list[str]:
        """Those of them that somebody got or dropped of late."""
        since = len(self.sentences) - _RECENT
        return [thing for thing in things if self._touched.get(thing, -1) >= max(0, since)]

    def _question(self, words: str, answer: str, *supporting: int) -> Question:
        return Question(tuple(words.split()), answer, len(self.sentences), supporting)

    def _where_is_person(self) -> Question | None:
        if not self._arrival:
            return None
        person = self._draw.choice(sorted(self._arrival))
        return self._question(f"where is {person}", self._place[person], self._arrival[person])

    def _where_is_thing(self) -> Question | None:
        moved = (t for t in self._stay if self._holder[t] is None or self._carried[t])
        things = self._recent(moved)
        if not things:
            return None
        thing = self._draw.choice(things)
        place, sentence = self._stay[thing]
        return self._question(f"where is the {thing}", place, self._touched[thing], sentence)

    def _where_was_thing(self) -> Question | None:
        things = self._recent(thing for thing in THINGS if len(self._carried[thing]) > 1)
        if not things:
            return None
        thing = self._draw.choice(things)
        stays = self._carried[thing]
        # Of a place where it was twice the question means the last time.
        last = {stay.place: number for number, stay in enumerate(stays)}
        at = self._draw.choice([number for number in last.values() if number > 0])
        before, now = stays[at - 1], stays[at]
        words = f"where was the {thing} before the {now.place}"
        return self._question(
            words, before.place, self._touched[thing], now.sentence, before.sentence
        )


def all_words() -> list[TextStory]:
    """Stories with every word that a simulation can use, and every answer."""
    verbs = [
        tuple(f"{person} {verb} the {place}".split())
        for person in PEOPLE
        for verb in GO
        for place in PLACES
    ]
    verbs += [
        tuple(f"{PEOPLE[0]} {verb} the {thing} there".split())
        for verb in (*GET, *DROP)
        for thing in THINGS
    ]
    asked = (("where", "is", "the"), ("where", "was", "the", THINGS[0], "before", "the", PLACES[0]))
    questions = (Question(words, place, 1) for place in PLACES for words in asked)
    return [TextStory(tuple(verbs), tuple(questions))]


def simulate(task: int, draw: random.Random) -> TextStory:
    """A story of task 1, 2 or 3 with five questions."""
    world, questions = _World(task, draw), []
    while len(questions) < QUESTIONS:
        for _ in range(_BETWEEN):
            world.tell()
        question = world.ask()
        if question is not None:
            questions.append(question)
    return TextStory(tuple(world.sentences), tuple(questions))
