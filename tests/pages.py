"""The pages of the documentation, and the code blocks on them."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted([*DOCS.glob("*.md"), *DOCS.glob("steps/*.md")]),
]
NOT_RUN = "not run here"


def blocks(page, language):
    """Return the code blocks of a page in a language, but for those that are said not to be run."""
    found = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [block for block in found if NOT_RUN not in block]


def shell_lines(page):
    """Return the lines of the shell blocks of a page."""
    return [line for block in blocks(page, "shell") for line in block.splitlines()]


def commands(page):
    """Return the arguments of the lines of a page that call the command."""
    words = [shlex.split(line, comments=True) for line in shell_lines(page)]
    return [line[1:] for line in words if line and Path(line[0]).name == "showermask"]
