"""What protects the data is switched off, one thing at a time: a scenario has to go red for each.

A scenario that stays green without its protection tests nothing. Each is first seen green with everything in place.
"""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest

pytest.importorskip("fcntl")  # the double stands before the POSIX half of vdt.fs

from vdt import auditor, copier, diagnosis, fs, journal, later, mend, partial, transfer
from vdt.auditor import Auditor
from vdt.auditstate import AuditState, state_folder
from vdt.audittree import AuditRequest, AuditTools, audit_tree
from vdt.copyjob import NoLimit
from vdt.copytree import copy_tree
from vdt.errors import RefusedError
from vdt.findings import AuditResult, Check, Finding
from vdt.fs import posix, posix_folder
from vdt.hashing import Digester, digest_of
from vdt.journal import Journals
from vdt.lock import TreeLock
from vdt.model import Evidence, Judged
from vdt.progress import Silent
from vdt.records import Record
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.verifier import Proof, Verifier

from .faultyfs import ALWAYS, FLIP, SHORT, SKIP, Call, FaultyFs, Rule, contents, run_broken, tree_job, write_tree
from .power import MODES, Powered, in_a_child
from .rig.stage import scratch
from .smalltree import FILES, Trees, request, run

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: Patch) -> None:
    monkeypatch.setattr(later, "SECOND_LOOK_S", 0.0)
    monkeypatch.setattr(later, "BREATH_S", 0.0)


@pytest.fixture
def trees() -> Iterator[Trees]:
    root = scratch()
    yield Trees(root)
    shutil.rmtree(root)


# -- scenarios -----------------------------------------------------------------------------------------------------


def a_bad_write(trees: Trees) -> None:
    result, faulty = run(trees, Rule("write", FLIP, "a.bin"))
    assert faulty.hits
    trees.hold(result.exit_code)


def writes_that_stay_bad(trees: Trees) -> None:
    result, faulty = run(trees, Rule("write", FLIP, "a.bin", times=ALWAYS))
    assert faulty.hits
    trees.hold(result.exit_code)


def power_after_success(flush: fs.Flush) -> Callable[[Trees], None]:
    def scenario(trees: Trees) -> None:
        job = tree_job(trees.source, trees.destination, flush=flush, cold=False)
        for mode in MODES:
            stash = trees.root / "stash"
            stash.mkdir()

            def copy(mode: str = mode, stash: Path = stash) -> int:
                disk = Powered(job.source, job.destination)
                disk.mode, disk.stash = mode, stash
                with disk:
                    code = transfer.transfer_tree(job, transfer.Reports(), transfer.StopFlag()).exit_code
                    disk.cut()
                return code

            code = in_a_child(copy)
            shutil.rmtree(stash)
            assert code == 1
            trees.hold(code)
            trees.again()

    return scenario


def a_source_overwritten_while_it_is_read(trees: Trees) -> None:
    path = trees.source / "a.bin"

    def change(_: Call) -> None:
        path.write_bytes(b"b" * len(FILES["a.bin"]))

    rules = (Rule("read", SHORT, "a.bin", "source"), Rule("read", change, "a.bin", "source", nth=2))
    result, faulty = run(trees, *rules)
    assert len(faulty.hits) == 2
    now = path.read_bytes()
    assert result.exit_code & 8 or contents(trees.destination)["a.bin"] == now, "success over a mixture"


def short_writes(trees: Trees) -> None:
    result, faulty = run(trees, Rule("write", SHORT, "a.bin", times=3))
    assert faulty.hits
    trees.hold(result.exit_code)
    assert result.exit_code == 1 and not result.retries


def a_rename_that_was_not_done(trees: Trees) -> None:
    result, faulty = run(trees, Rule("rename", SKIP, "new/c.bin", times=ALWAYS))
    assert faulty.hits
    trees.hold(result.exit_code)


def times_that_were_not_set(trees: Trees) -> None:
    result, faulty = run(trees, Rule("utime", SKIP, "a.bin"))
    assert faulty.hits and result.exit_code == 1
    assert (trees.destination / "a.bin").stat().st_mtime_ns == (trees.source / "a.bin").stat().st_mtime_ns


