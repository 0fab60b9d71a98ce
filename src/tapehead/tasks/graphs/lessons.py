"""The lessons of the graph tasks, from the first to the task itself (Graves, Wayne et al. 2016,
Extended Data Tables 3 to 5)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """A row of a curriculum: least and most nodes, edges out of a node, and steps."""

    nodes: tuple[int, int]
    degree: tuple[int, int]
    length: tuple[int, int]


TRAVERSAL = (
    Lesson((3, 10), (2, 4), (1, 1)),
    Lesson((3, 10), (2, 4), (1, 2)),
    Lesson((5, 10), (2, 4), (1, 3)),
    Lesson((5, 10), (2, 4), (1, 4)),
    Lesson((10, 15), (2, 4), (1, 4)),
    Lesson((10, 15), (2, 4), (1, 5)),
    Lesson((10, 20), (2, 4), (1, 5)),
    Lesson((10, 20), (2, 4), (1, 6)),
    Lesson((10, 30), (2, 4), (1, 6)),
    Lesson((10, 30), (2, 4), (1, 7)),
    Lesson((10, 30), (2, 4), (1, 8)),
    Lesson((10, 30), (2, 4), (1, 9)),
    Lesson((10, 40), (2, 6), (1, 10)),
    Lesson((10, 40), (2, 6), (1, 20)),
)

SHORTEST_PATH = (
    Lesson((5, 10), (1, 2), (2, 2)),
    Lesson((5, 20), (1, 2), (2, 2)),
    Lesson((10, 20), (1, 2), (2, 2)),
    Lesson((10, 20), (1, 2), (2, 3)),
    Lesson((10, 20), (1, 3), (2, 3)),
    Lesson((10, 20), (2, 3), (2, 3)),
    Lesson((10, 20), (2, 3), (2, 4)),
    Lesson((10, 20), (2, 4), (2, 4)),
    Lesson((10, 25), (2, 4), (2, 4)),
    Lesson((10, 25), (2, 4), (2, 5)),
    Lesson((10, 25), (2, 4), (2, 5)),
    Lesson((15, 25), (2, 4), (2, 5)),
    Lesson((15, 25), (2, 5), (2, 5)),
    Lesson((20, 25), (2, 5), (2, 5)),
    Lesson((20, 25), (2, 6), (2, 5)),
)

GRADUAL = (
    Lesson((4, 6), (2, 2), (2, 2)),
    Lesson((5, 8), (2, 2), (2, 2)),
    Lesson((5, 12), (2, 2), (2, 2)),
    Lesson((5, 20), (2, 2), (2, 2)),
    Lesson((5, 20), (2, 3), (2, 2)),
    Lesson((4, 6), (2, 2), (2, 3)),
    Lesson((5, 8), (2, 2), (2, 3)),
    Lesson((5, 12), (2, 2), (2, 3)),
    Lesson((5, 20), (2, 2), (2, 3)),
    Lesson((10, 20), (2, 3), (2, 3)),
    Lesson((5, 12), (2, 2), (2, 4)),
    Lesson((5, 20), (2, 2), (2, 4)),
    Lesson((10, 20), (2, 3), (2, 4)),
    Lesson((10, 25), (2, 4), (2, 4)),
    Lesson((5, 12), (2, 2), (2, 5)),
    Lesson((5, 20), (2, 2), (2, 5)),
    Lesson((10, 20), (2, 3), (2, 5)),
    Lesson((10, 25), (2, 4), (2, 5)),
    Lesson((15, 25), (2, 5), (2, 5)),
    Lesson((20, 25), (2, 6), (2, 5)),
)
"""Ours of shortest path. Every node has two edges or more, so that each step is a choice. At each
length of path the graphs are small again, and then grow. The last lesson is the paper's."""
INFERENCE = (
    Lesson((3, 3), (2, 2), (2, 2)),
    Lesson((3, 5), (2, 2), (2, 2)),
    Lesson((4, 6), (2, 4), (2, 2)),
    Lesson((4, 6), (2, 4), (2, 2)),
    Lesson((6, 12), (2, 4), (2, 2)),
    Lesson((12, 18), (2, 4), (2, 2)),
    Lesson((4, 6), (2, 4), (2, 3)),
    Lesson((6, 12), (2, 4), (2, 3)),
    Lesson((12, 18), (2, 4), (2, 3)),
    Lesson((4, 6), (2, 4), (2, 4)),
    Lesson((4, 6), (2, 4), (2, 4)),
    Lesson((6, 12), (2, 4), (2, 4)),
    Lesson((12, 18), (2, 4), (2, 4)),
    Lesson((4, 6), (2, 4), (2, 5)),
    Lesson((6, 12), (2, 4), (2, 5)),
    Lesson((12, 18), (2, 4), (2, 5)),
    Lesson((20, 25), (2, 4), (2, 5)),
)
