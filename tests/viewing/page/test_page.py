"""What the page holds, as far as Python writes it."""

import base64
import json
import re
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from page_samples import (
    STEPS,
    graph_sample,
    planted_document,
    planted_recording,
    planted_trace,
)
from samples import copy_episode

from tapehead.viewing.page.packing import NOT_A_NUMBER, embedded, packed, plain
from tapehead.viewing.page.traced import trace_panels
from tapehead.viewing.page.writing import SCRIPTS, STYLES, page, write_page


def unpacked(value):
    """As `data.js` does it."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(value["packed"])), np.uint8)
    half = len(planes) // 2
    codes = planes[:half].astype(np.uint16) | planes[half:].astype(np.uint16) << 8
    codes = codes.reshape(value["shape"]).copy()
    codes = np.cumsum(codes, axis=0, dtype=np.uint16)
    share = codes / (NOT_A_NUMBER - 1)
    values = value["low"] + share * (value["high"] - value["low"])
    return np.where(codes == NOT_A_NUMBER, np.nan, values)


def data_of(text):
    """What the page's script reads."""
    inside = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    return json.loads(inside[1])


def panel(recording, name):
    return next(panel for panel in recording.panels if panel.name == name)


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(0, 5), st.floats(1e-6, 1e6))
def test_arrays_come_back_to_a_part_of_their_range(seed, steps, wide, scale):
    values = np.random.default_rng(seed).normal(size=(steps, wide, 2)) * scale
    back = unpacked(packed(values))
    assert back.shape == values.shape
    if values.size:
        np.testing.assert_allclose(back, values, atol=np.ptp(values) / 130_000 + 1e-30)


def test_what_is_no_number_stays_none():
    values = np.array([[1.0, np.nan], [np.inf, 3.0], [2.0, 2.0]])
    np.testing.assert_allclose(
        unpacked(packed(values)), [[1, np.nan], [np.nan, 3], [2, 2]], atol=1e-4
    )
    assert plain({"a": float("inf"), "b": [float("nan"), 1]}) == {"a": None, "b": [None, 1]}


def test_constants_and_nothing_at_all_can_be_packed():
    np.testing.assert_allclose(unpacked(packed(np.full((3, 2), 7.5))), 7.5)
    assert packed(np.zeros((0, 4)))["shape"] == [0, 4]


def test_a_memory_over_240_steps_stays_small():
    """Most of a memory is as it was a step before, and costs nothing."""
    draw = np.random.default_rng(0)
    memory = np.zeros((240, 128, 20))
    for step in range(240):
        memory[step:, step % 128] = draw.normal(size=20)
    assert len(packed(memory)["packed"]) < 100_000


