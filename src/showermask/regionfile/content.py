"""The content of a region file: entries of some sections, and what they are for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from showermask.exceptions import EntryError, RegionFileError
from showermask.exposure.detectors import DETECTORS, frame_shape_of
from showermask.exposure.names import product_root
from showermask.exposure.product import Exposure
from showermask.messages import counted, joined
from showermask.regionfile.badpixels import BadPixels
from showermask.regionfile.entry import Entry, Status, plain_list
from showermask.regionfile.polygon import Polygon
from showermask.regionfile.schema import FORMATS, format_of, schema_problems
from showermask.regionfile.shower import Shower

if TYPE_CHECKING:
    from astropy.table import Table
    from regions import Regions

__all__ = [
    "HEADER_KEYS",
    "SECTIONS",
    "RegionFile",
    "count_by_section",
    "counts_text",
    "detector_problems",
]

#: The lists of a region file, in the order of the file, and what they hold.
SECTIONS: Mapping[str, type[Entry]] = {kind.SECTION: kind for kind in (Shower, BadPixels, Polygon)}

#: What a region file says of the exposure and the review, in the order of the file.
HEADER_KEYS = (
    "exposure",
    "shape",
    "subarray",
    "detector",
    "readpatt",
    "ngroups",
    "useafter",
    "reviewer",
    "reviewed",
)


@dataclass(frozen=True, kw_only=True, init=False)
class RegionFile:
    """The content of a region file.

    Parameters
    ----------
    entries : iterable of Shower, BadPixels or Polygon, optional
        The entries, whatever their status; kept in the order of the sections.
    showers, pixels, polygons : iterable, optional
        Entries of one section; they replace those of the section in ``entries``.
    exposure : str, optional
        Product root of the exposure, without suffix.
    shape : tuple of int, optional
        ``(nints, ngroups, ny, nx)`` that the reviewer looked at.
    subarray : str, optional
        Subarray name.
    detector : str, optional
        Name of the detector, where the file is for all of its exposures, not for one.
    readpatt : str, optional
        Read-out pattern of these.
    ngroups : tuple of int, optional
        Fewest and most groups of these.
    useafter : str, optional
        Day of the first of these, ISO 8601.
    reviewer : str, optional
        Who reviewed the entries.
    reviewed : str, optional
        When, ISO 8601.
    path : `~pathlib.Path`, optional
        Where the content was read from. Not compared.
    sha256 : str, optional
        Hash of the file that was read; `RegionFile.fingerprint` adds its masks. Not compared.
    """

    entries: tuple[Entry, ...]
    exposure: str | None
    shape: tuple[int, int, int, int] | None
    subarray: str | None
    detector: str | None
    readpatt: str | None
    ngroups: tuple[int, int] | None
    useafter: str | None
    reviewer: str | None
    reviewed: str | None
    path: Path | None = field(compare=False)
    sha256: str | None = field(compare=False)

    def __init__(
        self,
        *,
        entries: Iterable[Entry] = (),
        showers: Iterable[Shower] | None = None,
        pixels: Iterable[BadPixels] | None = None,
        polygons: Iterable[Polygon] | None = None,
        exposure: str | None = None,
        shape: tuple[int, ...] | None = None,
        subarray: str | None = None,
        detector: str | None = None,
        readpatt: str | None = None,
        ngroups: tuple[int, int] | None = None,
        useafter: str | None = None,
        reviewer: str | None = None,
        reviewed: str | None = None,
        path: Path | None = None,
        sha256: str | None = None,
    ) -> None:
        given: dict[str, Iterable[Entry] | None]
        given = {"showers": showers, "pixels": pixels, "polygons": polygons}
        listed = tuple(entries)
        chosen: list[Entry] = []
        for section in SECTIONS:
            of_section = given[section]
            if of_section is None:
                of_section = (entry for entry in listed if section == entry.SECTION)
            for entry in of_section:
                if section != entry.SECTION:
                    raise RegionFileError(f"{section}: found a {entry.NOUN}, expected others")
                chosen.append(entry)
        values = (
            tuple(chosen),
            exposure,
            None if shape is None else tuple(shape),
            subarray,
            detector,
            readpatt,
            None if ngroups is None else tuple(ngroups),
            useafter,
            reviewer,
            reviewed,
            path,
            sha256,
        )
        for attribute, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, attribute.name, value)

    @classmethod
    def for_exposure(cls, exposure: Exposure) -> RegionFile:
        """Return a file without entries for an exposure; only ramps tell the shape."""
        return cls(
            exposure=exposure.root,
            shape=exposure.shape if exposure.is_ramp else None,
            subarray=exposure.subarray,
        )

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> RegionFile:
        """Return the region file that a tree holds; masks that it names are not read.

        Parameters
        ----------
        tree : mapping
            What `to_tree` returns.

        Returns
        -------
        RegionFile
            The region file.

        Raises
        ------
        RegionFileError
            When the tree does not follow the schema; names all that is wrong.
        """
        problems = [problem.text for problem in schema_problems(tree)]
        RegionFileError.check_none([*problems, *detector_problems(tree)])
        header = {key: tree[key] for key in HEADER_KEYS if key in tree}
        entries = [
            kind.from_mapping(mapping)
            for name, kind in SECTIONS.items()
            for mapping in tree.get(name, ())
        ]
        return cls(entries=entries, **header)

    def section(self, name: str) -> tuple[Entry, ...]:
        """Return the entries of a section, in the order of the file."""
        return tuple(entry for entry in self.entries if name == entry.SECTION)

    def with_section(self, name: str, entries: Iterable[Entry]) -> RegionFile:
        """Return the file with other entries in one section."""
        others = (entry for entry in self.entries if name != entry.SECTION)
        return replace(self, entries=(*others, *entries))

    @property
    def showers(self) -> tuple[Shower, ...]:
        """The showers."""
        return self.section("showers")  # type: ignore[return-value]

    @property
    def pixels(self) -> tuple[BadPixels, ...]:
        """The bad pixels."""
        return self.section("pixels")  # type: ignore[return-value]

    @property
    def polygons(self) -> tuple[Polygon, ...]:
        """The polygons."""
        return self.section("polygons")  # type: ignore[return-value]

    @property
    def accepted(self) -> tuple[Entry, ...]:
        """The entries to be masked."""
        return tuple(entry for entry in self.entries if entry.is_accepted)

    @property
    def candidates(self) -> tuple[Entry, ...]:
        """The entries that nobody has decided on."""
        return tuple(entry for entry in self.entries if entry.status is Status.CANDIDATE)

    @property
    def fingerprint(self) -> str | None:
        """Hash of the file, and of the mask files that it names, if any."""
        masks = [entry.image.sha256 for entry in self.pixels if entry.image is not None]
        if self.sha256 is None or not masks:
            return self.sha256
        return hashlib.sha256(" ".join([self.sha256, *masks]).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The file's name, for messages and keywords."""
        return self.path.name if self.path else "regions"

    def key_of(self, entry: Entry) -> str:
        """Return the place of an entry in the file, such as ``showers[3]``.

        Parameters
        ----------
        entry : Shower, BadPixels or Polygon
            One of the entries, itself.

        Returns
        -------
        str
            Section and position.
        """
        try:
            return self._keys[id(entry)]
        except KeyError:
            raise ValueError(f"{entry} is not in {self.name}") from None

    @cached_property
    def _keys(self) -> dict[int, str]:
        positions: Counter[str] = Counter()
        keys: dict[int, str] = {}
        for entry in self.entries:
            keys.setdefault(id(entry), f"{entry.SECTION}[{positions[entry.SECTION]}]")
            positions[entry.SECTION] += 1
        return keys

    def repeated(self) -> Iterator[tuple[str, str]]:
        """Yield the keys of entries with the same pixels, groups, status and flags.

        Yields
        ------
        tuple of str
            The first of them, and one that repeats it.
        """
        known: dict[tuple[str, ...], str] = {}
        positions: Counter[str] = Counter()
        for entry in self.entries:
            key = f"{entry.SECTION}[{positions[entry.SECTION]}]"
            positions[entry.SECTION] += 1
            said = entry.values().items()
            same = (entry.SECTION, *(repr(i) for i in said if i[0] not in {"comment", "source"}))
            first = known.setdefault(same, key)
            if first != key:
                yield first, key

    def to_tree(self) -> dict[str, Any]:
        """Return the tree that the schema describes, keys in the file's order."""
        tree: dict[str, Any] = {"format": FORMATS[0]}
        for key in HEADER_KEYS:
            value = getattr(self, key)
            if value is not None:
                tree[key] = plain_list(value)
        for name in SECTIONS:
            listed = [entry.to_mapping() for entry in self.section(name)]
            if listed or name == "showers":
                tree[name] = listed
        tree["format"] = format_of(tree)
        return tree

    def mismatches(self, exposure: Exposure) -> Iterator[str]:
        """Yield what the file says of its exposure that is not so.

        Parameters
        ----------
        exposure : Exposure
            The exposure.

        Yields
        ------
        str
            Sentences.
        """
        yield from self._mismatches_of_detector(exposure)
        root, subarray = exposure.root, exposure.subarray
        if self.exposure is not None and self.exposure != root:
            known = root or "without a file name"
            advice = "take the region file of this exposure"
            if product_root(self.exposure) == root:
                advice = "write it without suffix"
            yield f"exposure is {self.exposure}, but the data are {known}; {advice}"
        if self.subarray is not None and subarray is not None and self.subarray != subarray:
            yield f"subarray is {self.subarray}, but the data have {subarray}"
        data_shape = (exposure.nints, exposure.ngroups, *exposure.image_shape)
        if self.shape is not None and any(
            size is not None and size != expected
            for expected, size in zip(self.shape, data_shape, strict=True)
        ):
            shown = ", ".join("?" if size is None else str(size) for size in data_shape)
            yield (
                f"shape is {list(self.shape)}, but the data have [{shown}] "
                "(nints, ngroups, ny, nx); take the region file of these data"
            )

    def _mismatches_of_detector(self, exposure: Exposure) -> Iterator[str]:
        """Yield why the file is not for an exposure of a detector."""
        pairs = (
            ("detector", self.detector, exposure.detector),
            ("readpatt", self.readpatt, exposure.readpatt),
        )
        for name, wanted, found in pairs:
            if wanted is not None and found is not None and wanted.upper() != found.upper():
                yield f"{name} is {wanted}, but the data have {found}"
        if self.ngroups is not None and exposure.ngroups is not None:
            fewest, most = self.ngroups
            if not fewest <= exposure.ngroups <= most:
                yield f"is for {fewest} to {most} groups, but the data have {exposure.ngroups}"
        whole = self.frame_shape
        if whole is not None and exposure.xstart is None and exposure.image_shape != whole:
            yield (
                f"is of the whole {self.detector}, but the data do not say where they lie in it "
                "(SUBSTRT1, SUBSTRT2)"
            )
        day = exposure.date
        if self.useafter is not None and day is not None and day < self.useafter[:10]:
            yield f"is for exposures from {self.useafter} on; the data are of {exposure.date}"

    @property
    def frame_shape(self) -> tuple[int, int] | None:
        """Rows and columns of the whole detector, where the file is of one."""
        return None if self.detector is None else frame_shape_of(self.detector)

    def cut_to(self, exposure: Exposure) -> RegionFile:
        """Return the file of a detector with the places that an exposure of it has.

        Entries that lie outside of the exposure are left out. Keys stay those of the file.

        Parameters
        ----------
        exposure : Exposure
            The exposure, of any subarray.

        Returns
        -------
        RegionFile
            The file itself where it is not that of a detector.
        """
        if self.detector is None:
            return self
        kept: list[tuple[BadPixels, str]] = []
        for entry in self.pixels:
            part = entry.cut(exposure.corner, exposure.image_shape)
            if part is not None:
                kept.append((part, self.key_of(entry)))
        cut = replace(self, entries=tuple(part for part, _ in kept))
        vars(cut)["_keys"] = {id(part): key for part, key in kept}
        return cut

    def only_with_flags(self, known: Container[str], elsewhere: Container[str]) -> RegionFile:
        """Return the file of a detector without entries whose flags are all of another plane.

        A pixel that is WARM, and can be used, has no flag in the groups of a ramp.

        Parameters
        ----------
        known, elsewhere : container of str
            Names of the flags of the plane, and of those of pixels.

        Returns
        -------
        RegionFile
            The file itself where it is not that of a detector.
        """
        if self.detector is None:
            return self
        kept = [
            entry
            for entry in self.pixels
            if entry.flags is None
            or any(name.upper() in known or name.upper() not in elsewhere for name in entry.flags)
        ]
        left = replace(self, entries=tuple(kept))
        vars(left)["_keys"] = {id(entry): self.key_of(entry) for entry in kept}
        return left

    def check_same_exposure(self, other: RegionFile) -> None:
        """Check that another file can be of the same exposure, or detector.

        Parameters
        ----------
        other : RegionFile
            The other file.

        Raises
        ------
        RegionFileError
            With everything in which they differ.
        """
        keys = ("exposure", "shape", "subarray", "detector", "readpatt", "ngroups")
        pairs = ((key, getattr(self, key), getattr(other, key)) for key in keys)
        RegionFileError.check_none(
            [
                f"{other.name}: {key} is {found}, but {wanted} in {self.name}; expected files of "
                "one exposure"
                for key, wanted, found in pairs
                if None not in (wanted, found) and wanted != found
            ]
        )

    def check_fits(self, exposure: Exposure) -> None:
        """Check that the file, with all of its entries, can be of an exposure.

        Parameters
        ----------
        exposure : Exposure
            The exposure.

        Raises
        ------
        RegionFileError
            With every mismatch.
        """
        problems = [*self.mismatches(exposure)]
        for entry in self.entries:
            found = entry.outside(vars(entry), exposure)
            problems += [f"{self.key_of(entry)}.{name} {text}" for name, text in found]
        RegionFileError.check_none([f"{self.name}: {problem}" for problem in problems])

    def mask(
        self,
        image_shape: tuple[int, int],
        *,
        integration: int | None = None,
        group: int | None = None,
    ) -> NDArray[np.bool_]:
        """Return the pixels that the accepted entries mask.

        Parameters
        ----------
        image_shape : tuple of int
            Rows and columns.
        integration, group : int, optional
            Where it is asked for, zero-based; without them, at any time.

        Returns
        -------
        `numpy.ndarray`
            ``(ny, nx)`` bool.

        Raises
        ------
        EntryError
            When an entry lies outside of the image.
        """
        masked = np.zeros(image_shape, bool)
        for entry in self.accepted:
            outside = [
                *entry.out_of_range(vars(entry), nints=None, ngroups=None, image_shape=image_shape)
            ]
            EntryError.check_none([f"{self.key_of(entry)}.{key} {text}" for key, text in outside])
            if entry.is_at(integration, group):
                box, inside = entry.pixels(image_shape)
                masked[box] |= inside
        return masked

    def to_table(self) -> Table:
        """Return the showers as a table, in pixels and degrees.

        Returns
        -------
        `~astropy.table.Table`
            A row for each shower; all else is in ``meta["showermask"]``.
        """
        from showermask.regionfile.tables import table_of

        return table_of(self.to_tree())

    @classmethod
    def from_table(cls, table: Table) -> RegionFile:
        """Return the region file that a table of showers holds.

        Parameters
        ----------
        table : `~astropy.table.Table`
            A row for each shower, as `to_table` makes it; ``x``, ``y``, ``a``, ``b``, ``theta``,
            ``integration`` and ``group`` will do.

        Returns
        -------
        RegionFile
            The region file.

        Raises
        ------
        RegionFileError
            With everything that is wrong.
        """
        from showermask.regionfile.reader import regions_of_tree
        from showermask.regionfile.tables import tree_of

        return regions_of_tree(tree_of(table), Path("table")).unread()

    def to_regions(self) -> Regions:
        """Return all entries as pixel regions of astropy-regions.

        Returns
        -------
        `~regions.Regions`
            Ellipses, polygons, points and rectangles: comments as text, times and status as tags.
        """
        from showermask.regionfile.shapes import shapes_of

        return shapes_of(self.entries, None if self.shape is None else self.shape[2:])

    def unread(self) -> RegionFile:
        """Return the content as that of a file that is yet to be written."""
        return replace(self, path=None, sha256=None)


