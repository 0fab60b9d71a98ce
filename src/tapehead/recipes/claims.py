"""The table of results in README.md, made from `results/`: what it claims is what was measured.

`python -m tapehead.recipes.claims`, in a checkout, writes it anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.errors import TapeheadError
from tapehead.recipes.results import Cell, middle, read_result

README = Path("README.md")
BEGIN, END = "<!-- results: made by python -m tapehead.recipes.claims -->", "<!-- /results -->"


class Found(NamedTuple):
    """The cells of a contestant, by their test; None: after training, at the training sizes."""

    cells: Mapping[str | None, Cell]

    @property
    def main(self) -> Cell:
        return self.cells[None] if None in self.cells else next(iter(self.cells.values()))

    def values(self, test: str | None) -> list[float]:
        return self.cells[test]["values"]

    def middle(self, test: str | None) -> str:
        """The median over seeds, to two digits."""
        return _short(middle(self.values(test)))

    def papers(self, test: str | None) -> float | int:
        """What the paper reports of a test, or if it says nothing of that, after training."""
        known = self.cells[test].get("published")
        return self.main["published"] if known is None else known

    def below(self, test: str | None, bound: float, score: str) -> str:
        """On how many seeds a score, which need not be the metric of the cell, stays below a
        bound."""
        values = self.cells[test]["scores"][score]
        return f"{sum(value < bound for value in values)} of {len(values)}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A row of the table.

    beyond: what the last column says.
    solved, cost: what the columns of solved seeds and of sequences and seconds say; left out:
        counts and medians of the cell.
    """

    task: str
    experiment: str
    machine: str
    contestant: str
    beyond: Callable[[Found], str]
    on: str | None = None
    solved: Callable[[Found], str] | None = None
    cost: Callable[[Found], str] | None = None


def _short(value: float | int) -> str:
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"


def _duration(seconds: float | int) -> str:
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _rounded(count: float | int) -> str:
    """To three digits."""
    return f"{float(f'{count:.3g}'):,.0f}"


def _solved(found: Found) -> str:
    return f"{found.main['solved']} of {len(found.main['seeds'])}"


def _cost(found: Found) -> str:
    """Medians over the seeds that solve the task."""
    cell = found.main
    solved = cell.get("solved_by_seed") or [True] * len(cell["seeds"])
    sequences, seconds = (
        middle([value for value, good in zip(cell[name], solved, strict=True) if good])
        for name in ("sequences", "seconds")
    )
    return f"{_rounded(sequences)}, {_duration(seconds)}"


def _cost_of_all(found: Found) -> str:
    """Medians over all seeds, where what is asked is how good and not whether."""
    cell = found.main
    return f"{_rounded(middle(cell['sequences']))}, {_duration(middle(cell['seconds']))}"


def _percent(value: float | int) -> str:
    return f"{100 * value:.3g} %"


def _tapes(found: Found) -> str:
    cells = found.cells.values()
    solved = sum(cell["solved"] for cell in cells)
    seeds = sum(len(cell["seeds"]) for cell in cells)
    return f"{solved} of {seeds}"


def _tapes_cost(found: Found) -> str:
    medians = [middle(cell["sequences"]) for cell in found.cells.values()]
    return f"{_rounded(min(medians))} to {_rounded(max(medians))}"


def _seeds(found: Found) -> str:
    count = len(found.main["seeds"])
    return f"{count} seed" + ("" if count == 1 else "s")


def _table_of_babi(found: Found) -> str:
    cell = found.main
    usual, best, papers = (
        _percent(value) for value in (middle(cell["values"]), cell["best"], cell["published"])
    )
    return f"{usual} wrong answers, {best} with the best by validation; the paper's best {papers}"


def _copied(found: Found) -> str:
    return found.below("120", 1.0, "bit_errors")


