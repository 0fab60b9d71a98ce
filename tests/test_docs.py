"""README.md and docs/*.md do what they say: every Python snippet runs, every command is taken.

The ```python blocks of a file run in order in one namespace, in an empty folder: what cannot is
written as ```text. Commands are the lines of other blocks that begin with `tapehead`, and those in
the text between backquotes; training is stood in for by a small trained run, and long jobs are
parsed and not run.
"""

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tapehead.cli.train as train_command
from skips import needs
from tapehead.cli import main
from tapehead.machines.exporting import PROGRAM, START, Exported
from tapehead.training import TrainConfig, train

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOT_PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES = [
    *(path for path in (*FILES, *ROOT_PAGES) if path.exists()),
    *sorted((ROOT / "src").rglob("*.md")),
    *sorted((ROOT / "results").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^`(\w+\.py)`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""A file that a page wants to be written."""
PLACEHOLDERS = {"RUN": "runs/copy", "FOLDER": "tables"}

pytestmark = needs("docs")


def snippets(text):
    return [code for language, code in FENCE.findall(text) if language == "python"]


def in_blocks(text):
    """Every command line of a block, as words, without comments."""
    return _words(
        line
        for language, block in FENCE.findall(text)
        if language not in ("python", "text")
        for line in block.replace("\\\n", " ").splitlines()
    )


def commands(text):
    """Those of blocks, and those in sentences."""
    return in_blocks(text) + _words(re.findall(r"`(tapehead [^`]+)`", FENCE.sub("", text)))


def _words(lines):
    stripped = [line.strip() for line in lines]
    return [shlex.split(line, comments=True)[1:] for line in stripped if line[:9] == "tapehead "]


with_snippets = [path for path in FILES if path.exists() and snippets(path.read_text())]
with_commands = [path for path in FILES if path.exists() and commands(path.read_text())]


RUN_THEM = """
import json, os, sys, traceback
errors = {}
for folder, name, codes in json.load(sys.stdin):
    os.makedirs(folder)
    os.chdir(folder)
    namespace = {"__name__": "__main__"}
    for number, code in enumerate(codes, start=1):
        try:
            exec(compile(code, f"{name}, snippet {number}", "exec"), namespace)
        except BaseException:
            errors.setdefault(name, traceback.format_exc())
print("\\n" + json.dumps(errors))
"""


@pytest.fixture(scope="module")
def errors_of_snippets(tmp_path_factory):
    """By file: in a process of its own, as users run them, where no shapes are checked."""
    base = tmp_path_factory.mktemp("snippets")
    work = [
        (str(base / path.stem), path.name, snippets(path.read_text())) for path in with_snippets
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN_THEM],
        input=json.dumps(work), capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("path", with_snippets, ids=lambda path: path.name)
def test_snippets_run_as_they_stand(path, errors_of_snippets):
    assert path.name not in errors_of_snippets, errors_of_snippets[path.name]


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("docs") / "run"
    config = TrainConfig(
        machine_options={"hidden_size": 4, "memory_size": 6}, max_sequences=8, batch_size=4,
        report_every=4, validation_sequences=2, threads=1,
    )  # fmt: skip
    train(config, path)
    return path


@pytest.fixture(scope="module")
def small_reader(tmp_path_factory):
    path = tmp_path_factory.mktemp("docs") / "reader"
    config = TrainConfig(
        task="babi", task_options={"generated": True}, machine="memory-network", max_sequences=8,
        batch_size=4, report_every=4, validation_sequences=2, threads=1,
    )  # fmt: skip
    train(config, path)
    return path


@pytest.mark.parametrize("path", with_commands, ids=lambda path: path.name)
def test_commands_are_taken(path, tmp_path, monkeypatch, capsys, small_run, small_reader):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(small_run, tmp_path / "runs" / "copy")
    (tmp_path / "results").mkdir()
    for name, text in NAMED.findall(path.read_text()):
        (tmp_path / name).write_text(text)
    (tmp_path / "tables").mkdir()

    def exported(machine, folder, *, onnx=False):
        return Exported((folder / PROGRAM, folder / START), ("x",), ("y",), 0.0)

    def stand_in(command, config):
        out = command.out or train_command._free_folder(config)
        shutil.copytree(small_run, out, dirs_exist_ok=True)
        return 0

    monkeypatch.setattr(train_command, "_train", stand_in)
    monkeypatch.setattr("tapehead.cli.reproduce._contest", lambda *_: 0)
    monkeypatch.setattr("tapehead.cli.reproduce._calculation", lambda *_: 0)
    monkeypatch.setattr("tapehead.benchmark.ntm_speed", lambda *_, **__: [])
    monkeypatch.setattr("tapehead.training.sweeping.Sweep.run", lambda *_, **__: None)
    monkeypatch.setattr("tapehead.cli.view._serve", lambda *_: 0)
    monkeypatch.setattr("tapehead.machines.exporting.export_step", exported)
    for words in commands(path.read_text()):
        name, *arguments = [PLACEHOLDERS.get(word, word) for word in words]
        if "..." in words or any(word.isupper() and word.isalpha() for word in arguments):
            continue  # the shape of a command, not one
        if name in ("train", "evaluate", "view", "reproduce") and not arguments:
            continue  # the name of a command, in a sentence
        if name == "ask":
            monkeypatch.setattr("sys.stdin", io.StringIO("Mary went to the garden.\n"))
            arguments[0] = str(small_reader)
        cheap = {"evaluate": ["--sequences=1"], "view": ["--sizes", "2"]}.get(name, [])
        code = main([name, *arguments, *(cheap if "--help" not in arguments else [])])
        complaint = capsys.readouterr().err
        if "is missing" in complaint and words not in in_blocks(path.read_text()):
            continue  # an option of a command, in a sentence
        assert code == 0, f"tapehead {shlex.join(words)}: {complaint}"


LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchors(text):
    """Of the headings of a page, as GitHub and the site make them."""
    plain = [heading.lower().replace("`", "") for heading in HEADING.findall(FENCE.sub("", text))]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def broken(path):
    """The links of a page to files and headings that are not there."""
    text = FENCE.sub("", path.read_text())
    for link in LINK.findall(text):
        file, _, anchor = link.partition("#")
        if file.startswith(("https://", "http://")):
            continue
        target = path if not file else path.parent / file
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            yield link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(path):
    assert list(broken(path)) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# Does it *help*, `x_y`?\n```\n# no heading\n```\n")
    page.write_text(
        "[a](other.md) [b](other.md#does-it-help-x_y) ![c](none.png) [d](other.md#no-heading)\n"
        "[e](#here) [f](https://example.org/none)\n```\n[g](none.md)\n```\n## Here\n"
    )
    assert list(broken(page)) == ["none.png", "other.md#no-heading"]


def prose(text):
    """Lines of a page that are no table, no picture and no heading; code is as wide as it must."""
    lines = FENCE.sub("", text).splitlines()
    return [line for line in lines if not line.lstrip().startswith(("|", "!["))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_prose_are_short_and_speak_of_a_backward_pass(path):
    text = path.read_text()
    assert [line for line in prose(text) if len(line) > 120] == []
    assert not re.search(r"\bway\s+(back|there)\b", text)


def test_docstrings_speak_of_a_backward_pass():
    files = (ROOT / "src").rglob("*.py")
    named = [path.name for path in files if re.search(r"\bway\s+back\b", path.read_text())]
    assert named == []


def test_what_this_file_looks_for_is_found():
    text = "```python\na\n```\n```\ntapehead list  # c\nother\n```\nand `tapehead bench --json`.\n"
    assert snippets(text) == ["a\n"]
    assert commands(text) == [["list"], ["bench", "--json"]]
    assert prose("a\n| b |\n```\nc\n```\n![d](e)\n") == ["a", ""]
    assert {"README.md", "training.md"} <= {path.name for path in with_snippets}
    assert "README.md" in {path.name for path in with_commands}
