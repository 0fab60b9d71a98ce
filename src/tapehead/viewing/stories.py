"""A story, a question about it, and what a machine looked at to answer."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapehead.viewing.header import Header, Key, text_mm
from tapehead.viewing.style import (
    COLUMN,
    ERROR,
    FAINT,
    INK,
    SMALL,
    TEXT,
    Number,
    new_figure,
    place,
    styled,
)

MOST = 26
"""Sentences that fit into a figure; of a longer story those that matter most are shown."""
_LINE = 3.4
"""Millimetres from one sentence to the next."""


class Reading(NamedTuple):
    """A question, and how a machine came to its answer.

    sentences: of the story up to the question, as text.
    supporting: numbers of those that the answer rests on, from 0; empty if that is not known.
    looked: (sentences, columns) from 0 to 1: how much each was looked at.
    columns: what the columns are: "hop 1", "slot 1" ...
    of_question: (columns,) how much the question looked at each column, where these are slots.
    chance: that the machine gave its answer.
    asked: the right answer, or None if nobody knows it.

    >>> import numpy as np
    >>> from tapehead.viewing.stories import Reading
    >>> reading = Reading(
    ...     sentences=["Ann went home", "Bob went out"], supporting=[0],
    ...     looked=np.array([[0.9], [0.1]]), columns=["hop 1"], of_question=None,
    ...     question="Where is Ann", said="home", chance=0.98, asked="home",
    ... )
    >>> reading.verdict, reading.rests_on(0.5)
    ('home, 98%', [0])
    >>> reading._replace(said="out", chance=0.51).verdict
    'out, 51%; right: home'
    """

    sentences: Sequence[str]
    supporting: Sequence[int]
    looked: np.ndarray
    columns: Sequence[str]
    of_question: np.ndarray | None
    question: str
    said: str
    chance: float
    asked: str | None

    @property
    def verdict(self) -> str:
        """ "garden, 98%" where it is right, else "garden, 51%; right: kitchen"."""
        verdict = f"{self.said}, {self.chance:.0%}"
        return verdict if self.asked in (None, self.said) else f"{verdict}; right: {self.asked}"

    def rests_on(self, least: float) -> list[int]:
        """Sentences with at least this share of all that was looked at, in the order of the story.

        Where columns are slots, a sentence counts for the slots that it opened, by how much the
        question looked at them.
        """
        if self.of_question is None:
            weight = self.looked.max(1, initial=0.0)
        else:
            weight = self.looked @ self.of_question
        share = weight / max(float(weight.sum()), 1e-9)
        return [row for row in range(len(self.sentences)) if share[row] >= least]

    @property
    def shown(self) -> list[int]:
        """Which sentences a figure shows, in order: all, or those that matter most."""
        count = len(self.sentences)
        weight = self.looked.max(1, initial=0.0) + 2.0 * np.isin(np.arange(count), self.supporting)
        # Of equals the newest.
        order = sorted(range(count), key=lambda each: (weight[each], each), reverse=True)
        return sorted(order[:MOST])


@styled
def story_figure(reading: Reading, *, title: str = "", width: Number = COLUMN) -> Figure:
    """The sentences from the first to the last before the question, a dot before those that the
    answer rests on, and how much each was looked at; below, the question and the answer.

    `width` in millimetres; the figure is wider if the sentences need it.
    """
    rows = reading.shown
    left, right, columns = 5.0, 4.0, len(reading.columns)
    texts = [reading.sentences[row] for row in rows]
    wide = max(text_mm(text, SMALL) for text in [*texts, reading.question]) + 3.0
    upright = columns > 6
    cell = max(2.6, min(9.0, (width - left - right - wide) / columns))
    width = max(width, left + wide + columns * cell + right)
    names = max(text_mm(name, SMALL) for name in reading.columns) + 1.0 if upright else 3.5
    key = Key("looked at" if reading.of_question is None else "gate open", INK, 0, 1)
    header = Header(width=width - right, left=left, title=title, keys=[key])
    tall = _LINE * len(rows)
    below = 0.0 if reading.of_question is None else _LINE + 1.5
    figure = new_figure(width, header.height + names + tall + below + 11.5)
    top = header.height + names
    words = place(figure, 0.0, top, left + wide, tall)
    _sentences(words, reading, rows, left / (left + wide))
    axes = place(figure, left + wide, top, columns * cell, tall)
    _heat(axes, reading.looked[rows])
    axes.set_xticks(range(columns), reading.columns, rotation=90 if upright else 0)
    axes.tick_params(axis="x", top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    top += tall
    if reading.of_question is not None:
        asked = place(figure, left + wide, top + 1.5, columns * cell, _LINE)
        _heat(asked, reading.of_question[None])
        asked.set_xticks([])
        label = place(figure, 0.0, top + 1.5, left + wide, _LINE)
        label.set_axis_off()
        label.text(0.99, 0.5, "the question looked at", ha="right", va="center", fontsize=SMALL,
                   color=FAINT)  # fmt: skip
        top += below
    foot = place(figure, 0.0, top + 1.5, width, 8.0)
    foot.set_axis_off()
    foot.text(left / width, 0.75, reading.question, va="center", fontweight="bold")
    colour = TEXT if reading.asked in (None, reading.said) else ERROR
    foot.text(left / width, 0.25, reading.verdict, va="center", color=colour)
    header.draw(figure)
    return figure


def _sentences(axes: Axes, reading: Reading, rows: Sequence[int], left: float) -> None:
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.set_axis_off()
    before = -1
    for line, row in enumerate(rows):
        if row in reading.supporting:
            axes.text(left * 0.5, line, "●", ha="center", va="center", fontsize=4, color=ERROR)
        axes.text(left, line, reading.sentences[row], va="center", fontsize=SMALL)
        if row > before + 1:  # some are left out
            axes.plot([left, 1], [line - 0.5] * 2, ":", color=FAINT, lw=0.5)
        before = row


def _heat(axes: Axes, values: np.ndarray) -> None:
    axes.imshow(values, cmap=INK, vmin=-1, vmax=1, aspect="auto")
    axes.set_yticks([])
    for column in range(1, values.shape[1]):
        axes.axvline(column - 0.5, color="white", lw=0.6)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
