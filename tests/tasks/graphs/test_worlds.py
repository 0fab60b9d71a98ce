"""Random graphs: their sizes and neighbours, against what the paper says of them."""

from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapehead.tasks.graphs.worlds import edge_table, pick, random_graphs


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_random_graphs_join_nearest_neighbours(seed):
    g = torch.Generator().manual_seed(seed)
    graphs = random_graphs(g, 8, (3, 9), (2, 4))
    for b in range(8):
        nodes, count = int(graphs.nodes[b]), int(graphs.counts[b])
        assert 3 <= nodes <= 9
        edges = [tuple(edge) for edge in graphs.edges[b, :count].tolist()]
        assert len({(source, label) for source, label, _ in edges}) == count
        assert len({(source, end) for source, _, end in edges}) == count
        assert all(source != end and max(source, end) < nodes for source, _, end in edges)
        degrees = Counter(source for source, _, _ in edges)
        assert set(degrees) == set(range(nodes))
        assert all(min(2, nodes - 1) <= degree <= min(4, nodes - 1) for degree in degrees.values())
        names = graphs.names[b, :nodes].tolist()
        assert len(set(names)) == nodes
        assert all(0 <= name <= 999 for name in names)
        # As many edge names as nodes, whoever uses them.
        used = {label for _, label, _ in edges}
        assert max(used) < nodes


def test_neighbours_are_near():
    """The mean rank of an edge's end among all nodes by distance is that of the nearest K."""
    g = torch.Generator().manual_seed(3)
    state = g.get_state()
    graphs = random_graphs(g, 1, (30, 30), (3, 3))
    replay = torch.Generator()
    replay.set_state(state)
    torch.randint(30, 31, (1,), generator=replay)
    points = torch.rand(1, 30, 2, generator=replay)[0]
    ends = {node: set() for node in range(30)}
    for source, _, end in graphs.edges[0].tolist():
        ends[source].add(end)
    for node, near in ends.items():
        by_distance = (points - points[node]).norm(dim=-1).argsort().tolist()
        assert near == set(by_distance[1:4])


def test_edge_table_lists_every_edge_and_no_other():
    g = torch.Generator().manual_seed(0)
    graphs = random_graphs(g, 5, (2, 6), (1, 3), 10)
    table = edge_table(graphs, 10)
    for b in range(5):
        expected = torch.full_like(table[b], -1)
        for source, label, end in graphs.edges[b, : int(graphs.counts[b])].tolist():
            expected[source, label] = end
        assert torch.equal(table[b], expected)


def test_pick_draws_by_weight_and_never_what_has_none():
    g = torch.Generator().manual_seed(0)
    weights = torch.tensor([[0.0, 1.0, 3.0, 0.0]]).expand(4000, -1)
    drawn = torch.bincount(pick(weights, g), minlength=4)
    assert drawn[0] == drawn[3] == 0
    assert abs(int(drawn[2]) - 3000) < 5 * (4000 * 0.75 * 0.25) ** 0.5