CLAIMS = (
    Claim(
        task="copy",
        experiment="ntm/copy",
        machine="NTM, LSTM controller",
        contestant="ntm-lstm",
        beyond=lambda f: f"length 120 at less than 1 wrong bit on {_copied(f)}",
    ),
    Claim(
        task="repeat copy",
        experiment="ntm/repeat-copy",
        machine="NTM, feed-forward",
        contestant="ntm-feedforward",
        beyond=lambda f: "behind the paper at twice the length",
    ),
    Claim(
        task="associative recall",
        experiment="ntm/associative-recall",
        machine="NTM, LSTM controller",
        contestant="ntm-lstm",
        beyond=lambda f: f"{f.middle('10')} bits at 10 items; the paper {f.papers('10')}",
    ),
    Claim(
        task="dynamic n-grams",
        experiment="ntm/ngrams",
        machine="NTM, LSTM controller",
        contestant="ntm-lstm",
        beyond=lambda f: f"{f.middle('200')} bits above the optimum; the paper {f.papers('200')}",
    ),
    Claim(
        task="graph traversal",
        experiment="dnc/graphs",
        machine="DNC",
        contestant="dnc",
        on="traversal",
        solved=lambda f: (
            f"lesson {middle(f.main['values']):.0f} of {f.main['published']}, {_seeds(f)}"
        ),
        cost=lambda f: (
            f"{_rounded(middle(f.main['sequences']))}, {_duration(middle(f.main['seconds']))}"
        ),
        beyond=lambda f: (
            f"{f.middle('traversal, underground')} % of walks on the Underground; the paper "
            f"{f.papers('traversal, underground')} %"
        ),
    ),
    Claim(
        task="copy, one row at a time",
        experiment="discrete/copy",
        machine="NTM, soft at first, REBAR",
        contestant="annealed discrete-ntm rebar",
        beyond=lambda f: "",
    ),
    Claim(
        task="20 bAbI tasks",
        experiment="babi/table",
        machine="MemN2N",
        contestant="memory-network, each task on its own",
        solved=_seeds,
        cost=lambda f: _duration(middle(f.main["seconds"])) + " in all",
        beyond=_table_of_babi,
    ),
    Claim(
        task="convex hulls",
        experiment="pointer/convex-hull",
        machine="pointer network",
        contestant="pointer-network",
        beyond=lambda f: (
            f"{_percent(middle(f.values('50')))} right at 50 points; the paper "
            f"{_percent(f.papers('50'))}"
        ),
    ),
    Claim(
        task="tours of 5 to 20 cities",
        experiment="pointer/tsp",
        machine="pointer network",
        contestant="pointer-network",
        on="tsp",
        solved=_seeds,
        cost=_cost_of_all,
        beyond=lambda f: (
            f"length {middle(f.values('50')):.2f} with 50 cities; the paper {f.papers('50'):.2f}"
        ),
    ),
    Claim(
        task="five tasks on tapes",
        experiment="discrete/rl-ntm",
        machine="RL-NTM, direct access",
        contestant="rl-ntm-direct",
        solved=_tapes,
        cost=_tapes_cost,
        beyond=lambda f: "the paper: all five solved",
    ),
)


def table(results: Path, claims: Sequence[Claim] = CLAIMS) -> str:
    """The rows of the table, in Markdown, from the results below a folder.

    Raises:
        TapeheadError: there is no such result, or it says nothing of that machine.
    """
    rows = [
        "| task | machine | seeds solved | sequences, seconds | generalisation, or comparison |",
        "|---|---|---|---|---|",
    ]
    for claim in claims:
        found = _found(results, claim)
        columns = [
            f"[{claim.task}]({results.name}/{claim.experiment}/)",
            claim.machine,
            (claim.solved or _solved)(found),
            (claim.cost or _cost)(found),
            claim.beyond(found),
        ]
        rows.append("| " + " | ".join(columns) + " |")
    return "\n".join(rows)


def _found(results: Path, claim: Claim) -> Found:
    value: Mapping[str, Any] = read_result(results / claim.experiment) or {"cells": []}
    cells = [
        cell
        for cell in value["cells"]
        if cell["machine"] == claim.contestant
        and cell["setting"] == "fast"
        and claim.on in (None, cell.get("task"))
    ]
    if not cells:
        raise TapeheadError(f"{results / claim.experiment} has no cell of {claim.contestant}")
    by_task = len({cell.get("task") for cell in cells}) > 1
    return Found({cell["task"] if by_task else cell.get("test"): cell for cell in cells})


def renewed(text: str, results: Path) -> str:
    """A README whose table between the two marks is that of the results."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise TapeheadError(f"{README} has no table between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(renewed(README.read_text("utf-8"), Path("results")), encoding="utf-8")
