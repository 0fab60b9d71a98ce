"""docs/extending.md, done as it says: tasks, machines and an experiment outside the package, by
commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tapehead.cli import main
from tapehead.recipes import CALCULATIONS
from tapehead.registry import EXPERIMENTS, MACHINES, TASKS
from tapehead.runs import read_config, read_metrics, read_result

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"


@pytest.fixture
def outside(tmp_path):
    """A folder with the files of the page; returns a command that runs there."""
    page = PAGE.read_text(encoding="utf-8")
    files = re.findall(r"^`(\w+\.py)`:\n\n```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == ["parity.py", "gru.py", "corridor.py", "studies.py"]
    for name, text in files:
        (tmp_path / name).write_text(text, encoding="utf-8")

    def run(*arguments, cwd=tmp_path, code=0, **environment):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tapehead", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        )
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    return run


@pytest.fixture
def here(outside, tmp_path, monkeypatch, capsys):
    """The same in this process: to begin another takes seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments, code=0):
        capsys.readouterr()
        assert main(arguments) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    with MACHINES.holding(), TASKS.holding(), EXPERIMENTS.holding():
        yield run
    for name in ("parity", "gru", "corridor", "studies", "mine"):
        sys.modules.pop(name, None)


BUDGET = ["--max-sequences=64", "--report-every=32", "--validation-sequences=8", "--threads=1"]


@pytest.mark.slow
def test_a_task_and_a_machine_of_ones_own_train_resume_evaluate_and_are_drawn(
    outside, here, tmp_path
):
    ours = ["parity:Parity", "--machine=gru:GRU", "--steps=6", "--hidden-size=24"]
    out = outside("train", *ours, *BUDGET)
    folder = tmp_path / "runs" / "parity-Parity-gru-GRU-1"
    config = read_config(folder)
    assert (config.task, config.machine) == ("parity:Parity", "gru:GRU")
    assert config.task_options == {"steps": 6}
    assert config.machine_options == {"hidden_size": 24}
    assert "20 steps" in out
    assert (folder / "figures" / "bits.png").stat().st_size > 1000
    here("train", "--resume", f"--out={folder}", "--max-sequences=128")
    assert read_result(folder)["sequences"] == 128
    assert [row["sequences"] for row in read_metrics(folder) if row["kind"] == "train"] == [
        32, 64, 96, 128,
    ]  # fmt: skip
    assert "steps 12" in here("evaluate", str(folder), "--steps=12", "--sequences=8")
    assert "bits.png" in here("view", str(folder))
    # Several seeds are processes of their own, which find the files too.
    outside("train", *ours, *BUDGET, "--seeds", "0", "1", "--out=two", "--no-figures")
    assert (tmp_path / "two" / "seed-1" / "result.json").exists()


@pytest.mark.slow
def test_each_goes_with_those_of_the_package(here, tmp_path):
    for name, arguments in {
        "copy": ["copy", "--machine=gru:GRU", "--max-length=2"],
        "parity": ["parity:Parity", "--machine=lstm", "--hidden-size=4"],
    }.items():
        here("train", *arguments, *BUDGET, f"--out={name}", "--no-figures", "--quiet")
        assert (tmp_path / name / "result.json").exists()
    help = here("train", "parity:Parity", "--machine=gru:GRU", "--help")
    assert "--steps 10" in help
    assert "--hidden-size 16" in help
    assert "Bits of a sequence" in here("train", "parity:Parity", "--help-all")


@pytest.mark.slow
def test_a_world_of_ones_own_is_trained_by_its_rewards(here, tmp_path):
    world = ["corridor:Corridor", "--machine=lstm", "--hidden-size=16", "--delay=2"]
    learning = ["--optimiser=adam", "--learning-rate=0.01", "--batch-size=32", "--seed=1"]
    told = here(
        "train", *world, *learning, "--entropy=0.02", "--max-sequences=12000", "--out=run",
        "--validate-every=1280", "--report-every=640", "--validation-sequences=64",
        "--test-sequences=0", "--threads=1",
    )  # fmt: skip
    assert "reward" in told
    config, result = read_config(tmp_path / "run"), read_result(tmp_path / "run")
    assert config.objective_options == {"entropy": 0.02}
    assert result["solved"]
    assert result["scores"]["return"] > 0.95
    assert "reward/episode" in here("evaluate", "run", "--sequences=8")
    assert "bits.png" in here("view", "run")
    assert "--critic shared" in here("train", *world, "--help")
    complaint = here("train", "corridor:Corridor", "--machine=discrete-ntm", code=2)
    assert "addressing must be soft on corridor" in complaint


@pytest.mark.slow
def test_an_experiment_of_ones_own_is_run_like_ours(here, tmp_path):
    usual = ["reproduce", "studies:PARITY", "--num-seeds=1", "--max-sequences=64", "--workers=1"]
    assert "lstm on parity, fast:" in here(*usual, "--show")
    assert "gru" in here(*usual)
    folder = tmp_path / "results" / "studies" / "parity"
    result = json.loads((folder / "result.json").read_text())
    assert result["experiment"] == "studies/parity"
    assert result["command"] == " ".join(["tapehead", *usual])
    found = {(cell["machine"], cell["task"], cell["test"]) for cell in result["cells"]}
    assert found == {
        (name, "parity", test) for name in ("gru", "lstm") for test in (None, "20 steps")
    }
    assert (folder / "figure.png").stat().st_size > 1000
    config = read_config(tmp_path / "runs/studies/parity/fast/gru/seed-0")
    assert (config.task, config.machine, config.max_sequences) == ("parity:Parity", "gru:GRU", 64)
    assert "already holds a run" in here(*usual, code=1)
    assert "studies/parity" in here("results", "--experiments", "studies")


