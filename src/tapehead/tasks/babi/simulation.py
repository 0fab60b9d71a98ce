"""Fresh stories of tasks 1, 2 and 3: a small world of people who walk about and carry things.

Its rules are those that Weston et al. (2015) publish of theirs, its words those of their files.
"""

import random
from typing import NamedTuple

from tapehead.tasks.babi.text import Question, TextStory, Words

PEOPLE = ("daniel", "john", "mary", "sandra")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
THINGS = ("apple", "football", "milk")
GO = ("went to", "went back to", "journeyed to", "travelled to", "moved to")
GET = ("got", "grabbed", "picked up", "took")
DROP = ("discarded", "dropped", "left", "put down")
SIMULATED = (1, 2, 3)
"""Tasks that can be simulated."""
QUESTIONS = 5
"""Of a story."""
_BETWEEN = 2
"""Sentences told before each attempt to ask."""
_WALKS = 0.4
"""Share of sentences in which somebody goes somewhere though there is something to get or drop."""
_LATEST = 0.8
"""Share of questions of task 3 about the place where a thing came last."""


class _Stay(NamedTuple):
    """A thing came to a place that the story tells of."""

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
        self._stays: dict[str, list[_Stay]] = {thing: [] for thing in THINGS}
        self.sentences: list[Words] = []

    def tell(self) -> None:
        """Somebody does something."""
        draw = self._draw
        person = draw.choice(PEOPLE)
        if self._task > 1 and draw.random() > _WALKS:
            here = [thing for thing in THINGS if self._is_with(thing, person)]
            if here:
                self._handle(person, draw.choice(here))
                return
        self._go(person, draw.choice([p for p in PLACES if p != self._place[person]]))

    def ask(self) -> Question | None:
        """A question that the story answers, or None."""
        choices = [self._where_is_person, self._where_is_thing, self._where_was_thing]
        return choices[self._task - 1]()

    def _is_with(self, thing: str, person: str) -> bool:
        holder = self._holder[thing]
        return holder == person or (holder is None and self._spot[thing] == self._place[person])

    def _say(self, *words: str) -> int:
        self.sentences.append(tuple(" ".join(words).split()))
        return len(self.sentences) - 1

    def _go(self, person: str, place: str) -> None:
        sentence = self._say(person, self._draw.choice(GO), "the", place)
        self._place[person], self._arrival[person] = place, sentence
        for thing in THINGS:
            if self._holder[thing] == person:
                self._stays[thing].append(_Stay(place, sentence))

    def _handle(self, person: str, thing: str) -> None:
        """Get a thing, or drop it."""
        drops = self._holder[thing] == person
        there = self._draw.choice(["there", ""])
        sentence = self._say(person, self._draw.choice(DROP if drops else GET), "the", thing, there)
        self._touched[thing] = sentence
        self._holder[thing] = None if drops else person
        self._spot[thing] = self._place[person]
        stays = self._stays[thing]
        if person in self._arrival and (not stays or stays[-1].place != self._place[person]):
            stays.append(_Stay(self._place[person], self._arrival[person]))

    def _question(self, words: str, answer: str, *supporting: int) -> Question:
        return Question(tuple(words.split()), answer, len(self.sentences), supporting)

    def _where_is_person(self) -> Question | None:
        if not self._arrival:
            return None
        person = self._draw.choice(sorted(self._arrival))
        return self._question(f"where is {person}", self._place[person], self._arrival[person])

    def _where_is_thing(self) -> Question | None:
        thing = self._draw.choice(THINGS)
        if not self._stays[thing]:
            return None
        place, sentence = self._stays[thing][-1]
        return self._question(f"where is the {thing}", place, self._touched[thing], sentence)

    def _where_was_thing(self) -> Question | None:
        thing = self._draw.choice(THINGS)
        stays = self._stays[thing]
        if len(stays) < 2:
            return None
        # Of a place where it was twice the question means the last time.
        last = {stay.place: number for number, stay in enumerate(stays)}
        at = len(stays) - 1
        if self._draw.random() > _LATEST:
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
