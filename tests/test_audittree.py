"""One tree audited, from the source and from a manifest: the verdicts, the evidence, the repair, and going on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from spoil import COMPOSED, DECOMPOSED, damage, flip

from vdt import audit, auditbatches, fs, later
from vdt.auditreport import report_lines
from vdt.audittree import AuditRequest, AuditTools, audit_tree
from vdt.copyjob import NoLimit
from vdt.copytree import CopyRequest, copy_tree
from vdt.errors import LockedError, RefusedError, UsageError
from vdt.evidence import load_records
from vdt.findings import AuditResult, Finding
from vdt.model import Evidence, Judged, Side
from vdt.progress import Silent
from vdt.retry import RetryPlan
from vdt.sample import tree_root, write_run
from vdt.stop import StopFlag

RUN = "202310261058_VZGEN1_VMSC10202"


class Bench:
    """A source, a copy of it, and the audits of them."""

    def __init__(self, root: Path) -> None:
        self.root, self.source, self.copy = root, root / "source", root / "copies" / "copy"
        self.copy.parent.mkdir()
        self.manifest = root / "copies" / "copy.xxh128"
        self.read: List[str] = []
        self.stop = StopFlag()

    def transfer(self, *, manifest: bool = True) -> None:
        asked = CopyRequest(str(self.source), str(self.copy), manifest=str(self.manifest) if manifest else "")
        assert copy_tree(asked).proven

    def audit(self, *, against: str = "source", **changes: Any) -> AuditResult:
        asked: Dict[str, Any] = {"destination": str(self.copy), "state": str(self.root / "state")}
        if against == "source":
            asked["source"] = str(self.source)
        elif against == "manifest":
            asked["manifest"] = str(self.manifest)
        tools = AuditTools(
            self.stop, Silent(), NoLimit(), lambda line: None, lambda finding: self.read.append(finding.path)
        )
        retry = RetryPlan(1, 0.0)
        return audit_tree(AuditRequest(**{"retry": retry, **asked, **changes}), tools)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.01)
    return Bench(tmp_path)


def fill(root: Path) -> None:
    for name, data in {
        "a.txt": b"alpha" * 20,
        "b.bin": bytes(range(256)) * 400,
        "sub/c.bin": b"c" * 70_000,
        "sub/deep/d.bin": b"d",
        "sub/empty": b"",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(10**18, 10**18))


def verdicts(result: AuditResult) -> Dict[str, str]:
    return {finding.path: finding.judged.value for finding in result.entries}


def entry(result: AuditResult, path: str) -> Finding:
    return next(finding for finding in result.entries if finding.path == path)


# ---- the twelve ways ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample run that was transferred; tests work on copies of it."""
    root = tmp_path_factory.mktemp("sample")
    write_run(str(root / "drive"), run_id=RUN, n_fov=4, byte_divisor=4000, trees=["raw_data", "analysis"])
    return root


def spoilt_reads(monkeypatch: pytest.MonkeyPatch, copy: Path, moving: str, unreadable: str) -> None:
    """One file cannot be opened, and another grows whenever it is read."""
    whole, back = fs.Folder.read_whole, fs.Folder.open_back

    def refuse(folder: fs.Folder, name: str) -> None:
        path = Path(folder.path, name)
        if path == copy / unreadable:
            raise PermissionError(13, "Permission denied", str(path))
        if path == copy / moving:
            with path.open("ab") as file:
                file.write(b"more")

    def read_whole(self: fs.Folder, name: str, size_bytes: int, **how: Any) -> Any:
        refuse(self, name)
        return whole(self, name, size_bytes, **how)

    def open_back(self: fs.Folder, name: str, **how: Any) -> Any:
        opened = back(self, name, **how)
        if Path(self.path, name) not in (copy / unreadable, copy / moving):
            return opened

        class Opened:
            def __enter__(self_) -> Any:  # noqa: N805
                if Path(self.path, name) == copy / unreadable:
                    refuse(self, name)
                found = opened.__enter__()
                refuse(self, name)
                return found

            def __exit__(self_, *error: Any) -> Any:  # noqa: N805
                return opened.__exit__(*error)

        return Opened()

    monkeypatch.setattr(fs.Folder, "read_whole", read_whole)
    monkeypatch.setattr(fs.Folder, "open_back", open_back)


