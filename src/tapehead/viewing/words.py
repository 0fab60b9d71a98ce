"""Answers in symbols: what went in, what was asked in words, each softmax, and what was said."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapehead.viewing.bits import bit_keys
from tapehead.viewing.episode import NOTABLE, Episode
from tapehead.viewing.header import Header, text_mm
from tapehead.viewing.image import (
    channel_margin,
    draw_image,
    label_channels,
    mark_answer,
    row_height,
    time_axis,
)
from tapehead.viewing.style import DOUBLE, ERROR, SMALL, TEXT, Number, new_figure, place, styled

_LINE, _NARROW, _WIDE = 2.7, 2.4, 12.0
"""Millimetres: from line to line of words, and the least and most width of an answer step."""


@styled
def word_figure(episode: Episode, *, title: str = "", width: Number = DOUBLE) -> Figure:
    """Inputs over all of the sequence; below, for the asked steps alone, the words asked for, the
    probability of every symbol, and the words answered, wrong ones in colour.

    `width` in millimetres. Words that would overlap stand upright; where even those would, they
    are left out. Of many channels those are shown in which something happens.
    """
    of_all = episode.outputs.shape[1]
    episode = episode.notable(NOTABLE)
    answer = episode.answer()
    left = max(channel_margin(episode.input_names, episode.output_names), _margin(episode.words))
    inner, steps = width - left - 3.0, len(answer.targets)
    step = min(inner / steps, _WIDE)
    longest = max((text_mm(word, SMALL) for word in _all(episode)), default=0.0) + 1.0
    upright, shown = step < longest, step >= _NARROW
    line = longest + 0.5 if upright else _LINE
    words = line * len(episode.words) if shown else 0.0
    gap = 5.0
    told = row_height(episode.input_names, 46.0)
    image = row_height(episode.output_names, 46.0)
    header = Header(width=width, left=left, title=title, keys=bit_keys(answer))
    below = header.height + told + 8.5 + gap
    figure = new_figure(width, below + words + gap + image + 8.5 + (words + 3.0 if shown else 0.0))
    inputs = place(figure, left, header.height, inner, told)
    draw_image(inputs, episode.inputs)
    label_channels(inputs, episode.input_names)
    inputs.set_title("Inputs")
    mark_answer(inputs, episode.answer_starts, labelled=True)
    time_axis(inputs, labelled=True)

    span, y = step * steps, below
    if shown:
        asked = place(figure, left, y, span, words)
        _write(asked, episode.words, episode.asked, episode.asked, upright=upright)
        asked.set_title("Asked")
        y += words + gap
    outputs = place(figure, left, y, span, image)
    draw_image(outputs, answer.outputs, wrong=answer.wrong)
    label_channels(outputs, episode.output_names)
    shown_of = answer.outputs.shape[1]
    some = "" if shown_of == of_all else f", the likeliest {shown_of} of {of_all}"
    outputs.set_title(f"Probability of each {episode.part}{some}")
    if span > 90.0:
        outputs.set_title(episode.verdict, loc="right", fontsize=SMALL)
    else:
        outputs.annotate(
            episode.verdict, (1, 1), (6.0, 0), xycoords="axes fraction", fontsize=SMALL,
            textcoords="offset points", va="top", annotation_clip=False,
        )  # fmt: skip
    time_axis(outputs, labelled=True)
    outputs.set_xlabel("steps of the answer")
    if shown:
        said = place(figure, left, y + image + 8.5 + 3.0, span, words)
        _write(said, episode.words, episode.said, episode.asked, upright=upright)
        said.set_title("Answered")
    header.draw(figure)
    return figure


def _write(
    axes: Axes,
    names: Sequence[str],
    words: Sequence[Sequence[str]],
    right: Sequence[Sequence[str]],
    *,
    upright: bool,
) -> None:
    """A column of words for each step, those that are not right in colour."""
    axes.set_axis_off()
    axes.set(xlim=(0.5, len(words) + 0.5), ylim=(len(names) - 0.5, -0.5))
    for row, name in enumerate(names):
        axes.annotate(
            name, (0, row), (-4.0, 0), xycoords=("axes fraction", "data"), fontsize=SMALL,
            textcoords="offset points", ha="right", va="center", annotation_clip=False,
        )  # fmt: skip
    for step, (said, wanted) in enumerate(zip(words, right, strict=True), start=1):
        for row, (word, expected) in enumerate(zip(said, wanted, strict=True)):
            axes.text(
                step, row, word, ha="center", va="center", fontsize=SMALL,
                rotation=90 if upright else 0, color=TEXT if word == expected else ERROR,
            )  # fmt: skip


def _all(episode: Episode) -> list[str]:
    return [word for step in [*episode.asked, *episode.said] for word in step]


def _margin(words: Sequence[str]) -> float:
    return 4.0 + max((text_mm(word, SMALL) for word in words), default=0.0)
