"""The figures of an example, for sphinx-gallery.

The figures of tapehead are no figures of pyplot, where sphinx-gallery looks by itself: here they
are taken from the variables of the example.
"""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

from tapehead.viewing import save

ORDER = (
    "watch_copy", "dnc_in_your_model", "lengths_and_pieces", "your_own_task", "your_own_machine",
    "one_row_at_a_time", "ask_a_story", "point_out_a_hull",
)  # fmt: skip
"""From the first to read to the last."""

_seen: list[Figure] = []
"""Of the example that runs; kept, so that no other figure gets the identity of one of them."""


class Order:
    """The place of a script among the examples, for sphinx-gallery."""

    def __init__(self, src_dir: str):
        pass

    def __call__(self, filename: str) -> int:
        return ORDER.index(filename.removesuffix(".py"))


def scrape(block: Any, block_vars: Mapping[str, Any], gallery_conf: Mapping[str, Any]) -> str:
    """Save the figures that a block has made, and show them."""
    paths = []
    for value in list(block_vars["example_globals"].values()):
        if isinstance(value, Figure) and not any(value is other for other in _seen):
            _seen.append(value)
            path = next(block_vars["image_path_iterator"])
            save(value, path)
            paths.append(path)
    title = block_vars["src_file"].rsplit("/", 1)[-1].removesuffix(".py").replace("_", " ")
    return figure_rst(paths, gallery_conf["src_dir"], fig_titles=title)


def forget(gallery_conf: Mapping[str, Any], name: str) -> None:
    """Before each example."""
    _seen.clear()
