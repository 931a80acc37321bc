"""Tests of `vdt.mend`: what is put together from the right chunks of an old copy, and when it is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, List, Tuple

import pytest

from vdt import fs, journal, mend
from vdt.copyjob import NoLimit
from vdt.diagnosis import OTHER, Diagnosis
from vdt.errors import StoppedError
from vdt.findings import Finding
from vdt.hashing import Digester
from vdt.journal import Journals
from vdt.mend import Seeder, worth_seeding
from vdt.model import Judged
from vdt.stop import StopFlag

CHUNK = 1000
DATA = bytes(number * number % 251 for number in range(5 * CHUNK + 10))  # five chunks and a rest


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 1,000 bytes stand for those of 64 MiB."""
    monkeypatch.setattr(mend, "CHUNK_BYTES", CHUNK)
    monkeypatch.setattr(mend, "LEAST_BYTES", 2 * CHUNK)
    monkeypatch.setattr(mend, "_PIECE_BYTES", 250)
    monkeypatch.setattr(journal, "CHUNK_BYTES", CHUNK)


class Counting(NoLimit):
    """What a limit of the bandwidth would have counted."""

    taken = 0

    def take(self, size_bytes: int) -> None:
        self.taken += size_bytes


class Sides:
    """A source, a copy of it with a wrong byte in chunk 2, and what an audit said of it."""

    def __init__(self, base: Path) -> None:
        self.source, self.copy, self.state = base / "source", base / "copy", base / "state"
        for folder in (self.source / "f", self.copy / "f", self.state):
            folder.mkdir(parents=True)
        (self.source / "f" / "x").write_bytes(DATA)
        self.spoil(2 * CHUNK + 7)
        self.journals = Journals(str(self.state))
        self.stop = StopFlag()
        self.meter = Counting()

    def spoil(self, *places: int) -> None:
        data = bytearray(DATA)
        for place in places:
            data[place] ^= 1
        (self.copy / "f" / "x").write_bytes(data)

    def finding(self, *bad: int) -> Finding:
        digester = Digester()
        digester.update(memoryview(DATA))
        return Finding(
            "f/x",
            Judged.DIFFERENT,
            len(DATA),
            source_bytes=len(DATA),
            source_digest=digester.digest,
            mtime_ns=(self.source / "f" / "x").stat().st_mtime_ns,
            diagnosis=Diagnosis(bad[0] * CHUNK if bad else 0, bad, 6, OTHER),
        )

    def seed(self, finding: Finding, *, follow: bool = False, guard: Callable[[], None] = lambda: None) -> List[str]:
        seeder = Seeder(
            str(self.source),
            str(self.copy),
            self.journals,
            "token",
            follow=follow,
            stop=self.stop,
            meter=self.meter,
            guard=guard,
        )
        seeder.seed([finding])
        return seeder.notes

    @property
    def partials(self) -> List[Tuple[str, bytes]]:
        return [(path.name, path.read_bytes()) for path in (self.copy / "f").iterdir() if path.name != "x"]


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    return Sides(tmp_path)


@pytest.mark.parametrize("bad", [(2,), (2, 5), (2, 2)], ids=["a chunk", "the rest too", "a chunk named twice"])
def test_right_chunks_come_from_the_copy_and_wrong_ones_from_the_source(sides: Sides, bad: Tuple[int, ...]) -> None:
    old = (sides.copy / "f" / "x").read_bytes()
    (note,) = sides.seed(sides.finding(*bad))
    assert note == "f/x: 4 chunks of 64 MiB were right and were copied at the destination, 2 came from the source."
    ((name, data),) = sides.partials
    assert data == DATA[: 5 * CHUNK], "the rest is the engine's"
    known = sides.journals.of("f/x")
    assert known is not None and known.partial == name and known.landed_bytes == 5 * CHUNK
    assert (sides.copy / "f" / "x").read_bytes() == old
    reloaded = Journals.load(str(sides.state)).of("f/x")
    assert reloaded is not None and reloaded.digests == known.digests
    assert sides.meter.taken == len(DATA), "each byte is read once, from either side"


def assert_copied_as_a_whole(sides: Sides, notes: List[str], why: str) -> None:
    (note,) = notes
    assert note.startswith("f/x: copied as a whole: ") and why in note
    assert sides.partials == [] and sides.journals.of("f/x") is None and list(sides.state.iterdir()) == []


