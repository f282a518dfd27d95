"""Sphinx configuration of the documentation."""

from __future__ import annotations

import os
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import yaml

project = "showermask"
project_copyright = "2026, the showermask developers"
author = "The showermask developers"
release = version = version_of("showermask")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinxext.opengraph",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build", "_generated", "api"]
html_theme = "pydata_sphinx_theme"
html_title = "showermask"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = html_logo = "../src/showermask/commands/review/static/icon.svg"
html_sidebars = {"**": []}
html_theme_options = {
    "logo": {"text": "showermask"},
    "navbar_align": "left",
    "header_links_before_dropdown": 5,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

ogp_site_url = "https://showermask.readthedocs.io/en/latest/"
ogp_image = "_static/social.png"
ogp_social_cards = {"enable": False}

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
# The notebooks are stored without results; SHOWERMASK_NOTEBOOKS=off leaves them so.
nb_execution_mode = os.environ.get("SHOWERMASK_NOTEBOOKS", "force")
nb_execution_in_temp = True
nb_output_stderr = "remove"
nb_execution_timeout = 300
nb_execution_raise_on_error = nb_execution_show_tb = True
copybutton_prompt_text = "$ "

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

default_role = "py:obj"
nitpicky = True
# Names of others are links where their inventories can be fetched; ours must be found.
nitpick_ignore_regex = [
    ("py:.*", r"(astropy|jwst|matplotlib|numpy|pathlib|regions|stdatamodels|stpipe)\b.*")
]
HAS_NETWORK = bool(os.environ.get("READTHEDOCS"))
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "astropy": ("https://docs.astropy.org/en/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "regions": ("https://astropy-regions.readthedocs.io/en/stable/", None),
        "jwst": ("https://jwst-pipeline.readthedocs.io/en/stable/", None),
    }
    if HAS_NETWORK
    else {}
)
_GENERATED = Path(__file__).parent / "_generated"


def _write_key_tables(_: Any) -> None:
    """Write the tables of the keys of the region file, from its schema."""
    from showermask.regionfile.schema import load_schema

    schema = load_schema()
    _GENERATED.mkdir(exist_ok=True)
    kinds = {"header": schema["properties"]}
    for name in ("shower", "pixels", "polygon"):
        kinds[name] = schema["$defs"][name]["properties"]
    for name, properties in kinds.items():
        required = schema["$defs"].get(name, {}).get("required", [])
        lines = ["| key | type | |", "|---|---|---|"]
        for key, value in properties.items():
            mark = " (required)" if key in required else ""
            text = " ".join(value.get("title", "").split())
            lines.append(f"| `{key}` | {_type_of(value)} | {text}{mark} |")
        (_GENERATED / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _type_of(value: dict[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(map(str, value["enum"]))
    if "$ref" in value:
        return "number, range or all"
    names = {"array": "list", "string": "text", "integer": "whole number", "number": "number"}
    return names.get(value.get("type", ""), yaml.safe_dump(value.get("type", "")).strip())


def setup(app: Any) -> None:
    """Generate pages before they are read."""
    app.connect("builder-inited", _write_key_tables)
