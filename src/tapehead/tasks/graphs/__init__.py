"""Graphs told in triples, and questions about them: the DNC paper's three graph tasks."""

from tapehead.tasks.graphs.inference import Inference
from tapehead.tasks.graphs.shortest_path import ShortestPath
from tapehead.tasks.graphs.traversal import Traversal

__all__ = ["Inference", "ShortestPath", "Traversal"]
