"""The traversal task: told a graph, a start and the edges to follow, name every stop on the way."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from tapehead.checks import Size
from tapehead.tasks.draws import random_integers
from tapehead.tasks.graphs.coding import ANSWER, BLANK, FINISHED, NEW_PHASE, TRIPLE_SIZE, decode
from tapehead.tasks.graphs.lessons import TRAVERSAL, Lesson
from tapehead.tasks.graphs.task import GraphTask, Script
from tapehead.tasks.graphs.worlds import Graphs, pick, random_graphs, told_map
from tapehead.tasks.task import Batch, Task


@dataclass(frozen=True, kw_only=True)
class Traversal(GraphTask):
    """A random walk on a graph, asked for by its start and edge labels, answered in full triples.

    The graph's triples come in random order. The query is (source, edge, _) for the first step of
    the walk and (_, edge, _) for each further one; then, without input, the answer is the whole
    triple of each step, and last the pattern that ends it, three times 999.

    min_nodes, max_nodes: nodes of a graph, uniform.
    min_degree, max_degree: edges out of a node, uniform for each node.
    min_length, max_length: steps of the walk, uniform for each sequence.
    ending: whether the pattern that ends an answer is asked for.
    graph: "random", "underground" or "family".
    data: folder with the tables of the Underground; see `tapehead.tasks.graphs.maps`.

    The defaults are the last of the paper's 14 lessons (Extended Data Table 3).

    >>> import torch
    >>> from tapehead.tasks import Traversal
    >>> task = Traversal(min_nodes=3, max_nodes=4, min_length=2, max_length=2)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=2)
    >>> batch.inputs.x.shape, batch.targets.shape[-1]
    (torch.Size([2, 17, 92]), 90)
    >>> task.scores(task.oracle(batch), batch)["step_errors"]
    tensor([0., 0.])
    """

    name: ClassVar[str] = "traversal"
    title: ClassVar[str] = "Graph traversal"
    source: ClassVar[str] = "Graves, Wayne et al. (2016), Methods, Traversal"
    lessons: ClassVar[tuple[Lesson, ...]] = TRAVERSAL

    min_nodes: Size = 10
    max_nodes: Size = 40
    min_degree: Size = 2
    max_degree: Size = 6
    min_length: Size = 1
    max_length: Size = 20
    ending: bool = True

    @property
    def max_steps(self) -> int:
        return self.max_edges + 2 * self.max_length + 1

    def test_settings(self) -> dict[str, Task]:
        final = replace(self, graph="random").at_lesson(len(self.lessons))
        settings: dict[str, Task] = {"final lesson": final}
        if self.data:
            # Figure 2b: random seven-step walks.
            settings["underground"] = replace(self, graph="underground", min_length=7, max_length=7)
        return settings

    def _graphs(self, generator: torch.Generator, batch_size: int) -> Graphs:
        if self.known is not None:
            return told_map(generator, batch_size, self.known)
        nodes, degree = (self.min_nodes, self.max_nodes), (self.min_degree, self.max_degree)
        return random_graphs(generator, batch_size, nodes, degree)

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        graphs = self._graphs(generator, batch_size)
        lengths = random_integers(
            generator, self.min_length, self.max_length, batch_size, mixed=True
        )
        walk = graphs.triples(random_walk(graphs, generator, int(lengths.max())))
        steps = torch.arange(walk.shape[1] + 1, device=walk.device)
        walking = steps[:-1] < lengths[:, None]

        query = walk.clone()
        query[:, :, 2] = BLANK
        query[:, 1:, 0] = BLANK
        answer = walk
        answering = walking
        if self.ending:
            answer = torch.cat([walk, walk[:, :1]], 1)
            answer[steps.expand(batch_size, -1) == lengths[:, None]] = FINISHED
            answering = steps <= lengths[:, None]
        script = Script(graphs)
        script.add(query, present=walking)
        script.add(torch.full_like(answer, BLANK), present=answering, targets=answer)
        return script.batch()

    def _answer(self, batch: Batch) -> Int64[Tensor, "batch time 3"]:
        told = decode(batch.inputs.x[..., :TRIPLE_SIZE])
        source, edge, destination = told.unbind(-1)
        described = (told != BLANK).all(-1)
        asks = batch.inputs.x[..., ANSWER] > 0
        begins = (batch.inputs.x[..., NEW_PHASE] > 0) & ~asks
        start = begins.int().argmax(1)
        length = ((~described & (edge != BLANK)).sum(1)).to(torch.int64)

        at = source.gather(1, start[:, None])
        answers = torch.full_like(told, BLANK)
        first = asks.int().argmax(1)
        sequences = torch.arange(len(told), device=told.device)
        for step in range(int(length.max())):
            walking = step < length
            # Shorter sequences look at some step or other, and what they find is dropped.
            follows = edge.gather(1, (start + step).clamp(max=told.shape[1] - 1)[:, None])
            match = described & (source == at) & (edge == follows)
            reached = destination.gather(1, match.int().argmax(1, keepdim=True))
            triple = torch.cat([at, follows, reached], 1)
            answers[sequences[walking], (first + step)[walking]] = triple[walking]
            at = torch.where(walking[:, None], reached, at)
        last = first + length
        ends = last < asks.shape[1]
        ends = ends & asks.gather(1, last.clamp(max=asks.shape[1] - 1)[:, None])[:, 0]
        answers[sequences[ends], last[ends]] = FINISHED
        return answers


def random_walk(
    graphs: Graphs, generator: torch.Generator, length: int
) -> Int64[Tensor, "batch length 3"]:
    """The edges of a walk of so many steps from a random node, each step over an edge out of the
    node arrived at, all such edges being equally likely. Every node must have one."""
    valid = graphs.valid
    nodes = torch.arange(graphs.names.shape[1], device=graphs.names.device)
    at = pick((nodes < graphs.nodes[:, None]).float(), generator)
    walk = []
    for _ in range(length):
        leaves = valid & (graphs.edges[..., 0] == at[:, None])
        edge = pick(leaves.float(), generator)
        walk.append(graphs.edges.gather(1, edge[:, None, None].expand(-1, -1, 3))[:, 0])
        at = walk[-1][:, 2]
    return torch.stack(walk, 1)