@pytest.mark.parametrize("against", ["source", "manifest", "record"])
def test_twelve_kinds_of_damage_are_named_and_nothing_else(
    bench: Bench, sample_run: Path, monkeypatch: pytest.MonkeyPatch, against: str
) -> None:
    shutil.copytree(sample_run / "drive" / tree_root("analysis", RUN), bench.source)
    (bench.source / COMPOSED).write_bytes(b"1,2" * 50)
    bench.transfer()
    before = {p.relative_to(bench.source).as_posix() for p in bench.source.rglob("*") if p.is_file()}
    assert verdicts(bench.audit(against=against)) == {}
    expected, moving, unreadable = damage(bench.copy)
    spoilt_reads(monkeypatch, bench.copy, moving, unreadable)
    result = bench.audit(against=against)
    assert verdicts(result) == expected
    assert result.exit_code == 8 and result.reached_end
    for path, other in ((COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)):
        assert f"'{other}' is" in entry(result, path).reason and "Unicode form alone" in entry(result, path).reason
    assert sum("differs by case alone" in finding.reason for finding in result.entries) == 2
    assert result.files[Judged.OK] == len(before) - sum(
        1 for path, verdict in expected.items() if verdict != "EXTRA" and path in before
    )


def test_a_list_alone_tells_zeros_and_a_cut_end_from_other_bytes(bench: Bench) -> None:
    """As far as the digests on record know sizes; a manifest does not."""
    fill(bench.source)
    (bench.source / "nothing").write_bytes(bytes(5000))
    bench.transfer()
    flip(bench.copy / "a.txt", 3)
    found = (bench.copy / "b.bin").stat()
    (bench.copy / "b.bin").write_bytes(bytes(found.st_size))
    os.truncate(bench.copy / "sub" / "c.bin", 69_999)
    os.truncate(bench.copy / "sub" / "deep" / "d.bin", 0)
    for against in ("record", "manifest"):
        result = bench.audit(against=against)
        damages = {finding.path: finding.diagnosis.damage for finding in result.entries if finding.diagnosis}
        assert entry(result, "a.txt").reason == "its xxh128 is not the one that it should have"
        cut = "truncated" if against == "record" else "other"
        assert damages == {"a.txt": "other", "b.bin": "zeros", "sub/c.bin": cut, "sub/deep/d.bin": cut}
        assert all(finding.side is Side.DESTINATION for finding in result.entries)
        assert ("69999 bytes where 70000 are on record" in entry(result, "sub/c.bin").reason) == (against == "record")


def test_from_the_source_both_sizes_are_told(bench: Bench) -> None:
    fill(bench.source)
    bench.transfer()
    os.truncate(bench.copy / "sub" / "c.bin", 69_999)
    (bench.copy / "a.txt").write_bytes(b"")
    flip(bench.copy / "b.bin", 3)
    reasons = {finding.path: finding.reason for finding in bench.audit().entries}
    cut = {"a.txt": "0 bytes, in the source 100", "sub/c.bin": "69999 bytes, in the source 70000"}
    assert reasons == {**cut, "b.bin": "other bytes than the source"}


@pytest.mark.parametrize("against", ["source", "manifest"])
def test_a_small_file_that_is_right_is_opened_once_a_side(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, against: str
) -> None:
    fill(bench.source)
    bench.transfer()
    whole, back, opened = fs.Folder.read_whole, fs.Folder.open_back, []

    def read_whole(self: fs.Folder, name: str, size: int, **how: Any) -> Any:
        opened.append(name)
        return whole(self, name, size, **how)

    def open_back(self: fs.Folder, name: str, **how: Any) -> Any:
        opened.append(f"again {name}")
        return back(self, name, **how)

    monkeypatch.setattr(fs.Folder, "read_whole", read_whole)
    monkeypatch.setattr(fs.Folder, "open_back", open_back)
    monkeypatch.setattr("vdt.audittree._volume", fs.volume)  # whose probe opens files too
    bench.audit(against=against)
    sides = 2 if against == "source" else 1
    assert sorted(opened) == sorted(["a.txt", "b.bin", "c.bin", "d.bin", "empty"] * sides)


@pytest.mark.parametrize("against", ["source", "manifest"])
def test_a_folder_by_another_case_is_named_beside_its_namesake(bench: Bench, against: str) -> None:
    fill(bench.source)
    bench.transfer()
    try:
        (bench.copy / "sub").rename(bench.copy / "SUB")
    except OSError:
        pytest.skip("case does not tell names apart here")
    result = bench.audit(against=against)
    missing = {"sub/c.bin": "MISSING", "sub/deep/d.bin": "MISSING", "sub/empty": "MISSING"}
    assert verdicts(result) == {"SUB": "EXTRA", **missing}
    assert entry(result, "SUB").reason.endswith("; 'sub' is missing, whose name differs by case alone")


