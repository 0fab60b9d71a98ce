"""The look, and the save that leaves no half picture."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from samples import MACHINES, copy_episode

from tapehead.recipes.dnc import VARIANTS
from tapehead.viewing import bit_figure, learning_curves, save
from tapehead.viewing.header import text_mm
from tapehead.viewing.style import machine_styles, new_figure, place, styled, to_array


@pytest.fixture
def figure():
    return bit_figure(copy_episode())


def test_saved_picture_has_the_size_in_print_and_can_be_read(figure, tmp_path):
    path = save(figure, tmp_path / "new" / "bits.png")
    picture = imread(path)
    width, height = figure.get_size_inches()
    assert picture.shape[:2] == (int(height * 200), int(width * 200))
    assert picture[..., :3].std() > 0.1
    assert [file.name for file in path.parent.iterdir()] == ["bits.png"]


def test_same_figure_is_the_same_file(tmp_path):
    first = save(bit_figure(copy_episode()), tmp_path / "a.png").read_bytes()
    assert save(bit_figure(copy_episode()), tmp_path / "b.png").read_bytes() == first
    assert b"Matplotlib" not in first  # nor does it change with the version's name


def test_picture_is_renamed_when_whole(figure, tmp_path, monkeypatch):
    seen = []
    rename = os.replace

    def watched(source, target):
        seen.append((imread(source, format="png").shape, target.exists()))
        rename(source, target)

    monkeypatch.setattr(os, "replace", watched)
    path = save(figure, tmp_path / "bits.png")
    assert seen == [(imread(path).shape, False)]


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_other_formats_by_suffix(figure, tmp_path, kind, start):
    assert save(figure, tmp_path / f"bits.{kind}").read_bytes().startswith(start)


def test_failed_save_keeps_the_old_picture_and_leaves_nothing_else(figure, tmp_path, monkeypatch):
    path = tmp_path / "bits.png"
    path.write_bytes(b"old")

    def broken(file, **_):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        save(figure, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_users_settings_change_no_picture(tmp_path):
    plain = save(learning_curves(MACHINES), tmp_path / "a.png").read_bytes()
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9, "axes.grid": True}):
        assert save(learning_curves(MACHINES), tmp_path / "b.png").read_bytes() == plain


def test_a_figure_once_built_keeps_its_look():
    figure = learning_curves(MACHINES)

    def pixels(settings):
        with matplotlib.rc_context(settings):
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            return np.asarray(canvas.buffer_rgba()).copy()

    mine = {"xtick.labelsize": 20, "xtick.major.size": 9, "text.color": "red"}
    np.testing.assert_array_equal(pixels(mine), pixels({}))


def test_ticks_are_made_in_the_style_of_the_figure():
    @styled
    def built():
        figure = new_figure(60, 40)
        place(figure, 10, 5, 40, 25).plot([0, 1], [0, 1])
        return figure

    figure = built()
    with matplotlib.rc_context({"xtick.major.size": 20.0, "ytick.major.size": 20.0}):
        figure.draw_without_rendering()
    (axes,) = figure.axes
    ticks = [*axes.xaxis.get_major_ticks(), *axes.yaxis.get_major_ticks()]
    assert {tick.tick1line.get_markersize() for tick in ticks} == {2.0}


def test_pyplot_is_never_loaded():
    code = (
        "import sys; from samples import *; from tapehead.viewing import *; import tempfile;"
        "save(learning_curves(MACHINES), tempfile.mkdtemp() + '/a.png');"
        "save(summary_figure(copy_episode(), copy_trace(), MACHINES), tempfile.mkdtemp()+'/b.png');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    folder = sys.modules["samples"].__file__.rsplit("/", 1)[0]
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, check=True)


def test_each_machine_looks_its_own_way_in_every_figure():
    known = ["ntm-lstm", "ntm-feedforward", "lstm", "dnc"]
    together = machine_styles([*known, "mine", "yours"])
    assert machine_styles(["dnc"])["dnc"] == together["dnc"]
    assert len({style.colour for style in together.values()}) == 6
    assert len({style.marker for style in together.values()}) == 6
    assert together["mine"].label == "mine"


def test_variants_of_a_machine_have_its_name_and_looks_of_their_own():
    study = machine_styles(VARIANTS)
    assert study["dnc, feed-forward"].label == "DNC, feed-forward"
    looks = {(style.colour, style.marker) for style in study.values()}
    assert len(looks) == len({style.marker for style in study.values()}) == len(VARIANTS) == 8


def test_arrays_of_any_kind():
    import torch

    half = torch.tensor([1.5, 2.0], dtype=torch.bfloat16, requires_grad=True)
    for values in (half, np.array([1.5, 2.0]), [1.5, 2.0]):
        assert to_array(values).tolist() == [1.5, 2.0]
    assert to_array(torch.tensor([1], dtype=torch.int64)).dtype == np.int64
    assert to_array(torch.tensor([1 / 3], dtype=torch.float64))[0] == 1 / 3


def test_place_is_in_millimetres():
    figure = new_figure(100, 50)
    box = place(figure, 10, 5, 60, 20).get_position()
    np.testing.assert_allclose([box.x0, box.x1, 1 - box.y1, 1 - box.y0], [0.1, 0.7, 0.1, 0.5])


def test_width_of_type_counts_spaces():
    assert text_mm("a  b") > text_mm("ab") + 1
    assert text_mm("ab  ") > text_mm("ab") + 1
    assert text_mm("abc", 12) == pytest.approx(2 * text_mm("abc", 6))
