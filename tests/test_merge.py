"""Region files of two reviewers: merged, and compared."""

from dataclasses import replace

import pytest

from showermask import BadPixels, Polygon, RegionFile, Shower, read_regions, write_regions
from showermask.cli import main
from showermask.commands.agree.agreement import compare_regions
from showermask.commands.merge.merging import merge_regions
from showermask.exceptions import RegionFileError
from showermask.masking.overlap import matched, overlap

SHAPE = (200, 220)
GLOW = Shower(integration=0, group=8, x=100, y=90, a=20, b=12, theta=20)
FAR = replace(GLOW, x=40, y=30)


def regions(*entries, **more):
    """Return a region file of an exposure."""
    more = {"exposure": "x", "shape": (1, 40, *SHAPE), **more}
    return RegionFile(entries=entries, **more)


class TestOverlap:
    """Entries that are the same."""

    def test_itself(self):
        """An entry overlaps itself wholly, and another place not at all."""
        assert overlap(GLOW, GLOW, SHAPE) == 1
        assert overlap(GLOW, FAR, SHAPE) == 0

    def test_part(self):
        """Half of the pixels shared is a third of both."""
        one, other = BadPixels(x=(0, 9), y=0), BadPixels(x=(5, 14), y=0)
        assert overlap(one, other, SHAPE) == pytest.approx(1 / 3)

    @pytest.mark.parametrize(
        "change", [{"integration": 1}, {"group": 31, "last_group": 35}], ids=["integration", "time"]
    )
    def test_other_time(self, change):
        """Entries of other integrations, or groups, are not the same."""
        one = replace(GLOW, last_group=30)
        assert overlap(one, replace(one, **change), SHAPE) == 0

    def test_shapes(self):
        """An ellipse and its outline as a polygon are the same, but of two sections."""
        corners = tuple(map(tuple, GLOW.outline()[::6]))
        polygon = Polygon(integration=0, group=8, vertices=corners)
        assert overlap(GLOW, polygon, SHAPE) > 0.9

    def test_best_first(self):
        """Of several that overlap, those that do most are the same."""
        near, nearer = replace(GLOW, x=104), replace(GLOW, x=101)
        pairs = matched([near, GLOW], [nearer], SHAPE)
        assert [(pair.one, pair.other) for pair in pairs] == [(near, None), (GLOW, nearer)]