# ---- repair ------------------------------------------------------------------------------------------------------


def test_repair_heals_what_is_missing_or_changed_at_the_destination_and_nothing_else(bench: Bench) -> None:
    fill(bench.source)
    bench.transfer()
    flip(bench.copy / "b.bin", 999)
    (bench.copy / "a.txt").unlink()
    shutil.rmtree(bench.copy / "sub" / "deep")
    (bench.copy / "extra").write_text("stays")
    flip(bench.source / "sub" / "c.bin", 5)  # the source has rotted
    good = (bench.copy / "sub" / "c.bin").read_bytes()
    result = bench.audit(repair=True)
    assert verdicts(result) == {"extra": "EXTRA", "sub/c.bin": "DIFFERENT"}
    assert entry(result, "sub/c.bin").side is Side.SOURCE
    assert set(result.repaired) == {"a.txt", "b.bin", "sub/deep/d.bin"}
    assert [path for path, _ in result.refused] == ["sub/c.bin"]
    assert (bench.copy / "sub" / "c.bin").read_bytes() == good, "the good copy is never overwritten by a rotten source"
    assert (bench.copy / "extra").read_text() == "stays"
    for name in ("a.txt", "b.bin", "sub/deep/d.bin"):
        assert (bench.copy / name).read_bytes() == (bench.source / name).read_bytes()
        assert (bench.copy / name).stat().st_mtime_ns == (bench.source / name).stat().st_mtime_ns
    lines = [json.loads(line) for line in Path(result.evidence_file).read_text("ascii").splitlines()]
    assert [line["verdict"] for line in lines if line.get("path") == "b.bin" and "verdict" in line] == ["DIFFERENT"]
    assert lines[0]["against"].startswith("source") and lines[0]["host"]
    assert not list(bench.copy.rglob(".vdt-*")) and not list(bench.copy.parent.glob(".*.vdt"))


def test_repair_makes_empty_folders_and_links_and_leaves_what_stands_in_the_way(bench: Bench) -> None:
    fill(bench.source)
    (bench.source / "empty" / "below").mkdir(parents=True)
    (bench.source / "taken").mkdir()
    (bench.source / "taken" / "x").write_bytes(b"x")
    try:
        (bench.source / "link").symlink_to("a.txt")
    except OSError:
        pytest.skip("no links can be made here")
    bench.transfer()
    assert bench.audit().links == 1
    shutil.rmtree(bench.copy / "empty")
    shutil.rmtree(bench.copy / "taken")
    (bench.copy / "taken").write_bytes(b"a file")
    (bench.copy / "link").unlink()
    found = {"empty/below": "MISSING", "link": "MISSING", "taken": "TYPE", "taken/x": "MISSING"}
    assert verdicts(bench.audit()) == found
    result = bench.audit(repair=True)
    assert verdicts(result) == {"taken": "TYPE", "taken/x": "MISSING"}
    assert result.repaired == ("empty/below", "link") and [path for path, _ in result.refused] == ["taken/x"]
    assert (bench.copy / "taken").read_bytes() == b"a file" and os.readlink(bench.copy / "link") == "a.txt"
    assert (bench.copy / "empty" / "below").is_dir()


