"""A kernel runs only while the equations are those that it was checked against."""

import json
import shutil
import subprocess
import sys
from functools import wraps
from pathlib import Path

import pytest
import torch

import tapehead
from tapehead.machines import DNC, NTM
from tapehead.ops import (
    addressing,
    allocation,
    backends,
    dnc,
    links,
    memory,
    ntm,
    rmsprop,
    similarity,
)
from tapehead.ops.verified import Verified
from tapehead.training.optimisers import RMSprop

HOMES = {"ntm": ntm, "choices of rows": ntm.choosing, "dnc": dnc, "the optimiser": rmsprop}


@pytest.mark.parametrize("name", HOMES)
def test_the_records_are_current(name):
    """Where this fails, a function was edited: make the kernel follow, see that its tests pass,
    and then run `make record-equations`."""
    verified = HOMES[name].VERIFIED
    assert verified.changed() is None
    assert verified.fingerprints() == verified.recorded


def test_the_records_name_every_equation():
    for module in (addressing, memory, similarity):
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") == module.__name__:
                assert f"{module.__name__}.{name}" in ntm.VERIFIED.recorded
    for module in (allocation, links):
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") == module.__name__:
                assert f"{module.__name__}.{name}" in dnc.VERIFIED.recorded
    assert "tapehead.ops.ntm.parts.NTMSpec.interface_sizes" in ntm.VERIFIED.recorded
    assert "tapehead.ops.addressing.SHARPENING_FLOOR" in ntm.VERIFIED.recorded
    for name in (
        "tapehead.ops.ntm.choosing.CHOICE_FLOOR",
        "tapehead.ops.estimators.addresses.chosen",
        "tapehead.ops.estimators.draws.Categorical.relax",
        "tapehead.ops.ntm.choosing._Choices.end",
    ):
        assert name in ntm.choosing.VERIFIED.recorded


def replaced_by_a_lambda(monkeypatch):
    monkeypatch.setattr(addressing, "interpolate", lambda content, previous, gate: previous)
    return "tapehead.ops.addressing.interpolate"


def replaced_where_it_is_used(monkeypatch):
    monkeypatch.setattr(ntm.reference, "interpolate", lambda content, previous, gate: previous)
    return "tapehead.ops.ntm.reference.interpolate"


def wrapped(monkeypatch):
    usual = addressing.interpolate

    @wraps(usual)
    def interpolate(content, previous, gate):
        return previous

    monkeypatch.setattr(addressing, "interpolate", interpolate)
    return "tapehead.ops.addressing.interpolate"


def swapped_for_another_of_ours(monkeypatch):
    monkeypatch.setitem(similarity.SIMILARITIES, "cosine", similarity.dot)
    return "SIMILARITIES.cosine"


def another_constant(monkeypatch):
    monkeypatch.setattr(addressing, "SHARPENING_FLOOR", 1e-8)
    return "tapehead.ops.addressing.SHARPENING_FLOOR"


def other_code_in_the_same_function(monkeypatch):
    function = addressing.interpolate
    function = getattr(function, "__wrapped__", function)

    def interpolate(content, previous, gate):
        return previous

    monkeypatch.setattr(function, "__code__", interpolate.__code__)
    return "tapehead.ops.addressing.interpolate"


def another_softplus(monkeypatch):
    monkeypatch.setattr(ntm.reference, "softplus", lambda x: x.relu())
    return "tapehead.ops.ntm.reference.softplus"


def taken_away(monkeypatch):
    monkeypatch.delattr(addressing, "interpolate")
    return "tapehead.ops.addressing.interpolate"


