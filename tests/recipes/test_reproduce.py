"""Planning an experiment and running its parts at the same time."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tapehead.errors import TapeheadError
from tapehead.recipes import EXPERIMENTS, recipe
from tapehead.recipes.drawing import draw_result
from tapehead.recipes.jobs import ExperimentJob, check_jobs, jobs_of, plan, run_plan
from tapehead.recipes.reproduce import result_cells
from tapehead.recipes.results import write_result
from tapehead.runs.sealed import read_sealed, write_sealed
from tapehead.training import Reporter, Stopped, read_config, read_metrics, read_result
from tapehead.training.fleet import Processes, default_workers

COPY = EXPERIMENTS["ntm/copy"]


def test_the_plan_is_every_contestant_with_every_seed():
    jobs = plan(COPY, "paper", [0, 5], Path("runs"), max_sequences=10, test_sequences=None)
    assert [(job.contestant, job.config.seed) for job in jobs] == [
        ("ntm-lstm", 0), ("ntm-feedforward", 0), ("lstm", 0),
        ("ntm-lstm", 5), ("ntm-feedforward", 5), ("lstm", 5),
    ]  # fmt: skip
    for job in jobs:
        assert job.path == Path("runs") / job.contestant / f"seed-{job.config.seed}"
        assert job.config == replace(
            recipe("copy", job.contestant, "paper"),
            seed=job.config.seed, max_sequences=10, threads=1,
        )  # fmt: skip
    some = plan(COPY, "fast", [1], Path("runs"), contestants=["lstm"])
    assert [job.contestant for job in some] == ["lstm"]
    orders = plan(EXPERIMENTS["ntm/read-order"], "fast", [1], Path("runs"))
    assert orders[0].contestant == "ntm-lstm, read first"
    assert orders[0].path == Path("runs/ntm-lstm-read-first/seed-1")
    tapes = plan(EXPERIMENTS["discrete/rl-ntm"], "fast", [3, 4], Path("runs"))
    assert [job.name for job in tapes[:3]] == [
        "rl-ntm-direct, copy-tape, seed 3", "rl-ntm-lstm, copy-tape, seed 3",
        "rl-ntm-direct, duplicated-tape, seed 3",
    ]  # fmt: skip
    assert tapes[-1].path == Path("runs/repeat-copy-tape/rl-ntm-lstm/seed-4")
    assert len({job.name for job in tapes}) == len({job.path for job in tapes}) == len(tapes) == 20
    assert some[0].config.test_sequences == recipe("copy", "lstm").test_sequences


def test_a_recipe_that_cools_down_ends_by_itself():
    """The others train to the end of their sequences, whether or not the task is solved by then."""
    jobs = plan(EXPERIMENTS["ntm/associative-recall"], "fast", [1], Path(), stop_when_solved=False)
    cools = {job.contestant: job.config.cooldown for job in jobs}
    assert cools == {"ntm-lstm": 40_000, "ntm-feedforward": 30_000, "lstm": 0}
    for job in jobs:
        assert job.config.stop_when_solved == (cools[job.contestant] > 0)


def test_without_seeds_each_contestant_gets_its_usual_ones():
    few = replace(COPY, seeds=3, seeds_of={"lstm": 1}, first_seed=1_000)
    jobs = plan(few, "fast", (), Path("runs"), contestants=["lstm", "ntm-lstm"])
    assert [(job.contestant, job.config.seed) for job in jobs] == [
        ("lstm", 1_000), ("ntm-lstm", 1_000), ("ntm-lstm", 1_001), ("ntm-lstm", 1_002),
    ]  # fmt: skip
    assert [job.config.seed for job in plan(few, "fast", [4], Path("runs"))] == [4] * 3


def test_the_runs_behind_a_result_are_found_again_whichever_command_made_them(tmp_path):
    cells = [
        {"machine": "lstm", "setting": "fast", "seeds": [0, 1]},
        {"machine": "ntm-lstm", "setting": "fast", "seeds": [4]},
        {"machine": "ntm-feedforward", "setting": "paper", "seeds": [7]},
    ]
    for name in ("lstm/seed-1", "ntm-lstm/seed-4", "ntm-lstm/seed-5", "ntm-feedforward/seed-7"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metrics.jsonl").touch()
    found = jobs_of(COPY, "fast", cells, tmp_path)
    assert [(job.contestant, job.config.seed) for job in found] == [("ntm-lstm", 4), ("lstm", 1)]


class Journal(Reporter):
    """Keeps which runs have finished, and how many had ended."""

    def __init__(self):
        self.finished, self.counts = [], []

    def counted(self, *count):
        self.counts.append(count)

    def for_run(self, name, seed):
        journal = self.finished

        class OfRun(Reporter):
            def finished(self, result):
                journal.append(name)

        return OfRun()


@pytest.fixture
def tiny(tmp_path):
    """Two contestants with one seed each, small enough to train for a moment."""
    jobs = plan(
        COPY, "fast", [0], tmp_path / "runs", contestants=["ntm-feedforward", "lstm"],
        max_sequences=16, report_every=8, batch_size=8, validation_sequences=2, test_sequences=1,
    )  # fmt: skip
    small = {
        "lstm": {"hidden_size": 3},
        "ntm-feedforward": {
            "hidden_size": 3, "memory_size": 5, "controller": "feedforward",
            "backend": "reference",
        },
    }  # fmt: skip
    return [
        replace(
            job,
            config=replace(
                job.config, machine_options=small[job.contestant], task_options={"max_length": 3}
            ),
        )
        for job in jobs
    ]


def test_two_at_a_time_give_cells_and_a_figure(tiny, tmp_path):
    check_jobs(tiny, resume=False)
    seen = Journal()
    results = run_plan(tiny, Processes(2), seen)
    assert [(result["seed"], result["sequences"]) for result in results] == [(0, 16)] * 2
    assert sorted(seen.finished) == ["lstm, seed 0", "ntm-feedforward, seed 0"]
    assert seen.counts == [(1, 0, 2), (2, 0, 2)]
    cells = result_cells(COPY, "fast", tiny, results)
    assert [cell["machine"] for cell in cells if cell["test"] is None] == [
        "ntm-feedforward",
        "lstm",
    ]
    figure = draw_result(COPY, "fast", tiny, cells, tmp_path / "new" / "figure.png")
    assert figure.read_bytes().startswith(b"\x89PNG")

    # A run that is drawn at a later commit keeps the one that it was trained at.
    for job, commit in zip(tiny, ("abc", "def"), strict=True):
        path = job.path / "config.json"
        start, _ = read_sealed(path, "run")
        write_sealed(path, start | {"commit": commit, "commit_has_changes": False})
    cells = result_cells(COPY, "fast", tiny, results)
    facts = {"command": "c", "commit": "now", "commit_has_changes": True}
    result = write_result(tmp_path / "kept", COPY, cells, facts | {"versions": {}, "hardware": {}})
    assert result["commit"] == "now"
    assert {(c["machine"], c["commit"], c["commit_has_changes"]) for c in result["cells"]} == {
        ("ntm-feedforward", "abc", False), ("lstm", "def", False),
    }  # fmt: skip
    assert not any("commits" in cell for cell in cells)

    # Seeds that were trained at several commits keep each its own.
    config = replace(tiny[0].config, seed=1)
    late = replace(tiny[1], contestant=tiny[0].contestant, config=config)
    for cell in result_cells(COPY, "fast", [late, tiny[0]], results[::-1]):
        assert (cell["seeds"], cell["commits"]) == ([0, 1], ["abc", "def"])
        assert cell["commit"] == "abc, def"

    # What is done is not done again.
    stamp = (tiny[1].path / "result.json").stat().st_mtime_ns
    check_jobs(tiny, resume=True)
    again = run_plan(tiny, Processes(2), seen)
    assert again == results
    assert len(seen.finished) == 2
    assert (tiny[1].path / "result.json").stat().st_mtime_ns == stamp

    with pytest.raises(TapeheadError, match="already holds a run: --resume goes on with it"):
        check_jobs(tiny, resume=False)
    changed = [replace(job, config=replace(job.config, learning_rate=0.5)) for job in tiny]
    message = r"seed-0: cannot resume: learning_rate was 0\.\d+ and is now 0\.5; .* --runs names"
    with pytest.raises(TapeheadError, match=message):
        check_jobs(changed, resume=True)
    elsewhere = [replace(job, config=replace(job.config, threads=2)) for job in tiny]
    check_jobs(elsewhere, resume=True)
    assert read_config(tiny[0].path).threads == 1


def test_a_finished_run_goes_on_where_the_recipe_asks_for_more(tiny):
    def lasting(sequences, **manner):
        longer = {"schedule": "constant", "max_sequences": sequences}
        return [replace(tiny[1], config=replace(tiny[1].config, **longer, **manner))]

    assert run_plan(lasting(16), Processes(1))[0]["sequences"] == 16
    check_jobs(lasting(32), resume=True)
    assert run_plan(lasting(32), Processes(1))[0]["sequences"] == 32
    path = tiny[1].path
    # A row for each report and, at either end, one for the validation.
    assert [row["sequences"] for row in read_metrics(path)] == [8, 16, 16, 24, 32, 32]

    # In another manner it would come out the same.
    seen = Journal()
    run_plan(lasting(32, checkpoint_every=5.0), Processes(1), seen)
    assert seen.finished == []


def test_ctrl_c_stops_the_runs_saved_and_resume_finishes_them(tiny):
    job = replace(tiny[1], config=replace(tiny[1].config, max_sequences=10**9, schedule="constant"))

    class Interrupts(Reporter):
        sent = False

        def reported(self, row):
            # Once: a second one says not to wait for what is saved.
            if not Interrupts.sent:
                Interrupts.sent = True
                os.kill(os.getpid(), signal.SIGINT)

    message = "stopped by SIGINT with 0 of 1 runs done; resume to go on"
    with pytest.raises(Stopped, match=message) as stopped:
        run_plan([job], Processes(1), Interrupts())
    assert stopped.value.exit_code == 130
    assert read_result(job.path) is None
    assert list((job.path / "checkpoint").iterdir())
    before = len(read_metrics(job.path))
    ending = replace(job, config=replace(job.config, max_sequences=8 * before + 16))
    (result,) = run_plan([ending], Processes(1))
    assert result["sequences"] >= 8 * before
    rows = [row["sequences"] for row in read_metrics(job.path) if row["kind"] == "train"]
    assert rows == sorted(set(rows))


def test_a_process_that_dies_is_named_and_the_others_go_on(tiny):
    impossible = replace(tiny[0], config=replace(tiny[0].config, device="cuda:9"))
    with pytest.raises(
        TapeheadError, match=r"1 of 2 runs failed; ntm-feedforward, seed 0: .*cuda:9"
    ):
        run_plan([impossible, tiny[1]], Processes(1))
    assert (tiny[1].path / "result.json").exists()


def test_workers_are_the_cores_this_process_may_use():
    assert default_workers() >= 1


def test_a_job_has_a_name_and_a_log_beside_its_folder():
    job = ExperimentJob(
        contestant="lstm", task="copy", config=recipe("copy", "lstm"), path=Path("runs/lstm/seed-0")
    )
    assert job.name == "lstm, seed 0"
    assert job.log == Path("runs/lstm/seed-0.log")
