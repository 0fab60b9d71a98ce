"""Maps of the real world to test on: the London Underground, read from a folder, and a family.

The DNC paper tests on zone-1 interchange stations of the Underground, and on an invented family
tree, and publishes neither; results on these maps stand beside its own, they are not the same.
"""

import csv
import math
from collections import defaultdict
from functools import cache
from pathlib import Path

from tapehead.checks import shown
from tapehead.errors import TapeheadError
from tapehead.tasks.graphs.worlds import Map


@cache
def underground(folder: str, zone: int = 1) -> Map:
    """The stations of one zone where lines meet, and the rides between them along each line.

    Args:
        folder: holds `london.stations.csv` (id, latitude, longitude, name, zone),
            `london.lines.csv` (line, name) and `london.connections.csv` (station1, station2,
            line), as in the tables of the Underground that circulate on the web.

    Stations in between are passed without a stop. A label is a line and a direction; where a line
    branches, the branches out of a station have different labels.

    Raises:
        TapeheadError: a table is missing, or not as it should be.
    """
    try:
        stations = {row["id"]: row for row in _table(folder, "london.stations.csv")}
        lines = {row["line"]: row["name"] for row in _table(folder, "london.lines.csv")}
        neighbours: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for row in _table(folder, "london.connections.csv"):
            for here, there in (
                (row["station1"], row["station2"]),
                (row["station2"], row["station1"]),
            ):
                if there not in neighbours[row["line"]][here]:
                    neighbours[row["line"]][here].append(there)
        meeting = {
            station
            for station, row in stations.items()
            if float(row["zone"]) < zone + 1
            and sum(station in line for line in neighbours.values()) > 1
        }
        rides = [
            (here, line, way, end)
            for line, stops in neighbours.items()
            for here in stops
            if here in meeting
            for way, end in _rides(here, stops, meeting, stations)
        ]
    except (KeyError, ValueError) as error:
        raise TapeheadError(
            f"data = {shown(folder)}: not tables of the Underground: {shown(error)}"
        ) from None
    nodes = sorted({ride[0] for ride in rides} | {ride[3] for ride in rides}, key=int)
    labels = sorted({(line, way) for _, line, way, _ in rides}, key=lambda x: (int(x[0]), x[1]))
    return Map(
        node_names=tuple(stations[station]["name"] for station in nodes),
        label_names=tuple(f"{lines[line]} {way}" for line, way in labels),
        edges=tuple(
            (nodes.index(here), labels.index((line, way)), nodes.index(end))
            for here, line, way, end in rides
        ),
    )


def _table(folder: str, name: str) -> list[dict[str, str]]:
    path = Path(folder).expanduser() / name
    if not path.is_file():
        raise TapeheadError(f"data = {shown(folder)}: there is no {name} in it")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _rides(here, stops, meeting, stations):
    """Direction and next meeting station of every ride out of `here` along one line."""
    ends = set()
    for first in stops[here]:
        before, at = {here}, first
        while at is not None and at not in meeting:
            before.add(at)
            onward = [stop for stop in stops[at] if stop not in before]
            at = onward[0] if onward else None
        if at is not None and at != here:
            ends.add(at)
    rides, taken = [], set()
    for end in sorted(ends, key=int):
        way = _direction(stations[here], stations[end])
        number = 2
        label = way
        while label in taken:
            label, number = f"{way} {number}", number + 1
        taken.add(label)
        rides.append((label, end))
    return rides


def _direction(here, there) -> str:
    north = float(there["latitude"]) - float(here["latitude"])
    east = float(there["longitude"]) - float(here["longitude"])
    # A degree of longitude is shorter than one of latitude this far north.
    east *= math.cos(math.radians(float(here["latitude"])))
    if abs(north) > abs(east):
        return "north" if north > 0 else "south"
    return "east" if east > 0 else "west"


_COUPLES = (
    # Mother, father, their children from the eldest.
    ("Ada", "Bruno", ("Clara", "Dario", "Edith")),
    ("Greta", "Hugo", ("Ivan", "Julia")),
    ("Clara", "Ivan", ("Karin", "Leo", "Mona")),
    ("Edith", "Felix", ("Nils", "Olga")),
    ("Julia", "Piet", ("Quirin", "Rosa")),
    ("Karin", "Stefan", ("Tilda", "Urs")),
    ("Olga", "Quirin", ("Vera", "Wim")),
    ("Mona", "Xaver", ("Yara", "Zeno")),
)
_DAUGHTERS = frozenset(
    {"Clara", "Edith", "Julia", "Karin", "Mona", "Olga", "Rosa", "Tilda", "Vera", "Yara"}
)
_KINSHIP = (
    "mother",
    "father",
    "eldest daughter",
    "second daughter",
    "eldest son",
    "second son",
    "spouse",
)


@cache
def family_tree() -> Map:
    """A family of 26 in four generations, of our own invention; labels are its closest ties."""
    ties: list[tuple[str, str, str]] = []
    for mother, father, children in _COUPLES:
        ties += [(mother, "spouse", father), (father, "spouse", mother)]
        daughters = [child for child in children if child in _DAUGHTERS]
        sons = [child for child in children if child not in _DAUGHTERS]
        for child in children:
            ties += [(child, "mother", mother), (child, "father", father)]
        for parent in (mother, father):
            for kind, born in (("daughter", daughters), ("son", sons)):
                for order, child in zip(("eldest", "second"), born, strict=False):
                    ties.append((parent, f"{order} {kind}", child))
    people = sorted({tie[0] for tie in ties} | {tie[2] for tie in ties})
    return Map(
        node_names=tuple(people),
        label_names=_KINSHIP,
        edges=tuple((people.index(a), _KINSHIP.index(tie), people.index(b)) for a, tie, b in ties),
    )
