"""The shape of the package: layers, laziness, and the list that stpipe reads."""

import ast
import importlib
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Protocol

import pytest
from jwst.stpipe import Pipeline, Step
from stpipe.entry_points import get_steps as all_steps

import showermask
from showermask import ShowermaskError
from showermask._integration import get_steps

SOURCE = Path(showermask.__file__).parent

#: What each module may import of ours; a module is above those that it may import.
LAYERS = [
    {"messages"},
    {"exceptions", "logs"},
    {"commentedyaml", "ellipse", "entry", "exposure", "files", "strictyaml"},
    {"regionschema"},
    {"pixels", "propose.differences", "propose.extent", "propose.filters", "shower"},
    {"maskfile"},
    {"flagging", "propose.drifts", "regionfile", "synthetic.crds_cache"},
    {"frames", "loss", "output", "propose.residuals", "provenance", "synthetic.ramps", "worklist"},
    {
        "propose.search",
        "rates",
        "review.encoding",
        "slopes",
        "review.session",
        "step",
    },
    {
        "batch.manifest",
        "batch.settings",
        "check",
        "pipeline",
        "propose.merging",
        "propose.shape",
        "review.applying",
    },
    {"batch.matching", "batch.progress", "batch.routes", "batch.workspace", "propose.finder"},
    {
        "batch.job",
        "demo",
        "propose.persistence",
        "propose.proposing",
        "report.cutouts",
        "report.pictures",
        "review.server",
    },
    {
        "batch.engine",
        "batch.flight",
        "convert.context",
        "convert.ds9text",
        "convert.table",
        "report.page",
    },
    {"batch.conductor", "convert.ds9", "convert.lists", "report.writer"},
    {"convert.converting"},
    {"cli"},
]

#: Who may import the heavy packages, at the top of the module or later.
MAY_IMPORT = {
    "jwst": {"step", "pipeline", "output", "demo", "cli"},
    "stpipe": {"batch.routes"},
    "dask": {"batch.engine"},
    "distributed": {"batch.engine", "batch.flight"},
    "stdatamodels": {
        "exposure",
        "pipeline",
        "rates",
        "demo",
        "synthetic.crds_cache",
        "synthetic.ramps",
    },
    "ruamel": {"commentedyaml"},
    "yaml": {"commentedyaml", "regionfile", "regionschema", "strictyaml"},
    "asdf": {"regionfile"},
    "jsonschema": {"regionschema"},
    "astropy": {
        "batch.manifest",
        "convert.ds9",
        "convert.table",
        "exposure",
        "frames",
        "maskfile",
        "propose.persistence",
    },
    "regions": {"convert.ds9"},
    "starlette": {"review.server"},
    "uvicorn": {"review.server"},
    "crds": {"synthetic.crds_cache"},
    "matplotlib": {"demo", "report.pictures"},
    "scipy": {
        "propose.differences",
        "propose.drifts",
        "propose.extent",
        "propose.persistence",
        "propose.residuals",
        "propose.search",
        "propose.shape",
    },
}


def modules():
    """Return the names of our modules below the package."""
    names = (path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py"))
    dotted = (".".join(name.parts) for name in names)
    return sorted(name for name in dotted if not name.endswith("__init__"))


def imports(name):
    """Return the modules that a module imports, wherever it does."""
    tree = ast.parse((SOURCE / f"{name.replace('.', '/')}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_every_module_has_a_layer():
    """A new module has to say where it belongs."""
    assert set().union(*LAYERS) | {"_integration"} == set(modules())


def test_imports_point_downward():
    """A module imports ours only from layers below its own."""
    level = {name: depth for depth, layer in enumerate(LAYERS) for name in layer}
    for name in modules():
        for target in imports(name):
            ours = target.removeprefix("showermask.")
            if target.startswith("showermask."):
                assert level[ours] < level[name], f"{name} imports {ours}"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_heavy_packages_stay_where_they_belong(package):
    """The core needs numpy alone; each heavy package has few users."""
    users = {n for n in modules() if any(t.split(".")[0] == package for t in imports(n))}
    assert users <= MAY_IMPORT[package]


def test_entry_point_imports_nothing():
    """Importing the package and reading its step list loads no heavy package."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import showermask\n"
        "from showermask._integration import get_steps\n"
        "get_steps()\n"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asdf", "astropy", "crds", "jwst", "matplotlib", "numpy", "stdatamodels", "stpipe"}
    assert heavy.isdisjoint(done.stdout.split())
    assert "showermask" in done.stdout.split()


def test_step_list_is_in_step_with_the_classes():
    """Names, aliases and kinds in the list are those of the classes, and stpipe sees them."""
    for class_name, alias, is_pipeline in get_steps():
        module, _, name = class_name.rpartition(".")
        step = getattr(importlib.import_module(module), name)
        assert step.class_alias == alias
        assert issubclass(step, Pipeline) is is_pipeline
    seen = {info.class_name for info in all_steps() if info.package_name == "showermask"}
    assert seen == {class_name for class_name, _, _ in get_steps()}


def test_public_names_exist():
    """What the package offers can be had, and is listed."""
    assert all(hasattr(showermask, name) for name in showermask.__all__)
    assert set(showermask.__all__) <= set(dir(showermask))
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        showermask.nope  # noqa: B018


def issubclass_of(item, *classes):
    """Tell whether something is a class below one of others."""
    return isinstance(item, type) and issubclass(item, classes)


def test_docstrings_are_numpydoc():
    """Every public name of every module has a docstring whose parameters are those of the code."""
    validate = pytest.importorskip("numpydoc.validate").validate
    # Codes: summary missing or not one sentence, parameters missing, unknown or without type or
    # description, returns missing.
    not_called = (Step, ShowermaskError, Enum, Protocol)
    wanted = {"GL08", "SS02", "SS03", "PR01", "PR02", "PR03", "PR04", "PR07", "RT01"}
    for name in modules():
        module = importlib.import_module(f"showermask.{name}")
        for public in module.__all__:
            item = getattr(module, public)
            # Steps and errors take what their base classes take, protocols nothing.
            if callable(item) and not issubclass_of(item, *not_called):
                result = validate(f"showermask.{name}.{public}")
                found = {code: text for code, text in result["errors"] if code in wanted}
                assert not found, f"{name}.{public}: {found}"
