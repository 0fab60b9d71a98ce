"""`tapehead ask`: tell a trained reader a story, and ask."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapehead.checks import shown
from tapehead.cli.command import print_json, read, run_at
from tapehead.cli.options import UsageError
from tapehead.errors import TapeheadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapehead.tasks.babi import Question
    from tapehead.viewing.stories import Reading

PROMPT = "> "
LEAST = 0.1
"""The share of its look that makes a sentence one that an answer rests on."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Tell the trained machine of a run a story, sentence by sentence, and ask it: a line that ends
    with a question mark is a question, an empty line begins another story. It answers with how sure
    it is, and a reader of sentences with those that it looked at most. A machine that hears the
    story word by word gives the first word of its answer."""

    run: Path
    """Run directory of `tapehead train babi` or `babi-words`, or a reader of the zoo."""
    story: Path | None = None
    """File of sentences and questions, one on each line; left out: what is typed or piped in."""
    json: bool = False
    """A line of JSON for each answer."""


def run(argv: "Sequence[str]") -> int:
    command = read(Ask, argv, "tapehead ask")
    path = run_at(command.run)

    from tapehead.runs import load_run
    from tapehead.tasks.babi.stories import StoryTask

    _, machine, task = load_run(path)
    if not isinstance(task, StoryTask):
        raise UsageError(f"RUN must be of a task that tells stories, got one of {task.name}")
    typed = command.story is None and sys.stdin.isatty()
    asking = _Asking(machine, task)
    for line in _lines(command.story, typed):
        try:
            reading = asking.hear(line)
        except ValueError as error:
            if not typed:  # what follows would be another story
                raise TapeheadError(f"{line.strip()!r}: {error}") from None
            print(error, file=sys.stderr)
            continue
        if reading is not None:
            _tell(reading, as_json=command.json)
    return 0


class _Asking:
    """The story so far."""

    def __init__(self, machine: Any, task: Any):
        self._machine, self._task = machine, task
        self._begin()

    def _begin(self) -> None:
        self._sentences: list[tuple[str, ...]] = []
        self._questions: list[Question] = []

    def hear(self, line: str) -> "Reading | None":
        """Take in a line; how the machine comes to its answer if that was a question.

        Raises:
            ValueError: a word that the task does not know, a sentence that is too long, or a
                question before the first sentence.
        """
        from tapehead.tasks.babi import Question, TextStory, words_of
        from tapehead.viewing.problems import read_story

        words = words_of(line)
        if not words:
            self._begin()
            return None
        is_question = line.strip().endswith("?")
        if is_question and not self._sentences:
            raise ValueError("tell a sentence before you ask")
        told = self._sentences if is_question else [*self._sentences, words]
        # Of a sentence alone, it is asked whether the task knows its words.
        asked = Question(words if is_question else told[0], "", len(told))
        story = TextStory(tuple(told), (*self._questions, asked))
        self._task.form_of(story)
        if not is_question:
            self._sentences = told
            return None
        self._questions.append(asked)
        return read_story(self._machine, self._task, story, len(story.questions) - 1)


def _lines(file: Path | None, typed: bool) -> Iterable[str]:
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            got = f"{shown(str(file))}: {error}"
            raise UsageError(f"--story must be a text file, got {got}") from None
    return _typed() if typed else sys.stdin


def _typed() -> Iterable[str]:
    print("Tell a story, a sentence a line; end a question with ?. An empty line begins anew.")
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            print()
            return


def _tell(reading: "Reading", *, as_json: bool) -> None:
    rests_on = [reading.sentences[row] for row in reading.rests_on(LEAST)]
    if as_json:
        print_json(
            {
                "question": reading.question,
                "answer": reading.said,
                "probability": round(reading.chance, 6),
                "looked_at": rests_on,
            }
        )
        return
    because = f"   looked at: {'; '.join(rests_on)}" if rests_on else ""
    print(f"{reading.said} ({reading.chance:.0%}){because}", flush=True)