CHANGES = [
    replaced_by_a_lambda, replaced_where_it_is_used, wrapped, swapped_for_another_of_ours,
    another_constant, other_code_in_the_same_function, another_softplus, taken_away,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_at_run_time_is_named_and_its_end_is_noticed(change):
    assert ntm.VERIFIED.changed() is None
    with pytest.MonkeyPatch.context() as monkeypatch:
        name = change(monkeypatch)
        reason = ntm.VERIFIED.changed()
        assert reason is not None
        assert reason.startswith("no longer what it was checked against: ")
        assert name in reason
        assert ntm.VERIFIED.changed() == reason
    assert ntm.VERIFIED.changed() is None


def test_auto_takes_the_reference_and_says_so_once_and_cpu_raises(monkeypatch, caplog):
    backends._say_once.cache_clear()
    made, x = NTM(4, 3, memory_size=5, word_size=3, hidden_size=4), torch.randn(2, 3, 4)
    forced = NTM(4, 3, memory_size=5, word_size=3, hidden_size=4, backend="cpu")
    usual, _ = made(x)
    forced(x)
    name = replaced_where_it_is_used(monkeypatch)
    y, state = made(x)
    made(x)
    assert not torch.equal(y, usual)
    assert "NTM" not in type(state.memory.grad_fn).__name__
    (told,) = [text for text in caplog.messages if text.startswith("ntm: backend reference")]
    assert told.startswith("ntm: backend reference (cpu: no longer what it was checked against: ")
    assert told.endswith(f"{name})")
    with pytest.raises(RuntimeError, match=f"backend 'cpu' cannot run: no longer .*{name}$"):
        forced(x)


def test_the_dnc_and_the_optimiser_too(monkeypatch):
    made = DNC(4, 3, memory_size=5, word_size=3, hidden_size=4)
    x = torch.randn(2, 3, 4)
    assert "DNC" in type(made(x)[1].memory.grad_fn).__name__
    monkeypatch.setattr(dnc.reference, "retention", lambda gates, weights: weights[:, 0])
    assert "DNC" not in type(made(x)[1].memory.grad_fn).__name__
    assert rmsprop.backend_choice("auto", torch.float32).backend == "cpu"
    monkeypatch.setattr(rmsprop.reference, "plain", lambda *_: None)
    assert rmsprop.backend_choice("auto", torch.float32).backend == "reference"
    with pytest.raises(RuntimeError, match=r"rmsprop\.reference\.plain"):
        RMSprop([torch.nn.Parameter(torch.ones(3))], 0.1, fused=True)


EDITED = """
import sys
sys.path.insert(0, sys.argv[1])
from tapehead.ops import ntm
assert ntm.__file__.startswith(sys.argv[1])
print(ntm.VERIFIED.changed())
"""


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "return gate[..., None] * content + (1 - gate[..., None]) * previous",
            "return previous",
            "no longer what it was checked against: tapehead.ops.addressing.interpolate",
        ),
        (
            "return gate[..., None] * content + (1 - gate[..., None]) * previous",
            "# one comment\n    return (\n        gate[..., None] * content\n"
            "        + (1 - gate[..., None]) * previous\n    )",
            "None",
        ),
        ('"""w_g = g w_c', '"""Another text: w_g = g w_c', "None"),
    ],
    ids=["an equation", "layout and comment", "docstring"],
)
def test_an_edited_file(tmp_path, before, after, told):
    copy = tmp_path / "tapehead"
    shutil.copytree(
        Path(tapehead.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    file = copy / "ops" / "addressing.py"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    done = subprocess.run(
        [sys.executable, "-c", EDITED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == told


def test_recording_anew(tmp_path, monkeypatch):
    verified = Verified(tmp_path / "verified.json", "tapehead.ops.addressing:interpolate")
    verified.record()
    assert verified.changed() is None
    assert list(json.loads((tmp_path / "verified.json").read_bytes())) == [
        "tapehead.ops.addressing.interpolate"
    ]
    replaced_by_a_lambda(monkeypatch)
    assert verified.changed() is not None
    verified.record()
    assert verified.changed() is None


def test_what_was_looked_at_once_is_not_read_again(monkeypatch):
    """A call costs two or three microseconds; sources are read only where something changed."""
    ntm.VERIFIED.changed()

    def fail(self):
        raise AssertionError("read again")

    monkeypatch.setattr(Verified, "_places", fail)
    assert ntm.VERIFIED.changed() is None
    replaced_by_a_lambda(monkeypatch)
    with pytest.raises(AssertionError, match="read again"):
        ntm.VERIFIED.changed()
