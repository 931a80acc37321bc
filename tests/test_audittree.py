"""One tree audited, from the source and from a manifest: the verdicts, the evidence, the repair, and going on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from vdt import audit, fs
from vdt.audittree import AuditRequest, AuditTools, audit_tree
from vdt.copytree import CopyRequest, copy_tree
from vdt.findings import AuditResult, Finding
from vdt.model import Judged
from vdt.progress import Silent
from vdt.retry import RetryPlan
from vdt.sample import tree_root, write_run
from vdt.stop import StopFlag
from vdt.transfer import NoLimit

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
    monkeypatch.setattr(audit, "SECOND_LOOK_S", 0.01)
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


def flip(path: Path, at: int, bit: int = 1) -> None:
    """Change one byte and keep size and time."""
    found = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ bit]))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def verdicts(result: AuditResult) -> Dict[str, str]:
    return {finding.path: finding.judged.value for finding in result.entries}


def entry(result: AuditResult, path: str) -> Finding:
    return next(finding for finding in result.entries if finding.path == path)


# ---- the twelve ways ---------------------------------------------------------------------------------------------


def damage(copy: Path) -> Tuple[Dict[str, str], str, str]:
    """Spoil a sample run's copy in twelve ways; returns what an audit must say, the file that is to move, and the one
    that cannot be read."""
    large = sorted((p for p in copy.rglob("*") if p.is_file()), key=lambda p: -p.stat().st_size)
    usable = [p for p in large if p.stat().st_size > 2000]
    zeroed, bit, short, other, gone, folder_file, unreadable, moving, cased = usable[:9]
    expected: Dict[str, str] = {}

    def said(path: Path, verdict: Judged) -> None:
        expected[path.relative_to(copy).as_posix()] = verdict.value

    flip(bit, 1234)
    said(bit, Judged.DIFFERENT)
    found = zeroed.stat()
    with zeroed.open("r+b") as file:
        file.seek(65_536)
        file.write(bytes(65_536))
    os.utime(zeroed, ns=(found.st_atime_ns, found.st_mtime_ns))
    said(zeroed, Judged.DIFFERENT)
    os.truncate(short, short.stat().st_size - 1)
    said(short, Judged.DIFFERENT)
    found = other.stat()
    other.write_bytes(os.urandom(found.st_size))
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    said(other, Judged.DIFFERENT)
    gone.unlink()
    said(gone, Judged.MISSING)
    lost = next(
        p
        for p in sorted(copy.rglob("*"), reverse=True)
        if p.is_dir() and any(p.iterdir()) and not any(q in usable[:9] or q.is_dir() for q in p.iterdir())
    )
    for path in lost.iterdir():
        said(path, Judged.MISSING)
    shutil.rmtree(lost)
    (copy / "notes.txt").write_text("extra")
    said(copy / "notes.txt", Judged.EXTRA)
    (copy / "scratch").mkdir()
    (copy / "scratch" / "one.tmp").write_text("extra")
    said(copy / "scratch", Judged.EXTRA)
    folder_file.unlink()
    folder_file.mkdir()
    said(folder_file, Judged.TYPE)
    said(unreadable, Judged.UNREADABLE)
    said(moving, Judged.UNSTABLE)
    upper = cased.with_name(cased.name.upper() if cased.name.upper() != cased.name else cased.name.lower())
    cased.rename(upper)
    said(cased, Judged.MISSING)
    said(upper, Judged.EXTRA)
    return expected, moving.relative_to(copy).as_posix(), unreadable.relative_to(copy).as_posix()


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
    bench.transfer()
    before = {p.relative_to(bench.source).as_posix() for p in bench.source.rglob("*") if p.is_file()}
    assert verdicts(bench.audit(against=against)) == {}
    expected, moving, unreadable = damage(bench.copy)
    spoilt_reads(monkeypatch, bench.copy, moving, unreadable)
    result = bench.audit(against=against)
    assert verdicts(result) == expected
    assert result.exit_code == 8 and result.reached_end
    assert result.files[Judged.OK] == len(before) - sum(
        1 for path, verdict in expected.items() if verdict != "EXTRA" and path in before
    )
