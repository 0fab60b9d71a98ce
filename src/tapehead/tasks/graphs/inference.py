"""The inference task: follow a relation whose meaning must be inferred from being asked for it."""

from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from tapehead.checks import Count, Size, choice, whole
from tapehead.tasks.graphs.coding import ANSWER, BLANK, TRIPLE_SIZE, decode
from tapehead.tasks.graphs.lessons import INFERENCE, Lesson
from tapehead.tasks.graphs.task import GraphTask, Script
from tapehead.tasks.graphs.worlds import (
    Graphs,
    draw_until,
    edge_table,
    pick,
    random_graphs,
    told_map,
)
from tapehead.tasks.task import Batch, Task

EDGE_LABELS = 10
RELATION_LENGTHS = (2, 3, 4, 5)
RELATIONS_PER_LENGTH = 100
RELATIONS_SEED = 2016


@cache
def relations() -> Tensor:
    """The edge labels of all 400 relations (400, 5), -1 past a relation's length, in the order of
    their names, which start at 10. 100 different sequences of each length from 2 to 5; the same
    for everyone, as in the paper, whose own are not published.
    """
    generator = torch.Generator().manual_seed(RELATIONS_SEED)
    table = torch.full((len(RELATION_LENGTHS) * RELATIONS_PER_LENGTH, 5), -1, device="cpu")
    for i, length in enumerate(RELATION_LENGTHS):
        chosen = torch.randperm(EDGE_LABELS**length, generator=generator, device="cpu")
        chosen = chosen[:RELATIONS_PER_LENGTH]
        powers = EDGE_LABELS ** torch.arange(length - 1, -1, -1, device="cpu")
        rows = slice(i * RELATIONS_PER_LENGTH, (i + 1) * RELATIONS_PER_LENGTH)
        table[rows, :length] = chosen[:, None] // powers % EDGE_LABELS
    return table[torch.randperm(len(table), generator=generator, device="cpu")]


