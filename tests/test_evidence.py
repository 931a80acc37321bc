"""Evidence files: what one run proved, and what the next one may believe of it."""

from __future__ import annotations

import errno
import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from vdt import evidence
from vdt.errors import LostOutputError
from vdt.evidence import EvidenceWriter, host_name, load_records, parse_line
from vdt.model import Entry, Evidence, Kind
from vdt.records import Record

WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
TEXT = "2024-05-06T07:08:09+00:00"
DIGEST = "00112233445566778899aabbccddeeff"
RECORD = Record(2000, 1_600_000_000_123_456_789, 1_600_000_000_123_456_789, DIGEST, Evidence.COLD)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "raw_data.evidence"


def write(folder: Path, *records: Any, purpose: str = "transfer") -> Path:
    writer = EvidenceWriter(str(folder), WHEN, purpose)
    for path, record in records:
        writer.add(path, record, TEXT)
    writer.close()
    return Path(writer.path)


def line(**changes: Any) -> str:
    values: Dict[str, Any] = {
        "path": "a/b.bin",
        "size": 2000,
        "mtime_ns": 5,
        "xxh128": DIGEST,
        "evidence": "cold",
        "when": TEXT,
    }
    values.update(changes)
    return json.dumps({key: value for key, value in values.items() if value is not ...})


def put(folder: Path, *lines: str, name: str = "20240101T000000-host-transfer.jsonl") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(text + "\n" for text in lines), encoding="ascii")


# -- writing -------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(folder: Path) -> None:
    names = ["a.bin", "one/b.bin", 'one/\u00e4 "q" \\ \n.bin', "one/\udce9.bin"]
    records = [
        RECORD,
        RECORD._replace(evidence=Evidence.REREAD, size_bytes=0),
        RECORD._replace(stored_mtime_ns=1_600_000_000_000_000_000, evidence=Evidence.BOTH),
        RECORD._replace(also="md5:900150983cd24fb0d6963f7d28e17f72"),
    ]
    path = write(folder, *zip(names, records))
    assert path.read_bytes().isascii()
    found, notes = load_records(str(folder))
    assert notes == []
    assert found.count == 4
    assert found.folder("")["a.bin"] == records[0]
    assert [found.folder("one")[name.partition("/")[2]] for name in names[1:]] == records[1:]


def test_one_line_is_json_with_what_is_promised(folder: Path) -> None:
    path = write(folder, ("one/b.bin", RECORD))
    assert json.loads(path.read_text()) == {
        "path": "one/b.bin",
        "size": 2000,
        "mtime_ns": 1_600_000_000_123_456_789,
        "xxh128": DIGEST,
        "evidence": "cold",
        "when": TEXT,
    }


def test_the_file_is_named_by_time_host_and_purpose(folder: Path) -> None:
    assert write(folder, ("a", RECORD), purpose="audit").name == f"20240506T070809-{host_name()}-audit.jsonl"
    assert host_name() and "/" not in host_name()


def test_a_run_that_proved_nothing_leaves_nothing(folder: Path) -> None:
    writer = EvidenceWriter(str(folder), WHEN)
    writer.flush()
    writer.close()
    assert not folder.exists() and writer.path == ""


def test_the_evidence_of_another_run_is_never_touched(folder: Path) -> None:
    first = write(folder, ("a", RECORD))
    before = first.read_bytes()
    others = [write(folder, ("b", RECORD)), write(folder, ("c", RECORD))]
    assert len({first, *others}) == 3
    assert first.read_bytes() == before
    found, notes = load_records(str(folder))
    assert set(found.folder("")) == {"a", "b", "c"} and notes == []


def test_what_was_flushed_is_on_disk_before_the_end(folder: Path) -> None:
    writer = EvidenceWriter(str(folder), WHEN)
    writer.add("a", RECORD, TEXT)
    writer.flush()
    assert load_records(str(folder))[0].count == 1
    writer.close()
    writer.close()


