"""Data-quality flags: names, bits, colours, and the plane of a product that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, reduce
from operator import or_
from types import MappingProxyType
from typing import Any

from showermask.exceptions import FlagError
from showermask.exposure.product import Exposure, Product

__all__ = [
    "COLOURS",
    "DO_NOT_USE",
    "JUMP_DET",
    "MASK_COLOUR",
    "OTHER_COLOUR",
    "SATURATED",
    "all_flags",
    "bits_of",
    "dq_plane",
    "known_flags",
    "pixel_flags",
]

#: The bits that decide which groups the ramp fit links to a slope; the same in all planes.
DO_NOT_USE, SATURATED, JUMP_DET = 1, 2, 4

#: Colours of flags on the page and in the report (red, green, blue), the most telling flag first.
COLOURS: Mapping[str, tuple[int, int, int]] = {
    "SATURATED": (232, 70, 190),
    "JUMP_DET": (255, 150, 30),
    "DO_NOT_USE": (70, 170, 255),
}
OTHER_COLOUR = (120, 220, 200)
MASK_COLOUR = (60, 230, 110)


@cache
def known_flags(product: Product) -> Mapping[str, int]:
    """Return the flags that set a bit in the plane of a product, by name."""
    from stdatamodels.jwst.datamodels import dqflags

    flags = dqflags.group if product.is_ramp else dqflags.pixel
    return MappingProxyType({name: bit for name, bit in flags.items() if bit})


def pixel_flags() -> Mapping[str, int]:
    """Return the flags of pixels (PIXELDQ, and DQ of rates), by name."""
    return known_flags(Product.IMAGE)


@cache
def all_flags() -> Mapping[str, int]:
    """Return the flags of all planes, by name."""
    return MappingProxyType({**pixel_flags(), **known_flags(Product.RAMP)})


def bits_of(names: Iterable[str], known: Mapping[str, int], *, where: str, plane: str) -> int:
    """Combine flag names, in any case, into bits; raise `FlagError` for one that is not known."""
    known = {name: bit for name, bit in known.items() if bit}
    wanted = [str(name).strip().upper() for name in names]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        verb = "is not a flag" if len(unknown) == 1 else "are no flags"
        found = f"{', '.join(unknown)} {verb} of {plane}" if unknown else "no flag is named"
        raise FlagError(f"{where}: {found}, expected names among {', '.join(known)}")
    return reduce(or_, (known[name] for name in wanted))


def dq_plane(model: Any, exposure: Exposure) -> Any:
    """Return the data-quality plane of a model, making an empty one where there is none.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The exposure.
    exposure : Exposure
        Its description.

    Returns
    -------
    `numpy.ndarray`
        ``groupdq`` (uint8) or ``dq`` (uint32): the model's own array, to be modified in place.

    Raises
    ------
    ExposureError
        When the plane has another shape than the exposure.
    """
    name = exposure.product.plane
    if getattr(model, name, None) is None:
        setattr(model, name, model.get_default(name))
    plane = getattr(model, name)
    exposure.check_plane(plane.shape)
    return plane
