"""Verify a package: its checksums, its data, and its products, made again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from showermask.commands.batch.packages.differences import find_differences
from showermask.commands.batch.packages.layout import CHECKSUMS, PRODUCTS, PackagedRequest
from showermask.commands.batch.plan import Reporter
from showermask.commands.batch.run import run_batch
from showermask.exceptions import OutputError
from showermask.exposure.names import product_suffix
from showermask.files import sha256_of
from showermask.messages import counted
from showermask.pipeline.manifest import UNMASKED_FOLDER, Record, read_manifest
from showermask.regionfile.lookup import walk

__all__ = ["Verification", "verify_package"]

#: Differences of a product that are told.
_MOST = 6
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


@dataclass(kw_only=True)
class Verification:
    """The result of a verification."""

    #: Files of the package that are as they were.
    intact: int = 0
    #: Products that were made again, and are the same.
    same: int = 0
    #: Whether products were made again at all.
    is_made_again: bool = False
    #: What is not as it should be.
    problems: list[str] = field(default_factory=list)

    def describe(self) -> Iterator[str]:
        """Yield lines for people."""
        yield from self.problems
        counts = f"{counted(self.intact, 'file')} as packaged"
        if self.is_made_again:
            counts += f", {counted(self.same, 'product')} made again and the same"
        yield f"{counts}, {counted(len(self.problems), 'problem')}"


def verify_package(
    package: Path, data: tuple[Path, ...], output: Path, reporter: Reporter
) -> Verification:
    """Verify a package.

    Parameters
    ----------
    package : Path
        The package.
    data : tuple of Path
        Exposures, or directories of them, from which its products are made again; without them only
        the files of the package are checked.
    output : Path
        Directory for the products that are made again.
    reporter : Reporter
        Tells people how it goes on.

    Returns
    -------
    Verification
        The result.

    Raises
    ------
    OutputError
        When the folder is no package, or nothing of its data is found.
    """
    packaged = PackagedRequest.read(package)
    result = Verification()
    _check_files(package, result)
    records = read_manifest(package / PRODUCTS)
    if not data:
        return result
    inputs = _find_inputs(records, data, result)
    result.is_made_again = True
    summary = run_batch(packaged.request(package.absolute(), inputs, output), reporter)
    for line in _other_versions(records, read_manifest(output)):
        reporter.say(line)
    result.problems += [f"{root}: {error}" for root, error in sorted(summary.failed.items())]
    result.problems += summary.problems
    _compare(package / PRODUCTS, output, result)
    if packaged.is_compared:
        _compare(package / PRODUCTS / UNMASKED_FOLDER, output / UNMASKED_FOLDER, result)
    return result


def _check_files(package: Path, result: Verification) -> None:
    """Compare the files of a package with its checksums."""
    path = package / CHECKSUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path}: can't be read ({error}), expected checksums") from error
    sums = {match[2]: match[1] for match in map(_LINE.fullmatch, lines) if match}
    present = {
        file.relative_to(package).as_posix() for file in package.rglob("*") if file.is_file()
    } - {CHECKSUMS}
    for name in sorted(sums):
        if name not in present:
            result.problems.append(f"{package / name}: is gone")
        elif sha256_of(package / name) != sums[name]:
            result.problems.append(f"{package / name}: has been changed")
        else:
            result.intact += 1
    result.problems += [f"{package / name}: is not of it" for name in sorted(present - set(sums))]


def _find_inputs(
    records: Mapping[str, Record], data: tuple[Path, ...], result: Verification
) -> tuple[Path, ...]:
    """Find the data of a package; what is not its data is told."""
    files: dict[str, Path] = {}
    for path in data:
        if not path.exists():
            raise OutputError(f"{path}: does not exist, expected exposures or a directory")
        for file in walk(path, product_suffix) if path.is_dir() else [path]:
            files.setdefault(file.name, file)
    found: list[Path] = []
    for record in records.values():
        if record.is_mosaic:
            continue
        if record.input not in files:
            result.problems.append(f"{record.input}: is not among the data")
            continue
        found.append(files[record.input])
        if record.input_sha256 and sha256_of(found[-1]) != record.input_sha256:
            result.problems.append(f"{found[-1]}: is not the file that the package was made from")
    if not found:
        raise OutputError(
            f"{', '.join(map(str, data))}: has none of the data of the package; expected "
            f"{', '.join(sorted(r.input for r in records.values() if not r.is_mosaic)[:3])} …"
        )
    return tuple(found)


def _other_versions(before: Mapping[str, Record], now: Mapping[str, Record]) -> Iterator[str]:
    """Yield which versions made the package, where others made its products again."""
    then, here = (
        {item for record in records.values() for item in record.versions.items()}
        for records in (before, now)
    )
    if now and then != here:
        old, new = (
            ", ".join(f"{name} {version}" for name, version in sorted(one))
            for one in (then - here, here - then)
        )
        yield f"the package was made with {old}; here it is {new}"


def _compare(theirs: Path, ours: Path, result: Verification) -> None:
    """Compare the products of a folder with those that were made again."""
    before, now = read_manifest(theirs), read_manifest(ours)
    for name, record in before.items():
        made = {product.name for product in now[name].outputs} if name in now else set()
        for product in record.outputs:
            if product.name not in made:
                result.problems.append(f"{product.name}: was not made again")
                continue
            found = find_differences(theirs / product.name, ours / product.name)
            if found:
                more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
                result.problems.append(f"{ours / product.name}: {'; '.join(found[:_MOST])}{more}")
            else:
                result.same += 1
        extra = sorted(made - {product.name for product in record.outputs})
        result.problems += [f"{ours / one}: is not in the package" for one in extra]
