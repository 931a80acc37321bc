"""Records: what goes in comes out, what does not fit is refused, and a record stays small."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.model import Entry, Evidence, Kind
from vdt.records import NO_RECORDS, Record, Records

DIGEST = "00112233445566778899aabbccddeeff"
LEVELS = [Evidence.NONE, Evidence.INFLIGHT, Evidence.REREAD, Evidence.COLD, Evidence.BOTH]


def record(size: int = 10, mtime: int = 20, stored: int = 30, **more) -> Record:
    return Record(size, mtime, stored, **{"digest": DIGEST, "evidence": Evidence.COLD, **more})


def entry(size: int, mtime: int) -> Entry:
    return Entry("a", Kind.FILE, size, mtime, 0o644, (0, 0))


@pytest.mark.parametrize(
    ("size", "mtime", "at_destination", "at_source"),
    [(10, 30, True, False), (10, 20, False, True), (11, 30, False, False), (11, 20, False, False)],
)
def test_which_side_a_record_speaks_of(size, mtime, at_destination, at_source) -> None:
    """The destination is held against the time that it stored, the source against the time that it had."""
    assert record().covers(entry(size, mtime)) is at_destination
    assert record().matches_source(entry(size, mtime)) is at_source


def test_folders_are_kept_apart() -> None:
    records = Records()
    records.add("a", record(1))
    records.add("sub/a", record(2))
    records.add("sub/deep/a", record(3))
    assert set(records.folders()) == {"", "sub", "sub/deep"}
    assert [records.folder(f)["a"].size_bytes for f in ("", "sub", "sub/deep")] == [1, 2, 3]
    assert records.folder("deep") == {}


def test_a_later_record_replaces_an_earlier_one() -> None:
    records = Records()
    records.add("d/a", record(1))
    records.add("d/b", record(2))
    last = record(3, digest="f" * 32, evidence=Evidence.REREAD, also="md5:00")
    records.add("d/a", last)
    assert records.folder("d") == {"a": last, "b": record(2)}


def test_no_records_at_all() -> None:
    assert NO_RECORDS.folders() == ()
    assert NO_RECORDS.folder("") == {}


def test_undecodable_names_come_back_as_the_system_gives_them() -> None:
    name = b"caf\xe9\n.dat".decode("utf-8", "surrogateescape")
    records = Records()
    records.add(f"{name}/{name}", record())
    assert records.folders() == (name,)
    assert list(records.folder(name)) == [name]


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("a", {"digest": ""}),
        ("a", {"digest": DIGEST[:-2]}),
        ("a", {"digest": DIGEST + "00"}),
        ("a", {"digest": "g" * 32}),
        ("a", {"size": 2**63}),
        ("a", {"mtime": 2**63}),
        ("a", {"stored": -(2**63) - 1}),
        ("a", {"evidence": Evidence.ON_RECORD}),
        ("a", {"evidence": Evidence.PRESENT}),
        ("a", {"also": "x" * 256}),
        ("a", {"also": "md5:\xe9"}),
        ("", {}),
        ("sub/", {}),
        ("n" * 65536, {}),
    ],
)
def test_what_does_not_fit_is_a_value_error(path: str, bad) -> None:
    records = Records()
    records.add("before", record())
    with pytest.raises(ValueError):
        records.add(path, record(**bad))
    assert records.folders() == ("",)
    assert records.folder("") == {"before": record()}


def test_the_longest_name_that_fits() -> None:
    records = Records()
    records.add("n" * 65535, record(also="x" * 255))
    assert records.folder("") == {"n" * 65535: record(also="x" * 255)}


# Letters of every kind but the broken halves: on POSIX only U+DC80 to U+DCFF stand for bytes that are no UTF-8.
letters = st.one_of(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)),
    st.integers(0x80, 0xFF).map(lambda byte: chr(0xDC00 + byte)),
)
# as the system would decode them: some runs of such bytes are valid UTF-8 after all
names = st.text(letters, min_size=1, max_size=12).map(
    lambda text: text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
int64 = st.integers(-(2**63), 2**63 - 1)
some_records = st.builds(
    Record,
    size_bytes=st.integers(0, 2**63 - 1),
    mtime_ns=int64,
    stored_mtime_ns=int64,
    digest=st.binary(min_size=16, max_size=16).map(bytes.hex),
    evidence=st.sampled_from(LEVELS),
    also=st.sampled_from(["", "md5:" + "0" * 32, "sha256:" + "f" * 64]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(paths, some_records), max_size=12))
def test_round_trip(added) -> None:
    records = Records()
    for path, one in added:
        records.add(path, one)
    found = {}
    for folder in records.folders():
        for name, one in records.folder(folder).items():
            found[f"{folder}/{name}" if folder else name] = one
    assert found == dict(added)


def test_a_record_costs_less_than_200_bytes() -> None:
    count = 20_000
    each = [record(n, n, n) for n in range(3)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        records = Records()
        for number in range(count):
            name = f"merFISH_01_{number:05}_and_a_long_name_as_the_instrument_writes_them.dax"
            records.add(f"data/fov_{number // 500:04}/{name}", each[number % 3])
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / count < 200
    assert (peak - before) / count < 200


def test_what_is_said_again_word_for_word_is_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from vdt import records as module

    monkeypatch.setattr(module, "_ROOM_BYTES", 2000)
    known, plain = Records(), Records()
    monkeypatch.setattr(plain, "_repack", lambda folder: None)
    for turn in range(12):
        for number in range(50):
            said = record(number, evidence=Evidence.NONE if (turn, number) == (5, 7) else Evidence.COLD)
            for each in (known, plain):
                each.add(f"d/{number}", said)
    assert plain.count == 600 and 50 < known.count < 200
    for name, history in known.of_folder("d").items():
        whole = plain.of_folder("d")[name]
        once = [item for at, item in enumerate(whole) if at == 0 or item != whole[at - 1]]
        again = [item for at, item in enumerate(history) if at == 0 or item != history[at - 1]]
        assert again == once, "only repetitions were left out, and none in between"
    assert known.folder("d") == plain.folder("d")
    assert [item.evidence.proves for item in known.of_folder("d")["7"]].count(False) == 1
