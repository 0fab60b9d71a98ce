"""The five tasks of the RL-NTM: symbols on a tape, to be written in another order."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from tapehead.checks import Count, Size, whole
from tapehead.forms import Tape
from tapehead.tasks.answers import Answer, Symbols
from tapehead.tasks.metrics import SOLVED, PassMark
from tapehead.tasks.task import CERTAIN_LOGIT, Batch, Task

BLANK = 0
"""What is on the tape outside the data, and what ends every answer."""
MARKER = 1
"""The end of the data."""
SPECIAL = 4
"""Symbols before those of the data: the two above, and the repeats 2 and 3 as themselves."""
REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class TapeTask(Task):
    """Write the symbols of the input tape as the task says, then a blank.

    num_symbols: symbols of data.
    min_complexity, max_complexity: symbols of data on a tape, the paper's C.
    slack: steps beyond those that a good program needs, as many again as symbols not counted.
    lesson: 0 draws each complexity evenly. Otherwise 65 % of the tapes have about this complexity,
        25 % one from 1 to about that, and 10 % any: the paper's curriculum (its appendix), a
        lesson of which is a level of difficulty here.
    """

    tells = Tape
    source: ClassVar[str] = "Zaremba & Sutskever (2015), section 5"
    one_way: ClassVar[bool] = False
    """Whether the input head may not go back, which only memory makes up for."""

    num_symbols: Annotated[int, whole(1, 2**16)] = 30
    min_complexity: Size = 1
    max_complexity: Size = 10
    slack: Count = 5
    lesson: Count = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self.min_complexity)("max_complexity", self.max_complexity)
        whole(0, self.max_complexity)("lesson", self.lesson)

    @staticmethod
    @abstractmethod
    def on_tape(data: list[int], repeats: int) -> list[int]:
        """The tape up to the marker."""

    @staticmethod
    @abstractmethod
    def in_answer(data: list[int], repeats: int) -> list[int]:
        """The answer up to the closing blank."""

    @staticmethod
    @abstractmethod
    def read(tape: list[int]) -> tuple[list[int], int]:
        """The reverse of `on_tape`: data and repeats."""

    @staticmethod
    @abstractmethod
    def needed(count: int, repeats: int) -> int:
        """Steps that a good program takes for so many symbols and repeats."""

    @property
    def symbols(self) -> int:
        """Symbols there are, the special ones included."""
        return SPECIAL + self.num_symbols

    @property
    def sizes(self) -> Mapping[str, Any]:
        return {"symbols": self.symbols, "forward_only": self.one_way}

    @property
    def answer(self) -> Answer:
        names = ["blank", "marker", "2", "3"]
        names += [f"s{number}" for number in range(1, self.num_symbols + 1)]
        return Symbols(names, words=("symbol",))

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(SOLVED, 0.95)

    @property
    def max_difficulty(self) -> int:
        return self.max_complexity

    def _at_level(self, level: int) -> "TapeTask":
        return self if level == self.max_difficulty else replace(self, lesson=level)

    def test_settings(self) -> dict[str, Task]:
        sizes = sorted({self.max_complexity, 2 * self.max_complexity})
        return {
            f"{size}": replace(self, min_complexity=size, max_complexity=size, lesson=0)
            for size in sizes
        }

    @property
    def max_steps(self) -> int:
        return REPEATS * self.max_complexity + 1

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        device = generator.device
        counts = self._complexities(generator, batch_size).tolist()
        shape = (batch_size, max(counts))
        draw = {"generator": generator, "device": device}
        data = torch.randint(SPECIAL, self.symbols, shape, **draw).tolist()
        repeats = torch.randint(2, REPEATS + 1, shape[:1], **draw).tolist()
        tapes, answers, limits = [], [], []
        for row, count, repeat in zip(data, counts, repeats, strict=True):
            tapes.append([*self.on_tape(row[:count], repeat), MARKER])
            answers.append([*self.in_answer(row[:count], repeat), BLANK])
            limits.append(self.needed(count, repeat) + count + self.slack)
        asked = torch.tensor([len(answer) for answer in answers], device=device)
        targets = one_hot(_padded(answers, device), self.symbols).float()
        mask = torch.arange(targets.shape[1], device=device) < asked[:, None]
        inputs = Tape(_padded(tapes, device), torch.tensor(limits, device=device), asked)
        return Batch(inputs, targets * mask[..., None], mask)

    def _complexities(self, generator: torch.Generator, batch_size: int) -> Int64[Tensor, " batch"]:
        least, most, device = self.min_complexity, self.max_complexity, generator.device
        draw = {"generator": generator, "device": device, "dtype": torch.float32}
        if not self.lesson:
            return torch.randint(least, most + 1, (batch_size,), generator=generator, device=device)
        # e is geometric(1/2), from 0.
        beyond = torch.empty(batch_size, device=device, dtype=torch.float32)
        beyond = beyond.geometric_(0.5, generator=generator).long() - 1
        which, where = torch.rand(2, batch_size, **draw)
        anything = (where * most).long() + 1
        below = (where * (self.lesson + beyond)).long() + 1
        near = self.lesson + beyond
        chosen = torch.where(which < 0.1, anything, torch.where(which < 0.35, below, near))
        return chosen.clamp(least, most)

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        answers = []
        for tape in batch.inputs.symbols.tolist():
            data, repeats = self.read(tape[: tape.index(MARKER)])
            answers.append([*self.in_answer(data, repeats), BLANK])
        written = _padded(answers, batch.inputs.symbols.device)
        return one_hot(written, self.symbols).float() * CERTAIN_LOGIT


class CopyTape(TapeTask):
    """Write what is on the tape.

    >>> import torch
    >>> from tapehead.tasks import CopyTape
    >>> task = CopyTape(num_symbols=5, min_complexity=3, max_complexity=3)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.symbols, batch.targets.argmax(dim=-1)
    (tensor([[8, 7, 4, 1]]), tensor([[8, 7, 4, 0]]))
    """

    name = "copy-tape"
    title = "Copy a tape"

    @staticmethod
    def on_tape(data: list[int], repeats: int) -> list[int]:
        return data

    @staticmethod
    def in_answer(data: list[int], repeats: int) -> list[int]:
        return data

    @staticmethod
    def read(tape: list[int]) -> tuple[list[int], int]:
        return tape, 1

    @staticmethod
    def needed(count: int, repeats: int) -> int:
        return count + 1


class DuplicatedTape(CopyTape):
    """Every symbol stands on the tape three times; write each once.

    >>> import torch
    >>> from tapehead.tasks import DuplicatedTape
    >>> task = DuplicatedTape(num_symbols=5, min_complexity=3, max_complexity=3)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.symbols, batch.targets.argmax(dim=-1)
    (tensor([[8, 8, 8, 7, 7, 7, 4, 4, 4, 1]]), tensor([[8, 7, 4, 0]]))
    """

    name = "duplicated-tape"
    title = "Duplicated input"

    @staticmethod
    def on_tape(data: list[int], repeats: int) -> list[int]:
        return [symbol for symbol in data for _ in range(3)]

    @staticmethod
    def read(tape: list[int]) -> tuple[list[int], int]:
        return tape[::3], 1

    @staticmethod
    def needed(count: int, repeats: int) -> int:
        return 3 * count + 1


class ReverseTape(CopyTape):
    """Write what is on the tape from its end to its beginning.

    >>> import torch
    >>> from tapehead.tasks import ReverseTape
    >>> task = ReverseTape(num_symbols=5, min_complexity=3, max_complexity=3)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.symbols, batch.targets.argmax(dim=-1)
    (tensor([[8, 7, 4, 1]]), tensor([[4, 7, 8, 0]]))
    """

    name = "reverse-tape"
    title = "Reverse a tape"

    @staticmethod
    def in_answer(data: list[int], repeats: int) -> list[int]:
        return data[::-1]

    @staticmethod
    def needed(count: int, repeats: int) -> int:
        return 2 * count + 2


class ForwardReverseTape(ReverseTape):
    """Reverse a tape on which the head never goes back: only with memory.

    >>> import torch
    >>> from tapehead.tasks import ForwardReverseTape
    >>> task = ForwardReverseTape(num_symbols=5, min_complexity=3, max_complexity=3)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.symbols, batch.targets.argmax(dim=-1)
    (tensor([[8, 7, 4, 1]]), tensor([[4, 7, 8, 0]]))
    """

    name = "forward-reverse-tape"
    title = "Forward reverse"
    one_way = True


class RepeatCopyTape(CopyTape):
    """Write what is on the tape two or three times, as its first symbol says.

    >>> import torch
    >>> from tapehead.tasks import RepeatCopyTape
    >>> task = RepeatCopyTape(num_symbols=5, min_complexity=3, max_complexity=3)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.symbols, batch.targets.argmax(dim=-1)
    (tensor([[3, 8, 7, 4, 1]]), tensor([[8, 7, 4, 8, 7, 4, 8, 7, 4, 0]]))
    """

    name = "repeat-copy-tape"
    title = "Repeat copy of a tape"

    @staticmethod
    def on_tape(data: list[int], repeats: int) -> list[int]:
        return [repeats, *data]

    @staticmethod
    def in_answer(data: list[int], repeats: int) -> list[int]:
        return data * repeats

    @staticmethod
    def read(tape: list[int]) -> tuple[list[int], int]:
        return tape[1:], tape[0]

    @staticmethod
    def needed(count: int, repeats: int) -> int:
        return (2 * repeats - 1) * count + 2 * repeats


def _padded(rows: list[list[int]], device: torch.device) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [BLANK] * (longest - len(row)) for row in rows], device=device)
