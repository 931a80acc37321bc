"""A tree that is small enough to be copied thousands of times, and what has to be true of it after each run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Optional, Tuple

from vdt import fs
from vdt.copytree import CopyRequest
from vdt.model import Existing, TreeResult, Verify
from vdt.retry import RetryPlan

from .faultyfs import FaultyFs, Rule, contents, left_partials, look, run_broken, tree_job, write_tree

FILES = {
    "a.bin": b"a" * 3000,
    "b.bin": b"",
    "new/c.bin": b"c" * 70_001,
    "new/deep/d.bin": b"d",
    "old/e.bin": b"e" * 513,
    "old/big.bin": bytes(range(256)) * (17 << 10),  # long enough to be copied alone
}
OLD = {"a.bin": b"the copy of last week", "old/e.bin": b"e" * 512}


class Trees:
    """Both trees, put back to the beginning as often as wanted."""

    def __init__(self, root: Path) -> None:
        self.root, self.source, self.share = root, root / "source", root / "share"
        self.destination = self.share / "destination"
        write_tree(self.source, FILES)
        self.before = look(self.source)
        self.again()

    def again(self) -> None:
        shutil.rmtree(self.share, ignore_errors=True)
        self.destination.mkdir(parents=True)
        write_tree(self.destination, OLD, mtime_ns=1_500_000_000_000_000_000)

    def again_without_a_link(self) -> None:
        """The same where somebody put a link in the destination's place."""
        if self.destination.is_symlink():
            self.destination.unlink()
        self.again()

    def hold(self, code: Optional[int]) -> None:
        """The invariants; a code of None or below 0 says nothing."""
        assert look(self.source) == self.before, "the source was touched"
        there, wanted = contents(self.destination), FILES
        for name, data in there.items():
            assert data in (wanted.get(name), OLD.get(name)), f"{name}: wrong bytes under the final name"
        for name in OLD:
            assert name in there, f"{name}: the old copy is lost"
        if code is not None and 0 <= code < 8:
            assert there == wanted, "success was said over a wrong or missing file"

    def healed(self, code: int) -> None:
        assert code < 8
        assert contents(self.destination, partials=True) == FILES
        assert left_partials(self.share) == []
        assert os.listdir(self.share) == [self.destination.name], "the state folder was left"
        for name in FILES:
            assert (self.destination / name).stat().st_mtime_ns == (self.source / name).stat().st_mtime_ns


def run(trees: Trees, *rules: Rule, flush: fs.Flush = fs.Flush.FILE, **changes: Any) -> Tuple[TreeResult, FaultyFs]:
    job = tree_job(trees.source, trees.destination, flush=flush, cold=False, existing=Existing.TRUST, **changes)
    return run_broken(job, rules)


def request(trees: Trees) -> CopyRequest:
    return CopyRequest(
        str(trees.source), str(trees.destination), verify=Verify.REREAD, retry=RetryPlan(2, 0.0), threads=1
    )
