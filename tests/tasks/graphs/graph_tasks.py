"""The graph tasks in small, and their episodes read back in plain Python."""

import networkx as nx
import pytest
import torch

from tapehead.tasks.graphs import Inference, ShortestPath, Traversal
from tapehead.tasks.graphs.coding import BLANK, TRIPLE_SIZE, decode

GRAPH_TASKS = [Traversal, ShortestPath, Inference]

SMALL = {"min_nodes": 4, "max_nodes": 7, "min_degree": 1, "max_degree": 3}

VARIANTS = [
    Traversal(**SMALL, max_length=4),
    Traversal(**SMALL, max_length=4, ending=False),
    Traversal(graph="family", min_length=3, max_length=5),
    ShortestPath(**SMALL, min_length=1, max_length=3),
    ShortestPath(**SMALL, min_length=2, max_length=3, spelling=0.5, recall=0.5),
    ShortestPath(**SMALL, min_length=2, max_length=3, recall=0.5, aloud=True),
    ShortestPath(graph="family", planning_steps=0),
    Inference(**SMALL, max_length=3),
    Inference(**SMALL, max_length=5, planning_steps=4, recall=0.5),
    Inference(graph="family", queries=1, planning_steps=0),
]

each = pytest.mark.parametrize("task", VARIANTS, ids=lambda task: f"{task.name}-{task.graph}")


def draw(task, batch_size=6, seed=0):
    return task.batch(torch.Generator().manual_seed(seed), batch_size)


def read(batch, index):
    """A sequence as triples, flags and answers, step by step, in plain Python."""
    length = int(batch.inputs.lengths[index])
    told = decode(batch.inputs.x[index, :length, :TRIPLE_SIZE]).tolist()
    flags = batch.inputs.x[index, :length, TRIPLE_SIZE:].int().tolist()
    answers = decode(batch.targets[index, :length]).tolist()
    return told, flags, answers


def parts(batch, index):
    """Graph (networkx, edge labels as keys) and the steps after it."""
    told, flags, answers = read(batch, index)
    begin = next(i for i, flag in enumerate(flags) if flag[0])
    graph = nx.MultiDiGraph()
    for source, edge, destination in told[:begin]:
        assert BLANK not in (source, edge, destination)
        assert not graph.has_node(source) or all(
            key != edge for _, _, key in graph.out_edges(source, keys=True)
        ), "two edges of one name leave a node"
        graph.add_edge(source, destination, key=edge)
    return graph, list(zip(told, flags, answers, strict=True))[begin:]


def step_along(graph, node, label):
    (end,) = [end for _, end, key in graph.out_edges(node, keys=True) if key == label]
    return end
