"""Every changed bit of a sealed file or of a chained row is found."""

import contextlib
import json

import pytest

from tapehead.errors import TapeheadError
from tapehead.runs.sealed import BrokenSeal, chained, read_sealed, unchained, write_sealed

VALUE = {
    "format": 2, "rate": 1e-05, "name": "Zürich \u0001 \"}", "list": [1, 2.5, None, True], "in": {},
}  # fmt: skip


def flips(data):
    """The bytes with each of their bits flipped in turn."""
    for place in range(len(data)):
        for bit in range(8):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def test_a_flipped_bit_breaks_the_seal(tmp_path):
    path = tmp_path / "a.json"
    write_sealed(path, VALUE)
    assert read_sealed(path, "a") == (VALUE, True)
    data = path.read_bytes()
    count = 0
    for damaged in flips(data):
        path.write_bytes(damaged)
        with contextlib.suppress(TapeheadError):
            # The name of the seal is gone: a file that must have one is refused for that.
            assert not read_sealed(path, "a")[1]
            count += 1
    assert count <= 8 * len("sha256")


def test_layout_is_no_change(tmp_path):
    path = tmp_path / "a.json"
    write_sealed(path, VALUE)
    value = json.loads(path.read_text())
    for layout in ({"indent": 7}, {"separators": (",", ":")}):
        path.write_text(json.dumps(value, **layout))
        assert read_sealed(path, "a") == (VALUE, True)
    path.write_text(json.dumps(value | {"rate": 1.1e-05}))
    with pytest.raises(BrokenSeal, match=r"a\.json is damaged: it has changed since tapehead") as e:
        read_sealed(path, "a")
    assert e.value.value["rate"] == 1.1e-05


def test_an_entry_after_the_seal_breaks_it(tmp_path):
    path = tmp_path / "a.json"
    write_sealed(path, VALUE)
    path.write_text(path.read_text().rstrip()[:-1] + ', "solved": true}')
    with pytest.raises(BrokenSeal):
        read_sealed(path, "a")


def test_rows_are_chained():
    rows = [{"kind": "train", "loss": 0.25}, {"check": 1}, {"kind": "é"}]
    lines, before = [], "id"
    for row in rows[::2]:
        line, before = chained(json.dumps(row), before)
        lines.append(line.rstrip(b"\n"))
        assert json.loads(line) == row | {"check": before}
    assert [row for row, _ in unchained(lines, "id")] == rows[::2]
    assert list(unchained(lines, "id"))[-1][1] == before
    for wrong, number in (
        (lines[1:], 1),  # the first is gone
        ([lines[0], lines[0], lines[1]], 2),  # one twice
        (lines[::-1], 1),
        ([lines[0], b'{"kind": "train"}'], 2),
    ):
        with pytest.raises(ValueError, match=f"row {number} has changed since it was written, or"):
            list(unchained(wrong, "id"))
    with pytest.raises(ValueError, match="row 1 has changed"):
        list(unchained(lines, "another"))
    data = b"\n".join(lines)
    for damaged in flips(data):
        with pytest.raises(ValueError, match=r"^row \d "):
            list(unchained(damaged.split(b"\n"), "id"))