class TestMerge:
    """One file of two."""

    def test_same(self):
        """What both have is there once, with both comments."""
        one = regions(replace(GLOW, comment="faint"), reviewer="A")
        other = regions(replace(GLOW, x=101.0, comment="sure"), reviewer="B")
        merged = merge_regions(one, other).region_file
        (entry,) = merged.entries
        assert (entry.x, entry.comment) == (100, "faint; sure")
        assert entry.is_accepted
        assert merged.reviewer == "A, B"

    def test_alone(self):
        """What one file has is kept."""
        merged = merge_regions(regions(GLOW), regions(FAR))
        assert merged.region_file.entries == (GLOW, FAR)
        assert merged.counts["alone"] == 2

    def test_conflict(self):
        """Decisions that differ make a candidate, with both comments and names."""
        one = regions(replace(GLOW, comment="a glow"), reviewer="A")
        other = regions(replace(GLOW, status="rejected", comment="a latent"), reviewer="B")
        (entry,) = merge_regions(one, other).region_file.entries
        assert entry.status == "candidate"
        assert entry.comment == "A: accepted, a glow; B: rejected, a latent"

    def test_decided_by_one(self):
        """A decision stands where the other reviewer has made none."""
        one, other = regions(replace(GLOW, status="candidate")), regions(GLOW)
        assert merge_regions(one, other).region_file.entries[0].is_accepted
        assert merge_regions(other, one).region_file.entries[0].is_accepted

    def test_base(self):
        """With the base, what one has changed is taken."""
        base = regions(GLOW)
        moved = regions(replace(GLOW, x=104.0))
        rejected = regions(replace(GLOW, status="rejected"))
        assert merge_regions(base, moved, base).region_file.entries[0].x == 104
        (entry,) = merge_regions(rejected, base, base).region_file.entries
        assert entry.status == "rejected"
        assert merge_regions(moved, rejected, base).counts["conflict"] == 1

    def test_taken_out(self):
        """What one has taken out stays as rejected; a candidate where the other has changed it."""
        base = regions(GLOW, FAR)
        one, other = regions(GLOW, FAR, reviewer="A"), regions(GLOW, reviewer="B")
        merged = merge_regions(one, other, base).region_file
        assert [entry.status for entry in merged.entries] == ["accepted", "rejected"]
        assert merged.entries[1].comment == "taken out by B"
        changed = regions(GLOW, replace(FAR, a=21.0), reviewer="A")
        (entry,) = merge_regions(changed, other, base).region_file.candidates
        assert entry.comment == "taken out by B"

    @pytest.mark.parametrize("has_base", [False, True])
    def test_nothing_is_lost(self, has_base):
        """Each place and each comment of both files is in the merged one."""
        places = [replace(GLOW, x=30.0 + 40 * k, comment=f"c{k}") for k in range(5)]
        one = regions(*places[:3], BadPixels(x=3, y=4, comment="p"))
        other = regions(*(replace(e, status="rejected", comment="other") for e in places[2:]))
        base = regions(*places[1:4]) if has_base else None
        merged = merge_regions(one, other, base).region_file
        for entry in (*one.entries, *other.entries):
            assert any(overlap(entry, kept, SHAPE) > 0.5 for kept in merged.entries)
            assert any(entry.comment in (kept.comment or "") for kept in merged.entries)

    def test_other_exposure(self):
        """Files of two exposures are not merged."""
        with pytest.raises(RegionFileError, match="exposure is y, but x in regions"):
            merge_regions(regions(GLOW), regions(GLOW, exposure="y"))

    def test_command(self, tmp_path, monkeypatch, capsys):
        """The command writes the file, says how it came about, and replaces none by accident."""
        monkeypatch.chdir(tmp_path)
        write_regions("a.yaml", regions(GLOW))
        write_regions("b.yaml", regions(FAR))
        assert main(["merge", "a.yaml", "b.yaml", "-o", "m.yaml"]) == 0
        assert "2 in one file only" in capsys.readouterr().out
        assert len(read_regions("m.yaml").entries) == 2
        assert main(["merge", "a.yaml", "b.yaml", "-o", "m.yaml"]) == 1
        assert main(["merge", "a.yaml", "b.yaml", "-o", "a.yaml", "--overwrite"]) == 1
        assert "one of the files to merge" in capsys.readouterr().err


class TestAgree:
    """How far two files agree."""

    def test_numbers(self):
        """What both have and what one has is counted; kappa is that of the table."""
        places = [replace(GLOW, x=30.0 + 40 * k) for k in range(5)]
        one = regions(*places[:4])
        other = regions(*places[:2], replace(places[2], status="rejected"), places[4])
        found = compare_regions(one, other)
        lines = "\n".join(found.describe())
        assert "in both: 3, of which 1 are decided otherwise" in lines
        assert found.median_overlap == 1
        # Masked by both 2, by one 2, by the other 1: observed 2/5, by chance 12/25 + 2/25.
        assert found.kappa == pytest.approx((2 / 5 - 14 / 25) / (1 - 14 / 25))

    def test_alike(self):
        """Where all decisions are alike kappa tells nothing."""
        found = compare_regions(regions(GLOW), regions(GLOW))
        assert found.kappa is None
        assert "all decisions are alike" in "\n".join(found.describe())

    def test_candidates(self):
        """What nobody has decided on is left out."""
        found = compare_regions(regions(replace(GLOW, status="candidate")), regions())
        assert not found.pairs

    def test_command(self, tmp_path, monkeypatch, capsys):
        """The command says so."""
        monkeypatch.chdir(tmp_path)
        write_regions("a.yaml", regions(GLOW, FAR))
        write_regions("b.yaml", regions(replace(GLOW, x=103.0)))
        assert main(["agree", "a.yaml", "b.yaml"]) == 0
        assert "only in a.yaml: 1" in capsys.readouterr().out
