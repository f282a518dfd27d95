"""The parameters of each stage of the pipeline, and the pipelines that have them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jwst.pipeline import Image2Pipeline, Image3Pipeline
from stpipe.config_parser import ConfigObj, load_config_file

from showermask.commands.batch.parameters import StepParameters
from showermask.commands.batch.targets import STAGES
from showermask.exceptions import OutputError

__all__ = [
    "StageParameters",
    "build_pipeline",
    "check_later_stage",
    "check_parameters",
    "check_step",
    "fingerprint",
    "split_by_stage",
]

#: What the batch has to decide for every exposure, or it could not tell what was made.
_OUTPUT_PARAMETERS = ("output_dir", "output_file", "opt_name")
#: Classes of the parameter files of each stage.
_CLASSES = {
    "detector1": ("Detector1Pipeline", "Detector1ShowersPipeline", "ManualShowerMaskStep"),
    "image2": ("Image2Pipeline",),
    "image3": ("Image3Pipeline",),
}
_LATER_STAGES = {"image2": Image2Pipeline, "image3": Image3Pipeline}


@dataclass(frozen=True, kw_only=True)
class StageParameters:
    """The parameters of the steps of one stage."""

    #: For each step its parameters, as they were typed.
    steps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Parameter file of stpipe, and the class that it is for.
    file: Path | None = None
    file_class: str | None = None

    @property
    def where(self) -> str:
        """The parameter file, as the beginning of a message."""
        return f"{self.file}, " if self.file else ""

    def of_step(self, name: str) -> dict[str, Any]:
        """Return the parameters of a step, as a line of a configuration file has them."""
        # Commas make lists.
        return {
            parameter: ConfigObj([f"value = {text}"])["value"]
            for parameter, text in self.steps.get(name, {}).items()
        }


def split_by_stage(step_parameters: StepParameters, target: str) -> dict[str, StageParameters]:
    """Give each stage the parameters of its steps.

    A step that two stages have (``resample``) takes its parameters in both, unless they are given
    for one of them, ``--steps.image3.resample.pixfrac=0.8``.

    Parameters
    ----------
    step_parameters : StepParameters
        The parameters of all stages.
    target : str
        What is made: one of `~showermask.commands.batch.targets.TARGETS`.

    Returns
    -------
    dict of str to StageParameters
        By stage.

    Raises
    ------
    OutputError
        When a parameter is for a stage that is not run.
    """
    stages = STAGES[target]
    files = _files_by_stage(step_parameters, target)
    common: dict[str, dict[str, dict[str, str]]] = {stage: {} for stage in stages}
    own: dict[str, dict[str, dict[str, str]]] = {stage: defaultdict(dict) for stage in stages}
    for name, parameters in step_parameters.steps.items():
        if name in _CLASSES:
            if name not in stages:
                raise OutputError(
                    f"--steps.{name}: is not run --to {target}, expected "
                    f"{', '.join(stages)} or the name of a step"
                )
            for dotted, text in parameters.items():
                step, _, parameter = dotted.partition(".")
                own[name][step][parameter] = text
            continue
        later = [s for s in stages if s in _LATER_STAGES and name in _LATER_STAGES[s].step_defs]
        for stage in later or stages[:1]:
            common[stage][name] = dict(parameters)
    return {
        stage: StageParameters(
            steps={
                step: common[stage].get(step, {}) | own[stage].get(step, {})
                for step in {**common[stage], **own[stage]}
            },
            file=files.get(stage, (None, None))[0],
            file_class=files.get(stage, (None, None))[1],
        )
        for stage in stages
    }


def fingerprint(stages: Iterable[StageParameters]) -> dict[str, Any]:
    """Return what tells the parameters of some stages from others, as `StepParameters` does."""
    steps: dict[str, Mapping[str, str]] = {}
    files: list[Path] = []
    for stage in stages:
        steps |= stage.steps
        files += [stage.file] if stage.file else []
    return StepParameters(steps=steps, parameter_files=tuple(files)).fingerprint()


def check_parameters(pipeline: Any, where: str, indispensable: tuple[str, ...] = ()) -> None:
    """Refuse parameters that a batch decides on, and to skip what makes its products."""
    for name, of_step in pipeline.get_pars()["steps"].items():
        check_step(name, of_step, where, indispensable)


def check_later_stage(
    pipeline_class: Any, parameters: StageParameters, indispensable: tuple[str, ...] = ()
) -> None:
    """Refuse parameters that the steps of a stock pipeline have not, or that a batch decides on."""
    try:
        pipeline = build_pipeline(pipeline_class, parameters, None)
    except Exception as error:
        raise OutputError(
            f"{parameters.where}parameters of the steps: {' '.join(str(error).split())}"
        ) from error
    check_parameters(pipeline, parameters.where, indispensable)


def check_step(
    name: str, of_step: Mapping[str, Any], where: str, indispensable: tuple[str, ...]
) -> None:
    """Refuse such parameters of one step."""
    refused = [key for key in _OUTPUT_PARAMETERS if of_step.get(key)]
    if name in indispensable and of_step.get("skip"):
        refused.append("skip")
    if refused:
        raise OutputError(f"{where}{name}.{refused[0]}: not in a batch; leave it out")


def build_pipeline(
    pipeline_class: Any,
    parameters: StageParameters,
    path: str | None,
    steps: Mapping[str, Mapping[str, Any]] | None = None,
    **others: Any,
) -> Any:
    """Return a pipeline as strun would make it for a file.

    Parameters
    ----------
    pipeline_class : type
        The pipeline.
    parameters : StageParameters
        Parameters of its steps.
    path : str or None
        The file; CRDS is asked for parameters where there is one.
    steps : mapping, optional
        Parameters of the steps which those that were given override.
    **others
        Parameters of the pipeline, which nothing overrides.

    Returns
    -------
    stpipe.Pipeline
        The pipeline.
    """
    merged = {name: dict(of_step) for name, of_step in (steps or {}).items()}
    for name in parameters.steps:
        merged[name] = {**merged.get(name, {}), **parameters.of_step(name)}
    given: dict[str, Any] = {"steps": merged, **others}
    if parameters.file is not None and _is_a(pipeline_class, parameters.file_class):
        given["config_file"] = str(parameters.file)
    config, file = pipeline_class.build_config(path, **given)
    return pipeline_class.from_config_section(config, config_file=file)


def _is_a(pipeline_class: type, name: str | None) -> bool:
    """Tell whether a class, or one that it derives from, has a name."""
    return any(base.__name__ == name for base in pipeline_class.__mro__)


def _files_by_stage(step_parameters: StepParameters, target: str) -> dict[str, tuple[Path, str]]:
    found: dict[str, tuple[Path, str]] = {}
    for path in step_parameters.parameter_files:
        name = str(load_config_file(str(path)).get("class", "")).rpartition(".")[2]
        stage = next((s for s in STAGES[target] if name in _CLASSES[s]), None)
        if stage is None:
            expected = ", ".join(n for s in STAGES[target] for n in _CLASSES[s])
            raise OutputError(f"{path}: is for {name or 'nothing'}, expected one of {expected}")
        if stage in found:
            raise OutputError(
                f"{path}: is for {name}, as {found[stage][0]}; give one parameter file a stage"
            )
        found[stage] = path, name
    return found
