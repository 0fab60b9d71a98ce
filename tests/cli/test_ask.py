"""`tapehead ask`: stories told to a trained reader, line by line."""

import io
import json

import numpy as np
import pytest
import torch

from tapehead.runs import load_run
from tapehead.training import TrainConfig, train
from tapehead.viewing.stories import Reading


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("ask") / "run"
    config = TrainConfig(
        task="babi", task_options={"task": "1", "generated": True}, machine="memory-network",
        optimiser="adam", learning_rate=0.02, clip_value=None, clip_norm=40.0, batch_size=16,
        max_sequences=2400, report_every=800, validate_every=2400, validation_sequences=20,
        stop_when_solved=False, threads=1,
    )  # fmt: skip
    train(config, path)
    return path


STORY = """\
Mary went to the kitchen.
John moved to the garden.
Where is Mary?
Mary travelled to the office.
where is mary?

Sandra went to the hallway.
Where is Sandra?
"""


def test_it_answers_each_question_from_the_story_so_far(call, trained, tmp_path):
    (tmp_path / "story.txt").write_text(STORY)
    asked = call("ask", str(trained), "--story=story.txt", "--json")
    assert (asked.code, asked.err) == (0, "")
    answers = [json.loads(line) for line in asked.out.splitlines()]
    assert [each["answer"] for each in answers] == ["kitchen", "office", "hallway"]
    assert [each["question"] for each in answers] == [
        "where is mary?", "where is mary?", "where is sandra?",
    ]  # fmt: skip
    assert answers[0]["looked_at"][0].startswith("mary went to the kitchen")
    # The empty line began another story, of one sentence.
    assert answers[2]["looked_at"] == ["sandra went to the hallway"]
    # As sure as the machine's own numbers say.
    _, machine, task = load_run(trained)
    numbers = task.library.vocabulary.numbers
    told = [numbers[word] for word in ["sandra", "went", "to", "the", "hallway"]]
    question = [numbers[word] for word in ["where", "is", "sandra"]]
    width = task.sizes["sentence_length"]
    table = torch.tensor([each + [0] * (width - len(each)) for each in ([], told, question)])
    one = torch.tensor([[1]])
    logits = machine(table, one, one + 1, one)[0][0, 0]
    assert answers[2]["probability"] == pytest.approx(logits.softmax(-1).max().item(), abs=1e-5)


def test_a_piped_story_is_answered_in_words(call, trained, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(STORY))
    asked = call("ask", str(trained))
    assert asked.code == 0
    first, *_ = asked.out.splitlines()
    assert first.startswith("kitchen (")
    assert "looked at: mary went to the kitchen" in first


def test_a_machine_that_hears_word_by_word_is_asked_too(call, tmp_path):
    """Its answer is what it says at the "-" behind the question, of a story with all questions
    before it."""
    config = TrainConfig(
        task="babi-words", task_options={"task": "1", "generated": True}, machine="lstm",
        machine_options={"hidden_size": 20}, max_sequences=16, batch_size=8, report_every=8,
        validation_sequences=2, threads=1,
    )  # fmt: skip
    train(config, tmp_path / "run")
    (tmp_path / "story.txt").write_text(STORY)
    asked = call("ask", "run", "--story=story.txt", "--json")
    assert (asked.code, asked.err) == (0, "")
    answers = [json.loads(line) for line in asked.out.splitlines()]
    assert [each["looked_at"] for each in answers] == [[], [], []]

    _, machine, task = load_run(tmp_path / "run")
    told = "mary went to the kitchen . john moved to the garden . where is mary ? -"
    more = "mary travelled to the office . where is mary ? -"
    for given, answer in ((told, answers[0]), (f"{told} {more}", answers[1])):
        x = torch.eye(len(task.words))[[task.words.index(word) for word in given.split()]]
        chances = machine(x[None])[0][0, -1].softmax(-1)
        assert answer["probability"] == pytest.approx(chances.max().item(), abs=1e-5)
        assert answer["answer"] == task.words[chances.argmax()]


def test_at_a_terminal_a_mistake_costs_a_line_and_not_the_story(call, trained, monkeypatch):
    asked = "Where is Mary?"
    typed = iter([asked, "Mary went to the kitchen.", "The unicorn sings.", asked])

    def answer(prompt):
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("builtins.input", answer)
    asked = call("ask", str(trained))
    assert asked.code == 0
    first, second = asked.err.splitlines()
    assert first == "tell a sentence before you ask"
    assert second.startswith("words must be among those of the task, got 'unicorn'")
    assert asked.out.splitlines()[1].startswith("kitchen (")


@pytest.mark.parametrize(
    ("story", "code", "message"),
    [
        (
            "A unicorn sings.\n",
            1,
            "tapehead ask: 'A unicorn sings.': words must be among those",
        ),
        ("Where is Mary?\n", 1, "tapehead ask: 'Where is Mary?': tell a sentence before you ask"),
        (None, 2, "tapehead ask: --story must be a text file, got 'story.txt': "),
    ],
)
def test_what_it_cannot_take_from_a_file_is_one_line(call, trained, tmp_path, story, code, message):
    if story is not None:
        (tmp_path / "story.txt").write_text(story)
    asked = call("ask", str(trained), "--story=story.txt")
    assert asked.code == code
    assert asked.out == ""
    assert asked.err.startswith(message)
    assert len(asked.err.splitlines()) == 1


def test_a_run_without_stories_is_refused(call, tmp_path):
    config = TrainConfig(
        machine="lstm", machine_options={"hidden_size": 3}, max_sequences=8, batch_size=4,
        report_every=4, validation_sequences=2, threads=1,
    )  # fmt: skip
    train(config, tmp_path / "run")
    asked = call("ask", "run")
    assert asked.code == 2
    assert "RUN must be of a task that tells stories, got one of copy" in asked.err


def test_a_slot_passes_on_what_was_looked_at_to_the_sentences_that_opened_it():
    looked = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.05]])
    reading = Reading(["a", "b", "c"], (), looked, ["slot 1", "slot 2"], np.array([0.1, 0.9]), "?",
                      "x", 1.0, None)  # fmt: skip
    assert reading.rests_on(0.2) == [1]
    assert reading.rests_on(0.05) == [0, 1]
    hops = reading._replace(of_question=None)
    assert hops.rests_on(0.2) == [0, 1]
