"""What the three graph tasks share: sizes, lessons, answers of nine digits, how they are told."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tapehead.checks import Size, choice, shown, whole
from tapehead.forms import Sequence
from tapehead.tasks.answers import Answer, Symbols
from tapehead.tasks.graphs.coding import (
    BLANK,
    DIGITS,
    LABELS,
    WORDS,
    channel_names,
    encode,
    tell,
)
from tapehead.tasks.graphs.lessons import Lesson
from tapehead.tasks.graphs.maps import family_tree, underground
from tapehead.tasks.graphs.worlds import Graphs, Map
from tapehead.tasks.metrics import SOLVED, PassMark
from tapehead.tasks.task import CERTAIN_LOGIT, Batch, SequenceTask

GRAPHS = ("random", "underground", "family")
Kind = TypeVar("Kind", bound=Symbols)


def triples(kind: type[Kind], **options: Any) -> Kind:
    """An answer of whole triples, and what else its kind wants to know."""
    return kind(channel_names(), softmaxes=DIGITS, words=WORDS, **options)


@dataclass(frozen=True, kw_only=True)
class GraphTask(SequenceTask):
    """A graph told triple by triple, then questions about it; answers are triples too.

    Input channels: nine one-hot digits of a triple, the flag of a new phase, the flag that asks
    for an answer. Outputs: nine softmaxes over ten digits.
    """

    lessons: ClassVar[tuple[Lesson, ...]]

    min_nodes: Size
    max_nodes: Size
    min_degree: Size
    max_degree: Size
    min_length: Size
    max_length: Size
    graph: Annotated[str, choice(GRAPHS)] = "random"
    data: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(2, LABELS)("min_nodes", self.min_nodes)
        whole(self.min_nodes, LABELS)("max_nodes", self.max_nodes)
        whole(self.min_degree)("max_degree", self.max_degree)
        whole(self.min_length)("max_length", self.max_length)
        if self.graph == "underground" and not self.data:
            raise ValueError(
                f"data must be the folder of the tables of the Underground, got {shown(self.data)}"
            )

    @property
    def max_edges(self) -> int:
        """Edges of a graph at most."""
        if self.known is None:
            return self.max_nodes * min(self.max_degree, self.max_nodes - 1)
        return len(self.known.edges)

    @property
    def known(self) -> Map | None:
        """The one map that it tells of, if its graphs are not random."""
        if self.graph == "random":
            return None
        return family_tree() if self.graph == "family" else underground(self.data)

    @property
    def facts(self) -> int:
        return self.max_edges

    @property
    def channel_names(self) -> list[str]:
        return [*channel_names(), "new phase", "answer"]

    @property
    def answer(self) -> Answer:
        return triples(Symbols)

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(SOLVED, 0.9)

    @property
    def plan(self) -> tuple[Lesson, ...]:
        """The lessons that a curriculum goes through."""
        return self.lessons

    @property
    def max_difficulty(self) -> int:
        return len(self.plan)

    def _at_level(self, level: int) -> "GraphTask":
        if level == self.max_difficulty:
            return self
        return self.at_lesson(level)

    def at_lesson(self, number: int) -> "GraphTask":
        """This task at the sizes of a lesson of its plan, from 1."""
        lesson = self.plan[whole(1, len(self.plan))("lesson", number) - 1]
        return replace(
            self,
            min_nodes=lesson.nodes[0],
            max_nodes=lesson.nodes[1],
            min_degree=lesson.degree[0],
            max_degree=lesson.degree[1],
            min_length=lesson.length[0],
            max_length=lesson.length[1],
        )

    @abstractmethod
    def _answer(self, batch: Batch) -> Int64[Tensor, "batch time 3"]:
        """The right triple at each step that answers, worked out from `batch.inputs.x` alone."""

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        return encode(self._answer(batch)) * CERTAIN_LOGIT


class Script:
    """Triples, flags and targets of a batch of episodes, written phase after phase.

    Each phase is as long as its longest sequence; the gaps behind shorter ones are closed at the
    end, so that every sequence is told without a pause.
    """

    def __init__(self, graphs: Graphs):
        self._triples: list[Tensor] = []
        self._present: list[Tensor] = []
        self._flags: list[Tensor] = []
        self._targets: list[Tensor] = []
        self.add(graphs.triples(graphs.edges), present=graphs.valid, opens=False)

    def add(
        self,
        triples: Int64[Tensor, "batch steps 3"],
        *,
        present: Bool[Tensor, "batch steps"] | None = None,
        targets: Int64[Tensor, "batch steps 3"] | None = None,
        opens: bool = True,
    ) -> None:
        """A phase: what is told; which steps each sequence has of it (default all), from the
        first on; what is to be answered, if anything; whether it opens with a flag."""
        if present is None:
            present = torch.ones_like(triples[..., 0], dtype=torch.bool)
        opening = torch.zeros_like(present)
        opening[:, 0] = opens
        asked = torch.full_like(present, targets is not None)
        self._triples.append(triples)
        self._present.append(present)
        self._flags.append(torch.stack([opening, asked], -1))
        self._targets.append(torch.full_like(triples, BLANK) if targets is None else targets)

    def pause(self, steps: int) -> None:
        """A phase in which nothing is told and nothing asked."""
        batch = self._triples[0].shape[0]
        self.add(self._triples[0].new_full((batch, steps, 3), BLANK))

    def batch(self) -> Batch:
        present = torch.cat(self._present, 1)
        lengths = present.sum(1)
        order = (~present).int().argsort(dim=1, stable=True)[:, : int(lengths.max())]

        def closed(parts: list[Tensor], blank: int) -> Tensor:
            whole = torch.cat(parts, 1)
            gathered = whole.gather(1, order[..., None].expand(-1, -1, whole.shape[-1]))
            past = torch.arange(order.shape[1], device=order.device) >= lengths[:, None]
            return gathered.masked_fill(past[..., None], blank)

        flags = closed(self._flags, 0)
        told = tell(closed(self._triples, BLANK), flags[..., 0], flags[..., 1])
        return Batch(
            inputs=Sequence(told, lengths),
            targets=encode(closed(self._targets, BLANK)),
            mask=flags[..., 1],
        )
