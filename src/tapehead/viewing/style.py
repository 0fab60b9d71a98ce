"""One look for every figure: sizes, type, colours, placement in millimetres, the atomic save."""

import functools
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

P = ParamSpec("P")
Number = float | int
Format = Literal["png", "pdf", "svg"]
"""Of a file with a figure."""

COLUMN, DOUBLE = 85.0, 175.0
"""Widths of one and of two columns of a paper, in millimetres."""

TEXT, FAINT, QUIET, ERROR = "#262626", "#8a8a8a", "#efefef", "#d55e00"
READ, WRITE = "#0072b2", "#b06a00"
"""Colours of reading and of writing heads."""

SIZE, SMALL = 7.0, 6.0
"""The two type sizes, in points: titles and labels; ticks, keys and notes."""

INK_STOPS = (
    (0.0, "#574500"), (0.25, "#d1b33c"), (0.5, "#ffffff"), (0.75, "#6f8fbd"), (1.0, "#0b1f41")
)  # fmt: skip
INK = LinearSegmentedColormap.from_list("tapehead-ink", INK_STOPS).with_extremes(bad=QUIET)
"""For values in [-1, 1]: olive, white at 0, dark blue."""

WRONG_STOPS = ((0.0, "#fbc9a5"), (0.5, "#f08c45"), (1.0, "#a83d00"))
WRONG = LinearSegmentedColormap.from_list("tapehead-wrong", WRONG_STOPS).with_extremes(
    bad=(0, 0, 0, 0)
)
"""For the probability of a wrong bit, in [0, 1]."""

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "axes.edgecolor": TEXT,
    "axes.linewidth": 0.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 3.0,
    "axes.labelpad": 2.0,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "xtick.major.pad": 1.5,
    "ytick.major.pad": 1.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "image.interpolation": "nearest",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}


def styled(build: Callable[P, Figure]) -> Callable[P, Figure]:
    """Build a figure in this module's style, leaving matplotlib's settings as they were."""

    @functools.wraps(build)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.style.context(["default", _RC]):
            return build(*args, **kwargs)

    return wrapper


