"""The shape of the package: rooms, laziness, docstrings, and the list that stpipe reads."""

import ast
import importlib
import inspect
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
ROOT = Path(__file__).parents[1]


def modules():
    """Return the names of our modules below the package."""
    names = (path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py"))
    dotted = (".".join(name.parts) for name in names)
    return sorted(name for name in dotted if not name.endswith("__init__") and name != "__main__")


def lint_imports(folder, **environment):
    """Check the contracts of pyproject.toml."""
    pytest.importorskip("importlinter")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    return subprocess.run(
        [*command, "--no-cache", "--config", str(folder / "pyproject.toml")],
        cwd=folder,
        capture_output=True,
        text=True,
        **environment,
    )


def test_rooms_import_downward():
    """The contracts of pyproject.toml hold: rooms, independent features, heavy packages."""
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_a_feature_that_imports_another_one_is_found(tmp_path):
    """The contracts can fail."""
    import os
    import shutil

    shutil.copytree(SOURCE, tmp_path / "src" / "showermask")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "src/showermask/commands/report/writer.py").open("a") as stream:
        stream.write("\nfrom showermask.commands.batch import run\n")
    done = lint_imports(tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "src")})
    assert done.returncode != 0
    assert "showermask.commands.report.writer -> showermask.commands.batch" in done.stdout


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
    """What the package offers can be had, and nothing else is listed."""
    assert all(hasattr(showermask, name) for name in showermask.__all__)
    assert dir(showermask) == sorted(showermask.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        showermask.nope  # noqa: B018


def test_former_names_warn():
    """A name that has changed still works, and says what it is now."""
    with pytest.warns(DeprecationWarning, match="is now showermask.BadPixels"):
        former = showermask.PixelRegion
    assert former is showermask.BadPixels


def issubclass_of(item, *classes):
    """Tell whether something is a class below one of others."""
    return isinstance(item, type) and issubclass(item, classes)


def takes_arrays(item):
    """Tell whether a function takes or returns arrays."""
    if not inspect.isfunction(item):
        return False
    return any("NDArray" in str(annotation) for annotation in item.__annotations__.values())


def test_docstrings_are_numpydoc():
    """Public names, and functions of arrays, have docstrings whose parameters are the code's."""
    validate = pytest.importorskip("numpydoc.validate").validate
    # Codes: summary missing or not one sentence, parameters missing, unknown or without type or
    # description, returns missing.
    not_called = (Step, ShowermaskError, Enum, Protocol)
    wanted = {"GL08", "SS02", "SS03", "PR01", "PR02", "PR03", "PR04", "PR07", "RT01"}
    public = {getattr(showermask, name) for name in showermask.__all__}
    for name in modules():
        module = importlib.import_module(f"showermask.{name}")
        for exported in module.__all__:
            item = getattr(module, exported)
            # Steps and errors take what their base classes take, protocols nothing.
            if not callable(item) or issubclass_of(item, *not_called):
                continue
            codes = wanted if item in public or takes_arrays(item) else {"GL08", "SS02", "SS03"}
            result = validate(f"showermask.{name}.{exported}")
            found = {code: text for code, text in result["errors"] if code in codes}
            assert not found, f"{name}.{exported}: {found}"


def test_docstrings_say_what_a_thing_is():
    """No docstring opens with a question."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                first = (ast.get_docstring(node) or "").split(" ")[0]
                name = getattr(node, "name", "module")
                assert first not in {"What", "Where", "How", "Which"}, f"{path}: {name}"
