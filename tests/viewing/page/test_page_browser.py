"""The page in a real browser, where there is one: it opens off line, and does what is clicked."""

import re
import threading
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pytest
from page_samples import (
    bold_story_sample,
    digits_sample,
    hull_sample,
    long_tape_sample,
    map_sample,
    planted_document,
    planted_recording,
    points_sample,
    story_sample,
    tape_sample,
    words_sample,
)

from skips import CHROMIUM, find, needs
from tapehead.viewing.page.serving import PageServer
from tapehead.viewing.page.writing import write_page

QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = needs("chromium")


@pytest.fixture(scope="module")
def browser():
    sync_api = find("playwright", "playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    recordings = [planted_recording("5"), planted_recording("wrong", flips=[(1, 2)])]
    path = tmp_path_factory.mktemp("page") / "view.html"
    names = ["bits", "lengths", "memory", "heads", "learning", "generalisation", "summary"]
    files = {name: f"figures/{name}.png" for name in names}
    return write_page(planted_document(recordings, files=files), path)


@pytest.fixture
def opened(browser, file):
    """Opens the page in a fresh tab; at the end nothing was complained of and nothing fetched."""
    contexts, troubles, fetched, allowed = [], [], [], {"file", "data", "blob"}

    def open_(path=file, *, width=1280, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(path if isinstance(path, str) else path.as_uri())
        page.wait_for_selector("figure canvas")
        return page

    open_.allowed, open_.fetched = allowed, fetched
    yield open_
    for context in contexts:
        context.close()
    assert troubles == []
    assert {url.split(":")[0] for url in fetched} <= allowed


def where(page):
    return page.inner_text("#where")


def told(page):
    """What the panel of origins says, as a screen reader hears it."""
    return page.get_attribute("[data-name=origins] canvas.top", "aria-label")


def click_cell(page, name, step, row, *, steps=11, rows):
    """Click the middle of a cell of a panel over time; `row` counts the rows on show."""
    canvas = page.locator(f"[data-name={name}] canvas.top")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    left = float(page.evaluate("getComputedStyle(document.body).getPropertyValue('--left')"))
    cell = (box["width"] - left - 14) / steps
    tall = page.get_attribute(f"[data-name={name}]", "data-band")
    y = 1 + float(tall) * (row + 0.5) / rows
    canvas.click(position={"x": left + (step + 0.5) * cell, "y": y})


def colour_at(page, name, step, row, *, layer=0, steps=11, rows):
    """The colour of a cell as it is drawn."""
    return page.evaluate(
        """([name, layer, step, row, steps, rows]) => {
            const figure = document.querySelector(`[data-name=${name}]`);
            const stage = figure.querySelectorAll(".stage canvas")[layer];
            const left = parseFloat(getComputedStyle(document.body).getPropertyValue("--left"));
            const tall = parseFloat(figure.dataset.band), top = parseFloat(figure.dataset.top);
            const wide = stage.clientWidth - left - 14;
            const x = left + (step + 0.5) * wide / steps, y = top + tall * (row + 0.5) / rows;
            const one = document.createElement("canvas").getContext(
                "2d", {willReadFrequently: true});
            one.drawImage(stage, Math.floor(x), Math.floor(y), 1, 1, 0, 0, 1, 1);
            return Array.from(one.getImageData(0, 0, 1, 1).data);
        }""",
        [name, layer, step, row, steps, rows],
    )


def test_it_opens_from_a_file_at_the_first_answer(opened):
    """Which is also the first read of what was written; then at the top of what is beside it."""
    page = opened()
    assert page.title() == "NTM-LSTM: Copy"
    assert where(page) == "step 7 of 11"
    assert told(page).startswith("Read at step 7 came from: 100.0 % write at step 1 (100.0 %")
    assert "Click a read" in page.inner_text("section.origins")
    touched = opened(has_touch=True, is_mobile=True, width=390)
    hint = touched.inner_text("section.origins .note")
    assert hint.startswith("Tap a read")
    assert "Click" not in hint
    names = page.eval_on_selector_all("figure", "all => all.map(each => each.dataset.name)")
    assert names[:3] == ["inputs", "targets", "outputs"]
    assert {"origins", "origin_map", "write_weights", "memory", "gate"} <= set(names)
    assert page.inner_text("#verdict") == "all 40 bits right"
    assert "0123456789ab" in page.inner_text("#facts")


def test_cells_have_the_colours_of_their_values(opened):
    page = opened()
    # A write weight of 1 in row 3 at step 1, of 0.5 in row 4 at step 6; rows 2 to 8 are on show.
    assert colour_at(page, "write_weights", 0, 1, rows=7) == [11, 31, 65, 255]
    half = colour_at(page, "write_weights", 5, 2, rows=7)
    assert half[2] > half[0] > 11
    assert colour_at(page, "write_weights", 3, 0, rows=7) == [255, 255, 255, 255]
    # Nothing is asked for at the first steps.
    assert colour_at(page, "outputs", 2, 3, rows=8) == [239, 239, 239, 255]


def test_the_initial_memory_is_a_bar_before_the_first_step(opened, tmp_path):
    """Half of the read at step 7, and all of what row 10 holds."""
    from dataclasses import replace

    recording = planted_recording()
    origins = {**recording.origins, "reads": np.array(recording.origins["reads"])}
    origins["reads"][6, 0, :2] = 0.75, 0.25
    held = planted_document([replace(recording, origins=origins)])
    page = opened(write_page(held, tmp_path / "view.html"))
    page.fill("#step", "7")
    assert "75.0 % initial memory" in told(page)
    bars = [at for tag, at, _ in saved_svg(page, "[data-name=origins]")
            if tag == "rect" and at["width"] == "12"]  # fmt: skip
    assert [at["height"] for at in bars] == ["42"]  # of 56
    page.fill("#step", "8")
    bars = [at for tag, at, _ in saved_svg(page, "[data-name=origins]")
            if tag == "rect" and at["width"] == "12"]  # fmt: skip
    assert [at["height"] for at in bars] == ["0"]


@pytest.mark.parametrize("height", [720, 900])
def test_the_column_beside_is_no_higher_than_the_screen(opened, tmp_path, height):
    """A graph above a memory of many rows."""
    from dataclasses import replace

    recording = planted_recording()
    memory = next(each for each in recording.panels if each.name == "memory")
    tall = replace(memory, data={**memory.data, "values": np.zeros((11, 128, 4)), "rows": None})
    panels = [*map_sample().panels, tall]
    held = planted_document([replace(recording, panels=panels, origins=None)])
    page = opened(write_page(held, tmp_path / "view.html"), height=height)
    column = page.evaluate("""() => {
        const it = document.querySelector(".now"), box = it.getBoundingClientRect();
        return [it.scrollHeight - it.clientHeight, box.bottom];
    }""")  # fmt: skip
    assert column[0] <= 0
    assert column[1] <= height


def test_a_wrong_bit_is_orange(opened):
    page = opened()
    page.click("#episodes button:nth-child(2)")
    page.wait_for_selector("#verdict.wrong")
    assert page.inner_text("#verdict") == "1 of 40 bits wrong"
    red, _, blue, _ = colour_at(page, "outputs", 7, 2, rows=8)
    assert red - blue > 60


def test_keys_and_slider_move_through_time(opened):
    page = opened()
    page.keyboard.press("Home")
    for key, wanted in [
        ("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", 11), ("ArrowRight", 11),
        ("Home", 1), ("ArrowLeft", 1), ("Shift+ArrowRight", 11), ("Shift+ArrowLeft", 1),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert where(page) == f"step {wanted} of 11"
    page.fill("#step", "9")
    assert where(page) == "step 9 of 11"
    page.focus("#step")  # the slider's own keys do no second step
    page.keyboard.press("ArrowRight")
    assert where(page) == "step 10 of 11"
    page.click("#back")
    page.click("#on")
    assert where(page) == "step 10 of 11"


def test_play_runs_to_the_end_and_stops(opened):
    page = opened()
    page.keyboard.press("Space")
    assert page.get_attribute("#play", "aria-label") == "pause"
    page.wait_for_selector("#play[aria-label=play]")
    assert where(page) == "step 11 of 11"


def test_a_click_on_a_step_goes_there(opened):
    page = opened()
    click_cell(page, "inputs", 4, 2, rows=9)
    assert where(page) == "step 5 of 11"


def test_the_read_of_a_step_is_traced_to_its_write(opened):
    """Word 3 was written at step 3 and is read at step 9; word 2 lost half of itself at step 6."""
    page = opened()
    page.fill("#step", "9")
    said = told(page)
    assert said.startswith("Read at step 9 came from: 100.0 % write at step 3 (100.0 %")
    page.fill("#step", "8")
    assert "100.0 % write at step 2 (50.0 % left)" in told(page)
    page.fill("#step", "2")
    assert told(page) == "Read at step 2 came from: nothing: what it read was empty"


def test_a_click_on_a_read_holds_it_and_escape_lets_go(opened):
    page = opened()
    click_cell(page, "read_weights", 8, 3, rows=7)
    assert where(page) == "step 9 of 11"
    page.keyboard.press("Home")
    assert told(page).startswith("Read at step 9 came from: 100.0 % write at step 3")
    assert page.inner_text("#pin") == (
        "Read at step 9 came from 100.0 % write at step 3 (100.0 % left) ×"
    )
    page.keyboard.press("Escape")
    assert told(page).startswith("Read at step 1 came from")
    assert page.is_hidden("#pin")


def test_reads_and_writes_are_held_by_the_keyboard_too(opened):
    page = opened()
    page.fill("#step", "9")
    page.keyboard.press("r")
    assert page.inner_text("#pin").startswith("Read at step 9 came from 100.0 % write at step 3")
    page.fill("#step", "3")
    page.keyboard.press("w")
    assert page.inner_text("#pin").startswith("Write at step 3 went to read at step 9")
    page.keyboard.press("w")  # of one head there is no next
    assert page.is_hidden("#pin")


def test_a_click_on_a_write_tells_which_reads_it_came_to(opened):
    page = opened()
    click_cell(page, "write_weights", 2, 3, rows=7)
    assert told(page).startswith("Write at step 3 went to: read at step 9: 100.0 % of that read")
    click_cell(page, "write_weights", 5, 3, rows=7)
    assert told(page) == "Write at step 6 went to: no read (less than 0.05 % of each)"


def test_a_click_on_a_memory_cell_tells_what_made_it(opened):
    """Row 4, entry 2 held 2 of step 2, and half of it after step 6."""
    page = opened()
    page.fill("#step", "11")
    canvas = page.locator("[data-name=memory] canvas.top")
    box = page.evaluate("document.querySelector('[data-name=memory]').dataset.shape")
    left, top, inner, tall = map(float, box.split())
    canvas.click(position={"x": left + inner * 1.5 / 4, "y": top + tall * 2.5 / 7})
    assert told(page) == "Row 4, entry 2 after step 11 is 1.0000, from: 1.0000 write at step 2"


def test_the_tip_gives_exact_values(opened):
    page = opened()
    canvas = page.locator("[data-name=write_weights] canvas.top")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    left = float(page.evaluate("getComputedStyle(document.body).getPropertyValue('--left')"))
    band = float(page.evaluate("document.querySelector('[data-name=write_weights]').dataset.band"))
    cell = (box["width"] - left - 14) / 11
    page.mouse.move(box["x"] + left + 5.5 * cell, box["y"] + 1 + band * 2.5 / 7)
    assert page.inner_text("#tip").split("\n") == ["step 6 · memory row 4", "0.5000"]
    page.mouse.move(2, 2)
    assert page.is_hidden("#tip")


@pytest.fixture
def shown(opened, tmp_path):
    """Opens a page of one episode; gives what its panel says at each step."""

    def show(recording, **options):
        page = opened(write_page(planted_document([recording]), tmp_path / "view.html"), **options)
        name, said = recording.panels[0].name, []
        page.keyboard.press("Home")
        for _ in range(recording.steps):
            said.append(page.get_attribute(f"[data-name={name}] canvas.top", "aria-label"))
            page.keyboard.press("ArrowRight")
        return page, said

    return show


@pytest.mark.parametrize("width", [360, 1280])
def test_a_story_goes_from_question_to_question(shown, width):
    page, said = shown(story_sample(), width=width)
    assert said == [
        "where is mary? garden, 98.0 %. hop 1: 90.0 % on sentence 1, hop 2: 75.0 % on sentence 2",
        "where is the milk? hall, 60.0 %, right: garden. "
        "hop 1: 100.0 % on sentence 3, hop 2: 50.0 % on sentence 1",
    ]
    assert where(page) == "question 2 of 2"
    assert page.inner_text("#verdict") == "1 of 2 answers wrong"
    canvas = page.locator("[data-name=story] canvas.top")
    box = canvas.bounding_box()
    top = float(page.get_attribute("[data-name=story]", "data-top"))
    page.mouse.move(box["x"] + 60, box["y"] + top + 22 * 3.5)
    assert page.inner_text("#tip").startswith("a sentence that is far too long for the screen of")


@pytest.mark.parametrize("width", [360, 1280])
def test_sentences_are_read_whole_also_in_bold(shown, width):
    """Those that the answer rests on are bold; on a phone a long one takes several lines."""
    page, _ = shown(bold_story_sample(), width=width)
    parts = saved_svg(page, "[data-name=story]")
    said = [text for text, _ in texts(parts, "13")]
    assert " ".join(said) == " ".join(f"sandra went back to the kitchen {n}" for n in range(4))
    # Each line ends before the first of the cells, which begin in one column.
    cells = min(float(at["x"]) for tag, at, _ in parts if tag == "rect" and "stroke" in at)
    widths = page.evaluate("""(lines) => {
        const pen = document.createElement("canvas").getContext("2d");
        pen.font = "600 13px " + getComputedStyle(document.body).fontFamily;
        return lines.map((line) => pen.measureText(line).width);
    }""", said)  # fmt: skip
    assert 38 + max(widths) <= cells


def test_names_of_rows_are_told_apart_on_a_phone(shown):
    """Of three digits for each end of an edge; abbreviated all in the same way."""
    page, _ = shown(digits_sample(), width=390)
    names = [text for text, at in texts(saved_svg(page, "[data-name=inputs]"))
             if at["text-anchor"] == "end"][1:]  # fmt: skip
    assert names == [f"{part} {digit}s" for part in ("source", "edge", "dest.")
                     for digit in (100, 10, 1)]  # fmt: skip


def test_row_0_has_its_number_and_a_line_where_the_last_row_meets_it(opened, tmp_path):
    """Rows 126, 127, 0, 1 ... 40 are in use: too close to be all numbered."""
    from dataclasses import replace

    recording = planted_recording()
    weights = next(each for each in recording.panels if each.name == "write_weights")
    rows = [126, 127, *range(41)]
    wide = replace(weights, data={**weights.data, "values": np.zeros((11, 1, 128)), "rows": rows})
    held = planted_document([replace(recording, panels=[wide], origins=None)])
    page = opened(write_page(held, tmp_path / "view.html"))
    parts = saved_svg(page, "[data-name=write_weights]")
    numbers = [text for text, at in texts(parts) if at["text-anchor"] == "end"][1:]
    assert numbers[:3] == ["0", "5", "10"]
    band = float(page.get_attribute("[data-name=write_weights]", "data-band"))
    across = [at for tag, at, _ in parts if tag == "path" and "stroke-dasharray" not in at]
    heights = [{float(y) for y in re.findall(r"[ML]\S+ (\S+?)(?=[ML]|$)", at["d"])}
               for at in across]  # fmt: skip
    assert {round(1 + band * 2 / 43, 2)} in heights


def test_tapes_show_heads_and_what_is_written(shown):
    page, said = shown(tape_sample())
    assert said[1] == "step 2, input head at 1: b, memory head at 1, wrote nothing"
    assert said[4] == "step 5, input head at 2: c, memory head at 2, wrote c, asked c"
    assert said[6] == "step 7, input head at 0: a, memory head at 0, wrote b, asked a"
    assert page.inner_text("#verdict") == "1 of 3 symbols wrong"


def test_a_graph_grows_as_it_is_told_and_is_walked(shown):
    _, said = shown(map_sample())
    assert said == [
        "1 of 3 edges told, now 007 by 050 to 008",
        "2 of 3 edges told, now 008 by 051 to 009",
        "3 of 3 edges told, now 008 by 052 to 007",
        "3 of 3 edges told",
        "asked: 007 by 050 to 008, said: 007 by 050 to 008",
        "asked: 008 by 051 to 009, said: 008 by 052 to 007",
    ]


def test_points_get_their_arrows(shown):
    page, said = shown(points_sample())
    assert said == ["1 to 2", "1 to 2", "1 to 2, 2 to 3 (wrong)"]
    canvas = page.locator("[data-name=points] canvas.top")
    box = canvas.bounding_box()
    left, top, _ = map(float, page.get_attribute("[data-name=points]", "data-shape").split())
    page.mouse.move(box["x"] + left, box["y"] + top)
    assert page.inner_text("#tip").split("\n") == ["point 3: 0.0000, 1.0000", "looked at: 1.0000"]


def test_a_scale_may_be_fitted_to_its_values(opened, tmp_path):
    """Weights of at most 0.02 are hardly seen on a scale up to 1."""
    from dataclasses import replace

    recording = planted_recording()
    faint = [
        replace(each, data={**each.data, "values": each.data["values"] * 0.02})
        if each.name == "write_weights"
        else each
        for each in recording.panels
    ]
    held = planted_document([replace(recording, panels=faint)])
    page = opened(write_page(held, tmp_path / "view.html"))
    assert min(colour_at(page, "write_weights", 0, 1, rows=7)) > 245
    page.click("[data-name=write_weights] .scale")
    assert page.inner_text("[data-name=write_weights] .scale").split() == ["0", "0.020"]
    assert colour_at(page, "write_weights", 0, 1, rows=7) == [11, 31, 65, 255]
    page.click("[data-name=write_weights] .scale")
    assert page.inner_text("[data-name=write_weights] .scale").split() == ["0", "1"]


def test_all_rows_may_be_shown(opened):
    page = opened()
    page.click("#rows")
    assert colour_at(page, "write_weights", 0, 3, rows=12) == [11, 31, 65, 255]
    page.click("#rows")
    assert colour_at(page, "write_weights", 0, 1, rows=7) == [11, 31, 65, 255]


@pytest.mark.parametrize(("wish", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_follows_the_system_and_the_switch(opened, wish, other):
    page = opened(color_scheme=wish)
    ground = {"light": [255, 255, 255], "dark": [20, 23, 28]}
    assert colour_at(page, "inputs", 8, 3, rows=9)[:3] == ground[wish]
    page.click("#theme")
    assert page.get_attribute("html", "data-theme") == other
    assert colour_at(page, "inputs", 8, 3, rows=9)[:3] == ground[other]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened(width=width, height=740)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def saved_svg(page, place, name="SVG"):
    """What a saved picture is made of: (tag, attributes, text), without the title."""
    with page.expect_download() as download:
        page.click(f"{place} .save:text('{name}')", force=True)
    root = ElementTree.fromstring(download.value.path().read_text(encoding="utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [(each.tag.partition("}")[2], each.attrib, each.text) for each in root.iter()]


def texts(parts, size="10"):
    return [(text, at) for tag, at, text in parts if tag == "text" and at["font-size"] == size]


@pytest.mark.parametrize("width", [360, 1280])
def test_names_of_points_are_read_whole(shown, width):
    """None over the edge, on another, or on a line."""
    page, _ = shown(hull_sample(), width=width)
    parts = saved_svg(page, "[data-name=points]")
    boxes = {}
    for text, at in texts(parts):
        if text.isdecimal():
            x, y, half = float(at["x"]), float(at["y"]) - 3.5, 3.2 * len(text)
            boxes[text] = (x - half, y - 4, x + half, y + 4)
    assert len(boxes) == 12
    edge = float(page.locator("[data-name=points] canvas.top").bounding_box()["width"])
    assert all(box[0] >= 0 and box[2] <= edge and box[1] >= 0 for box in boxes.values())
    for one, other in combinations(boxes.values(), 2):
        assert not (one[0] < other[2] and other[0] < one[2] and one[1] < other[3]
                    and other[1] < one[3])  # fmt: skip
    for tag, at, _ in parts:
        if tag != "path" or at.get("stroke-width") != "4":
            continue
        (x0, y0), (x1, y1) = (
            map(float, each.split()) for each in re.findall("[ML]([^ML]+)", at["d"])
        )
        for share in np.linspace(0, 1, 400):
            x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            inside = [
                name for name, (left, top, right, bottom) in boxes.items()
                if left < x < right and top < y < bottom
            ]  # fmt: skip
            assert inside == []


def test_the_end_is_named_although_its_row_is_thin(shown):
    from dataclasses import replace

    hull = hull_sample()
    panel = hull.panels[1]
    data = {**panel.data, "values": np.zeros((9, 1, 101)), "wrong": None}
    data["groups"] = [(0, 0, "end"), (1, 100, "points 1–100")]
    page, _ = shown(replace(hull, panels=[replace(panel, data=data)]))
    (end,) = [at for text, at in texts(saved_svg(page, "[data-name=attention]")) if text == "end"]
    assert float(end["y"]) - 3.5 >= 5.5  # the middle of the line, from the upper edge


@pytest.mark.parametrize(("sample", "name"), [(long_tape_sample, "tape"), (words_sample, "words")])
def test_a_row_too_long_for_a_phone_says_what_is_left_out(shown, sample, name):
    page, _ = shown(sample(), width=390)
    everything = {"tape": 30, "words": 40}[name]
    for step in ("1", "16", "28"):
        page.fill("#step", step)
        parts = saved_svg(page, f"[data-name={name}]")
        before = [text for text, _ in texts(parts) if text.startswith("‹ ")]
        after = [text for text, _ in texts(parts) if text.endswith(" ›")]
        before, after = (int(each[0].strip("‹› ")) if each else 0 for each in (before, after))
        size = "12" if name == "tape" else "11"
        cells = [text for text, _ in texts(parts, size) if text[0] in "sw"]
        shown_cells = cells[: everything - before - after]
        first = 10 + before
        assert shown_cells == [f"{cells[0][0]}{first + n}" for n in range(len(shown_cells))]
        assert len(shown_cells) >= 6
        assert f"{cells[0][0]}{9 + int(step)}" in shown_cells  # what is looked at
        assert (before > 0) == (step != "1")


def test_the_learning_curve_is_saved_as_it_is_shown(opened):
    page = opened()
    parts = saved_svg(page, "#learning")
    assert texts(parts, "12")[0][0] == "wrong bits per sequence · NTM-LSTM: Copy"
    words = [text for tag, _, text in parts if tag == "text"]
    assert {"sequences seen", "training", "validation", "counts as solved", "500"} <= set(words)
    curves = [at["d"] for tag, at, _ in parts if tag == "path" and at["stroke-width"] == "1.5"]
    curve = [
        [tuple(map(float, each.split())) for each in re.findall("[ML]([^ML]+)", d)] for d in curves
    ]
    assert [len(each) for each in curve if len(each) > 2] == [8, 8]
    # 30 / n wrong bits after 100 n sequences.
    (x1, y1), (x2, y2), *_, (x8, y8) = curve[0]
    assert (x2 - x1) / (x8 - x1) == pytest.approx(1 / 7, abs=1e-3)
    assert (y2 - y1) / (y8 - y1) == pytest.approx((1 - 1 / 2) / (1 - 1 / 8), abs=1e-3)
    page.check(".controls input")
    curve = [at["d"] for tag, at, _ in saved_svg(page, "#learning") if tag == "path"]
    assert curves[0] not in curve  # logarithmic, as it is shown
    with page.expect_download() as download:
        page.click("#learning .save:text('PNG')")
    assert download.value.suggested_filename == "ntm-lstm-copy-learning-curve.png"


def test_pictures_can_be_saved(opened, tmp_path):
    page = opened()
    page.fill("#step", "9")
    page.hover("[data-name=write_weights]")
    with page.expect_download() as download:
        page.click("[data-name=write_weights] button:text('PNG')")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "ntm-lstm-copy-write_weights-step-9.png"
    from matplotlib.image import imread

    picture = imread(path)
    assert picture.shape[1] > 1000
    assert (picture[..., :3].reshape(-1, 3).max(0) == 1).all()
    assert picture[..., :3].min() < 0.3
    words = [text for tag, _, text in saved_svg(page, "[data-name=gate]") if tag == "text"]
    assert words[0].startswith("Gate · NTM-LSTM: Copy")
    assert "time (steps)" in words


def test_hostile_names_are_only_text(opened, tmp_path):
    hostile = "</script><img src=x onerror=console.log('alarm')>"
    held = planted_document([planted_recording(hostile), planted_recording("b")], title=hostile)
    page = opened(write_page(held, tmp_path / "view.html"))
    assert page.inner_text("h1") == hostile
    assert hostile in page.inner_text("#episodes")
    assert page.locator("img").count() == 0


def test_the_learning_curve_is_drawn(opened):
    page = opened()
    labels = page.inner_text(".u-legend")
    # The last of each, although nothing is pointed at, and where it counts as solved.
    wanted = r"800.*training.*3\.75.*validation.*3\.75.*counts as solved.*0\.\d"
    assert re.search(wanted, labels, re.S), labels
    page.select_option(".controls select >> nth=0", label="loss (nats per answered bit)")
    page.check(".controls input")
    assert page.locator(".uplot canvas").count() == 1


def test_episodes_are_counted_and_one_of_them_comes_first(opened, tmp_path):
    held = planted_document(
        [planted_recording("5"), planted_recording("10")], counted="length", begin="10",
        run="ntm/copy",
    )  # fmt: skip
    page = opened(write_page(held, tmp_path / "view.html"))
    assert page.inner_text("#counted") == "length"
    assert page.inner_text("#episodes [aria-pressed=true]") == "10"
    assert page.inner_text("#episodes").split() == ["5", "10"]
    assert page.inner_text("h1").split() == ["NTM-LSTM:", "Copy", "ntm/copy"]
    assert page.title() == "NTM-LSTM: Copy · ntm/copy"


def test_a_page_opened_before_there_is_anything_waits_without_complaint(opened):
    """It asks again each second, and for nothing but itself: not for an icon either."""
    server = PageServer()
    opened.allowed.add("http")
    late = threading.Timer(1.5, lambda: server.show(planted_document))
    late.start()
    try:
        page = opened(server.address)
        assert page.inner_text("h1") == "NTM-LSTM: Copy"
        asked = {url.removeprefix(server.address).partition("?")[0] for url in opened.fetched}
        assert asked <= {"", "live.json", "data:,"}
    finally:
        late.join()
        server.close()


def test_a_page_of_a_training_follows_it(opened):
    """New rows and a new episode come by themselves, and the reader stays where they were."""
    server = PageServer()
    opened.allowed.add("http")
    try:
        server.show(lambda: planted_document([planted_recording("5", [(1, 2)])], live=True))
        page = opened(server.address)
        assert page.inner_text("#live") == "live"
        page.fill("#step", "9")
        assert page.inner_text("#verdict") == "1 of 40 bits wrong"
        server.show(lambda: planted_document([planted_recording("5")], live=True))
        page.wait_for_selector("#verdict.right")
        assert where(page) == "step 9 of 11"
        assert told(page).startswith("Read at step 9 came from: 100.0 % write at step 3")
        server.show(lambda: planted_document(title="NTM-LSTM: Copy"))
        page.wait_for_selector("#live.ended")
        assert page.inner_text("#live") == "training has ended"
        assert server._seen == server._version
    finally:
        server.close()
