"""The site has a page for each task, made of what the code knows of it."""

import importlib
import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from skips import needs
from tapehead.checks import checks_of
from tapehead.recipes import EXPERIMENTS
from tapehead.registry import MACHINES, TASKS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

pytestmark = needs("docs")


@pytest.fixture(scope="module")
def site():
    sys.path.insert(0, str(DOCS / "_site"))
    try:
        return importlib.import_module("task_pages")
    finally:
        sys.path.remove(str(DOCS / "_site"))


def test_every_task_has_a_page_with_its_options_machines_scores_and_command(site):
    assert set(site.task_names()) == set(TASKS)
    for name in TASKS:
        kind, task = TASKS[name], site.example_of(name)
        page = site.task_page(name, "What is drawn.", ROOT / "results")
        assert page.startswith(f"# {kind.title}\n"), name
        assert kind.source in page
        assert f"]({name}.png)\n\n*What is drawn.*" in page
        for field in fields(kind):
            row = re.search(rf"^\| `{field.name}` \| `.+` \| (.+) \| (.+) \|$", page, re.MULTILINE)
            assert row, f"{name} says nothing of {field.name}"
            assert row[1] in ("text", checks_of(kind)[field.name].allowed)
        for machine, reader in MACHINES.items():
            fits = reader.reads is kind.tells
            assert (f"`{machine} <tapehead.{reader.__name__}>`" in page) is fits, (name, machine)
        for metric in task.metrics:
            assert f"| `{metric.name}` | {metric.label} | " in page
        assert f"`{task.pass_mark.metric.name}` is {task.pass_mark}." in page
        assert f"```\ntapehead train {name}" in page


def test_a_page_links_to_the_results_and_trained_machines_of_its_task_and_no_others(site):
    copy = site.task_page("copy", "", ROOT / "results")
    assert "- [ntm/copy](../../results/ntm/copy.md): ntm-lstm; ntm-feedforward; lstm\n" in copy
    assert "tapehead view ntm/copy\n" in copy
    assert "rl-ntm" not in copy
    assert "associative-recall" not in copy
    stories = site.task_page("babi", "", ROOT / "results")
    assert "](../../results/babi/memory-network.md)" in stories
    assert "](../../results/babi/table.md)" in stories  # which trains nothing
    assert "tapehead view memory-network/babi-1\n" in stories
    assert "tapehead view" not in site.task_page("delaunay", "", ROOT / "results")


def test_labels_of_experiments_mean_the_tasks_of_their_recipes(site):
    for experiment in EXPERIMENTS.values():
        label = experiment.tasks[-1]
        recipe = experiment.recipe(label, experiment.contestants[0], experiment.settings[0])
        assert site.task_of(label) == recipe.task


def test_names_of_tasks_with_their_sources_become_links_to_their_pages(site):
    text = "| [`tsp`](../src/tapehead/tasks/geometry/tsp.py) | [`x`](../src/tapehead/tasks/x.py) |"
    turned = "| [`tsp`](tasks/geometry/tsp.md) | [`x`](../src/tapehead/tasks/x.py) |"
    assert site.linked_to_tasks(text) == turned
    linked = set(site.LINK.findall((DOCS / "tasks.md").read_text()))
    assert linked == set(TASKS) - {"babi", "babi-words"}


def test_the_table_of_contents_has_every_group_of_tasks(site):
    listed = re.findall(r"^tasks/(\w+)/\*$", (DOCS / "all_tasks.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted({site.group_of(name) for name in TASKS})


@pytest.mark.parametrize("name", ["chained-copy", "sorting", "copy-tape"])
def test_a_picture_shows_one_problem_and_an_answer_without_error(site, name):
    picture = site.picture_of(site.example_of(name))
    texts = [text.get_text() for axes in picture.figure.axes for text in axes.texts]
    texts += [axes.get_title(loc) for axes in picture.figure.axes for loc in ("left", "right")]
    texts += [text.get_text() for text in picture.figure.texts]
    assert any(re.fullmatch(r"right|all \d+ (bits|symbols) right", text) for text in texts), texts
    level = " at level 5 of 10" if name == "chained-copy" else ""
    assert picture.caption.startswith(f"One problem{level}, and ")


def test_pages_are_written_anew_only_where_they_changed_and_old_ones_go(
    site, tmp_path, monkeypatch
):
    monkeypatch.setattr(site, "task_names", lambda: ["chained-copy"])
    gone = tmp_path / "tapes" / "gone.md"
    gone.parent.mkdir()
    gone.touch()
    pages = site.write_pages(ROOT / "results", tmp_path)
    page = tmp_path / "algorithmic" / "chained-copy.md"
    assert [*pages] == ["chained-copy"]
    assert page.read_text() == pages["chained-copy"]
    assert page.with_suffix(".png").stat().st_size > 5_000
    assert not gone.exists()
    before = page.stat().st_mtime_ns
    site.write_pages(ROOT / "results", tmp_path)
    assert page.stat().st_mtime_ns == before