def test_evidence_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LostOutputError) as caught:
        EvidenceWriter(str(tmp_path / "file"), WHEN).add("a", RECORD, TEXT)
    assert caught.value.exit_code == 16

    writer = EvidenceWriter(str(tmp_path / "e"), WHEN)
    writer.add("a", RECORD, TEXT)

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(evidence.os, "fsync", full)
    with pytest.raises(LostOutputError, match="disk is full"):
        writer.close()


def test_a_share_that_was_away_costs_no_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.write, [0]

    def away(fd: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] % 2:
            real(fd, data[:7])  # a torn line, and the call says that nothing was written
            raise OSError(errno.EHOSTDOWN, "away")
        return real(fd, data)

    def patiently(act: Callable[[], None]) -> None:
        try:
            act()
        except OSError:
            act()

    monkeypatch.setattr(evidence.os, "write", away)
    writer = EvidenceWriter(str(folder), WHEN, patiently=patiently)
    for number in range(2000):
        writer.add(str(number), RECORD, TEXT)
    writer.close()
    found, notes = load_records(str(folder))
    assert calls[0] > 4 and found.count == 2000
    assert len(notes) == 1 and "damaged" in notes[0]


def test_the_folder_is_not_made_where_the_guard_forbids_it(folder: Path) -> None:
    def forbidden() -> None:
        raise OSError(errno.ESTALE, "another folder stands there")

    writer = EvidenceWriter(str(folder), WHEN, guard=forbidden)
    with pytest.raises(LostOutputError):
        writer.add("a", RECORD, TEXT)
    assert not folder.exists()


def test_evidence_that_cannot_be_made_names_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LostOutputError, match=str(tmp_path / "file")):
        EvidenceWriter(str(tmp_path / "file"), WHEN).add("a", RECORD, TEXT)


# -- believing -----------------------------------------------------------------------------------------------------


def test_no_folder_no_records_no_note(tmp_path: Path) -> None:
    records, notes = load_records(str(tmp_path / "missing"))
    assert (records.count, notes) == (0, [])


def test_a_folder_that_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    records, notes = load_records(str(tmp_path / "file"))
    assert records.count == 0 and len(notes) == 1 and str(tmp_path / "file") in notes[0]


@pytest.mark.parametrize("level", list(Evidence))
def test_only_what_was_read_back_counts(folder: Path, level: Evidence) -> None:
    put(folder, line(evidence=level.value))
    records, _ = load_records(str(folder))
    there = parse_line(line())
    assert there is not None
    entry = Entry("a", Kind.FILE, there[1].size_bytes, there[1].stored_mtime_ns, 0o644, (0, 0))
    histories = list(records.of_folder(there[0].rpartition("/")[0]).values())
    counts = any(history.of(entry) is not None for history in histories)
    assert counts == (level in (Evidence.REREAD, Evidence.COLD, Evidence.BOTH))


@pytest.mark.parametrize("level", ["recorded", "none", "inflight"])
def test_a_sound_line_that_proves_nothing_is_no_damage(folder: Path, level: str) -> None:
    put(folder, line(evidence=level), line(path="sound"))
    records, notes = load_records(str(folder))
    assert records.count == (1 if level == "recorded" else 2) and notes == []


def test_the_latest_proof_of_a_file_stands(folder: Path) -> None:
    put(folder, line(path="a", size=1), name="20240102T000000-h-transfer.jsonl")
    put(folder, line(path="a", size=2), name="20240103T000000-h-audit.jsonl")
    put(folder, line(path="a", size=3), name="20240101T000000-h-transfer.jsonl")
    assert load_records(str(folder))[0].folder("")["a"].size_bytes == 2


def test_files_of_other_names_are_left_alone(folder: Path) -> None:
    put(folder, line(), name="notes.jsonl")
    put(folder, line(), name="20240101T000000-h-transfer.jsonl.new")
    put(folder, line(), name=".20240101T000000-h.jsonl")
    assert load_records(str(folder))[0].count == 0


