import importlib
import json
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from full_disk import disk_with_room_for
from tapehead.errors import TapeheadError
from tapehead.files import clear_errors, to_json, to_lines, write_atomically, write_json


def test_python_keeps_no_half_of_a_module_that_is_imported_at_a_full_disk(tmp_path, monkeypatch):
    (tmp_path / "long_one.py").write_text("\n".join(f"name_{i} = {i}" for i in range(200)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    with disk_with_room_for(100):
        assert importlib.import_module("long_one").name_199 == 199
    assert [path.name for path in tmp_path.iterdir()] == ["long_one.py"]
    assert not sys.dont_write_bytecode


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with open(path, "rb") as reader:
        write_atomically(path, b"new and longer")
        assert reader.read() == b"old"  # the old file itself was not written to
    assert path.read_bytes() == b"new and longer"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with disk_with_room_for(10), pytest.raises(OSError, match="File too large"):
        write_atomically(path, b"new" * 100)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_data_reach_the_disk_before_the_name_does(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (order.append(os.fstat(handle).st_size), fsync(handle))
    )
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("rename"), replace(*names)))
    write_atomically(tmp_path / "file", b"12345")
    assert order[:2] == [5, "rename"]
    assert len(order) == 3  # the folder last


def test_numbers_that_json_does_not_have_become_null(tmp_path):
    value = {"a": float("nan"), "b": [float("inf"), {"c": -float("inf")}], "d": 0.1 + 0.2, "e": 3}
    write_json(tmp_path / "file", value)
    expected = {"a": None, "b": [None, {"c": None}], "d": 0.1 + 0.2, "e": 3}
    assert json.loads((tmp_path / "file").read_bytes()) == expected


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_for_people_says_the_same(value):
    assert json.loads(to_lines(value)) == json.loads(to_json(value))


def test_rows_of_a_table_stand_in_a_line_each():
    rows = [{"sequences": 1600 * i, "bit_errors": i / 3} for i in range(5)]
    text = to_lines({"command": "x" * 200, "rows": rows, "seeds": [0, 1, 2], 5: None})
    assert [line.strip() for line in text.splitlines()] == [
        "{",
        f'"command": "{"x" * 200}",',
        '"rows": [',
        *(json.dumps(row) + "," * (row is not rows[-1]) for row in rows),
        "],",
        '"seeds": [0, 1, 2],',
        '"5": null',
        "}",
    ]
    assert to_lines([[0] * 20, [1] * 20]).count("\n") == 3  # never longer than a line


def test_an_error_of_the_system_becomes_one_line():
    message = r"^cannot write the file: No space left on device; all else is safe$"
    with (
        pytest.raises(TapeheadError, match=message),
        clear_errors("write the file", "; all else is safe"),
    ):
        raise OSError(28, "No space left on device")