def test_a_chunk_that_went_wrong_since_the_audit_is_found_by_the_digest(sides: Sides) -> None:
    sides.spoil(2 * CHUNK + 7, 4 * CHUNK)
    assert_copied_as_a_whole(sides, sides.seed(sides.finding(2)), "not what the source held")


def test_a_rest_that_went_wrong_since_comes_from_the_source(sides: Sides) -> None:
    sides.spoil(2 * CHUNK + 7, 5 * CHUNK + 3)
    (note,) = sides.seed(sides.finding(2))
    assert "4 chunks" in note and [data for _, data in sides.partials] == [DATA[: 5 * CHUNK]]


def test_nothing_is_made_in_a_folder_that_stands_in_the_place_of_the_destination(sides: Sides) -> None:
    def guard() -> None:
        raise OSError(116, "another folder stands in its place")

    assert_copied_as_a_whole(sides, sides.seed(sides.finding(2), guard=guard), "")


@pytest.mark.skipif(fs.WINDOWS, reason="links need a privilege there")
@pytest.mark.parametrize(
    ("side", "follow", "used"), [("source", False, False), ("source", True, True), ("copy", True, False)]
)
def test_a_link_in_the_place_of_the_file(sides: Sides, tmp_path: Path, side: str, follow: bool, used: bool) -> None:
    """Followed at the source alone, where links are."""
    finding, path = sides.finding(2), getattr(sides, side) / "f" / "x"
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    notes = sides.seed(finding, follow=follow)
    if used:
        assert "4 chunks" in notes[0] and len(sides.partials) == 1
    else:
        assert_copied_as_a_whole(sides, notes, "")


def test_a_source_that_is_no_longer_what_was_judged_is_not_used(sides: Sides) -> None:
    finding = sides.finding(2)
    os.utime(sides.source / "f" / "x", ns=(1, 1))
    assert_copied_as_a_whole(sides, sides.seed(finding), "no longer what was judged")


def test_a_copy_that_became_shorter_is_not_used(sides: Sides) -> None:
    finding = sides.finding(2)
    os.truncate(sides.copy / "f" / "x", 3 * CHUNK + 5)
    assert_copied_as_a_whole(sides, sides.seed(finding), "became shorter")


def test_a_stop_leaves_nothing_half_made(sides: Sides) -> None:
    sides.stop.set("Ctrl-C")
    with pytest.raises(StoppedError):
        sides.seed(sides.finding(2))
    assert sides.partials == [] and sides.journals.of("f/x") is None


def test_a_partial_of_an_earlier_run_goes_before(sides: Sides) -> None:
    assert sides.seed(sides.finding(2)) and sides.seed(sides.finding(2)) == []
    assert len(sides.partials) == 1


@pytest.mark.skipif(fs.WINDOWS, reason="links need a privilege there")
@pytest.mark.parametrize("side", ["source", "copy"])
def test_a_link_in_the_middle_of_a_path_is_not_followed(sides: Sides, tmp_path: Path, side: str) -> None:
    finding = sides.finding(2)
    root, outside = getattr(sides, side), tmp_path / "outside"
    (root / "f").rename(outside)
    (root / "f").symlink_to(outside)
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    (note,) = sides.seed(finding)
    assert note.startswith("f/x: copied as a whole: ")
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


@pytest.mark.skipif(fs.WINDOWS, reason="links need a privilege there")
def test_a_link_of_the_source_is_followed_where_links_are(sides: Sides, tmp_path: Path) -> None:
    finding, outside = sides.finding(2), tmp_path / "outside"
    (sides.source / "f").rename(outside)
    (sides.source / "f").symlink_to(outside)
    (note,) = sides.seed(finding, follow=True)
    assert "4 chunks" in note and len(sides.partials) == 1


@pytest.mark.parametrize(
    ("source_bytes", "bad", "worth"),
    [
        (2 * CHUNK - 1, (0,), False),
        (2 * CHUNK - 1, (), False),
        (2 * CHUNK, (0,), True),
        (2 * CHUNK, (0, 1), False),
        (5 * CHUNK, (0, 1, 2, 3), True),
        (5 * CHUNK, (4, 4, 4, 4, 4), True),
        (5 * CHUNK, (0, 1, 2, 3, 4), False),
    ],
)
def test_what_is_worth_it(source_bytes: int, bad: Tuple[int, ...], worth: bool) -> None:
    finding = Finding("x", Judged.DIFFERENT, source_bytes=source_bytes, diagnosis=Diagnosis(0, bad, 5, OTHER))
    assert worth_seeding(finding) is worth
    assert not worth_seeding(finding._replace(diagnosis=None))