def save(figure: Figure, path: Path | str, *, dpi: int = 200) -> Path:
    """Write a figure to `path`, whole or not at all; PNG, or what the suffix says (pdf, svg).

    The picture goes to a hidden name beside `path` and is then renamed. Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix.lstrip(".").lower() or "png"
    # Without its date and version the same figure is the same file.
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with matplotlib.style.context(["default", _RC, {"svg.hashsalt": "tapehead"}]):
            figure.savefig(unfinished, format=kind, dpi=dpi, metadata=metadata.get(kind))
        os.replace(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()
    return path


# --- machines ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MachineStyle:
    """How one machine is drawn in every figure; never told apart by colour alone."""

    label: str
    colour: str
    marker: str
    dashes: str | tuple[int, tuple[Number, ...]]


_SOLID, _LONG, _SHORT, _DOT = "-", (0, (5, 1.4)), (0, (2.4, 1.2)), (0, (1.1, 1.1))
_STYLES = {
    "ntm-lstm": ("NTM-LSTM", "#0072b2", "s", _SOLID),
    "ntm-feedforward": ("NTM-feedforward", "#009e73", "^", _LONG),
    "lstm": ("LSTM", "#4d4d4d", "o", _SHORT),
    "ntm": ("NTM", "#0072b2", "s", _SOLID),
    "dnc": ("DNC", "#cc79a7", "D", _SOLID),
    "discrete-ntm": ("Discrete NTM", "#d55e00", "d", _LONG),
    "dynamic-ntm": ("Dynamic NTM", "#e69f00", "v", _SOLID),
    "dynamic-ntm-reader": ("Dynamic NTM, sentence by sentence", "#e69f00", "v", _DOT),
    "sparse-ntm": ("Sparse NTM", "#aa4499", "<", _SOLID),
    "tardis": ("TARDIS", "#56b4e9", "P", _LONG),
    "rl-ntm": ("RL-NTM", "#882255", "X", _SHORT),
    "memory-network": ("Memory network", "#332288", "p", _SOLID),
    "entity-network": ("Entity network", "#117733", "h", _LONG),
    "dynamic-memory-network": ("Dynamic memory network", "#aa4499", "<", _SHORT),
    "pointer-network": ("Pointer network", "#999933", ">", _SOLID),
    "pointer-network-lstm": ("Pointer network, LSTM encoder", "#0072b2", "s", _LONG),
    "pointer-network-plain": ("Pointer network as in the paper", "#882255", "X", _SHORT),
    "seq2seq-attention": ("LSTM to LSTM with attention", "#56b4e9", "P", _LONG),
    "seq2seq": ("LSTM to LSTM", "#4d4d4d", "o", _SHORT),
}
_SPARE = [
    ("#56b4e9", "P", _DOT),
    ("#882255", "X", _SHORT),
    ("#e69f00", "v", _LONG),
    ("#332288", "p", _DOT),
    ("#117733", "h", _SHORT),
    ("#999933", ">", _LONG),
    ("#009e73", "^", _DOT),
    ("#aa4499", "<", _LONG),
]


def machine_styles(names: Iterable[str]) -> dict[str, MachineStyle]:
    """The style of each machine: fixed for those we know, one of the spare looks for others, such
    as the variants of one ("dnc, dot")."""
    styles, spare = {}, 0
    for name in names:
        if name in _STYLES:
            label, colour, marker, dashes = _STYLES[name]
        else:
            kind, comma, variant = name.partition(", ")
            label = _STYLES[kind][0] + comma + variant if kind in _STYLES else name
            colour, marker, dashes = _SPARE[spare % len(_SPARE)]
            spare += 1
        styles[name] = MachineStyle(label=label, colour=colour, marker=marker, dashes=dashes)
    return styles


# --- drawing -------------------------------------------------------------------------------------


def to_array(values: np.ndarray | Tensor | Any) -> np.ndarray:
    """Numbers as a NumPy array, from a tensor on any device, an array or nested lists."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.is_floating_point() else values).numpy()
    return np.asarray(values)


def new_figure(width: Number, height: Number) -> Figure:
    """An empty figure, sizes in millimetres; no window and no global list knows of it."""
    return Figure(figsize=(width / 25.4, height / 25.4), dpi=200)


def place(figure: Figure, left: Number, top: Number, width: Number, height: Number) -> Axes:
    """New axes with their top left corner at (left, top), all in millimetres."""
    total_width, total_height = figure.get_size_inches() * 25.4
    bottom = total_height - top - height
    axes = figure.add_axes(
        (left / total_width, bottom / total_height, width / total_width, height / total_height)
    )
    # Ticks may be made as late as when a user draws the figure again, with other settings.
    look = {"labelsize": SMALL, "labelfontfamily": "DejaVu Sans", "labelcolor": TEXT}
    axes.tick_params(which="major", length=2.0, width=0.5, pad=1.5, color=TEXT, **look)
    axes.tick_params(which="minor", length=1.2, width=0.4, pad=1.5, color=TEXT, **look)
    return axes


def size_of(axes: Axes) -> tuple[float, float]:
    """Width and height in millimetres."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches() * 25.4
    box = axes.get_position()
    return float(box.width * width), float(box.height * height)


def open_frame(axes: Axes) -> None:
    """Only the left and bottom lines."""
    axes.spines[["top", "right"]].set_visible(False)


def letter(axes: Axes, mark: str, left: Number) -> None:
    """The panel's letter, bold, `left` millimetres to the left of the axes, at its title."""
    axes.annotate(
        mark, (0, 1), (-left / 25.4 * 72, 3.0), xycoords="axes fraction",
        textcoords="offset points", weight="bold", fontsize=SIZE + 1, va="baseline",
    )  # fmt: skip
