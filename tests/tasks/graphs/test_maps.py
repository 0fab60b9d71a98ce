"""The maps of the real world: a family, and the Underground."""

import networkx as nx
import pytest

from tapehead.errors import TapeheadError
from tapehead.tasks.graphs.maps import family_tree, underground
from underground_tables import write_tables


def test_the_family_is_a_family():
    family = family_tree()
    assert len(family.node_names) >= 20
    assert len(family.label_names) <= 10
    ties = {(a, label): b for a, label, b in family.edges}
    assert len(ties) == len(family.edges)
    names, labels = family.node_names, family.label_names
    name = {n: i for i, n in enumerate(names)}
    kind = {n: i for i, n in enumerate(labels)}
    for (person, label), other in ties.items():
        if labels[label] in ("mother", "father"):
            children = [end for (who, _), end in ties.items() if who == other]
            assert person in children
        if labels[label] == "spouse":
            assert ties[other, label] == person
    great = name["Vera"]
    for tie in ("mother", "mother", "mother"):
        great = ties[great, kind[tie]]
    assert names[great] == "Ada"
    depth = nx.dag_longest_path_length(
        nx.DiGraph((a, b) for a, label, b in family.edges if labels[label] in ("mother", "father"))
    )
    assert depth == 3


def test_the_underground_keeps_meeting_stations_and_names_lines_by_direction(tmp_path):
    write_tables(tmp_path)
    known = underground(str(tmp_path))
    # Between and North lie on one line each: rides pass through. Far lies in another zone.
    assert known.node_names == ("West", "Middle", "East")
    rides = {
        (known.node_names[a], known.label_names[label], known.node_names[b])
        for a, label, b in known.edges
    }
    assert {ride for ride in rides if ride[1].startswith("Red")} == {
        ("West", "Red east", "Middle"),
        ("Middle", "Red west", "West"),
        ("Middle", "Red east", "East"),
        ("East", "Red west", "Middle"),
    }
    assert len({(a, label) for a, label, _ in known.edges}) == len(known.edges)


def test_missing_or_foreign_tables_are_one_clear_line(tmp_path):
    with pytest.raises(TapeheadError, match=r"data = .*: there is no london.stations.csv in it"):
        underground(str(tmp_path))
    (tmp_path / "b").mkdir()
    for name in ("stations", "lines", "connections"):
        (tmp_path / "b" / f"london.{name}.csv").write_text("something\nelse\n")
    with pytest.raises(TapeheadError, match="not tables of the Underground"):
        underground(str(tmp_path / "b"))