def test_a_last_line_torn_at_any_byte_costs_that_line_alone(folder: Path) -> None:
    whole, last = line(path="whole"), line(path="torn")
    folder.mkdir()
    path = folder / "20240101T000000-h-transfer.jsonl"
    for end in range(len(last)):
        path.write_text(whole + "\n" + last[:end], encoding="ascii")
        records, notes = load_records(str(folder))
        assert set(records.folder("")) == {"whole"}
        assert len(notes) == (end > 0), (end, notes)
        assert not notes or ("1 line(s)" in notes[0] and str(path) in notes[0])
    path.write_text(whole + "\n" + last, encoding="ascii")
    assert load_records(str(folder))[0].count == 2, "a line without its newline is whole when it parses"


GARBAGE = [
    "\x00" * 600,
    "nonsense",
    "[]",
    "7",
    "null",
    '"path size mtime_ns xxh128 evidence"',
    "{}",
    line(path=...),
    line(path=""),
    line(path=7),
    line(path=None),
    line(path=["a"]),
    line(path="folder/"),
    line(size=...),
    line(size=None),
    line(size="many"),
    line(size=[1]),
    line(size=10**30),
    line(mtime_ns=10**30),
    line(mtime_ns=-(10**30)),
    line(mtime_ns="now"),
    line(stored_mtime_ns="now"),
    line(stored_mtime_ns=10**30),
    line(xxh128=...),
    line(xxh128=""),
    line(xxh128=None),
    line(xxh128=7),
    line(xxh128=DIGEST[:-1]),
    line(xxh128=DIGEST[:-2]),
    line(xxh128=DIGEST + "00"),
    line(xxh128="g" * 32),
    line(evidence="certain"),
    line(evidence=None),
    line(evidence=["cold"]),
    line(evidence="on_record"),
    line(evidence="COLD"),
    line(md5="x" * 300),
    line(md5="\u20ac"),
    line(path="x" * 70_000),
]


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_and_forged_values_cost_one_line_and_a_note(folder: Path, text: str) -> None:
    put(folder, line(path="before"), text, line(path="behind"))
    records, notes = load_records(str(folder))
    assert set(records.folder("")) == {"before", "behind"}
    assert set(records.folders()) == {""}
    assert len(notes) == 1 and "1 line(s) are damaged" in notes[0]


ENDLESS = ['{"path": "a", "size": 1e999, "mtime_ns": 5, "xxh128": "' + DIGEST + '", "evidence": "cold"}', "[" * 200_000]


@pytest.mark.parametrize("text", ENDLESS, ids=["infinite", "deep"])
def test_numbers_and_brackets_without_end_are_garbage_too(folder: Path, text: str) -> None:
    put(folder, text, line(path="behind"))
    records, notes = load_records(str(folder))
    assert set(records.folder("")) == {"behind"} and len(notes) == 1


def test_bytes_that_are_no_ascii_cost_one_line(folder: Path) -> None:
    put(folder, line(path="before"))
    with open(folder / "20240101T000000-host-transfer.jsonl", "ab") as file:
        file.write(b"\xff\xfe\x00garbage\n" + line(path="behind").encode() + b"\n")
    records, notes = load_records(str(folder))
    assert set(records.folder("")) == {"before", "behind"} and len(notes) == 1


def test_an_evidence_file_that_cannot_be_read_is_a_note_and_the_others_count(folder: Path) -> None:
    put(folder, line(path="a"))
    (folder / "20240102T000000-h-transfer.jsonl").mkdir()
    records, notes = load_records(str(folder))
    assert records.count == 1
    assert len(notes) == 1 and "20240102T000000" in notes[0]


def test_a_line_of_another_program_that_says_more_is_read() -> None:
    found = parse_line(line(sha256="ab" * 32, more={"x": [1]}))
    assert found is not None
    path, record = found
    assert path == "a/b.bin" and record.also == "sha256:" + "ab" * 32
    assert record.stored_mtime_ns == record.mtime_ns == 5


def test_evidence_grows_by_appending_only(folder: Path) -> None:
    sizes: List[int] = []
    writer = EvidenceWriter(str(folder), WHEN)
    for number in range(3):
        writer.add(f"f{number}", RECORD, TEXT)
        writer.flush()
        sizes.append(os.path.getsize(writer.path))
    writer.close()
    assert sizes == sorted(set(sizes))