def test_no_text_ends_the_script_it_stands_in():
    hostile = "</script><script>alert(1)</script><!-- \u2028 & {{data}} {{scripts}}"
    value = {"title": hostile, "more": [hostile]}
    text = embedded(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
    whole = page(planted_document(title=hostile, files={"bits": "figures/</script>.png"}))
    assert data_of(whole)["title"] == hostile
    assert "<script>alert" not in whole
    assert "&lt;script&gt;alert(1)" in whole.split("<style>")[0]


def test_the_page_is_one_small_file(tmp_path):
    held = planted_document()
    file = write_page(held, tmp_path / "view.html")
    text = file.read_text(encoding="utf-8")
    assert [entry.name for entry in tmp_path.iterdir()] == ["view.html"]
    assert len(text) - len(embedded(held)) < 300_000
    # Nothing is fetched: no address but those of the standards and of the licence.
    addresses = set(re.findall(r"https?://[^\s\"'`<>)]+", text))
    assert addresses == {"http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot"}
    assert "{{" not in text.split('<script id="data"')[0]


def test_an_older_page_stays_whole_if_the_new_one_cannot_be_written(tmp_path):
    file = write_page(planted_document(), tmp_path / "view.html")
    before = file.read_bytes()
    with pytest.raises(TypeError):
        write_page({**planted_document(), "more": object()}, file)
    assert file.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["view.html"]


def test_every_script_and_style_of_the_folder_is_in_the_page():
    """One that is not listed would never run."""
    from importlib.resources import files

    folder = files("tapehead.viewing.page") / "assets"
    there = {
        f"{sub}{entry.name}"
        for sub, place in (("", folder), *((f"{n}/", folder / n) for n in ("panels", "uplot")))
        for entry in place.iterdir()
        if entry.name.endswith((".js", ".css"))
    }  # fmt: skip
    assert there == {*SCRIPTS, *STYLES}


def test_every_kind_of_panel_has_its_script():
    from importlib.resources import files

    views = (files("tapehead.viewing.page") / "assets" / "views.js").read_text()
    kinds = set(re.findall(r"^  (\w+): \w+Panel,$", views, re.M))
    assert kinds == {name.split("/")[1][:-3] for name in SCRIPTS if name.startswith("panels/")}
    assert {panel.kind for panel in planted_recording().panels} <= kinds


def test_what_the_page_shows_is_the_trace():
    trace = planted_trace()
    recording = data_of(page(planted_document()))["recordings"][0]
    shown = {panel["name"]: panel["data"] for panel in recording["panels"]}
    for name in ("write_weights", "read_weights", "add", "reads", "erase"):
        wanted = trace.tensors[name][0].numpy()
        np.testing.assert_allclose(unpacked(shown[name]["values"]), wanted, atol=1e-4)
    np.testing.assert_allclose(
        unpacked(shown["memory"]["values"]), trace.memory[0].numpy(), atol=1e-4
    )
    episode = copy_episode(5)
    for name in ("inputs", "targets", "outputs"):
        wanted = getattr(episode, name)
        np.testing.assert_allclose(unpacked(shown[name]["values"])[:, 0], wanted, atol=1e-4)
    assert shown["outputs"]["quiet"] == [0, 1, 2, 3, 4, 5]
    assert recording["asked"] == [6, 7, 8, 9, 10]
    assert recording["verdict"] == "all 40 bits right"
    # Rows as in the figures: those in use and their neighbours.
    assert shown["write_weights"]["rows"] == [2, 3, 4, 5, 6, 7, 8]


def test_wrong_cells_are_marked():
    recording = planted_recording(flips=[(1, 2)])
    wrong = panel(recording, "outputs").data["wrong"][:, 0]
    assert np.argwhere(wrong).tolist() == [[7, 2]]
    assert recording.wrong
    assert recording.verdict == "1 of 40 bits wrong"


def test_planted_origins_reach_the_page():
    origins = data_of(page(planted_document()))["recordings"][0]["origins"]
    reads = unpacked(origins["reads"])
    for step in range(5):
        assert reads[6 + step, 0, 1:].argmax() == step
        assert reads[6 + step, 0, 1 + step] == pytest.approx(1, abs=1e-4)
    survival = unpacked(origins["survival"])
    assert survival[7, 0, 1] == pytest.approx(0.5, abs=1e-4)
    assert survival[8, 0, 2] == pytest.approx(1, abs=1e-4)


def test_a_trace_of_another_machine_has_panels_too():
    """Names that nobody knows: a line, rows, bands; what cannot be drawn is left out."""
    from tapehead.machines.machine import Trace

    shapes = {"level": (3,), "votes": (3, 20), "fields": (3, 2, 5), "cubes": (3, 2, 2, 2)}
    tensors = {name: torch.rand(1, *shape) for name, shape in shapes.items()}
    panels = {
        panel.name: panel for panel in trace_panels(Trace(torch.zeros(1, 3, 1), None, tensors))
    }
    assert {name: panel.kind for name, panel in panels.items()} == {
        "level": "lines", "votes": "heat", "fields": "heat",
    }  # fmt: skip
    assert panels["votes"].title == "Votes"
    assert panels["fields"].data["values"].shape == (3, 2, 5)
    assert {panel.group for panel in panels.values()} == {"inside"}


def test_the_curve_is_that_of_the_rows():
    curve = planted_document()["curve"]
    assert [metric["name"] for metric in curve["metrics"]] == ["bit_errors", "solved", "loss"]
    assert curve["metrics"][0]["goal"] is not None
    assert curve["train"]["sequences"] == [100 * n for n in range(1, 9)]
    assert curve["validation"]["bit_errors"] == [30 / n for n in range(1, 9)]


def test_a_long_curve_is_thinned_and_keeps_its_end():
    from tapehead.tasks import make_task
    from tapehead.viewing.page.document import MOST_ROWS, curve

    rows = [
        {"kind": "train", "sequences": n, "seconds": n, "loss": n} for n in range(3 * MOST_ROWS)
    ]
    thin = curve(make_task("copy"), rows)["train"]
    assert thin["every"] == 3
    assert len(thin["sequences"]) == MOST_ROWS
    assert thin["sequences"][-1] == 3 * MOST_ROWS - 1
    assert np.diff(thin["sequences"]).tolist() == [3] * (MOST_ROWS - 1)


def test_facts_say_seed_commit_and_settings():
    held = planted_document()
    facts = dict(held["facts"])
    assert (facts["seed"], facts["commit"], facts["parameters"]) == ("3", "0123456789ab", "12,345")
    training = dict(held["settings"]["Training"])
    assert training["seed"] == "3"
    assert {"None", "True", "False", ""}.isdisjoint(training.values())
    assert {"–", "no"} <= set(training.values())
    assert held["recordings"][0].steps == STEPS


def test_a_graph_is_told_walked_and_drawn():
    """Planted: 7 to 8 by 50, 8 to 9 by 51, 8 to 7 by 52; at the last step 52 is said for 51."""
    graph = graph_sample()
    assert graph.names == ["007", "008", "009"]
    assert graph.edges == [(0, 1), (1, 2), (1, 0)]
    assert graph.labels == ["050", "051", "052"]
    assert graph.told == [0, 1, 2]
    assert graph.walk == [(4, 0, 0), (5, 1, 2)]


@pytest.mark.parametrize("nodes", [1, 2, 3, 9])
def test_a_map_lies_in_its_square_and_puts_neighbours_next_to_each_other(nodes):
    from tapehead.viewing.maps import layout

    edges = [(node, node + 1) for node in range(nodes - 1)]
    places = layout(nodes, edges)
    assert places.shape == (nodes, 2)
    assert ((places >= 0) & (places <= 1)).all()
    if nodes > 2:
        gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
        steps = np.abs(np.arange(nodes)[:, None] - np.arange(nodes)[None])
        assert gaps[steps == 1].max() < gaps[steps == 2].min()
    np.testing.assert_array_equal(layout(nodes, edges), places)


def test_a_map_of_pieces_has_no_hole_in_it():
    from tapehead.viewing.maps import layout

    places = layout(5, [(0, 1), (2, 3), (3, 2), (4, 4)])
    assert np.isfinite(places).all()
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert gaps[0, 1] < gaps[0, 2]


def test_the_wheel_contains_all_that_the_page_is_made_of():
    """What is not Python has to be in the package as it is installed."""
    import tomllib
    from pathlib import Path

    import tapehead

    root = Path(tapehead.__file__).parents[2]
    if not (root / "pyproject.toml").is_file():  # an installed copy: the scripts were read above
        return
    target = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert target["targets"]["wheel"] == {"packages": ["src/tapehead"]}
    ignored = (root / ".gitignore").read_text().split()
    for name in [*SCRIPTS, *STYLES, "page.html", "uplot/LICENSE"]:
        assert (root / "src/tapehead/viewing/page/assets" / name).is_file()
        assert not {f"*{Path(name).suffix}", Path(name).name} & set(ignored)


def pointed(shape, right, said, solved=False):
    from tapehead.viewing.points import Pointed

    xy = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    attention = np.full((len(said) + 1, 5), 0.2)
    return Pointed(xy, np.array(right), np.array(said), attention, shape, solved)


def test_a_hull_is_drawn_arrow_by_arrow_and_closed_at_its_end():
    from tapehead.viewing.points import arrows_of, sides_of

    wrong = pointed("polygon", [1, 2, 3, 4], [1, 2, 4])
    assert arrows_of(wrong) == [(1, 0, 1, True), (2, 1, 3, False), (3, 3, 0, True)]
    assert sides_of(wrong) == [(0, 1), (1, 2), (2, 3), (3, 0)]
    # The other way round is as good.
    right = pointed("polygon", [1, 2, 3, 4], [4, 3, 2, 1], solved=True)
    assert all(arrow.right for arrow in arrows_of(right))


def test_triangles_are_closed_one_by_one_and_judged_whole():
    from tapehead.viewing.points import arrows_of, sides_of

    told = pointed("triangles", [1, 2, 3, 1, 3, 4], [3, 1, 2, 1, 2, 4])
    assert arrows_of(told) == [
        (1, 2, 0, True), (2, 0, 1, True), (2, 1, 2, True),
        (4, 0, 1, False), (5, 1, 3, False), (5, 3, 0, False),
    ]  # fmt: skip
    assert sides_of(told) == [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)]


def test_pointers_have_their_points_and_numbers_in_order_have_none():
    from tapehead.viewing.page.recordings import point_recording

    recording = point_recording(pointed("tour", [1, 2, 3, 4], [1, 3, 2, 4]), label="4")
    assert [panel.kind for panel in recording.panels] == ["points", "heat"]
    assert recording.panels[0].data["attention"].shape == (5, 4)
    order = point_recording(pointed("order", [1, 2, 3, 4], [1, 3, 2, 4]), label="4")
    assert [panel.kind for panel in order.panels] == ["heat"]