def test_a_source_that_goes_away_before_the_repair_is_not_called_repaired(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vdt import repair

    fill(bench.source)
    bench.transfer()
    (bench.copy / "a.txt").unlink()
    (bench.copy / "b.bin").unlink()
    probe = repair.probe
    monkeypatch.setattr(
        repair, "probe", lambda path: ((bench.source / "a.txt").unlink(missing_ok=True), probe(path))[1]
    )
    result = bench.audit(repair=True)
    assert result.repaired == ("b.bin",) and verdicts(result) == {"a.txt": "MISSING"} and result.exit_code == 8


def test_an_accepted_source_replaces_the_copy(bench: Bench) -> None:
    fill(bench.source)
    bench.transfer()
    flip(bench.source / "b.bin", 7)
    flip(bench.source / "a.txt", 7)
    result = bench.audit(repair=True, accept_source=("b.bin", "nowhere"))
    assert verdicts(result) == {"a.txt": "DIFFERENT"} and result.repaired == ("b.bin",)
    assert (bench.copy / "b.bin").read_bytes() == (bench.source / "b.bin").read_bytes()
    assert {path for path, _ in result.refused} == {"a.txt", "nowhere"}
    assert not bench.manifest.exists(), "it listed what the copy no longer holds"
    result = bench.audit(repair=True, accept_source=("all",))
    assert verdicts(result) == {} and result.exit_code == 0


def test_without_a_record_only_a_newer_source_is_copied(bench: Bench) -> None:
    fill(bench.source)
    shutil.copytree(bench.source, bench.copy)
    flip(bench.copy / "b.bin", 1)
    flip(bench.copy / "a.txt", 1)
    os.utime(bench.source / "a.txt", ns=(2 * 10**18, 2 * 10**18))
    result = bench.audit(repair=True)
    assert entry(result, "b.bin").side is Side.NO_RECORD
    assert verdicts(result) == {"b.bin": "DIFFERENT"} and result.repaired == ("a.txt",)


def test_repair_of_a_large_file_fetches_only_the_bad_chunks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from vdt import auditor, diagnosis, journal, mend

    for module in (journal, mend, diagnosis):
        monkeypatch.setattr(module, "CHUNK_BYTES", 1 << 20)
    monkeypatch.setattr(mend, "LEAST_BYTES", 2 << 20)
    small = diagnosis.Comparison
    monkeypatch.setattr(auditor, "Comparison", lambda: small(chunk_bytes=1 << 20))
    bench.source.mkdir()
    data = os.urandom((5 << 20) + 77)
    (bench.source / "large.dax").write_bytes(data)
    bench.transfer(manifest=False)
    flip(bench.copy / "large.dax", (1 << 20) + 3)
    result = bench.audit(repair=True, accept_source=("all",))
    assert verdicts(result) == {} and result.repaired == ("large.dax",)
    assert (bench.copy / "large.dax").read_bytes() == data
    assert any("4 chunks of 64 MiB were right" in note and "2 came from the source" in note for note in result.notes)


# ---- evidence, state, what is refused ------------------------------------------------------------------------------


def test_an_audit_writes_nothing_inside_either_tree(bench: Bench) -> None:
    fill(bench.source)
    bench.transfer()

    def seen(root: Path) -> Dict[str, Tuple[int, int, int]]:
        return {
            str(p): (p.lstat().st_mtime_ns, p.lstat().st_atime_ns, p.lstat().st_size) for p in [root, *root.rglob("*")]
        }

    os.utime(bench.source / "a.txt", ns=(1, 10**18))
    before = seen(bench.source), seen(bench.copy)
    for against in ("source", "manifest", "record"):
        assert bench.audit(against=against).exit_code == 0
    assert (seen(bench.source), seen(bench.copy)) == before


@pytest.mark.skipif(os.name == "nt", reason="the coreutils")
@pytest.mark.parametrize("tool", ["xxhsum -H2", "md5sum", "sha256sum", "sha256sum --tag"])
def test_manifests_go_both_ways_between_the_real_tools_and_an_audit(bench: Bench, tool: str) -> None:
    command = tool.split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    fill(bench.copy)
    names = ["back\\slash", " lead", "\u00e9", *(["new\nline"] if command[0] != "xxhsum" else [])]
    for name in names:
        (bench.copy / name).write_text(name)
    files = sorted(p.relative_to(bench.copy) for p in bench.copy.rglob("*") if p.is_file())
    sums = bench.root / "sums.txt"
    with sums.open("wb") as out:
        run = [*command, "--", *map(str, files)]
        subprocess.run(run, cwd=bench.copy, stdout=out, stderr=subprocess.DEVNULL, check=True)
    result = bench.audit(against="", manifest=str(sums), write_manifest=str(bench.manifest))
    assert verdicts(result) == {} and result.files == {Judged.OK: len(files)} and result.exit_code == 0
    flip(bench.copy / "a.txt", 3)
    assert verdicts(bench.audit(against="", manifest=str(sums))) == {"a.txt": "DIFFERENT"}
    if command[0] == "xxhsum":
        check = ["xxhsum", "-c", str(bench.manifest)]
        done = subprocess.run(check, cwd=bench.copy, capture_output=True, text=True)
        assert done.returncode == 1 and done.stdout.count(": OK") == len(files) - 1, done
        flip(bench.copy / "a.txt", 3)
        assert subprocess.run(check, cwd=bench.copy, capture_output=True).returncode == 0


def test_what_was_recorded_never_turns_into_a_proof(bench: Bench) -> None:
    fill(bench.copy)
    with pytest.raises(RefusedError, match="Nothing is on record"):
        bench.audit(against="record")
    first = bench.audit(against="record", write_manifest=str(bench.manifest))
    assert first.only_recorded and first.manifest == str(bench.manifest)
    again = bench.audit(against="manifest")
    assert verdicts(again) == {} and not again.only_recorded
    records, notes = load_records(str(bench.copy) + ".evidence")
    assert records.count == 0 and notes == []


def test_an_audit_from_the_source_proves_a_copy_that_nobody_had_proven(bench: Bench) -> None:
    fill(bench.source)
    shutil.copytree(bench.source, bench.copy)
    assert bench.audit().exit_code == 0
    records, notes = load_records(str(bench.copy) + ".evidence")
    assert records.count == 5 and notes == []
    flip(bench.copy / "b.bin", 3)
    found = entry(bench.audit(against="record"), "b.bin")
    assert (found.judged, found.side) == (Judged.DIFFERENT, Side.DESTINATION)
    records, _ = load_records(str(bench.copy) + ".evidence")
    assert not records.folder("")["b.bin"].evidence.proves, "what is found wrong is proven no more"


def test_confirmed_by_a_second_host(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from vdt import against, evidence

    fill(bench.source)
    bench.transfer()
    assert bench.audit().hosts == {}
    for module in (audit, evidence, against):
        monkeypatch.setattr(module, "host_name", lambda: "second-host")
    result = bench.audit()
    assert result.hosts == {2: 5}
    assert "confirmed by 2 hosts: 5 file(s)" in report_lines(result)
    assert result.evidence_file.endswith("-second-host-audit.jsonl"), "each host adds a file of its own"


def test_an_interrupted_audit_reads_no_file_twice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditbatches, "_FILES", 8)
    for number in range(200):
        path = bench.source / f"d{number % 10}" / f"f{number:03}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * 50)
    bench.transfer()
    flip(bench.copy / "d0" / "f000", 1)
    reads: Dict[str, int] = {}
    whole = fs.Folder.read_whole

    def counted(self: fs.Folder, name: str, size_bytes: int, **how: Any) -> Any:
        reads[name] = reads.get(name, 0) + 1
        if len(reads) == 100:
            bench.stop.set("interrupted")
        return whole(self, name, size_bytes, **how)

    monkeypatch.setattr(fs.Folder, "read_whole", counted)
    first = bench.audit(against="manifest", threads=1)
    assert not first.reached_end and first.exit_code == 8
    known = len(bench.read)
    assert 90 <= known <= 100
    bench.stop = StopFlag()
    second = bench.audit(against="manifest", threads=1)
    assert second.reached_end and verdicts(second) == {"d0/f000": "DIFFERENT"}
    assert second.carried_files == known
    assert sum(reads.values()) == 200 + (100 - known)
    third = bench.audit(against="manifest", threads=1)
    assert third.carried_files == 0, "a complete audit begins anew"


def test_files_proven_since_a_date_are_not_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bench.source)
    bench.transfer()
    reads: List[str] = []
    whole = fs.Folder.read_whole
    monkeypatch.setattr(
        fs.Folder, "read_whole", lambda self, name, size, **how: (reads.append(name), whole(self, name, size, **how))[1]
    )
    before = len(reads)
    result = bench.audit(skip_proven_after="2020-01-01")
    assert result.record_only == 5 and len([n for n in reads[before:] if n in ("d.bin", "c.bin")]) <= 2
    assert result.by_evidence == {Evidence.ON_RECORD: 5}
    assert bench.audit(skip_proven_after="2999-01-01").record_only == 0
    with pytest.raises(UsageError, match="is no date"):
        bench.audit(skip_proven_after="yesterday")


def test_two_audits_of_one_tree_do_not_run_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bench.source)
    bench.transfer()
    bench.stop.set("interrupted")
    bench.audit()
    (journal,) = (bench.root / "state").rglob("read.jsonl")
    parent = {"process": os.getppid(), "life": fs.process_started(os.getppid()), "started": "today"}
    journal.write_text(json.dumps(parent) + "\n")
    bench.stop = StopFlag()
    with pytest.raises(LockedError, match="Another audit"):
        bench.audit()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "x", "manifest": "y"}, "cannot both"),
        ({"source": "", "repair": True}, "give --source"),
        ({"accept_source": ("all",)}, "give --repair"),
    ],
)
def test_what_makes_no_sense_together_is_refused(bench: Bench, changes: Dict[str, Any], words: str) -> None:
    fill(bench.source)
    fill(bench.copy)
    with pytest.raises(UsageError, match=words):
        bench.audit(**changes)


def test_a_tree_that_is_not_there_is_refused(bench: Bench) -> None:
    fill(bench.source)
    with pytest.raises(RefusedError, match="cannot be read"):
        bench.audit()
