"""Tasks on points, whose answers point at them (Vinyals, Fortunato & Jaitly 2015)."""

from tapehead.tasks.geometry.convex_hull import ConvexHull
from tapehead.tasks.geometry.delaunay import Delaunay
from tapehead.tasks.geometry.sorting import Sorting
from tapehead.tasks.geometry.task import PointTask
from tapehead.tasks.geometry.tsp import TSP

__all__ = ["TSP", "ConvexHull", "Delaunay", "PointTask", "Sorting"]
