"""The experiment `estimators/bernoulli`: every estimator on the Bernoulli toy, with what was
published marked beside it."""

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.ops.estimators import UNBIASED
from tapehead.recipes.bernoulli_run import ESTIMATORS, Curves, ToyConfig, run
from tapehead.recipes.results import write_cells
from tapehead.runs.provenance import provenance
from tapehead.tasks.bernoulli import BernoulliToy

NAME = "estimators/bernoulli"
COMMAND = f"tapehead reproduce {NAME}"
SEEDS = tuple(range(10))
CONFIGS = {
    "t=0.45": ToyConfig(target=0.45, steps=3_000),
    "t=0.499": ToyConfig(target=0.499, steps=10_000),
}
"""The two targets, each for as long as the RELAX paper's figure runs."""

SOURCE = "Grathwohl et al. 2018 (arXiv 1711.00123), Figure 1, decoded from the authors' figure file"
STEPS = {
    "t=0.45": (250, 500, 1000, 1500, 2000, 2500, 3000),
    "t=0.499": (500, 1000, 2000, 4000, 6000, 8000, 10000),
}
PUBLISHED_LOSS: dict[str, dict[str, tuple[float, ...]]] = {
    # Expected cost at STEPS; one smoothed run each.
    "t=0.45": {
        "reinforce": (0.2476, 0.2417, 0.2260, 0.2168, 0.2161, 0.2114, 0.2095),
        "rebar": (0.2396, 0.2323, 0.2184, 0.2146, 0.2102, 0.2083, 0.2068),
        "relax": (0.2297, 0.2143, 0.2061, 0.2043, 0.2037, 0.2034, 0.2032),
        "exact": (0.2162, 0.2083, 0.2045, 0.2035, 0.2031, 0.2029, 0.2028),
    },
    "t=0.499": {
        "reinforce": (0.250137, 0.250397, 0.250451, 0.249889, 0.249896, 0.249937, 0.249597),
        "rebar": (0.249795, 0.249882, 0.250054, 0.250137, 0.250099, 0.249995, 0.249939),
        "relax": (0.249945, 0.249849, 0.249673, 0.249417, 0.249327, 0.249267, 0.249129),
        "exact": (0.249117, 0.249042, 0.249013, 0.249004, 0.249002, 0.249001, 0.249001),
    },
}
PUBLISHED_LOG_VARIANCE: dict[str, dict[str, tuple[float, float]]] = {
    # At the start and at the end, to about 0.1.
    "t=0.45": {},
    "t=0.499": {"reinforce": (-4.2, -4.2), "rebar": (-4.1, -4.7), "relax": (-9.9, -15.9)},
}


class Outcome(NamedTuple):
    """The curves of one estimator at one target, and the seconds for all seeds together."""

    curves: Curves
    seconds: float


def run_all(
    configs: dict[str, ToyConfig] = CONFIGS,
    seeds: tuple[int, ...] = SEEDS,
    estimators: tuple[str, ...] = ESTIMATORS,
) -> dict[str, dict[str, Outcome]]:
    """Every estimator at every target: setting -> estimator -> outcome."""
    outcomes: dict[str, dict[str, Outcome]] = {}
    for setting, config in configs.items():
        outcomes[setting] = {}
        for estimator in estimators:
            begun = time.perf_counter()
            curves = run(config, estimator, list(seeds))
            outcomes[setting][estimator] = Outcome(curves, time.perf_counter() - begun)
    return outcomes


def pass_mark(target: float) -> float:
    """A run is solved once it has gone 70 per cent of the way from a fair coin to the optimum."""
    toy = BernoulliToy(target=target)
    return toy.start - 0.7 * (toy.start - toy.optimum)


def cells(
    outcomes: dict[str, dict[str, Outcome]], configs: dict[str, ToyConfig], seeds: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Two rows of the table for each estimator and target: the last cost and the last variance."""
    rows = []
    for setting, by_estimator in outcomes.items():
        mark = pass_mark(configs[setting].target)
        for estimator, (curves, seconds) in by_estimator.items():
            loss = curves.loss[:, -1]
            shared = {
                "machine": estimator,
                "unbiased": UNBIASED.get(estimator.removesuffix("-baseline"), True),
                "task": "bernoulli",
                "setting": setting,
                "seeds": list(seeds),
                "sequences": [configs[setting].steps] * len(seeds),
                # All seeds run side by side; each is charged its share.
                "seconds": [round(seconds / len(seeds), 3)] * len(seeds),
                "solved": int((loss <= mark).sum()),
                "source": SOURCE,
            }
            published = PUBLISHED_LOSS[setting].get(estimator)
            rows.append(
                shared
                | {
                    "metric": "expected cost",
                    "unit": "1",
                    "values": [round(value, 7) for value in loss.tolist()],
                    "published": published[-1] if published else None,
                }
            )
            if estimator != "exact":
                variance = PUBLISHED_LOG_VARIANCE[setting].get(estimator)
                rows.append(
                    shared
                    | {
                        "metric": "log-variance",
                        "unit": "natural log of the variance of a one-sample gradient",
                        "values": [round(v, 3) for v in curves.log_variance[:, -1].tolist()],
                        "published": variance[-1] if variance else None,
                    }
                )
    for row in rows:
        if row["published"] is None:
            row["source"] = None
    return rows


def reproduce(
    folder: Path,
    configs: dict[str, ToyConfig] = CONFIGS,
    seeds: tuple[int, ...] = SEEDS,
    command: str = COMMAND,
) -> dict[str, Any]:
    """Run the experiment; write `result.json` and `figure.png` into `folder`.

    Returns:
        What `result.json` holds.
    """
    # Drawing is slow to import, and a caller of the functions above may not need it.
    from tapehead.viewing.estimators import toy_figure
    from tapehead.viewing.style import save

    about = provenance() | {"command": command}
    outcomes = run_all(configs, seeds)
    result = write_cells(folder, NAME, SOURCE, cells(outcomes, configs, seeds), about)
    figure = toy_figure(
        {name: {e: o.curves for e, o in row.items()} for name, row in outcomes.items()},
        {
            setting: {
                name: (STEPS[setting], values) for name, values in PUBLISHED_LOSS[setting].items()
            }
            for setting in outcomes
        },
        {
            setting: {
                name: ((0, STEPS[setting][-1]), values)
                for name, values in PUBLISHED_LOG_VARIANCE[setting].items()
            }
            for setting in outcomes
        },
    )
    save(figure, folder / "figure.png")
    return result


if __name__ == "__main__":
    reproduce(Path(sys.argv[1]), command="python -m tapehead.recipes.bernoulli FOLDER")
