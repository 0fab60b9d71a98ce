"""The line above the panels: title and key of colours, measured in millimetres."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from tapehead.viewing.style import FAINT, INK, QUIET, SIZE, SMALL, WRONG, Number, place

UNASKED = ListedColormap([QUIET])
_FONT = FontProperties(family="DejaVu Sans")


class Key(NamedTuple):
    """What a scale of colours means: shown from `low` to `high`."""

    label: str
    colours: Colormap
    low: Number
    high: Number


@dataclass(frozen=True, kw_only=True)
class Header:
    """The line above the panels: a title on the left, the key of colours on the right.

    On a figure too narrow for both, the key goes below the title, on as many lines as it needs.

    Attributes:
        width: millimetres from the left edge of the figure to the right end of the key.
        left: where the title starts.
        keys: what the colours mean.
    """

    width: Number
    left: Number
    title: str = ""
    keys: Sequence[Key] = ()

    @property
    def _lines(self) -> list[list[Key]]:
        """Keys by line, none beyond the left edge; the first line is what the title leaves."""
        room = self.width - 4.0
        title = self.left + 1.15 * text_mm(self.title) if self.title else 0.0
        lines: list[list[Key]] = [[]]
        used = title
        for key in self.keys:
            wide = text_mm(key.label, SMALL) + 1.2 + _swatch_width(key.colours) + 3.5
            if used + wide > room and used > 0:
                lines.append([])
                used = 0.0
            lines[-1].append(key)
            used += wide
        # Beside a title the key stands whole or not at all.
        if title and len(lines) > 1 and lines[0]:
            return [[], *replace(self, title="")._lines]
        return lines

    @property
    def height(self) -> float:
        """Millimetres from the top of the figure to the first panel, its own title included."""
        return 9.5 + 4.2 * (len(self._lines) - 1) if self.title or self.keys else 5.0

    def draw(self, figure: Figure) -> None:
        width, height = figure.get_size_inches() * 25.4
        if self.title:
            figure.text(self.left / width, 1 - 2.7 / height, self.title, va="center", weight="bold")
        for number, line in enumerate(self._lines):
            right, top = self.width - 3.0, 2.7 + 4.2 * number
            for key in reversed(line):
                figure.text(
                    right / width, 1 - top / height - 0.0005, key.label, fontsize=SMALL,
                    ha="right", va="center",
                )  # fmt: skip
                wide = _swatch_width(key.colours)
                right -= text_mm(key.label, SMALL) + 1.2 + wide
                swatch = place(figure, right, top - 1.1, wide, 2.2)
                swatch.set_label("key")
                ramp = np.linspace(key.low, key.high, 32)[None]
                low = -key.high if key.colours is INK else 0
                swatch.imshow(ramp, cmap=key.colours, vmin=low, vmax=key.high, aspect="auto")
                swatch.set(xticks=[], yticks=[])
                swatch.spines[:].set(linewidth=0.4, color=FAINT)
                right -= 3.5


def _swatch_width(colours: Colormap) -> float:
    return 7.0 if colours is INK else 5.0 if colours is WRONG else 2.2


@functools.lru_cache(4096)
def text_mm(text: str, size: Number = SIZE) -> float:
    """Width of a line of type in millimetres."""
    # A stop on either side, so that outer spaces count.
    whole, stops = (
        text_to_path.get_text_width_height_descent(line, _FONT, ismath=False)[0]
        for line in (f".{text}.", "..")
    )
    return float((whole - stops) * size / _FONT.get_size_in_points()) / 72 * 25.4
