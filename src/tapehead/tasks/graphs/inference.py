"""The inference task: follow a relation whose meaning must be inferred from being asked for it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from tapehead.checks import Count, NotNegative, Size, choice, whole
from tapehead.tasks.graphs.coding import (
    ANSWER,
    BLANK,
    TRIPLE_SIZE,
    decode,
)
from tapehead.tasks.graphs.lessons import INFERENCE, Lesson
from tapehead.tasks.graphs.recalling import check_recall
from tapehead.tasks.graphs.relations import EDGE_LABELS, RELATION_LENGTHS, follow, relations
from tapehead.tasks.graphs.route import Route, routes
from tapehead.tasks.graphs.task import GraphTask, Script, triples
from tapehead.tasks.graphs.worlds import (
    Graphs,
    draw_until,
    edge_table,
    pick,
    random_graphs,
    told_map,
)
from tapehead.tasks.task import Batch, Task


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
    recall: how much the loss has of the mean cross-entropy of the edges that the relation is made
        of, which are asked for while the machine plans, one in each step, in the order in which
        they are followed, and the last of them in all steps that are left. The paper asks for
        nothing then.
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
    recall: NotNegative = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_recall(self.recall, self.planning_steps)
        whole(1, EDGE_LABELS)("max_degree", self.max_degree)
        whole(2, max(RELATION_LENGTHS))("max_length", self.max_length)
        whole(2, self.max_length)("min_length", self.min_length)
        choice(("random", "family"))("graph", self.graph)

    @property
    def answer(self) -> Route:
        return triples(Route, recall=self.recall, planning=self.planning_steps)

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
        answers = torch.full_like(told, BLANK)
        query, edges, known = routes(batch.inputs.x)
        last = known.sum(-1)[..., None, None].expand(-1, -1, 1, 3) - 1
        queried = told.gather(1, query[..., None].expand(-1, -1, 3))
        ends = edges.gather(2, last)[:, :, 0, 2]
        answers[batch.inputs.x[..., ANSWER] > 0] = torch.stack(
            [queried[..., 0], queried[..., 1], ends], -1
        ).flatten(0, 1)
        if self.recall:
            recalled = self.answer.recalled(batch)
            answers[recalled.mask] = decode(recalled.targets[recalled.mask])
        return answers
