"""Somebody else does something just before one call of a run: the parts that tests of races share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Tuple

from vdt import fs, transfer
from vdt.model import Existing, TreeResult

from .faultyfs import Call, Deed, FaultyFs, partial_names, tree_job
from .smalltree import Trees

OUTSIDE = {"a.bin": b"not ours", "deep/d.bin": b"not ours either", "deep/.vdt-0123456789abcdef.partial": b"theirs"}
Act = Callable[[Trees], None]


class Meanwhile(FaultyFs):
    """Just before call number `at`, `act` is done once."""

    at = 0
    act: Callable[[], None] = staticmethod(lambda: None)
    done: Optional[Call] = None

    def _deed(self, op: str, full: Optional[str]) -> Tuple[Optional[Deed], Optional[Call]]:
        deed, call = super()._deed(op, full)
        if call is not None and call.number == self.at and self.done is None:
            self.done = call
            self.act()
        return deed, call


def with_outside(root: Path) -> Trees:
    """Trees, and beside them a folder `outside` that nobody may write in."""
    made = Trees(root)
    (root / "outside" / "deep").mkdir(parents=True)
    for name, data in OUTSIDE.items():
        (root / "outside" / name).write_bytes(data)
        os.utime(root / "outside" / name, ns=(1_400_000_000_000_000_000,) * 2)
    for folder in ("outside/deep", "outside"):
        os.utime(root / folder, ns=(1_400_000_000_000_000_000,) * 2)
    return made


def at_every_call(
    trees: Trees, act: Act, *, with_deep: bool = False, **changes: Any
) -> Iterator[Tuple[int, Meanwhile, TreeResult]]:
    number = 1
    while True:
        if with_deep:
            (trees.destination / "new" / "deep").mkdir(parents=True)
            (trees.destination / "new" / "deep" / ".vdt-0123456789abcdef.partial").write_bytes(b"ours")
        job = tree_job(
            trees.source, trees.destination, flush=fs.Flush.FILE, cold=False, existing=Existing.TRUST, **changes
        )
        disk = Meanwhile(job.source, job.destination, partials=partial_names(trees.source))
        disk.at, disk.act = number, lambda: act(trees)
        with disk:
            result = transfer.transfer_tree(job, transfer.Reports(), transfer.StopFlag())
        if disk.done is None:
            return
        yield number, disk, result
        trees.again()
        number += 1
