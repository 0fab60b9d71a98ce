"""Do published results still hold? A random sample of them, run again and compared.

    python -m tapehead.recipes.verification [--budget SECONDS] [--seed N] [--only NAME ...]

Each chosen cell of `results/` is trained again with one of its seeds, as the recipes now are. The
same sequences to the first success, or the same score of a run in vain, say that nothing changed.
Other numbers with the same verdict differ by rounding, which a rewritten kernel may: they count as
holding. A seed that was solved and is not, or the reverse, no longer holds, and the exit code is 1.
A cell that its experiment judges by the best checkpoint on the test set holds if the seed comes
within a point of what was published, whatever the checkpoint of the end can do.
"""

import argparse
import dataclasses
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.recipes import EXPERIMENTS
from tapehead.recipes.results import Cell, read_result

TOLERANCE = 1e-6
"""Relative difference up to which two scores are the same number."""

POINT = 0.01
"""How far a share of wrong answers on a test set may be from the published one."""

FORMER_PAPER_SETTING = ("1114c7f9", "4a27b5b1", "ab50a083")
"""Commits whose `--setting paper` was another: docs/departures.md, at its end."""


class Outcome(NamedTuple):
    """Of one run: whether it met the pass mark, after how many sequences (or all of them in vain),
    and its score at the end."""

    solved: bool
    sequences: int
    value: float


@dataclass(frozen=True, kw_only=True)
class PublishedRun:
    """One run of a published cell."""

    experiment: str
    machine: str
    task: str
    setting: str
    seed: int
    commit: str
    seconds: float
    published: Outcome
    command: str = ""
    judged: bool = False
    """Whether its number is the judge's, on the test set, and not that of the last validation."""

    @property
    def name(self) -> str:
        where = (
            self.experiment
            if self.experiment.endswith(self.task)
            else (f"{self.experiment}, {self.task}")
        )
        return f"{where}, {self.setting}: {self.machine}, seed {self.seed}"


class Verdict(NamedTuple):
    """`holds`: whether the claim does; `words`: in what way."""

    holds: bool
    words: str


def published_runs(folder: Path) -> list[list[PublishedRun]]:
    """Every run below a folder of results that can be run again, cell by cell.

    Left out are tests of what was trained (their runs are in another cell), unless a checkpoint was
    chosen for them by validation; cells that do not say which seed was solved; and those of tasks,
    machines and settings that there are no longer.
    """
    found = []
    for path in sorted(folder.glob("**/result.json")):
        result = read_result(path.parent)
        assert result is not None
        for cell in result["cells"]:
            commits = [str(one) for one in _commits(cell, result)]
            former = cell.get("setting") == "paper" and commits[0][:8] in FORMER_PAPER_SETTING
            known = _is_known(cell, result["experiment"])
            own = not cell.get("test") or "validation" in cell
            if known and not former and own and "solved_by_seed" in cell:
                found.append(list(_runs(cell, result["experiment"], commits)))
    return found


def _is_known(cell: Cell, name: str) -> bool:
    experiment = EXPERIMENTS.get(name)
    return (
        experiment is not None
        and cell["task"] in experiment.tasks
        and cell["machine"] in experiment.contestants
        and cell["setting"] in experiment.settings
    )


def _commits(cell: Cell, result: Mapping[str, Any]) -> list[Any]:
    return cell.get("commits") or [cell.get("commit") or result.get("commit")] * len(cell["seeds"])


def _runs(cell: Cell, experiment: str, commits: Sequence[str]) -> Iterator[PublishedRun]:
    # All of a judged run is needed, not only what came before its first success.
    took = "cpu_seconds" if "cpu_seconds" in cell else "seconds"
    columns = ("seeds", "solved_by_seed", "sequences", "values", took)
    rows = zip(*(cell[column] for column in columns), commits, strict=True)
    for seed, solved, sequences, value, seconds, commit in rows:
        yield PublishedRun(
            experiment=experiment,
            machine=cell["machine"],
            task=cell["task"],
            setting=cell["setting"],
            seed=seed,
            commit=commit[:8],
            seconds=seconds,
            published=Outcome(bool(solved), sequences, value),
            command=cell.get("command", ""),
            judged="validation" in cell,
        )


def sample(cells: Sequence[Sequence[PublishedRun]], budget: float, seed: int) -> list[PublishedRun]:
    """One run each of cells in random order, as many as took no more than `budget` together."""
    generator = random.Random(seed)
    chosen, left = [], budget
    for cell in generator.sample(list(cells), len(cells)):
        claim = generator.choice(cell)
        if claim.seconds <= left:
            chosen.append(claim)
            left -= claim.seconds
    return chosen


