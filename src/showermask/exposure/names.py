"""Names of products: root, suffix and stem of a file name."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = [
    "MODELS_SUFFIX",
    "PRODUCT_SUFFIX",
    "PRODUCT_SUFFIXES",
    "SUBTRACTED_SUFFIX",
    "product_root",
    "product_stem",
    "product_suffix",
]

#: Suffix of the files that the mask step writes, and of those that the subtraction writes.
PRODUCT_SUFFIX, SUBTRACTED_SUFFIX = "showermask", "showersubtract"
#: Suffix of the file with the models of the showers that were taken out of an exposure.
MODELS_SUFFIX = "showermodel"

#: Suffixes of the files that people review and mask, the one that shows most first.
PRODUCT_SUFFIXES = ("jump", "ramp", "uncal", "rateints", "rate")

_DMS_ROOT = re.compile(r"jw\d{11}_[0-9a-z]{5}_\d{5}(?:-seg\d{3})?_[0-9a-z]+")
_COMPRESSED = re.compile(r"\.fits\.(?:gz|bz2)$", re.IGNORECASE)
_SUFFIX = re.compile(
    r"(?:_(?:uncal|ramp|jump|rate|rateints|cal|calints|crf|crfints|bsub|bsubints"
    rf"|{PRODUCT_SUFFIX}|{SUBTRACTED_SUFFIX}|{MODELS_SUFFIX}))+$"
)


def product_suffix(filename: str | os.PathLike[str]) -> str | None:
    """Return which of `PRODUCT_SUFFIXES` a file is, by its name."""
    file = Path(filename)
    root, _, kind = file.stem.rpartition("_")
    return kind if root and file.suffix == ".fits" and kind in PRODUCT_SUFFIXES else None


def product_root(filename: str | os.PathLike[str]) -> str:
    """Return the product root of a file name: what is left without suffix and extension."""
    stem = product_stem(filename)
    standard = _DMS_ROOT.match(stem)
    return standard.group() if standard else _SUFFIX.sub("", stem)


def product_stem(filename: str | os.PathLike[str]) -> str:
    """Return a file name without its extension, ``.fits.gz`` included."""
    file = Path(filename)
    return Path(file.stem).stem if _COMPRESSED.search(file.name) else file.stem
