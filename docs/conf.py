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
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "docstrings",
    "results_pages",
    "task_pages",
]
exclude_patterns = ["_build", "_site", "examples"]

# The headings of a page can be linked to as on GitHub.
myst_heading_anchors = 4

# Docstrings are read in a terminal too: `name` there is code here.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "pictures.Order",
    "image_scrapers": ("pictures.scrape",),
    "reset_modules": ("pictures.forget",),
    "capture_repr": (),
    "first_notebook_cell": "%matplotlib inline",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "abort_on_example_error": True,
}

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
# A block that names no language is a command or its output.
highlight_language = "none"
pygments_style = "friendly"
pygments_dark_style = "github-dark"