def test_an_experiment_that_cannot_be_had_is_one_line(here, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom studies import PARITY\n"
        "OURS = replace(PARITY, name='ntm/copy')\n"
    )
    monkeypatch.setitem(EXPERIMENTS.addresses, "theirs", "studies:PARITY")
    wanted = {
        "ntm/copi": "EXPERIMENT must be one of ntm/copy, ",
        "studies:PARTY": "experiment 'studies:PARTY': studies has no PARTY; it has PARITY",
        "nowhere:PARITY": "experiment 'nowhere:PARITY': cannot import nowhere: there is no ",
        "studies:recipe": "recipe must be an instance of tapehead.recipes.experiment.Experiment",
        "parity:Parity": "Parity must be an instance of tapehead.recipes.experiment.Experiment",
        "mine:OURS": "the name 'ntm/copy', which is that of tapehead.recipes.ntm:COPY",
        "theirs": "experiment 'theirs': studies:PARITY has another name, 'studies/parity'",
    }
    for name, said in wanted.items():
        complaint = here("reproduce", name, "--show", code=2)
        assert said in complaint
        assert len(complaint.splitlines()) == 1
    assert "did you mean ntm/copy?" in here("reproduce", "ntm/copi", code=2)
    assert {path.name for path in tmp_path.iterdir()} >= {"studies.py"}
    assert not (tmp_path / "runs").exists()


def test_what_cannot_be_had_is_one_line(outside, tmp_path):
    (tmp_path / "broken.py").write_text(
        "import numpy\nraise RuntimeError('not today\\nnor ever')\n"
    )
    wanted = (
        (["parity:Parities"], "task 'parity:Parities': parity has no Parities; it has Parity"),
        (
            ["nowhere:Parity"],
            "task 'nowhere:Parity': cannot import nowhere: there is no nowhere.py in",
        ),
        (["broken:Task"], "task 'broken:Task': cannot import broken: not today"),
        (["gru:GRU"], "GRU must be a subclass of tapehead.tasks.task.Task"),
        (["copy", "--machine=parity:Parity"], "Parity must be a subclass of tapehead.machines."),
        (["copy", "--machine=gru:GRU", "--units=3"], "unknown option --units"),
        (["parity"], "TASK must be one of copy, "),
    )
    # In one process: each takes seconds to begin.
    calls = f"{{main(['train', *call]) for call in {[call for call, _ in wanted]}}}"
    code = f"import sys; from tapehead.cli import main; sys.exit(*{calls})"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    complaints = done.stderr.splitlines()
    assert len(complaints) == len(wanted)
    for complaint, (_, said) in zip(complaints, wanted, strict=True):
        assert said in complaint
    assert not (tmp_path / "runs").exists()


def test_other_packages_are_listed_by_their_names_and_not_imported(outside, tmp_path):
    """A package that is installed as far as its metadata say; ours keep their names."""
    about = tmp_path / "site" / "mypackage-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mypackage\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[tapehead.tasks]\nparity = parity:Parity\ncopy = nowhere:Copy\n"
        "[tapehead.machines]\ngru = gru:GRU\nlost = nowhere:Lost\n"
        "[tapehead.experiments]\nstudies/parity = studies:PARITY\nlost/parity = nowhere:PARITY\n"
        "ntm/copy = nowhere:COPY\nbabi/table = nowhere:TABLE\n"
    )
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    listed = outside("list", PYTHONPATH=path)
    assert re.search(r"^  gru +gru:GRU \(another package\)$", listed, re.MULTILINE)
    assert re.search(r"^  parity +parity:Parity \(another package\)$", listed, re.MULTILINE)
    assert re.search(
        r"^  studies/parity +studies:PARITY \(another package\)$", listed, re.MULTILINE
    )
    assert "nowhere:Copy" not in listed
    for name, source in (
        ("ntm/copy", EXPERIMENTS["ntm/copy"].source),
        ("babi/table", CALCULATIONS["babi/table"].source),
    ):
        assert len(re.findall(rf"^  {name} ", listed, re.MULTILINE)) == 1
        assert f" {source[:30]}" in listed
    outside(
        "train", "parity", "--machine=gru", *BUDGET, "--out=named", "--no-figures", "--quiet",
        PYTHONPATH=path,
    )  # fmt: skip
    assert read_config(tmp_path / "named").machine == "gru"
    shown = outside("reproduce", "studies/parity", "--show", PYTHONPATH=path)
    assert "gru on parity, fast:" in shown
    complaint = outside("reproduce", "lost/parity", "--show", code=2, PYTHONPATH=path)
    assert "experiment 'lost/parity': cannot import nowhere" in complaint
    complaint = outside("train", "copy", "--machine=lost", code=2, PYTHONPATH=path)
    assert "machine 'lost': cannot import nowhere" in complaint
