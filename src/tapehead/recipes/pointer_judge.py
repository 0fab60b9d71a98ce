"""How finished runs of the experiments `pointer/...` are judged: by the checkpoint with the best
validation, on instances that nothing else draws."""

from collections.abc import Collection
from typing import Any

from tapehead.recipes.experiment import Contest
from tapehead.recipes.pointer_plans import PLANS, Plan

TEST_SEED = 150603134
"""Of the instances that finished runs are tested on."""
TESTED, TESTED_LARGE = 10_000, 1_000
LARGE = 200
"""Points from which on fewer instances are tested."""


def judge(contest: Contest) -> list[dict[str, Any]]:
    """Scores of each run's best checkpoint at the sizes that the paper tests; where a beam was
    followed, those of the greedy answers beside them."""
    from tapehead.recipes.races import with_curves

    (trained, *_) = with_curves(contest)
    cells: list[dict[str, Any]] = [trained]
    published = contest.experiment.published_of(contest.task, contest.contestant)
    wanted = published.tests if published else {}
    plan = PLANS[contest.task][contest.contestant]
    for label, found in _scores(contest, plan, wanted).items():
        by_name = {
            search: {name: [one[name] for one in each] for name in each[0]}
            for search, each in found.items()
        }
        cells.append(
            {name: value for name, value in trained.items() if name != "curves"}
            | {
                "test": label,
                "values": by_name["scores"][contest.experiment.metric],
                **by_name,
                "beam_width": plan.beam_width,
                "beam_choice": plan.beam_choice,
                "instances": TESTED_LARGE if int(label) >= LARGE else TESTED,
                "published": wanted.get(label),
                "source": contest.experiment.source if label in wanted else None,
            }
        )
    return cells


def _scores(
    contest: Contest, plan: Plan, wanted: Collection[str]
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """By test and search, "scores" or "greedy", the scores of every run; at the wanted tests, or at
    all if none is named."""
    from tapehead.runs import evaluate, load_run

    scores: dict[str, dict[str, list[dict[str, float]]]] = {}
    searches = {"scores": (1, "likeliest")}
    if plan.beam_width > 1:
        searches = {"greedy": (1, "likeliest"), "scores": (plan.beam_width, plan.beam_choice)}
    for job in contest.jobs:
        _, machine, task = load_run(job.path)
        for label, setting in task.test_settings().items():
            if wanted and label not in wanted:
                continue
            large = int(label) >= LARGE
            for search, (width, choice) in searches.items():
                pointing: Any = machine
                pointing.beam_width, pointing.beam_choice = width, choice
                scores.setdefault(label, {}).setdefault(search, []).append(
                    evaluate(
                        machine,
                        setting,
                        sequences=TESTED_LARGE if large else TESTED,
                        seed=TEST_SEED,
                        batch_size=32 if large else 128,
                    )
                )
    return scores
