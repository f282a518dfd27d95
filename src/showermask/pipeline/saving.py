"""Names and saving of the products of our steps and pipelines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jwst.stpipe import Step

from showermask.exceptions import OutputError
from showermask.exposure.names import PRODUCT_SUFFIX, SUBTRACTED_SUFFIX
from showermask.files import atomic_write
from showermask.messages import log

__all__ = ["AtomicSave"]


class AtomicSave(Step):
    """A Step that saves products whole or not at all, and never over their input."""

    #: Where the last product was saved.
    saved_path: str | None = None

    def save_model(
        self,
        model: Any,
        suffix: str | None = None,
        idx: int | None = None,
        output_file: str | None = None,
        force: bool = False,  # noqa: FBT001, FBT002  # stpipe's signature
        **components: Any,
    ) -> Any:
        """Save a model under the name that stpipe gives it."""
        output_file = output_file or self.output_file
        if not (force or self.save_results or output_file):
            return None
        if self.output_use_model or (output_file is None and not self.search_output_file):
            output_file, idx = model.meta.filename, None
        path = self.make_output_path(basepath=output_file, suffix=suffix, idx=idx, **components)
        if self._is_input(path):
            if self.keep_input(path):
                return path
            raise OutputError(
                f"{path}: is the input, which is never overwritten; "
                "give another --output_dir, --output_file or --suffix"
            )
        with atomic_write(path) as staged:
            model.save(str(staged))
        log.info("Saved model in %s", path)
        self.saved_path = path
        return path

    def keep_input(self, path: str) -> bool:  # noqa: ARG002  # for steps that can tell
        """Tell whether the input at ``path`` is the result already, so that it can stay."""
        return False

    def remove_suffix(self, name: str) -> tuple[str, str]:
        """Remove a known suffix from a name, ours and jwst's."""
        for ours in (PRODUCT_SUFFIX, SUBTRACTED_SUFFIX):
            name = name.removesuffix(f"_{ours}")
        root, separator = super().remove_suffix(name)
        return root, separator

    def set_primary_input(self, obj: Any, exclusive: bool = True) -> None:  # noqa: FBT001, FBT002  # stpipe's signature
        """Take name and folder of the input; a step that is run again takes them anew."""
        super().set_primary_input(obj, exclusive=exclusive and self.parent is not None)
        self._input_path = Path(obj).resolve() if isinstance(obj, (str, os.PathLike)) else None

    def _is_input(self, path: str) -> bool:
        target = Path(path)
        if not target.exists():
            return False
        source = getattr(self, "_input_path", None)
        if source is not None:
            return bool(source.exists() and target.samefile(source))
        # A model does not tell which file it comes from: a file of its name is taken for that.
        name = self.search_attr("_input_filename")
        return bool(name) and target.name == Path(name).name
