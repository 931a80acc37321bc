"""Damages a copy, as disks, shares, people and programs do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict, Tuple

from vdt.model import Judged

COMPOSED, DECOMPOSED = "caf\u00e9.csv", "cafe\u0301.csv"


def flip(path: Path, at: int, bit: int = 1) -> None:
    """Change one byte and keep size and time."""
    found = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        old = file.read(1)[0]
        file.seek(at)
        file.write(bytes([old ^ bit]))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def damage(copy: Path) -> Tuple[Dict[str, str], str, str]:
    """Spoil a sample run's copy, `COMPOSED` in it, in twelve ways.

    Returns what an audit must say, the file that is to move, and the one that cannot be read.
    """
    files = [path for path in copy.rglob("*") if path.is_file() and path.name != COMPOSED]
    large = sorted(files, key=lambda path: -path.stat().st_size)
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
    lost, lost_too = [
        p
        for p in sorted(copy.rglob("*"), reverse=True)
        if p.is_dir() and any(p.iterdir()) and not any(q in usable[:9] or q.is_dir() for q in p.iterdir())
    ][:2]
    for path in (*lost.iterdir(), *lost_too.iterdir()):
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
    shutil.rmtree(lost_too)
    lost_too.write_text("a file for a directory")
    said(lost_too, Judged.TYPE)
    said(unreadable, Judged.UNREADABLE)
    said(moving, Judged.UNSTABLE)
    composed = copy / COMPOSED
    composed.rename(copy / DECOMPOSED)
    said(composed, Judged.MISSING)
    said(copy / DECOMPOSED, Judged.EXTRA)
    upper = cased.with_name(cased.name.upper() if cased.name.upper() != cased.name else cased.name.lower())
    cased.rename(upper)
    said(cased, Judged.MISSING)
    said(upper, Judged.EXTRA)
    return expected, moving.relative_to(copy).as_posix(), unreadable.relative_to(copy).as_posix()
