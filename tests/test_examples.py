"""Every class that is exported, or printed by the site's pages of the API, shows in its docstring
how it is used, and does what it shows."""

import doctest
import inspect
import os
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

import tapehead
from skips import needs

PLAIN = {
    "DNCState": "a machine returns it, DNC shows one",
    "NTMState": "a machine returns it, NTM shows one",
    "DynamicNTMState": "a machine returns it, as the others do",
    "SparseNTMState": "a machine returns it, SparseNTM shows one",
    "SparseNTMSpec": "a SparseNTM makes it for its operation",
    "DynamicNTMSpec": "a DynamicNTM makes it for its operation",
    "DynamicNTMWeights": "a DynamicNTM makes it for its operation",
    "DynamicNTMCalled": "a DynamicNTM makes it for its operation",
    "SparseNTMWeights": "a SparseNTM makes it for its operation",
    "TARDISState": "a machine returns it, TARDIS shows one",
    "LSTMState": "a machine returns it, LSTM shows one",
    "DNCSpec": "a DNC makes it for its operation",
    "NTMSpec": "an NTM makes it for its operation",
    "DNCWeights": "a DNC makes it for its operation",
    "NTMWeights": "an NTM makes it for its operation",
    "Draw": "Family shows one",
    "Estimate": "Family shows one",
    "Judged": "Objective shows one",
    "Outcome": "Job shows one",
    "Calculation": "what `tapehead reproduce` imports, which `tapehead list` shows",
}
"""Classes of data that nobody makes by hand: why each has no example of its own."""


API = Path(__file__).parents[1] / "docs" / "api"


def is_ours(value):
    return inspect.isclass(value) and value.__module__.startswith("tapehead.")


def exported_classes():
    """By name, from the `__all__` of every module."""
    found = {}
    for module in pkgutil.walk_packages(tapehead.__path__, "tapehead."):
        if module.name.endswith("__main__") or ".cli." in module.name:
            continue
        home = import_module(module.name)
        named = {name: getattr(home, name) for name in getattr(home, "__all__", ())}
        found |= {name: value for name, value in named.items() if is_ours(value)}
    return found


def printed_classes():
    """By name, as Sphinx reads the pages of docs/api; none where an installed copy has no docs."""
    found = {}
    for page in API.glob("*.rst"):
        text = page.read_text(encoding="utf-8")
        within = re.search(r"^\.\. currentmodule:: (\S+)", text, re.MULTILINE)
        directive = r"^\.\. auto(module|class):: (\S+)\n((?: +:.*\n)*)"
        for kind, name, given in re.findall(directive, text + "\n", re.MULTILINE):
            if kind == "class":
                module, _, last = name.rpartition(".")
                found[last] = getattr(import_module(module or within[1]), last)
                continue
            home, options = import_module(name), dict(re.findall(r":([\w-]+): ?(.*)", given))
            names = [each.strip() for each in options.get("members", "").split(",") if each]
            for each in names or getattr(home, "__all__", vars(home)):
                value = getattr(home, each)
                if not is_ours(value) or each.startswith("_"):
                    continue
                if names or "imported-members" in options or value.__module__ == name:
                    found[each] = value
    return found


CLASSES = exported_classes() | printed_classes()


def test_the_classes_are_found():
    assert {"NTM", "Copy", "TrainConfig", "Episode", "Categorical", "Job"} <= set(CLASSES)
    assert len(CLASSES) > 60


@needs("docs")
def test_pages_print_classes_of_modules_that_export_nothing():
    assert {"Machine", "Tape", "Metric", "Pretrained", "Turn", "Question"} <= set(printed_classes())
    assert {"Tape", "Metric", "Turn"}.isdisjoint(exported_classes())


@pytest.mark.parametrize("name", [name for name in CLASSES if name not in PLAIN])
def test_the_example_of_a_class_shows_what_it_does(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    kind = CLASSES[name]
    # Read afresh: the docstring of a base class is no example of this one.
    text = vars(kind).get("__doc__") or ""
    test = doctest.DocTestParser().get_doctest(inspect.cleandoc(text), {}, name, None, 0)
    assert test.examples, f"{name} has no example in its docstring"
    complaints = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=complaints.append, clear_globs=True)
    assert not complaints, "".join(complaints)
    assert not os.listdir(tmp_path)
