"""A step that opens its input and hands it on, to measure what any step costs."""

from __future__ import annotations

from typing import Any

from jwst.stpipe import Step


class NothingStep(Step):
    """Do nothing."""

    def process(self, step_input: Any) -> Any:
        """Open the input and return it."""
        return self.prepare_output(step_input)
