"""The experiments of the pointer network: plans that can be built, and how finished runs are
judged."""

import dataclasses
import json

import pytest

from tapehead.recipes import EXPERIMENTS, pointer_judge, pointer_plans, recipe
from tapehead.recipes.reproduce import reproduce
from tapehead.runs import evaluate, load_run
from tapehead.runs.build import build_machine, build_task
from tapehead.training.fleet import make_engine

RUNS = [(task, name) for task, plans in pointer_plans.PLANS.items() for name in plans]


@pytest.mark.parametrize(("task", "contestant"), RUNS)
def test_every_plan_can_be_built(task, contestant):
    config = recipe(task, contestant)
    known = build_task(config)
    machine = build_machine(config, known)
    if config.machine == "seq2seq":
        assert machine.attention == (contestant == pointer_plans.ATTENTION)
        assert machine.most_points == known.max_points
    else:
        assert machine.encoder == ("set" if contestant == pointer_plans.OURS else "lstm")
        assert bool(machine.views) == (contestant != pointer_plans.PLAIN and task != "sorting")
    assert config.warmup < config.max_sequences
    if "-" in task and task != "convex-hull":
        size = int(task.rsplit("-", 1)[1])
        assert (known.min_points, known.max_points) == (size, size)


def test_every_plan_is_run_by_an_experiment_and_its_tests_are_the_tasks():
    experiments = {name: e for name, e in EXPERIMENTS.items() if name.startswith("pointer/")}
    run = [(task, name) for e in experiments.values() for task in e.tasks for name in e.contestants]
    assert sorted(run) == sorted(RUNS)
    for experiment in experiments.values():
        for task in experiment.tasks:
            for name in experiment.contestants:
                settings = build_task(recipe(task, name)).test_settings()
                assert set(experiment.published_of(task, name).tests) <= set(settings)


def test_runs_are_judged_by_their_best_checkpoint_on_instances_of_their_own(tmp_path, monkeypatch):
    experiment = EXPERIMENTS["pointer/convex-hull"]
    monkeypatch.setattr(pointer_judge, "TESTED", 40)
    monkeypatch.setattr(pointer_judge, "TESTED_LARGE", 2)
    chosen = []

    def watched(path, step="best"):
        chosen.append(step)
        return load_run(path, step=step)

    monkeypatch.setattr("tapehead.runs.load_run", watched)
    small = {"validation_sequences": 32, "batch_size": 16, "test_sequences": 0}

    def quick(task, contestant, setting):
        return dataclasses.replace(
            pointer_plans.recipe(task, contestant, setting), warmup=0, validate_every=64, **small
        )

    found = reproduce(
        dataclasses.replace(experiment, recipe=quick, contestants=(pointer_plans.OURS,)),
        seeds=[0, 1],
        out=tmp_path / "out",
        runs=tmp_path / "runs",
        engine=lambda jobs: make_engine("processes", 1),
        max_sequences=128,
    )
    assert chosen == ["best", "best"]
    trained, *tested = found.cells
    assert [len(curve) for curve in trained["curves"]] == [2, 2]
    assert [cell["test"] for cell in tested] == ["5", "10", "50", "100", "200", "500"]
    assert [cell["published"] for cell in tested] == [0.92, 0.87, 0.696, 0.503, 0.221, 0.013]
    assert [cell["instances"] for cell in tested] == [40] * 4 + [2] * 2
    for seed in (0, 1):
        _, machine, task = load_run(tmp_path / "runs" / "pointer-network" / f"seed-{seed}")
        setting = task.test_settings()["5"]
        expected = evaluate(
            machine, setting, sequences=40, seed=pointer_judge.TEST_SEED, batch_size=128
        )
        assert tested[0]["scores"]["area"][seed] == expected["area"]
        assert tested[0]["values"][seed] == expected["solved"]
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert len(written["cells"]) == 7
    assert (tmp_path / "out" / "figure.png").stat().st_size > 1000


def test_tours_are_tested_with_a_beam_too(tmp_path, monkeypatch):
    monkeypatch.setattr(pointer_judge, "TESTED", 60)

    def quick(task, contestant, setting):
        return dataclasses.replace(
            pointer_plans.recipe(task, contestant, setting),
            batch_size=8, warmup=0, validate_every=16, validation_sequences=8, test_sequences=0,
        )  # fmt: skip

    found = reproduce(
        dataclasses.replace(EXPERIMENTS["pointer/tsp"], recipe=quick, tasks=("tsp-5",)),
        seeds=[0],
        out=tmp_path / "out",
        runs=tmp_path / "runs",
        engine=lambda jobs: make_engine("processes", 1),
        max_sequences=16,
    )
    ours, papers = (cell for cell in found.cells if cell["test"] == "5")
    assert (ours["beam_choice"], papers["beam_choice"]) == ("shortest", "likeliest")
    path = next((tmp_path / "runs").rglob("pointer-network/seed-0"))
    _, machine, task = load_run(path)
    for name, width, choice in (("greedy", 1, "likeliest"), ("scores", 8, "shortest")):
        machine.beam_width, machine.beam_choice = width, choice
        wanted = evaluate(
            machine,
            task.test_settings()["5"],
            sequences=60,
            seed=pointer_judge.TEST_SEED,
            batch_size=128,
        )
        assert ours[name]["length"] == [wanted["length"]]
    assert ours["values"] == ours["scores"]["length"]
    assert ours["values"][0] < ours["greedy"]["length"][0]