def rerun(claim: PublishedRun) -> Outcome:
    """The run of a claim again, with one thread."""
    from tapehead.training import TrainConfig, train

    if claim.judged:
        return _rejudged(claim)
    experiment = EXPERIMENTS[claim.experiment]
    config: TrainConfig = dataclasses.replace(
        experiment.recipe(claim.task, claim.machine, claim.setting),
        seed=claim.seed,
        threads=1,
        test_sequences=0,
        # What comes after a success is not compared.
        stop_when_solved=claim.published.solved,
        cooldown=0,
    )
    given = _max_sequences(claim.command)
    if given is not None:
        config = dataclasses.replace(config, max_sequences=given)
    with tempfile.TemporaryDirectory() as folder:
        result = train(config, Path(folder) / "run")
    solved_after = result.solved_after or {}
    return Outcome(
        bool(result.solved),
        int(solved_after.get("sequences", result.sequences)),
        result.scores[experiment.metric],
    )


def _rejudged(claim: PublishedRun) -> Outcome:
    """The run of a claim from scratch to its end, and what the experiment's judge says of it."""
    from tapehead.recipes.reproduce import reproduce
    from tapehead.training.fleet import Here

    with tempfile.TemporaryDirectory() as folder:
        found = reproduce(
            EXPERIMENTS[claim.experiment],
            claim.setting,
            seeds=[claim.seed],
            machines=[claim.machine],
            tasks=[claim.task],
            runs=Path(folder) / "runs",
            out=Path(folder) / "out",
            engine=lambda jobs: Here(),
            max_sequences=_max_sequences(claim.command),
        )
    (cell,) = (cell for cell in found.cells if cell["task"] == claim.task)
    return Outcome(bool(cell["solved"]), cell["sequences"][0], cell["values"][0])


def _max_sequences(command: str) -> int | None:
    words = shlex.split(command)
    if "--max-sequences" not in words:
        return None
    return int(words[words.index("--max-sequences") + 1])


def judge(published: Outcome, found: Outcome, *, judged: bool = False) -> Verdict:
    """Whether what was found is what was published; see `PublishedRun.judged`."""
    if judged:
        apart = abs(found.value - published.value)
        if apart <= TOLERANCE:
            return Verdict(True, "the same")
        # Shares of a thousand questions: a point is a point, and no rounding away from one.
        holds = apart <= POINT + TOLERANCE
        within = "within a point" if holds else "no longer holds"
        return Verdict(holds, f"{within}: {100 * apart:.1f} points apart")
    if found.solved != published.solved:
        then, now = (("solved" if one.solved else "not solved") for one in (published, found))
        return Verdict(False, f"no longer holds: {then} then, {now} now")
    same = found.sequences == published.sequences
    if not published.solved:
        apart = abs(found.value - published.value)
        same &= apart <= TOLERANCE * max(1.0, abs(published.value))
    return Verdict(True, "the same" if same else "differs by rounding, the verdict is the same")


def verify(
    folder: Path,
    *,
    budget: float,
    seed: int,
    only: Sequence[str] = (),
    run: Callable[[PublishedRun], Outcome] = rerun,
    say: Callable[[str], object] = print,
) -> list[tuple[PublishedRun, Verdict]]:
    """Run a sample again and say how each run compares.

    Args:
        folder: of the results.
        budget: seconds; runs are chosen by what they took when they were published, and none is
            begun after so long.
        seed: of the choice.
        only: names of experiments; none means all.
        run: from a claim to what comes out now.
    """
    cells = [cell for cell in published_runs(folder) if not only or cell[0].experiment in only]
    begun, checked = time.monotonic(), []
    for claim in sample(cells, budget, seed):
        if time.monotonic() - begun > budget:
            break
        at = time.monotonic()
        found = run(claim)
        verdict = judge(claim.published, found, judged=claim.judged)
        checked.append((claim, verdict))
        say(
            f"{claim.name}: {_told(claim, claim.published)} at {claim.commit}, "
            f"{_told(claim, found)} now: "
            f"{verdict.words} ({time.monotonic() - at:.0f} s)"
        )
    held = sum(verdict.holds for _, verdict in checked)
    say(f"{held} of {len(checked)} runs hold, out of {len(cells)} cells")
    return checked


def _told(claim: PublishedRun, outcome: Outcome) -> str:
    if claim.judged:
        return f"{100 * outcome.value:.1f}% wrong"
    sequences = f"{outcome.sequences:,} sequences"
    return sequences if outcome.solved else f"{outcome.value:.4g} left after {sequences}"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tapehead.recipes.verification",
        description="Run a random sample of published results again and compare.",
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="their folder")
    parser.add_argument("--budget", type=float, default=300.0, help="seconds (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (default 0)")
    parser.add_argument("--only", nargs="*", default=[], help="these experiments alone")
    given = parser.parse_args(argv)
    for name in given.only:
        if name not in EXPERIMENTS:
            parser.error(f"--only must be one of {', '.join(EXPERIMENTS)}, got {name}")
    checked = verify(given.results, budget=given.budget, seed=given.seed, only=given.only)
    if not checked:
        print(f"nothing in {given.results} can be run again within {given.budget:g} seconds")
        return 1
    return 0 if all(verdict.holds for _, verdict in checked) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
