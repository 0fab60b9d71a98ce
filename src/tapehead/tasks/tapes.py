"""The five tasks of the RL-NTM: symbols on a tape, to be written in another order.

Their data are symbols, not vectors over time: the machine decides itself when to read and write,
so these are no `Task`s of `(batch, time)` inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from tapehead.checks import Count, Size, check_fields, choice

BLANK = 0
"""What is on the tape outside the data, and what ends every answer."""
MARKER = 1
"""The end of the data."""


class TapeBatch(NamedTuple):
    """Input tapes and what must be written.

    tape: symbols; BLANK past each tape's end. targets: symbols, the closing BLANK among them;
    `asked` marks them. limits: time steps that each sequence has.
    """

    tape: Int64[Tensor, "batch places"]
    targets: Int64[Tensor, "batch answers"]
    asked: Bool[Tensor, "batch answers"]
    limits: Int64[Tensor, " batch"]


class Kind(NamedTuple):
    """One of the five: (data, repeats) -> tape and answer, and the steps that a good program
    takes for that many symbols and repeats."""

    title: str
    tape: Callable[[list[int], int], list[int]]
    answer: Callable[[list[int], int], list[int]]
    needed: Callable[[int, int], int]
    forward_only: bool = False


KINDS = {
    "copy": Kind("Copy", lambda s, m: s, lambda s, m: s, lambda n, m: n + 1),
    "duplicated-input": Kind(
        "Duplicated input",
        lambda s, m: [a for a in s for _ in range(3)],
        lambda s, m: s,
        lambda n, m: 3 * n + 1,
    ),
    "reverse": Kind("Reverse", lambda s, m: s, lambda s, m: s[::-1], lambda n, m: 2 * n + 2),
    "forward-reverse": Kind(
        "Forward reverse",
        lambda s, m: s,
        lambda s, m: s[::-1],
        lambda n, m: 2 * n + 2,
        forward_only=True,
    ),
    # The repeats stand before the data, as a symbol of their own.
    "repeat-copy": Kind(
        "Repeat copy",
        lambda s, m: [m, *s],
        lambda s, m: s * m,
        lambda n, m: (2 * m - 1) * n + 2 * m,
    ),
}
"""By name; `forward_only`: the input head may not go back, which only memory makes up for."""


@dataclass(frozen=True, kw_only=True)
class TapeTask:
    """Write the symbols of the input tape as the task says, then a blank.

    Source: Zaremba & Sutskever 2015 (arXiv 1505.00521); their complexity C is the
    number of symbols. Symbols: BLANK, MARKER, the repeats 2 and 3 (as themselves), then the data.

    kind: "copy", "duplicated-input" (every symbol stands on the tape three times), "reverse",
        "forward-reverse" or "repeat-copy" (2 or 3 times).
    num_symbols: symbols of data.
    max_complexity: most symbols of a sequence.
    slack: steps beyond those that a good program needs, as many again as symbols not counted.
    """

    kind: Annotated[str, choice(KINDS)] = "copy"
    num_symbols: Size = 30
    max_complexity: Size = 10
    slack: Count = 5

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def symbols(self) -> int:
        """Symbols there are, the special ones included."""
        return 4 + self.num_symbols

    @property
    def forward_only(self) -> bool:
        return KINDS[self.kind].forward_only

    def batch(self, generator: torch.Generator, complexities: Int64[Tensor, " batch"]) -> TapeBatch:
        """One sequence for each complexity, on the CPU.

        Raises:
            ValueError: a complexity outside 1 .. max_complexity.
        """
        if complexities.min() < 1 or complexities.max() > self.max_complexity:
            raise ValueError(
                f"complexities must be 1 to {self.max_complexity}, got "
                f"{int(complexities.min())} to {int(complexities.max())}"
            )
        shape = (len(complexities), int(complexities.max()))
        data = torch.randint(4, self.symbols, shape, generator=generator, device="cpu").tolist()
        repeats = torch.randint(2, 4, shape[:1], generator=generator, device="cpu").tolist()
        kind = KINDS[self.kind]
        tapes, answers, limits = [], [], []
        for row, count, repeat in zip(data, complexities.tolist(), repeats, strict=True):
            tapes.append([*kind.tape(row[:count], repeat), MARKER])
            answers.append([*kind.answer(row[:count], repeat), BLANK])
            limits.append(kind.needed(count, repeat) + count + self.slack)
        targets = _padded(answers)
        lengths = torch.tensor([len(answer) for answer in answers], device="cpu")
        asked = torch.arange(targets.shape[1], device="cpu") < lengths[:, None]
        return TapeBatch(_padded(tapes), targets, asked, torch.tensor(limits, device="cpu"))


def _padded(rows: list[list[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [BLANK] * (longest - len(row)) for row in rows], device="cpu")
