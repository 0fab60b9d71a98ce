"""What there is: names without importing it, sizes beside the papers'."""

import subprocess
import sys

import pytest

from tapehead.machines import MACHINES
from tapehead.recipes import CALCULATIONS, recipe
from tapehead.registry import EXPERIMENTS, AddressError
from tapehead.tasks import TASKS


def test_what_is_read_from_source_is_the_real_thing():
    for registry in (TASKS, MACHINES):
        for name in registry:
            summary = registry.summary(name)
            assert len(summary) > 20
            docstring = " ".join((registry[name].__doc__ or "").split())
            assert docstring.startswith(summary)
            assert registry.name_of(registry[name]) == name
    for name in TASKS:
        assert TASKS[name].name == name


def test_experiments_are_imported_when_they_are_asked_for():
    code = (
        "import sys; from tapehead.recipes import EXPERIMENTS; list(EXPERIMENTS); "
        "'ntm/copy' in EXPERIMENTS; EXPERIMENTS['ntm/read-order']; "
        "print(*[name for name in sys.modules if name.startswith('tapehead.recipes.')], "
        "'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wanted = [f"tapehead.recipes.{name}" for name in ("experiment", "ntm_paper", "ntm")]
    assert sorted(done.stdout.split()) == sorted([*wanted, "False"])


def test_recipes_are_ours_whatever_is_installed(monkeypatch):
    """A package that another needs would change what a training starts from, or stop it."""
    monkeypatch.setitem(EXPERIMENTS.addresses, "theirs/copy", "nowhere:COPY")
    with pytest.raises(ValueError, match="no recipe for 'nonsense' on copy; there are some for"):
        recipe("copy", "nonsense")
    with pytest.raises(AddressError, match="cannot import nowhere"):
        EXPERIMENTS.get("theirs/copy")


def test_the_overview_names_everything(call):
    out = call("list").out
    for name in [*TASKS, *MACHINES, *EXPERIMENTS, *CALCULATIONS]:
        assert f"  {name} " in out
    assert max(map(len, out.splitlines())) <= 100
    listed = call("list", "--json").json[0]
    assert list(listed["tasks"]) == list(TASKS)
    assert set(listed["experiments"]) == {*EXPERIMENTS, *CALCULATIONS}
    tardis = next(
        each
        for each in call("list", "--experiments", "--json").json[0]["experiments"]
        if each["name"] == "discrete/tardis"
    )
    assert tardis["tasks"] == ["copy", "associative-recall"]
    assert tardis["machines"][-2:] == ["lstm", "ntm"]


def test_parameter_counts_stand_beside_the_papers(call):
    """Tables 1-3 of the NTM paper, and our counts worked out by hand for two of them."""
    out = call("list", "--machines").out
    assert max(map(len, out.splitlines())) <= 100
    listed = call("list", "--machines", "--json").json[0]["machines"]
    rows = {(row["machine"], row["task"]): row for row in listed}
    assert len(rows) == 15
    copy = rows["lstm", "copy"]
    layers = 4 * 256 * (9 + 256 + 2) + 2 * 4 * 256 * (256 + 256 + 2)
    starts = 2 * 3 * 256  # learned hidden and cell states
    assert copy["parameters"] == layers + 8 * (256 + 1) + starts
    assert copy["published"] == 1_352_969
    assert f"{copy['parameters']:,}" in out
    assert "1,352,969" in out
    ntm = rows["ntm-feedforward", "copy"]
    head = 20 + 1 + 1 + 3 + 1  # key, strength, gate, shifts, sharpening
    controller = (9 + 20 + 1) * 100
    interface = (100 + 1) * (2 * head + 2 * 20)
    output = (100 + 20 + 1) * 8
    starts = 20 + 128 + 128 + 128 * 20  # learned first read, weightings and memory
    assert ntm["parameters"] == controller + interface + output + starts
    assert ntm["published"] == 17_162


def test_tasks_and_experiments(call):
    out = call("list", "--tasks", "--experiments").out
    assert max(map(len, out.splitlines())) <= 100
    assert "--max-length 20" in out
    assert "tested at 10; 20; 30; 50; 120" in out
    assert "ntm/priority-sort" in out
    assert "estimators/bernoulli" in out


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("arguments", [[], ["--tasks", "--experiments"]])
def test_other_lists_fit_the_terminal(call, monkeypatch, width, arguments):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = call("list", *arguments).out.splitlines()
    assert max(map(len, lines)) <= width
