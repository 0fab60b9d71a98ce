"""Arrays in a page: 16 bits a number, as differences from step to step, compressed.

A number is written as one of 65,535 equal steps from the lowest of its array to the highest, so
it is off by at most a 131,000th of that range; one more code stands for "not a number". Neighbours
in time are alike, so the first axis is written as differences, low bytes apart from high bytes,
and then deflated: `assets/data.js` does the reverse.
"""

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tapehead.viewing.style import to_array

NOT_A_NUMBER = 65_535


def packed(values: np.ndarray) -> dict[str, Any]:
    """An array as JSON; the first axis is time."""
    values = np.asarray(values, np.float64)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    span = (high - low) or 1.0
    with np.errstate(invalid="ignore"):
        codes = np.rint((values - low) / span * (NOT_A_NUMBER - 1))
    codes = np.where(np.isfinite(values), codes, NOT_A_NUMBER).astype(np.uint16)
    changes = codes.copy()
    changes[1:] -= codes[:-1]  # wraps around, and back again when it is undone
    planes = changes.astype("<u2").reshape(-1).view(np.uint8)
    both = np.concatenate([planes[0::2], planes[1::2]])
    return {
        "packed": base64.b64encode(zlib.compress(both.tobytes(), 6)).decode(),
        "shape": list(values.shape),
        "low": low,
        "high": low + span,
    }


def plain(value: Any) -> Any:
    """Anything that a page holds as JSON: arrays packed, records as objects, numbers that are none
    as null."""
    if isinstance(value, np.ndarray | Tensor):
        return packed(to_array(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(part) for name, part in vars(value).items()}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, str | bool | None):
        return value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence):
        return [plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def embedded(value: Any) -> str:
    """JSON that may stand in a script of a page, whatever its texts hold: `</script>` too."""
    text = json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