@dataclass(frozen=True, kw_only=True)
class Inference(GraphTask):
    """A graph whose edges are labelled 0 to 9, then queries (node, relation, _) by turns with
    their answers (node, relation, destination).

    A relation is a sequence of edge labels under a name of its own, from 10 to 409; its meaning is
    never told. Between query and answer the machine has some steps without input to follow it.

    min_nodes, max_nodes: nodes of a graph, uniform.
    min_degree, max_degree: edges out of a node, uniform for each node.
    min_length, max_length: edges of a relation; uniform among those lengths for which the graph
        has a relation that leads somewhere.
    queries: how many queries follow each other.
    planning_steps: steps between query and answer.
    graph: "random" or "family".
    data: not used here.

    The defaults are the last of the paper's 17 lessons (Extended Data Table 4).

    >>> import torch
    >>> from tapehead.tasks import Inference
    >>> task = Inference(min_nodes=4, max_nodes=6, min_length=2, max_length=2, queries=1)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=2)
    >>> batch.inputs.x.shape, batch.targets.shape[-1]
    (torch.Size([2, 28, 92]), 90)
    >>> task.scores(task.oracle(batch), batch)["step_errors"]
    tensor([0., 0.])
    """

    name: ClassVar[str] = "inference"
    title: ClassVar[str] = "Relation inference"
    source: ClassVar[str] = "Graves, Wayne et al. (2016), Methods, Inference"
    lessons: ClassVar[tuple[Lesson, ...]] = INFERENCE

    min_nodes: Size = 20
    max_nodes: Size = 25
    min_degree: Size = 2
    max_degree: Size = 4
    min_length: Size = 2
    max_length: Size = 5
    queries: Size = 3
    planning_steps: Count = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(1, EDGE_LABELS)("max_degree", self.max_degree)
        whole(2, max(RELATION_LENGTHS))("max_length", self.max_length)
        whole(2, self.max_length)("min_length", self.min_length)
        choice(("random", "family"))("graph", self.graph)

    @property
    def max_steps(self) -> int:
        return self.max_edges + self.queries * (self.planning_steps + 2)

    def test_settings(self) -> dict[str, Task]:
        final = replace(self, graph="random").at_lesson(len(self.lessons))
        family = replace(self, graph="family", min_length=4, max_length=4)
        return {"final lesson": final, "family tree": family}

    def _graphs(self, generator: torch.Generator, batch_size: int) -> Graphs:
        if self.known is not None:
            return told_map(generator, batch_size, self.known, fixed_labels=True)
        nodes, degree = (self.min_nodes, self.max_nodes), (self.min_degree, self.max_degree)
        return random_graphs(generator, batch_size, nodes, degree, EDGE_LABELS)

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        known = relations().to(generator.device)
        lengths = (known >= 0).sum(-1)
        wanted = (lengths >= self.min_length) & (lengths <= self.max_length)
        graphs = draw_until(
            lambda graphs: (follow(edge_table(graphs, EDGE_LABELS), known[wanted]) >= 0).any(
                (1, 2)
            ),
            lambda: self._graphs(generator, batch_size),
            "min_length must be a length for which a graph of "
            f"{self.min_nodes} to {self.max_nodes} nodes often has a relation, "
            f"got {self.min_length}",
        )
        ends = follow(edge_table(graphs, EDGE_LABELS), known)
        script = Script(graphs)
        for _ in range(self.queries):
            asked = self._questions(ends, lengths, generator)
            nodes, relation = asked // len(known), asked % len(known)
            end = ends.flatten(1).gather(1, asked[:, None])[:, 0]
            names = [graphs.names.gather(1, node[:, None])[:, 0] for node in (nodes, end)]
            triple = torch.stack([names[0], relation + EDGE_LABELS, names[1]], -1)[:, None]
            query = triple.clone()
            query[..., 2] = BLANK
            script.add(query)
            if self.planning_steps:
                script.pause(self.planning_steps)
            script.add(torch.full_like(triple, BLANK), targets=triple)
        return script.batch()

    def _questions(self, ends: Tensor, lengths: Tensor, generator: torch.Generator) -> Tensor:
        """A node and a relation that leads from it somewhere, as one number for each graph."""
        leads = ends >= 0
        numbers = torch.arange(self.min_length, self.max_length + 1, device=ends.device)
        of_length = lengths == numbers[:, None]
        possible = (leads[:, None] & of_length[None, :, None]).flatten(2)
        length = pick(possible.any(-1).float(), generator)
        choices = possible.gather(1, length[:, None, None].expand(-1, 1, possible.shape[-1]))
        return pick(choices[:, 0].float(), generator)

    def _answer(self, batch: Batch) -> Int64[Tensor, "batch time 3"]:
        told = decode(batch.inputs.x[..., :TRIPLE_SIZE])
        source, edge, destination = told.unbind(-1)
        described = (told != BLANK).all(-1)
        asks = batch.inputs.x[..., ANSWER] > 0
        meaning = relations().to(told.device)
        answers = torch.full_like(told, BLANK)
        queried = (source != BLANK) & (destination == BLANK)
        for b in range(len(told)):
            for query, answer in zip(queried[b].nonzero(), asks[b].nonzero(), strict=True):
                at, name = source[b, query], edge[b, query]
                for label in meaning[name - EDGE_LABELS][0]:
                    if label < 0:
                        break
                    match = described[b] & (source[b] == at) & (edge[b] == label)
                    at = destination[b, match]
                answers[b, answer] = torch.stack([source[b, query], name, at], -1)
        return answers


def follow(
    table: Int64[Tensor, "batch nodes labels"], known: Int64[Tensor, "relations steps"]
) -> Int64[Tensor, "batch nodes relations"]:
    """Where each relation leads from each node; -1 where one of its edges is missing."""
    batch, nodes, labels = table.shape
    start = torch.arange(nodes, device=table.device)[None, :, None]
    at = start.expand(batch, -1, len(known)).clone()
    flat = table.flatten(1)
    for step in known.unbind(-1):
        edge = at.clamp(min=0) * labels + step.clamp(min=0)
        onward = flat.gather(1, edge.flatten(1)).view_as(at)
        onward = onward.masked_fill(at < 0, -1)
        at = torch.where(step >= 0, onward, at)
    return at
