"""The panels of a trace: what every tensor of it is called, where it stands, and how it is drawn.

A machine gets its panels from the names of its trace. Names that are not known here are drawn too,
under their own name: a number for each step as a line, several as rows over time.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tapehead.viewing.memory import used_rows
from tapehead.viewing.origins import Origins
from tapehead.viewing.page.panels import Panel
from tapehead.viewing.style import to_array
from tapehead.viewing.traces import HEAD_CURVES

READ, WRITE = "read", "write"


class Look(NamedTuple):
    """How a tensor of a trace is drawn.

    group, title: see `Panel`. axis: what its last axis counts. low, high: the ends of its scale;
    None: those of its values. heads: whose it is, one for each of its second axis.
    """

    group: str
    title: str
    axis: str = ""
    low: float | None = None
    high: float | None = None
    heads: str = ""


_ROW, _WORD = "memory row", "word entry"
_SHARE = {"low": 0.0, "high": 1.0}
LOOKS = {
    "write_weights": Look("memory", "Write weightings", _ROW, **_SHARE, heads=WRITE),
    "read_weights": Look("memory", "Read weightings", _ROW, **_SHARE, heads=READ),
    "add": Look("memory", "Adds", _WORD, heads=WRITE),
    "candidate": Look("memory", "Adds (candidates)", _WORD, heads=WRITE),
    "erase": Look("memory", "Erase vectors", _WORD, **_SHARE, heads=WRITE),
    "reads": Look("memory", "Reads", _WORD, heads=READ),
    "gate": Look("addressing", HEAD_CURVES["gate"], **_SHARE, heads="both"),
    "strength": Look("addressing", HEAD_CURVES["strength"], low=0.0, heads="both"),
    "sharpening": Look("addressing", HEAD_CURVES["sharpening"], low=0.0, heads="both"),
    "shift": Look("addressing", "Shift (rows)", "shift", **_SHARE, heads="both"),
    "recency_gate": Look("addressing", "Recency gate", **_SHARE, heads="both"),
    "write_gate": Look("addressing", "Write gate", **_SHARE, heads=WRITE),
    "allocation_gate": Look("addressing", "Allocation gate", **_SHARE, heads=WRITE),
    "free_gates": Look("addressing", "Free gates", **_SHARE, heads=READ),
    "read_modes": Look("addressing", "Read modes", "mode", **_SHARE, heads=READ),
    "read_gate": Look("addressing", "Gate on the read", **_SHARE, heads=READ),
    "hidden_gate": Look("addressing", "Gate on the hidden state", **_SHARE),
    "usage": Look("addressing", "Usage", _ROW, **_SHARE),
    "allocation": Look("addressing", "Allocation", _ROW, **_SHARE),
    "precedence": Look("addressing", "Precedence", _ROW, **_SHARE),
    "content_weights": Look("inside", "Content weightings", _ROW, **_SHARE, heads="both"),
    "forward_weights": Look("inside", "Forward weightings", _ROW, **_SHARE, heads=READ),
    "backward_weights": Look("inside", "Backward weightings", _ROW, **_SHARE, heads=READ),
    "sharpness": Look("inside", "Sharpness of links", "direction", heads=READ),
    "key": Look("inside", "Keys", _WORD, heads="both"),
    "mask": Look("inside", "Masks of look-ups", _WORD, **_SHARE, heads="both"),
    "logits": Look("inside", "Logits of rows", _ROW),
    "weights": Look("inside", "Choices of rows", _ROW, **_SHARE),
    "hidden": Look("inside", "Hidden state", "unit"),
}
MATRICES = {
    "memory": Look("now", "Memory", _ROW),
    "link": Look("now", "Links: from across to down", _ROW),
}
_NAMES = {
    "mode": ("backward", "content", "forward"),
    "direction": ("backward", "forward"),
}
MOST_NUMBERS = 2 * 10**7
"""Of one panel; a larger one is left out."""


def trace_panels(trace: Any, *, element: int = 0) -> list[Panel]:
    """A panel for every tensor of a trace, those that are known first, in the order of `LOOKS`."""
    tensors = {name: to_array(part)[element] for name, part in trace.tensors.items()}
    reads = _heads(tensors, "read_weights")
    rows = _rows(tensors)
    limit = _limit([part for name, part in tensors.items() if name in ("add", "reads")])
    panels = []
    for name in [*LOOKS, *(name for name in tensors if name not in LOOKS)]:
        values = tensors.get(name)
        if values is None or values.size > MOST_NUMBERS or values.dtype == object:
            continue
        if name in MATRICES and values.ndim == 3:
            panels.append(matrix(name, values, rows))
            continue
        look = LOOKS.get(name) or Look("inside", name.replace("_", " ").capitalize())
        if name in ("add", "reads"):
            look = look._replace(low=-limit, high=limit)
        heads = _head_names(look.heads, values, reads)
        if values.ndim <= 2 and not look.axis and (values.ndim == 1 or values.shape[1] <= 8):
            panels.append(lines(name, look, values, heads))
        elif values.ndim in (2, 3):
            panels.append(heat(name, look, values, heads, rows))
    return panels


def heat(
    name: str, look: Look, values: np.ndarray, heads: Sequence[str], rows: np.ndarray | None
) -> Panel:
    """Rows over time, a band for each head."""
    bands = values if values.ndim == 3 else values[:, None]
    low, high = _ends(look, bands)
    by_row = rows is not None and look.axis == _ROW and len(rows) < bands.shape[2]
    count = bands.shape[2]
    names = _NAMES.get(look.axis)
    if look.axis == "shift":
        names = [
            f"{number:+d}".replace("+0", "0") for number in range(-(count // 2), count // 2 + 1)
        ]
    data = {
        "values": bands,
        "low": low,
        "high": high,
        "axis": look.axis,
        "bands": list(heads),
        "names": list(names) if names and len(names) == count else None,
        "rows": rows.tolist() if by_row else None,
        "heads": look.heads,
    }  # fmt: skip
    return Panel(kind="heat", name=name, group=look.group, title=look.title, data=data)


def lines(name: str, look: Look, values: np.ndarray, heads: Sequence[str]) -> Panel:
    """A curve for each head."""
    curves = values.reshape(len(values), -1)
    low, high = _ends(look, curves)
    names = (
        heads or [""]
        if curves.shape[1] == 1
        else heads or list(map(str, range(1, curves.shape[1] + 1)))
    )
    data = {"values": curves, "names": list(names), "low": low, "high": high}
    return Panel(kind="lines", name=name, group=look.group, title=look.title, data=data)


def matrix(name: str, values: np.ndarray, rows: np.ndarray | None) -> Panel:
    """What there is at one step."""
    look = MATRICES[name]
    limit = _limit([values]) if name == "memory" else 1.0
    data = {
        "values": values,
        "low": -limit,
        "high": limit,
        "axes": [_ROW, _WORD if name == "memory" else _ROW],
        "rows": None if rows is None or len(rows) == values.shape[1] else rows.tolist(),
        "square": name == "link",
    }
    return Panel(kind="matrix", name=name, group=look.group, title=look.title, data=data)


def origin_panels(origins: Origins) -> list[Panel]:
    """Which write each read came from, all at once; and, of one read or row, all its writes."""
    steps, heads, _ = origins.reads.shape
    shares = origins.reads[:, :, 1:].reshape(steps, heads, steps, origins.heads).sum(3)
    names = [f"read head {head}" for head in range(1, heads + 1)] if heads > 1 else []
    data = {
        "values": shares, "low": 0.0, "high": 1.0, "axis": "step of the write", "bands": names,
        "names": None, "rows": None, "heads": "origin",
    }  # fmt: skip
    return [
        Panel(kind="origins", name="origins", group="origins", title="", data={}),
        Panel(
            kind="heat", name="origin_map", group="origins", data=data,
            title="Every read, by the writes it came from (share of the read)",
        ),
    ]  # fmt: skip


def origin_data(origins: Origins) -> dict[str, Any]:
    """As the page takes it."""
    return {**origins._asdict(), "parts": origins.parts.tolist()}


def _rows(tensors: dict[str, np.ndarray]) -> np.ndarray | None:
    """The rows that figures show, in their order."""
    weights = [tensors[name] for name in ("write_weights", "read_weights") if name in tensors]
    if len(weights) < 2 or any(part.ndim != 3 for part in weights):
        return None
    return used_rows(*weights)


def _heads(tensors: dict[str, np.ndarray], name: str) -> int:
    return tensors[name].shape[1] if name in tensors else 0


def _head_names(kind: str, values: np.ndarray, reads: int) -> list[str]:
    """Of both kinds, reading heads come first; a head that is the only one of its kind has no
    number."""
    if not kind:
        return []
    if values.ndim < 2:
        return [f"{kind} head"] if kind != "both" else []
    count = values.shape[1]
    split = {READ: count, WRITE: 0}.get(kind, min(reads, count))
    names = []
    for word, number in ((READ, split), (WRITE, count - split)):
        names += [f"{word} head{f' {n}' if number > 1 else ''}" for n in range(1, number + 1)]
    return names if count > 1 or kind != "both" else []


def _limit(parts: Sequence[np.ndarray]) -> float:
    return max((float(np.abs(part).max(initial=0.0)) for part in parts), default=0.0) or 1.0


def _ends(look: Look, values: np.ndarray) -> tuple[float, float]:
    """Of the scale: as it is said, or from 0 or symmetric about it."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if look.high is None and look.low is None and low < 0:
        limit = max(-low, high)
        return -limit, limit
    ends = look.low if look.low is not None else low, look.high if look.high is not None else high
    return ends if ends[0] < ends[1] else (ends[0], ends[0] + 1.0)