def detector_problems(tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield what does not go together in the tree of a file, of an exposure or of a detector.

    Parameters
    ----------
    tree : mapping
        The tree, of any values.

    Yields
    ------
    str
        Sentences.
    """
    of_exposure = [key for key in ("exposure", "shape", "subarray") if key in tree]
    others = [name for name in SECTIONS if name != BadPixels.SECTION and tree.get(name)]
    if "detector" in tree:
        if str(tree["detector"]).upper() not in DETECTORS:
            yield f"detector is {tree['detector']!s:.40}, expected one of {', '.join(DETECTORS)}"
        for key in (*of_exposure, *others):
            yield f"{key} is given with detector, expected a file for one exposure, or pixels only"
        timed = [
            position
            for position, entry in enumerate(tree.get(BadPixels.SECTION) or ())
            if isinstance(entry, dict) and {"integration", "group", "last_group"} & set(entry)
        ]
        for position in timed[:5]:
            yield f"pixels[{position}] has an integration or group, which a detector has not"
    else:
        for key in ("readpatt", "ngroups", "useafter"):
            if key in tree:
                yield f"{key} is given without detector; name the detector that the file is for"
    ngroups = tree.get("ngroups")
    pair = ngroups if isinstance(ngroups, list) else []
    if [type(n) for n in pair] == [int, int] and pair[0] > pair[1]:
        yield f"ngroups is {ngroups}, expected [fewest, most], the smaller number first"


def combined_fingerprint(own: RegionFile, of_detector: RegionFile | None) -> str | None:
    """Return the hash of a region file, and of the file of the detector if there is one.

    Parameters
    ----------
    own : RegionFile
        The region file of an exposure.
    of_detector : RegionFile or None
        The bad pixels of its detector.

    Returns
    -------
    str or None
        The hash; None where there is no file.
    """
    if of_detector is None:
        return own.fingerprint
    both = f"{own.fingerprint or ''} {of_detector.fingerprint}"
    return hashlib.sha256(both.encode()).hexdigest()


def count_by_section(entries: Iterable[Entry]) -> dict[str, int]:
    """Return the number of entries of each section."""
    found = Counter(entry.SECTION for entry in entries)
    return {name: found[name] for name in SECTIONS}


def counts_text(counts: Mapping[str, int]) -> str:
    """Return numbers of entries by section in words: showers always, others if there are any."""
    nouns: Sequence[str] = [
        counted(counts.get(name, 0), kind.NOUN)
        for name, kind in SECTIONS.items()
        if counts.get(name, 0) or name == "showers"
    ]
    return joined(*nouns)
