"""The figure of a curriculum: where each seed stands, on the whole ladder."""

from tapehead.viewing.lessons import lessons_figure


def test_each_seed_climbs_on_a_ladder_with_all_its_lessons():
    climbs = {"traversal": [[(1000, 1), (2000, 3)], [(1000, 1), (3000, 1)]], "inference": []}
    traversal, inference = lessons_figure(climbs, {"traversal": 14, "inference": 17}).axes
    *seeds, last = traversal.lines
    assert [line.get_xydata().tolist() for line in seeds] == [[[1, 1], [2, 3]], [[1, 1], [3, 1]]]
    assert {tuple(line.get_ydata()) for line in (last, *inference.lines)} == {(14, 14), (17, 17)}
    assert (traversal.get_ylim(), inference.get_ylim()) == ((0, 15), (0, 18))
