"""The figure of a curriculum: where each seed stands, on the whole ladder."""

from tapehead.viewing.lessons import lessons_figure


def test_each_seed_climbs_on_a_ladder_with_all_its_lessons():
    seeds = [[(1000, 1), (2000, 3)], [(1000, 1), (3000, 1)]]
    climbs = {"traversal": {"dnc": seeds}, "inference": {}}
    traversal, inference = lessons_figure(climbs, {"traversal": 14, "inference": 17}).axes
    *seeds, last = traversal.lines
    assert [line.get_xydata().tolist() for line in seeds] == [[[1, 1], [2, 3]], [[1, 1], [3, 1]]]
    assert {tuple(line.get_ydata()) for line in (last, *inference.lines)} == {(14, 14), (17, 17)}
    assert (traversal.get_ylim(), inference.get_ylim()) == ((0, 15), (0, 18))


def test_two_machines_have_colours_of_their_own_and_a_key():
    climbs = {"traversal": {"dnc": [[(1000, 1), (2000, 3)]], "lstm": [[(1000, 1), (4000, 1)]]}}
    axes, keys = lessons_figure(climbs, {"traversal": 14}).axes
    dnc, lstm, _ = axes.lines
    assert lstm.get_xydata().tolist() == [[1, 1], [4, 1]]
    assert [text.get_text() for text in keys.texts] == ["DNC", "LSTM"]
    keys = [key.get_color() for key in keys.lines if len(key.get_xdata()) == 2]
    assert keys == [dnc.get_color(), lstm.get_color()]
    assert dnc.get_color() != lstm.get_color()
