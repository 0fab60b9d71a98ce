"""A walk over a graph: under its real names, with what was read, right and wrong steps apart."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from samples import texts

from tapehead.cli import main
from tapehead.tasks import make_task
from tapehead.tasks.graphs.maps import family_tree
from tapehead.tasks.graphs.worlds import Map, told_map
from tapehead.training import TrainConfig, train
from tapehead.viewing.maps import GraphMap, graph_map, names_of
from tapehead.viewing.origins import origins_of
from tapehead.viewing.problems import sequences
from tapehead.viewing.style import ERROR, READ
from tapehead.viewing.walks import Found, edges_read, walk_figure
from underground_tables import write_tables

GRAPH = GraphMap(
    names=["Bank", "Euston", "Temple"],
    xy=np.array([[0.1, 0.2], [0.8, 0.3], [0.4, 0.9]]),
    edges=[(0, 1), (1, 2), (2, 0), (1, 0)],
    labels=["Northern north", "Circle west", "District east", "Northern south"],
    told=[2, 0, 3, 1],
    walk=[(5, 0, 0), (6, 1, 3), (7, 2, None), (8, None, None)],
)


def colour_of(figure, words):
    found = [text for axes in figure.axes for text in axes.texts if text.get_text() == words]
    assert len(found) == 1, (words, texts(figure))
    return to_hex(found[0].get_color())


@given(st.integers(0, 10**6))
def test_a_map_told_under_other_names_in_another_order_is_known_again(seed):
    known = family_tree()
    graphs = told_map(torch.Generator().manual_seed(seed), 1, known)
    told = [tuple(edge) for edge in graphs.triples(graphs.edges)[0].tolist()]
    nodes, labels = names_of(told, known)
    truth = dict(zip(graphs.names[0].tolist(), known.node_names, strict=True))
    assert nodes == {code: truth[code] for code in nodes}
    truth = dict(zip(graphs.edge_names[0].tolist(), known.label_names, strict=True))
    assert labels == {code: truth[code] for code in labels}
    # In this family one label, and a few people, could be told for others.
    assert len(labels) == len(known.label_names) - 1
    assert len(nodes) > len(known.node_names) / 2


def test_what_can_be_turned_round_keeps_its_digits():
    known = Map(("hub", "left", "right", "tail"), ("go", "on"), ((0, 0, 1), (0, 0, 2), (3, 1, 0)))
    nodes, labels = names_of([(9, 5, 7), (9, 5, 8), (4, 6, 9)], known)
    assert nodes == {9: "hub", 4: "tail"}
    assert labels == {5: "go", 6: "on"}
    # Another graph than the map is not given its names.
    assert names_of([(1, 5, 2)], known) == ({}, {})
    once = Map(("here", "there"), ("go",), ((0, 0, 1),))
    assert names_of([(1, 5, 2), (3, 6, 4)], once) == ({}, {})


def test_who_points_at_a_node_tells_it_from_others():
    known = Map(("x", "a", "b", "c", "d"), ("on",), ((0, 0, 1), (1, 0, 2), (3, 0, 4)))
    nodes, _ = names_of([(14, 9, 13), (11, 9, 12), (12, 9, 10)], known)
    assert nodes == {11: "x", 12: "a", 10: "b", 14: "c", 13: "d"}


def test_an_episode_on_a_known_map_has_its_names():
    task = make_task("inference", graph="family", min_length=4, max_length=4)
    batch = task.batch(torch.Generator().manual_seed(1), 2)
    graph = graph_map(batch, batch.targets, task.known)
    assert set(graph.labels) <= set(task.known.label_names)
    named = set(graph.names) & set(task.known.node_names)
    assert len(named) > len(graph.names) / 2
    plain = graph_map(batch, batch.targets)
    assert all(name.isdecimal() for name in plain.names)
    assert make_task("inference").known is None


def planted(weights):
    """A trace that writes a random word to a row of its own in each of nine steps, and reads by
    given weights over these rows."""
    steps, rows, word = 9, 9, 40
    draw = torch.Generator().manual_seed(0)
    add = torch.randn(1, steps, 1, word, generator=draw, dtype=torch.float64)
    write = torch.eye(steps, dtype=torch.float64)[None, :, None]
    memory = torch.stack([add[0, :, 0] * (torch.arange(9) <= t)[:, None] for t in range(steps)])
    read = torch.zeros(1, steps, 2, rows, dtype=torch.float64)
    for (step, head), row_weights in weights.items():
        for row, weight in row_weights.items():
            read[0, step, head, row] = weight
    return SimpleNamespace(
        memory=memory[None], write_weights=write, erase=torch.zeros_like(add), add=add,
        read_weights=read, reads=torch.einsum("bthn,btnw->bthw", read, memory[None]),
    ), torch.zeros(1, rows, word, dtype=torch.float64)  # fmt: skip


def test_edges_are_read_from_the_rows_that_they_were_written_to():
    # Edge 0 was told at step 2, edge 1 at step 0, edge 3 at step 1; step 4 told no edge.
    trace, start = planted(
        {
            (5, 0): {2: 1.0},
            (5, 1): {4: 1.0},
            (6, 0): {1: 0.8, 0: 0.6},
            (6, 1): {1: 1.0},
            (7, 0): {0: 1.0, 2: 0.1},
        }
    )
    read = edges_read(GRAPH, origins_of(trace, start))
    assert [[found.edge for found in step] for step in read] == [[0], [3, 1], [1], []]
    assert read[0][0].share == pytest.approx(1.0)
    assert read[1][0].share == pytest.approx(1.0)
    # Of 0.8 x + 0.6 y, with x and y nearly at right angles.
    assert read[1][1].share == pytest.approx(0.36, abs=0.12)


def test_right_and_wrong_steps_in_words_and_on_the_map():
    read = [[Found(0, 0.97)], [Found(3, 0.6), Found(1, 0.4), Found(2, 0.3)], [], []]
    figure = walk_figure(GRAPH, read, title="DNC")
    words = texts(figure)
    assert "Bank → Euston, Northern north" in words
    assert "the end" in words
    assert colour_of(figure, "answered: Euston → Bank, Northern south") == ERROR
    assert colour_of(figure, "answered: no edge of the graph") == ERROR
    assert colour_of(figure, "read: Bank → Euston, Northern north (97%)") == READ
    assert "read: Euston → Temple, Circle west (40%)" in words
    assert not any("Temple → Bank, District east (30%)" in text for text in words)
    assert words.count("read: no edge") == 1
    assert not any(text == "answered: Bank → Euston, Northern north" for text in words)
    arrows = [to_hex(patch.get_edgecolor()) for patch in figure.axes[0].patches]
    # One right, one wrong, and where it should have gone in the second and third step.
    assert sorted(arrows) == sorted([READ, ERROR, "#8a8a8a", "#8a8a8a"])
    assert {"Bank", "Euston", "Temple"} <= set(words)
    silent = texts(walk_figure(GRAPH))
    assert not any("read" in text for text in silent)


def test_names_lie_apart_and_on_the_map():
    names = [f"A station with a long name {number}" for number in range(6)]
    xy = np.array([[0.02, 0.5], [0.06, 0.5], [0.1, 0.5], [0.5, 0.5], [0.52, 0.5], [0.98, 0.5]])
    graph = GRAPH._replace(names=names, xy=xy)
    axes = walk_figure(graph).axes[0]
    places = {text.get_text(): text.get_position() for text in axes.texts}
    of_names = [places[name] for name in names]
    assert len(set(of_names)) == len(names)
    heights = [y for (_, y), (x, _) in zip(of_names, xy, strict=True) if x < 0.2]
    assert len(set(heights)) > 1


def test_a_run_is_drawn_with_its_walk_and_on_another_map(tmp_path, capsys, monkeypatch):
    small = {"memory_size": 16, "word_size": 6, "num_reads": 2, "hidden_size": 8}
    config = TrainConfig(
        task="traversal", machine="dnc", machine_options=small, max_sequences=4, batch_size=4,
        report_every=4, validation_sequences=2, curriculum="look-back", threads=1,
        task_options={"max_nodes": 5, "min_nodes": 4, "max_degree": 2, "max_length": 3},
    )  # fmt: skip
    train(config, tmp_path / "run")
    assert main(["view", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "figures" / "walk.png").stat().st_size > 10_000
    capsys.readouterr()
    assert main(["view", str(tmp_path / "run"), "--data", str(tmp_path)]) != 0
    assert "london.stations.csv" in capsys.readouterr().err
    # Of all sizes those that the data bring, whatever training has seen.
    write_tables(tmp_path)
    titles = []
    monkeypatch.setattr(
        sequences, "walk_figure", lambda *_, title: titles.append(title) or Figure()
    )
    assert main(["view", str(tmp_path / "run"), "--data", str(tmp_path)]) == 0
    assert titles == ["DNC: Graph traversal, underground"]
    capsys.readouterr()
    train(TrainConfig(machine="lstm", max_sequences=16, threads=1), tmp_path / "copy")
    assert main(["view", str(tmp_path / "copy"), "--data", str(tmp_path)]) == 2
    assert "--data must be left out for copy, which reads none" in capsys.readouterr().err
