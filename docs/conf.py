"""Sphinx builds the site from the pages of this folder and those that ``sitepages`` writes: ``make docs``."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from sitepages.state import state  # noqa: E402  # the line above makes the checkout importable

from dstheory import __version__  # noqa: E402

project = "dstheory"
author = "The dstheory maintainers"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sitepages.extension",
]
exclude_patterns = ["_static", "arithmetic", "**/.ipynb_checkpoints"]
default_role = "code"
highlight_language = "none"  # of blocks that name no language: commands, which Python would colour
smartquotes_action = "q"  # quotes alone: two hyphens begin an option

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "docs" / state() / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("Floats", "Ints", "Bools", "ArrayLike")}  # as the code writes them
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = "$ "

html_theme = "furo"
html_title = f"dstheory {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": False}
