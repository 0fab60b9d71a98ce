"""The site: `make docs` builds it from these pages, the examples and the docstrings."""

import sys
from pathlib import Path

import tapehead

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_site"))

project = "tapehead"
author = "The tapehead authors"
copyright = author
release = version = tapehead.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "results_pages",
]
exclude_patterns = ["_build", "_site", "examples"]

# The headings of a page can be linked to as on GitHub.
myst_heading_anchors = 4

html_theme = "furo"
html_title = "tapehead"
html_static_path = ["_static"]
html_css_files = ["tapehead.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b1f41",
        "color-brand-content": "#0060a0",
    },
    "dark_css_variables": {
        "color-brand-primary": "#d1b33c",
        "color-brand-content": "#7fb2e5",
    },
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
