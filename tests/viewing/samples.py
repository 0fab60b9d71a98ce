"""Hand-made episodes, traces and learning curves whose pictures are known beforehand."""

import numpy as np
import torch

from tapehead.viewing import Episode, Seed

NAMES = [*(f"bit {n}" for n in range(1, 9)), "delimiter"]


def copy_episode(length=5, flips=(), seed=0):
    """A perfect copy but for `flips`, (answer step, bit) pairs that come out wrong."""
    draw = np.random.default_rng(seed)
    vectors = draw.integers(0, 2, (length, 8)).astype(float)
    steps = 2 * length + 1
    inputs, targets = np.zeros((steps, 9)), np.zeros((steps, 8))
    inputs[:length, :8], inputs[length, 8] = vectors, 1
    targets[length + 1 :] = vectors
    outputs = draw.uniform(0, 1, (steps, 8))  # of no matter before the answer
    outputs[length + 1 :] = 0.9 * vectors + 0.05
    for step, bit in flips:
        outputs[length + 1 + step, bit] = 1 - outputs[length + 1 + step, bit]
    mask = np.arange(steps) > length
    return Episode(
        inputs=inputs,
        targets=targets,
        outputs=outputs,
        mask=mask,
        input_names=NAMES,
        output_names=NAMES[:8],
    )


def copy_trace(length=5, rows=32, word=6, writes=1, reads=1, start=0, batch=2):
    """A trace that writes down row after row from `start` on, and reads in the same order."""
    draw = torch.Generator().manual_seed(3)
    steps = 2 * length + 1

    def weights(heads, position):
        result = torch.zeros(batch, steps, heads, rows)
        for step in range(steps):
            for head in range(heads):
                result[:, step, head, (start + position(step)) % rows] = 0.8
                result[:, step, head, (start + position(step) + 1) % rows] = 0.05 * (head + 1)
        return result

    heads = reads + writes
    return {
        "write_weights": weights(writes, lambda step: min(step, length)),
        "read_weights": weights(reads, lambda step: max(0, step - length - 1)),
        "add": torch.rand(batch, steps, writes, word, generator=draw) * 2 - 1,
        "reads": torch.rand(batch, steps, reads, word, generator=draw) * 2 - 1,
        "gate": torch.rand(batch, steps, heads, generator=draw),
        "strength": torch.rand(batch, steps, heads, generator=draw) * 9,
        "sharpening": 1 + torch.rand(batch, steps, heads, generator=draw) * 9,
        "shift": torch.rand(batch, steps, heads, 3, generator=draw).softmax(-1),
    }


def seed(values, every=1000, solved_at=None, rate=100.0, kind="train", **more):
    rows = [
        {
            "kind": kind,
            "sequences": every * number,
            "seconds": every * number / rate,
            "bits": value,
            **more,
        }
        for number, value in enumerate(values, start=1)
    ]
    return Seed(rows=rows, solved_at=solved_at)


MACHINES = {
    "ntm-lstm": [
        seed([70, 40, 3, 0.05], solved_at=4000),
        seed([72, 60, 20, 1, 0.04], solved_at=5000),
        seed([68, 30, 0.08], solved_at=3000),
    ],
    "ntm-feedforward": [seed([71, 65, 50, 30, 9, 2]), seed([70, 62, 55, 20, 8, 0.09])],
    "lstm": [seed([70, 66, 60, 50, 40, 30]), seed([69, 64, 61, 52, 41, 28])],
}
ERRORS = {
    "ntm-lstm": {"10": [0, 0, 0], "20": [0, 0, 1], "50": [0.5, 2, 3], "120": [8, 90, 30]},
    "ntm-feedforward": {"10": [0, 0], "20": [0, 1], "50": [5, 2], "120": [80, 90]},
    "lstm": {"10": [0, 0.1], "20": [1, 3], "50": [150, 160], "120": [440, 460]},
}
PUBLISHED = {"ntm-lstm": 0.1, "ntm-feedforward": 0.1, "lstm": 4.8}


def line(axes, label):
    """The x and y of the one line with a label."""
    (found,) = [other for other in axes.lines if other.get_label() == label]
    return np.asarray(found.get_xdata(), float), np.asarray(found.get_ydata(), float)


def band(axes, label):
    """The x, lower and upper edge of a range band."""
    (found,) = [other for other in axes.collections if other.get_label() == label]
    points = found.get_paths()[0].vertices
    positions = np.unique(points[:, 0])
    edges = [points[points[:, 0] == position, 1] for position in positions]
    return positions, np.array([e.min() for e in edges]), np.array([e.max() for e in edges])


def titled(figure, title):
    """The axes with a title."""
    (found,) = [
        axes for axes in figure.axes if title in (axes.get_title("left"), axes.get_title("center"))
    ]
    return found


def image(axes, number=0):
    """A drawn image as (time, channels), hidden cells as NaN."""
    return np.ma.filled(axes.images[number].get_array().astype(float), np.nan).T


def texts(figure):
    """Every word in a figure."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]
