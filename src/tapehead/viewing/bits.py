"""Bit images: what went in, what was asked, what came out (NTM figures 4 and 5)."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from tapehead.viewing.episode import Episode
from tapehead.viewing.header import UNASKED, Header, Key, text_mm
from tapehead.viewing.image import channel_margin, draw_image, label_channels, row_height, time_axis
from tapehead.viewing.style import (
    DOUBLE,
    ERROR,
    FAINT,
    INK,
    SMALL,
    WRONG,
    Number,
    new_figure,
    place,
    styled,
)


def bit_keys(episode: Episode, *, negative: bool | None = None) -> list[Key]:
    """The key entries that an episode's images need."""
    negative = bool((episode.inputs < 0).any()) if negative is None else negative
    keys = [Key("−1 to 1", INK, -1, 1) if negative else Key("0 to 1", INK, 0, 1)]
    if episode.wrong.any():
        keys.append(Key(f"wrong {episode.part}", WRONG, 0, 1))
    if not episode.mask.all():
        keys.append(Key("not asked", UNASKED, 0, 1))
    return keys


@styled
def bit_figure(episode: Episode, *, title: str = "", width: Number = DOUBLE) -> Figure:
    """Inputs, targets and outputs of one sequence, one above the other on a common time axis.

    Wrong bits change colour and get a mark above their step; steps at which nothing is asked stay
    quiet. `width` in millimetres.
    """
    left, right = channel_margin(episode.input_names, episode.output_names), 3.0
    steps = len(episode.inputs)
    # A short sequence makes a narrow figure rather than long cells.
    inner = min(width - left - right, max(60.0, 5.0 * steps))
    width = left + inner + right
    header = Header(width=width, left=left, title=title, keys=bit_keys(episode))
    top = header.height
    cell = min(inner / steps, 3.2)
    quiet = ~episode.mask
    rows = [
        ("Inputs", episode.inputs, episode.input_names, None, None),
        ("Targets", episode.targets, episode.output_names, quiet, None),
        ("Outputs", episode.outputs, episode.output_names, quiet, episode.wrong),
    ]
    heights = [row_height(names, cell * v.shape[1]) for _, v, names, _, _ in rows]
    gap = 5.0
    figure = new_figure(width, top + sum(heights) + gap * 2 + 8.5)
    y = top
    for (label, values, names, hidden, wrong), height in zip(rows, heights, strict=True):
        axes = place(figure, left, y, inner, height)
        draw_image(axes, values, quiet=hidden, wrong=wrong)
        label_channels(axes, names)
        axes.set_title(label)
        if wrong is not None:
            axes.set_title(episode.verdict, loc="right", fontsize=SMALL)
        time_axis(axes, labelled=label == "Outputs")
        y += height + gap
    header.draw(figure)
    return figure


@styled
def length_figure(
    episodes: Mapping[str, Episode], *, title: str = "", width: Number = DOUBLE
) -> Figure:
    """Targets over outputs at several lengths, the asked steps only, all cells of one size.

    The layout of NTM figure 4: panels follow each other like words on lines, so lengths 10, 20, 30
    and 50 share a line and 120 has its own. `width` in millimetres.
    """
    if not episodes:
        raise ValueError("episodes must hold at least one sequence, got none")
    answers = {label: episode.answer() for label, episode in episodes.items()}
    names = next(iter(answers.values())).output_names
    left, right, space = max(channel_margin(names), 14.0), 3.0, 4.0
    keys = {key.label: key for a in answers.values() for key in bit_keys(a, negative=False)}
    inner = width - left - right
    notes = {label: _note(answer) for label, answer in answers.items()}
    texts = {label: text_mm(f"{label}  {notes[label]}") for label in answers}
    lengths = {label: len(answer.targets) for label, answer in answers.items()}
    lines, cell = _break_lines(lengths, texts, inner, space)
    ends = [line[-1][1] + max(lengths[line[-1][0]] * cell, texts[line[-1][0]]) for line in lines]
    width = left + max(60.0, *ends) + right
    header = Header(width=width, left=left, title=title, keys=list(keys.values()))
    top = header.height
    heights = {
        label: row_height(
            answer.output_names, max(cell, 0.75) * answer.targets.shape[1], headings=1
        )
        for label, answer in answers.items()
    }
    line_heights = [max(heights[label] for label, _ in line) for line in lines]
    between, below = 1.8, 10.0
    figure = new_figure(width, top + sum(2 * h + between + below for h in line_heights) - 1.5)
    y = top
    for line, height in zip(lines, line_heights, strict=True):
        for label, x in line:
            answer = answers[label]
            span = len(answer.targets) * cell
            upper = place(figure, left + x, y, span, height)
            lower = place(figure, left + x, y + height + between, span, height)
            draw_image(upper, answer.targets)
            draw_image(lower, answer.outputs, wrong=answer.wrong)
            time_axis(upper, labelled=False)
            time_axis(lower, labelled=True)
            lower.set_xlabel("")
            upper.set_title(label, pad=2.5)
            upper.annotate(
                notes[label], (0, 1), (text_mm(f"{label}  ") / 25.4 * 72, 2.5),
                xycoords="axes fraction", textcoords="offset points", fontsize=SMALL,
                color=ERROR if answer.wrong.any() else FAINT,
            )  # fmt: skip
            if x == 0:
                label_channels(upper, answer.output_names, heading="Targets")
                label_channels(lower, answer.output_names, heading="Outputs")
        y += 2 * height + between + below
    height = figure.get_size_inches()[1] * 25.4
    figure.text(
        (left + max(ends[-1], 40.0) / 2) / width, 1.8 / height, "time (steps of the answer)",
        ha="center", va="bottom",
    )  # fmt: skip
    header.draw(figure)
    return figure


def _break_lines(
    steps: Mapping[str, int], texts: Mapping[str, Number], inner: Number, space: Number
) -> tuple[list[list[tuple[str, float]]], float]:
    """Panels into lines, first come first placed, none narrower than its heading.

    Returns:
        Lines of (label, millimetres from the left), and the width of a step in millimetres.
    """
    cell = min(inner / max(steps.values()), 3.2)
    lines: list[list[tuple[str, float]]] = []
    used = inner
    for label, count in steps.items():
        span = count * cell
        if not lines or used + space + span > inner + 1e-6:
            lines.append([])
            used = -space
        lines[-1].append((label, used + space))
        used += space + max(span, texts[label] + 2.5 - space)
    return lines, cell


def _note(answer: Episode) -> str:
    return f"{answer.count} wrong" if answer.count else "no error"
