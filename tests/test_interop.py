"""Region files as masks, tables and regions of astropy."""

import numpy as np
import pytest
from astropy import units
from astropy.table import QTable, Table
from regions import (
    EllipsePixelRegion,
    PointPixelRegion,
    PolygonPixelRegion,
    RectanglePixelRegion,
)

from showermask import (
    BadPixels,
    Polygon,
    RegionFile,
    Shower,
    ShowermaskError,
    read_regions,
    write_regions,
)
from showermask.exceptions import EntryError
from showermask.regionfile.maskfile import write_mask

SHAPE = (48, 60)
EARLY = Shower(integration=0, group=0, x=10.5, y=12, a=6, b=4, theta=30, comment="no hit")
LATE = Shower(
    integration=1, group=5, last_group=9, x=40, y=30, a=5, b=5, theta=0, status="candidate",
    flags=("JUMP_DET", "DO_NOT_USE"), score=8.5, source="propose", kind="latent",
)  # fmt: skip
ENDING = Shower(integration=1, group=5, last_group=9, x=40, y=30, a=5, b=5, theta=0)
COLUMN = BadPixels(x=3, y="all")
BENT = Polygon(integration=0, group=2, vertices=((20, 20), (30, 20), (25, 30)))
REGIONS = RegionFile(
    entries=(EARLY, LATE, ENDING, COLUMN, BENT),
    exposure="jw00001001001_02101_00001_mirimage",
    shape=(2, 12, *SHAPE),
    reviewer="A. Name",
)


class TestMask:
    """RegionFile.mask: what is masked where and when."""

    def test_at_any_time(self):
        """All accepted entries, and no others."""
        expected = np.zeros(SHAPE, bool)
        for entry in (EARLY, ENDING, COLUMN, BENT):
            box, inside = entry.pixels(SHAPE)
            expected[box] |= inside
        assert np.array_equal(REGIONS.mask(SHAPE), expected)

    @pytest.mark.parametrize(
        ("integration", "group", "entries"),
        [
            (0, 0, (EARLY, COLUMN)),
            (0, 2, (EARLY, COLUMN, BENT)),
            (1, 4, (COLUMN,)),
            (1, 5, (ENDING, COLUMN)),
            (1, 9, (ENDING, COLUMN)),
            (1, 10, (COLUMN,)),
            (1, None, (ENDING, COLUMN)),
            (None, 1, (EARLY, COLUMN)),
        ],
    )
    def test_in_an_image(self, integration, group, entries):
        """From the first group of an entry to its last."""
        expected = np.zeros(SHAPE, bool)
        for entry in entries:
            box, inside = entry.pixels(SHAPE)
            expected[box] |= inside
        assert np.array_equal(REGIONS.mask(SHAPE, integration=integration, group=group), expected)

    def test_outside(self):
        """Pixels that the image has not are an error with their place."""
        with pytest.raises(EntryError, match=r"pixels\[0\]"):
            RegionFile(pixels=[BadPixels(x=70, y=0)]).mask(SHAPE)


class TestTable:
    """To a table and back."""

    def test_there_and_back(self):
        """Nothing is lost, also of what is no shower."""
        assert RegionFile.from_table(REGIONS.to_table()) == REGIONS

    def test_columns(self):
        """With units, and gaps where nothing is said."""
        table = REGIONS.to_table()
        assert table["x"].unit == units.pix
        assert table["theta"].unit == units.deg
        assert list(table["status"]) == ["accepted", "candidate", "accepted"]
        assert list(table["score"].mask) == [True, False, True]
        assert table["flags"][1] == "JUMP_DET,DO_NOT_USE"
        assert table.meta["showermask"]["reviewer"] == "A. Name"

    def test_tables_of_others(self):
        """A few columns will do, with units or without."""
        values = {"integration": [0], "group": [3], "x": [5.0], "y": [6.0], "a": [2.0], "b": [1.0]}
        table = Table({**values, "theta": [45.0]})
        (shower,) = RegionFile.from_table(table).showers
        assert shower == Shower(integration=0, group=3, x=5, y=6, a=2, b=1, theta=45)
        with_units = QTable(
            REGIONS.to_table()[["integration", "group", "x", "y", "a", "b", "theta"]]
        )
        assert len(RegionFile.from_table(with_units).showers) == 3

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"theta": [0.5] * units.rad}, "theta is in rad, expected deg"),
            ({"x": [[1.0, 2.0]]}, "x holds arrays or objects"),
            ({"a": [-1.0]}, r"showers\[0\].a is -1.0, expected more than 0"),
            ({"radius": [1.0]}, "radius"),
        ],
    )
    def test_wrong_tables(self, change, sentence):
        """Are refused as files are."""
        values = {"integration": [0], "group": [3], "x": [5.0], "y": [6.0], "a": [2.0], "b": [1.0]}
        with pytest.raises(ShowermaskError, match=sentence):
            RegionFile.from_table(QTable({**values, "theta": [45.0], **change}))


class TestRegions:
    """Objects of astropy-regions."""

    def test_ellipse(self):
        """Masks the pixels that the shower masks, but for those on its edge."""
        shape = REGIONS.to_regions()[0]
        assert isinstance(shape, EllipsePixelRegion)
        box, inside = EARLY.pixels(SHAPE)
        expected = np.zeros(SHAPE, bool)
        expected[box] = inside
        found = shape.to_mask(mode="center").to_image(SHAPE) > 0
        assert np.array_equal(found, expected)
        assert shape.meta["text"] == "no hit"
        assert "group=0" in shape.meta["tag"]

    def test_others(self):
        """Polygons, and bad pixels as rectangles and points."""
        shapes = RegionFile(
            entries=(COLUMN, BadPixels(x=3, y=4), BENT), shape=(1, 5, *SHAPE)
        ).to_regions()
        column, pixel, polygon = shapes
        assert isinstance(column, RectanglePixelRegion)
        assert (column.center.x, column.center.y) == (3, 23.5)
        assert (column.width, column.height) == (1, 48)
        assert isinstance(pixel, PointPixelRegion)
        assert isinstance(polygon, PolygonPixelRegion)
        assert list(polygon.vertices.x) == [20, 30, 25]

    def test_masks(self, tmp_path):
        """Are the ranges of their pixels."""
        image = np.zeros(SHAPE, bool)
        image[4, 5:9] = image[20, 30] = True
        write_mask(tmp_path / "m.fits", image)
        write_regions(tmp_path / "r.yaml", RegionFile(pixels=[BadPixels(mask="m.fits")]))
        shapes = read_regions(tmp_path / "r.yaml").to_regions()
        assert [type(shape) for shape in shapes] == [RectanglePixelRegion, PointPixelRegion]
        assert shapes[0].bounding_box.shape == (1, 4)
