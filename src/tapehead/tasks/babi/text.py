"""The text files of bAbI: stories with questions in between, line by line.

Each line has a number, which starts again at 1 with each story. A question has its answer and the
numbers of the lines that it rests on behind it, between tabs:

    1 Mary moved to the bathroom.
    2 John went to the hallway.
    3 Where is Mary? \tbathroom\t1
"""

from collections.abc import Iterator
from typing import NamedTuple

from tapehead.errors import TapeheadError

Words = tuple[str, ...]


class Question(NamedTuple):
    """A question in the course of a story.

    known: sentences of the story that were told before it.
    answer: one word, or several as one: "football,milk".
    supporting: which of those sentences the answer rests on, from 0.

    >>> from tapehead.tasks.babi import Question, words_of
    >>> Question(words_of("Where is Mary?"), "hall", known=1, supporting=(0,)).words
    ('where', 'is', 'mary')
    """

    words: Words
    answer: str
    known: int
    supporting: tuple[int, ...] = ()


class TextStory(NamedTuple):
    """A story: its sentences, and the questions about them.

    >>> from tapehead.tasks.babi import Question, TextStory, words_of
    >>> question = Question(words_of("Where is Mary?"), "hall", known=1)
    >>> TextStory((words_of("Mary went to the hall."),), (question,)).sentences
    (('mary', 'went', 'to', 'the', 'hall'),)
    """

    sentences: tuple[Words, ...]
    questions: tuple[Question, ...]


class MalformedLine(TapeheadError, ValueError):
    """A line that is none of bAbI's; says where, and what was expected.

    >>> from tapehead.tasks.babi import MalformedLine, parse
    >>> try:
    ...     parse("Mary went to the hall.", "qa1.txt")
    ... except MalformedLine as error:
    ...     print(error)
    qa1.txt, line 1: expected a number, a space and a sentence, got 'Mary went to the hall.'
    """


def words_of(sentence: str) -> Words:
    """The words of a sentence in lower case, without the stop or question mark at its end."""
    return tuple(sentence.strip().rstrip(".?").lower().split())


def parse(text: str, where: str) -> list[TextStory]:
    """All stories of a file.

    Args:
        where: the name of the file, for errors.

    Raises:
        MalformedLine: with the file, the number of the line, and what was expected there.

    >>> from tapehead.tasks.babi import parse
    >>> story, = parse("1 Mary went to the hall.\\n2 Where is Mary?\\thall\\t1\\n", "example")
    >>> story.sentences
    (('mary', 'went', 'to', 'the', 'hall'),)
    >>> story.questions[0].answer, story.questions[0].supporting
    ('hall', (0,))
    """
    stories = [_story(lines, where) for lines in _apart(text, where)]
    if not stories:
        raise MalformedLine(f"{where}: expected stories, got an empty file")
    return stories


class _Line(NamedTuple):
    at: int
    """Its number in the file, from 1."""
    number: int
    """The one it begins with."""
    text: str


def _apart(text: str, where: str) -> Iterator[list[_Line]]:
    """The lines of each story."""
    story: list[_Line] = []
    for at, line in enumerate(text.splitlines(), 1):
        number, _, rest = line.partition(" ")
        if not (number.isascii() and number.isdecimal()) or not rest.strip():
            _refuse(where, at, "a number, a space and a sentence", line)
        if int(number) == 1 and story:
            yield story
            story = []
        if int(number) != len(story) + 1:
            wanted = f"{len(story) + 1}, or 1 for a new story" if story else "1"
            _refuse(where, at, f"line number {wanted}", number)
        story.append(_Line(at, int(number), rest))
    if story:
        yield story


def _story(lines: list[_Line], where: str) -> TextStory:
    sentences: list[Words] = []
    questions: list[Question] = []
    told: dict[int, int] = {}
    for line in lines:
        if "\t" in line.text:
            questions.append(_question(line, told, where))
            continue
        told[line.number] = len(sentences)
        sentences.append(_words(line.text, line, where))
    if not questions:
        _refuse(where, lines[-1].at, "a question in each story", lines[-1].text)
    return TextStory(tuple(sentences), tuple(questions))


def _question(line: _Line, told: dict[int, int], where: str) -> Question:
    parts = line.text.split("\t")
    if len(parts) != 3 or not parts[1].strip():
        _refuse(where, line.at, "question, tab, answer, tab, numbers of lines", line.text)
    asked, answer, numbers = parts
    supporting = []
    for number in numbers.split():
        if not (number.isascii() and number.isdecimal()) or int(number) not in told:
            _refuse(where, line.at, "numbers of sentences told before the question", numbers)
        supporting.append(told[int(number)])
    if not told:
        _refuse(where, line.at, "a sentence before the first question", line.text)
    words = _words(asked, line, where)
    return Question(words, answer.strip().lower(), len(told), tuple(supporting))


def _words(sentence: str, line: _Line, where: str) -> Words:
    words = words_of(sentence)
    if not words:
        _refuse(where, line.at, "words", sentence)
    return words


def _refuse(where: str, at: int, wanted: str, got: str):
    got = got if len(got) <= 60 else f"{got[:57]}..."
    raise MalformedLine(f"{where}, line {at}: expected {wanted}, got {got!r}")