def a_partial_that_was_damaged_before_it_is_taken_up(trees: Trees) -> None:
    source, destination, state = (trees.root / name for name in ("long", "long copy", "state"))
    for folder in (source, destination, state):
        folder.mkdir()
    data = os.urandom(5 << 20)
    write_tree(source, {"x.bin": data})
    job = tree_job(source, destination, cold=False)
    job = replace(job, journals=Journals.load(str(state)))
    result, _ = run_broken(job, [Rule("write", errno.EIO, "x.bin", nth=3, times=ALWAYS)])
    assert result.exit_code & 8
    (partial,) = destination.iterdir()
    with open(partial, "r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    again, _ = run_broken(replace(job, journals=Journals.load(str(state))))
    assert again.exit_code < 8 and contents(destination) == {"x.bin": data}


def two_at_once(trees: Trees) -> None:
    refused = []

    def another(_: Call) -> None:
        try:
            copy_tree(request(trees))
        except RefusedError as error:
            refused.append(str(error))

    with FaultyFs(str(trees.source), str(trees.destination), (Rule("rename", another, "new/c.bin"),)):
        code = copy_tree(request(trees)).exit_code
    trees.hold(code)
    assert refused and str(os.getpid()) in refused[0], "two copies worked on one tree"


def audited(trees: Trees, **changes: Any) -> AuditResult:
    asked = AuditRequest(
        str(trees.destination),
        str(trees.source),
        state=str(trees.root / "audit state"),
        threads=1,
        retry=RetryPlan(0),
        evidence_beside=False,
    )
    tools = AuditTools(StopFlag(), Silent(), NoLimit(), lambda line: None)
    return audit_tree(replace(asked, **changes), tools)


def copied(trees: Trees) -> None:
    shutil.rmtree(trees.root / "audit state", ignore_errors=True)
    trees.again()
    assert copy_tree(request(trees)).exit_code == 1


def an_audit_that_reads_wrong_once(trees: Trees) -> None:
    copied(trees)
    for name in ("old/big.bin", "new/c.bin"):
        rule = Rule("read", FLIP, name, "destination")
        with FaultyFs(str(trees.source), str(trees.destination), (rule,)) as faulty:
            result = audited(trees)
        assert faulty.hits
        assert result.exit_code == 0 and not result.entries, "what is right was called different"


def an_audit_that_goes_on_over_a_changed_copy(trees: Trees) -> None:
    """What the earlier one read was damaged since; its time tells."""
    copied(trees)
    place = trees.destination / "a.bin"
    known = place.stat()
    digest = digest_of(memoryview(FILES["a.bin"]))
    home = state_folder(str(trees.root / "audit state"), str(trees.destination), ("source", str(trees.source), "copy"))
    state = AuditState(home)
    state.begin(datetime.now(timezone.utc))
    read = Finding("a.bin", Judged.OK, known.st_size, "", digest, Evidence.REREAD, known.st_mtime_ns, known.st_mtime_ns)
    state.add([read])
    state.close()
    assert not audited(trees).entries
    state.begin(datetime.now(timezone.utc))
    state.add([read])
    state.close()
    place.write_bytes(b"A" * known.st_size)
    assert [finding.path for finding in audited(trees).entries] == ["a.bin"], "a damaged copy was believed"


def a_repair_whose_right_chunks_went_wrong(trees: Trees) -> None:
    """Between the audit and the repair: what is put together must be what the source held."""
    copied(trees)
    name, seed = "old/big.bin", mend.Seeder.seed
    spoil(trees.destination / name, (1 << 20) + 3)

    def late(self: mend.Seeder, findings: Any) -> None:
        spoil(trees.destination / name, 5)
        seed(self, findings)

    with pytest.MonkeyPatch.context() as patch:
        for module in (journal, mend, diagnosis):
            patch.setattr(module, "CHUNK_BYTES", 1 << 20)
        patch.setattr(mend, "LEAST_BYTES", 2 << 20)
        compare = diagnosis.Comparison
        patch.setattr(auditor, "Comparison", lambda: compare(chunk_bytes=1 << 20))
        patch.setattr(mend.Seeder, "seed", late)
        result = audited(trees, repair=True, accept_source=("all",))
    assert contents(trees.destination) == FILES, "wrong bytes under the final name"
    assert result.exit_code == 0 and result.repaired == (name,)


def spoil(path: Path, at: int) -> None:
    """Another byte; size and time stay."""
    found = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


# -- what is switched off ------------------------------------------------------------------------------------------


def no_read_back(patch: Patch) -> None:
    def believed(
        self: Verifier, source: fs.Folder, dest: fs.Folder, name: str, partial: str, size_bytes: int, digest: str
    ) -> Proof:
        found = dest.stat(partial)
        return Proof(Evidence.COLD, found.mtime_ns, "", "", "", found.file_id, size_bytes)

    patch.setattr(Verifier, "read_back", believed)


def no_flush_of_volumes(patch: Patch) -> None:
    patch.setattr(posix.Folder, "flush_volume", lambda self: None)


def no_flush_of_files(patch: Patch) -> None:
    seal = posix.Folder.seal
    patch.setattr(posix.Folder, "seal", lambda self, *args, **kw: seal(self, *args, **{**kw, "flush": False}))


def no_flush_of_names(patch: Patch) -> None:
    patch.setattr(posix.Folder, "flush_names", lambda self: None)


def renamed_before_the_proof(patch: Patch) -> None:
    read_back, rename = Verifier.read_back, posix.Folder.replace

    def too_late(self: Verifier, source: fs.Folder, dest: fs.Folder, name: str, partial: str, *rest: Any) -> Proof:
        rename(dest, partial, name)
        proof = read_back(self, source, dest, name, name, *rest)
        os.link(dest.at(name), dest.at(partial))
        return proof

    patch.setattr(Verifier, "read_back", too_late)


def no_second_look_at_the_source(patch: Patch) -> None:
    """What the listing said is believed: the open file is looked at before it is read, and not after."""
    read_whole = posix.Folder.read_whole

    def believed(self: fs.Folder, name: str, size_bytes: int, **kw: Any) -> Tuple[fs.Stat, memoryview]:
        before = self.stat(name)
        return before, read_whole(self, name, size_bytes, **kw)[1]

    patch.setattr(posix.Folder, "read_whole", believed)


def one_write_is_enough(patch: Patch) -> None:
    def once(fd: int, view: memoryview) -> None:
        os.write(fd, view)

    patch.setattr(posix_folder, "write_all", once)
    patch.setattr(fs, "write_all", once)


def no_look_behind_the_rename(patch: Patch) -> None:
    patch.setattr(copier, "_lies_there", lambda *_: True)


def no_look_at_the_times(patch: Patch) -> None:
    read_back = Verifier.read_back
    wanted = {"a.bin": 1_600_000_000_123_456_789}

    def believed(self: Verifier, source: fs.Folder, dest: fs.Folder, name: str, *rest: Any) -> Proof:
        proof = read_back(self, source, dest, name, *rest)
        return proof._replace(stored_mtime_ns=wanted.get(name, proof.stored_mtime_ns))

    patch.setattr(Verifier, "read_back", believed)


def chunks_are_believed(patch: Patch) -> None:
    def believed(
        fd: int, found: journal.Journal, digester: Digester, read: Callable[..., Any], stop: object
    ) -> Tuple[Digester, int, int]:
        left = found.landed_bytes
        for view in read(fd, left):
            digester.update(view[:left])
            left -= len(view[:left])
            if not left:
                break
        return digester, len(found.digests), 0

    patch.setattr(partial, "check_prefix", believed)


def no_lock(patch: Patch) -> None:
    patch.setattr(TreeLock, "acquire", lambda self: os.makedirs(self.folder, exist_ok=True))
    patch.setattr(TreeLock, "held", lambda self: True)


def no_second_read_of_an_audit(patch: Patch) -> None:
    def at_once(self: Auditor, check: Check, source: fs.Folder, dest: fs.Folder) -> Finding:
        return Finding(check.path, Judged.DIFFERENT, check.dest.size_bytes, "read wrong")

    patch.setattr(Auditor, "_compare", at_once)


def no_look_at_the_state_of_what_was_audited(patch: Patch) -> None:
    patch.setattr(Record, "covers", lambda self, entry: True)


def no_digest_of_what_a_repair_puts_together(patch: Patch) -> None:
    class Anything(str):
        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = str.__hash__

    class Believing(Digester):
        @property
        def digest(self) -> str:
            return Anything(super().digest)

    patch.setattr(mend, "Digester", Believing)


MUTANTS: Dict[str, Tuple[Callable[[Patch], None], Callable[[Trees], None]]] = {
    "read-back": (no_read_back, a_bad_write),
    "flush of the volume": (no_flush_of_volumes, power_after_success(fs.Flush.VOLUME)),
    "flush of each file": (no_flush_of_files, power_after_success(fs.Flush.FILE)),
    "flush of names": (no_flush_of_names, power_after_success(fs.Flush.FILE)),
    "rename after the proof": (renamed_before_the_proof, writes_that_stay_bad),
    "look at the source after it was read": (no_second_look_at_the_source, a_source_overwritten_while_it_is_read),
    "loop over short writes": (one_write_is_enough, short_writes),
    "look behind the rename": (no_look_behind_the_rename, a_rename_that_was_not_done),
    "look at the times that are kept": (no_look_at_the_times, times_that_were_not_set),
    "check of chunks on resume": (chunks_are_believed, a_partial_that_was_damaged_before_it_is_taken_up),
    "lock": (no_lock, two_at_once),
    "second read of an audit": (no_second_read_of_an_audit, an_audit_that_reads_wrong_once),
    "state of what an audit had read": (
        no_look_at_the_state_of_what_was_audited,
        an_audit_that_goes_on_over_a_changed_copy,
    ),
    "digest of what a repair puts together": (
        no_digest_of_what_a_repair_puts_together,
        a_repair_whose_right_chunks_went_wrong,
    ),
}


@pytest.mark.parametrize("protection", MUTANTS)
def test_without_it_a_scenario_goes_red(trees: Trees, protection: str, monkeypatch: Patch) -> None:
    switch_off, scenario = MUTANTS[protection]
    monkeypatch.setattr(journal, "CHUNK_BYTES", 256 << 10)
    scenario(trees)
    for name in ("long", "long copy", "state", "audit state", "source"):
        shutil.rmtree(trees.root / name, ignore_errors=True)
    write_tree(trees.source, FILES)
    trees.again()
    with monkeypatch.context() as patch:
        switch_off(patch)
        with pytest.raises(AssertionError):
            scenario(trees)
