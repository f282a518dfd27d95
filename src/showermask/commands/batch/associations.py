"""The exposures of each mosaic: told by their headers, or by associations."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from showermask.exceptions import ExposureError, OutputError
from showermask.exposure.names import product_root
from showermask.exposure.setting import Setting, read_setting

__all__ = ["Association", "associate", "read_associations"]

#: Exposures that ``calwebb_image3`` is for.
_IMAGES = frozenset(("MIR_IMAGE", "NRC_IMAGE", "NIS_IMAGE", "FGS_IMAGE"))
#: Optical elements that are named in no product.
_NO_ELEMENT = frozenset(("", "N/A", "CLEAR", "CLEARP", "FULL", "ANY"))
#: Names of products and members: files beside the association.
_NAME = re.compile(r"\w[\w.+-]*", re.ASCII)
#: What tells the associations of a programme apart that have no candidate: the first of those that
#: the rules of the archive give to associations of whole programmes.
_ASN_ID = "a3001"


@dataclass(frozen=True, kw_only=True)
class Association:
    """The exposures of one mosaic."""

    #: Product name of the mosaic.
    name: str
    #: Product roots of the exposures.
    exposures: tuple[str, ...]
    #: Files that are taken as they are, of exposures that the batch has not.
    files: tuple[Path, ...] = ()
    asn_id: str = _ASN_ID
    program: str = ""
    #: The association that it was read from.
    source: Path | None = None


def associate(inputs: Mapping[str, Path]) -> tuple[list[Association], dict[str, str]]:
    """Group exposures by their headers, as the rules of stage 3 do.

    A mosaic is made of the images of one programme, target, optical path (instrument, filter,
    pupil, subarray) and detector.

    Parameters
    ----------
    inputs : mapping of str to Path
        A file of each exposure, by product root.

    Returns
    -------
    list of Association
        The mosaics, by name.
    dict of str to str
        The exposures that go into none, and why.
    """
    groups: dict[Setting, list[str]] = defaultdict(list)
    left_out: dict[str, str] = {}
    for root, path in sorted(inputs.items()):
        try:
            setting = read_setting(path)
        except ExposureError as error:
            left_out[root] = "; ".join(error.problems)
            continue
        if setting.exposure_type not in _IMAGES or setting.is_time_series:
            kind = "a time series" if setting.is_time_series else setting.exposure_type or "unknown"
            left_out[root] = (
                f"its type (EXP_TYPE) is {kind}, which calwebb_image3 does not take; "
                f"it takes {', '.join(sorted(_IMAGES))}"
            )
        else:
            groups[setting].append(root)
    found: dict[str, Association] = {}
    for setting, roots in sorted(groups.items()):
        name = next(name for name in _numbered(_name(setting)) if name not in found)
        found[name] = Association(name=name, exposures=tuple(roots), program=setting.program)
    return [found[name] for name in sorted(found)], left_out


def read_associations(paths: Iterable[Path], known: Iterable[str]) -> list[Association]:
    """Read associations of stage 3.

    Parameters
    ----------
    paths : iterable of Path
        The associations (JSON).
    known : iterable of str
        Product roots of the exposures of the batch.

    Returns
    -------
    list of Association
        One for each product. A member that the batch has not is taken as the file beside the
        association.

    Raises
    ------
    OutputError
        When a file is no association of stage 3, or a member is nowhere.
    """
    exposures = set(known)
    found: list[Association] = []
    for path in paths:
        content = _read(path)
        found += [_of_product(path, content, one, exposures) for one in content["products"]]
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OutputError(f"{twice[0]}: is a product of several associations; leave one")
    return found


def _of_product(
    path: Path, content: Mapping[str, object], product: Mapping[str, object], known: set[str]
) -> Association:
    roots: list[str] = []
    files: list[Path] = []
    problems: list[str] = []
    members = product["members"]
    for member in members if isinstance(members, Sequence) else ():
        if member.get("exptype", "science") != "science":
            continue
        name = str(member["expname"])
        root, beside = product_root(Path(name)), path.parent / name
        if root in known:
            roots.append(root)
        elif beside.is_file():
            files.append(beside.absolute())
        else:
            problems.append(
                f"{path}: {name}: is neither an exposure of the batch nor a file beside the "
                "association; give its data, or leave it out"
            )
    OutputError.check_none(problems)
    return Association(
        name=str(product["name"]),
        exposures=tuple(roots),
        files=tuple(files),
        asn_id=str(content.get("asn_id", _ASN_ID)),
        program=str(content.get("program", "")),
        source=path.absolute(),
    )


def _read(path: Path) -> Mapping[str, list[Mapping[str, object]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = [str(product["name"]) for product in content["products"]]
        names += [str(m["expname"]) for product in content["products"] for m in product["members"]]
    except OSError as error:
        raise OutputError(f"{path}: can't be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path}: is no association ({type(error).__name__}: {error}), expected JSON as "
            "asn_from_list writes it, with products of a name and members"
        ) from error
    odd = [name for name in names if not _NAME.fullmatch(name)]
    if odd:
        raise OutputError(f"{path}: {odd[0]!r} is not the name of a file beside the association")
    if content.get("asn_type", "image3") not in ("image3", "None", None):
        raise OutputError(
            f"{path}: is for {content['asn_type']}, expected an association of image3"
        )
    found: Mapping[str, list[Mapping[str, object]]] = content
    return found


def _name(setting: Setting) -> str:
    """Return the product name: programme, target, detector, optical elements, as the archive has.

    The archive numbers the targets of a programme; here their names stand.
    """
    elements = (setting.filter, setting.pupil, setting.subarray)
    optics = [_slug(one) for one in elements if one.upper() not in _NO_ELEMENT]
    program = f"jw{setting.program.zfill(5)}" if setting.program else "programme"
    parts = [program, _slug(setting.target) or "target", _slug(setting.detector)]
    return "_".join([*parts, "-".join(optics) or "clear"])


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, and others for the case that two settings read alike."""
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.+]+", "-", text.lower()).strip("-.")
