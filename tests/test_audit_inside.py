"""Hostile manifests and trees: refused by line number, or named; and nothing outside of the copy is ever opened."""

from __future__ import annotations

import builtins
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest

from vdt.audittree import AuditRequest, AuditTools, audit_tree
from vdt.copyjob import NoLimit
from vdt.errors import ManifestError
from vdt.findings import AuditResult
from vdt.progress import Silent
from vdt.stop import StopFlag

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc what was opened")

D1, D2 = "1" * 40, "2" * 40


class Ground:
    """A copy, something beside it that is nobody's business, and a list of all that was opened."""

    def __init__(self, root: Path) -> None:
        self.root, self.copy, self.outside = root, root / "in" / "copy", root / "outside"
        for folder in (self.copy / "d", self.outside / "d"):
            folder.mkdir(parents=True)
            (folder / "secret").write_bytes(b"of nobody's business")
        (self.copy / "a").write_bytes(b"a")
        self.opened: List[str] = []

    def audit(self, text: bytes, name: str = "sums.txt", **how: Any) -> AuditResult:
        (self.root / "in" / name).write_bytes(text)
        tools = AuditTools(StopFlag(), Silent(), NoLimit(), lambda line: None)
        return audit_tree(
            AuditRequest(
                str(self.copy), manifest=str(self.root / "in" / name), state=str(self.root / "in" / "state"), **how
            ),
            tools,
        )

    def strayed(self) -> List[str]:
        return [path for path in self.opened if path.startswith(str(self.outside))]


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    made = Ground(Path(os.path.realpath(tmp_path)))
    real_open, real_scandir, real_list, plain = os.open, os.scandir, os.listdir, builtins.open

    def real(path: Any, dir_fd: Optional[int] = None, *, follow: bool = True) -> str:
        if isinstance(path, int):
            return os.readlink(f"/proc/self/fd/{path}")
        base = os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
        whole = os.path.join(base, os.fsdecode(path))
        return os.path.realpath(whole) if follow else os.path.join(os.path.realpath(os.path.dirname(whole)), "*")

    def noting_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Optional[int] = None) -> int:
        fd = real_open(path, flags, mode, dir_fd=dir_fd)
        made.opened.append(real(fd))
        return fd

    monkeypatch.setattr(os, "open", noting_open)
    monkeypatch.setattr(os, "scandir", lambda path=".": (made.opened.append(real(path)), real_scandir(path))[1])
    monkeypatch.setattr(os, "listdir", lambda path=".": (made.opened.append(real(path)), real_list(path))[1])
    monkeypatch.setattr(
        builtins, "open", lambda file, *rest, **how: (made.opened.append(real(file)), plain(file, *rest, **how))[1]
    )
    yield made


def test_the_list_of_what_is_opened_can_show_a_stray(ground: Ground) -> None:
    os.close(os.open(str(ground.outside / "d" / "secret"), os.O_RDONLY))
    assert ground.strayed() == [str(ground.outside / "d" / "secret")], "else the tests below prove nothing"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("{D1}  a\n{D1}  {outside}/d/secret\n", 2, "absolute"),
        ("{D1}  ../../outside/d/secret\n", 1, "upwards"),
        ("{D1}  d/../../../outside/d/secret\n", 1, "upwards"),
        ("{D1}  a\n\n{D1}  C:\\secret\n", 3, "absolute"),
        ("{D1}  \\\\server\\share\\secret\n", 1, "absolute"),
        ("MD5 ({outside}/d/secret) = " + "1" * 32 + "\n", 1, "absolute"),
        ("{D1}  a\n{D2}  a\n", 2, "another digest"),
        ("{D1}  a\ngarbage\n", 2, "no line"),
        ("{D1}  a\n\x00\x01\x02", 2, "NUL"),
    ],
)
def test_a_hostile_line_is_refused_by_its_number_before_a_file_is_read(
    ground: Ground, text: str, line: int, words: str
) -> None:
    made = text.replace("{D1}", D1).replace("{D2}", D2).replace("{outside}", str(ground.outside))
    with pytest.raises(ManifestError, match=words) as refused:
        ground.audit(made.encode())
    assert refused.value.line == line and f"line {line}" in str(refused.value) and refused.value.exit_code == 16
    assert ground.strayed() == []
    assert str(ground.copy / "a") not in ground.opened, "refused as a whole"
    assert not os.path.lexists(f"{ground.copy}.evidence")


def test_a_line_of_a_gigabyte_is_refused_at_once(ground: Ground) -> None:
    sums = ground.root / "in" / "sums.txt"
    for head in (f"{D1}  ".encode(), f"{D1}  a\n".encode()):
        sums.write_bytes(head + b"x" * 300_000)
        os.truncate(sums, 1 << 30)
        began = time.process_time()
        with pytest.raises(ManifestError, match="256 KiB") as refused:
            audit_tree(
                AuditRequest(str(ground.copy), manifest=str(sums), state=str(ground.root / "in" / "state")),
                AuditTools(StopFlag(), Silent(), NoLimit(), lambda line: None),
            )
        assert refused.value.line == 1 + head.count(b"\n")
        assert time.process_time() - began < 2


def test_links_that_lead_out_are_named_and_not_followed(ground: Ground) -> None:
    secret = hashlib.sha1(b"of nobody's business").hexdigest()
    right = hashlib.sha1(b"a").hexdigest()
    (ground.copy / "file").symlink_to(ground.outside / "d" / "secret")
    (ground.copy / "folder").symlink_to(ground.outside / "d", target_is_directory=True)
    lines = "".join(f"{secret}  {name}\n" for name in ("d/secret", "file", "folder/secret")) + f"{right}  a\n"
    result = ground.audit(lines.encode(), "x.sha1")
    found: Dict[str, str] = {finding.path: finding.judged.value for finding in result.entries}
    assert found == {"file": "TYPE", "folder": "TYPE", "folder/secret": "MISSING"}
    assert result.files == {**result.files, next(iter(j for j in result.files if j.value == "OK")): 2}
    assert ground.strayed() == []
    assert str(ground.copy / "d" / "secret") in ground.opened, "what lies inside was read"


def test_a_file_that_becomes_a_link_between_listing_and_read_is_not_followed(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vdt.auditor import Auditor

    part, right = Auditor._part, hashlib.sha1(b"a").hexdigest()

    def swap(self: Any, folder: str, checks: Any, done: Any) -> None:
        if not (ground.copy / "a").is_symlink():
            (ground.copy / "a").unlink()
            (ground.copy / "a").symlink_to(ground.outside / "d" / "secret")
            (ground.copy / "d").rename(ground.root / "in" / "was")
            (ground.copy / "d").symlink_to(ground.outside / "d", target_is_directory=True)
        part(self, folder, checks, done)

    monkeypatch.setattr(Auditor, "_part", swap)
    monkeypatch.setattr("vdt.later.SECOND_LOOK_S", 0.01)
    secret = hashlib.sha1(b"of nobody's business").hexdigest()
    result = ground.audit(f"{right}  a\n{secret}  d/secret\n".encode(), "x.sha1")
    assert {finding.path for finding in result.entries} == {"a", "d/secret"} and result.exit_code == 8
    assert all(finding.judged.value in ("UNREADABLE", "MISSING", "UNSTABLE") for finding in result.entries)
    assert ground.strayed() == []
