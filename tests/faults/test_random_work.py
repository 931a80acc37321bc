"""Random trees, random changes on both sides between runs, random options: against a small model in memory, and
against `rsync -a` for the options that both have."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Tuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

pytest.importorskip("fcntl")  # modes and links are compared

from vdt import later
from vdt.copytree import CopyRequest, copy_tree
from vdt.model import Existing, Policy, Verify
from vdt.retry import RetryPlan

from .faultyfs import left_partials, look
from .rig.stage import scratch

RSYNC = shutil.which("rsync")
SECOND_NS = 10**9
BASE_NS = 1_600_000_000 * SECOND_NS
FILES = ["a", "b.tmp", "d/a", "d/e/b", "d/e/c.tmp", "f/ä \n\x1b[31m", "f/-x", "g/h/i/j", os.fsdecode(b"f/\xff\xfe")]
LINKS = ["l", "d/l"]
names, links = st.sampled_from(FILES), st.sampled_from(LINKS)
times = st.integers(0, 4).map(lambda seconds: BASE_NS + seconds * SECOND_NS)
data = st.sampled_from([b"", b"x", b"y", b"xx", b"x" * 5000, b"y" * 5000, b"z" * (5 << 20)])
modes = st.sampled_from([0o644, 0o600, 0o755, 0o444])


class File(NamedTuple):
    data: bytes
    mtime_ns: int
    mode: int


def put(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(file.data)
    path.chmod(file.mode)
    os.utime(path, ns=(file.mtime_ns, file.mtime_ns))


def shown(root: Path) -> Dict[str, Tuple[object, ...]]:
    """Names, kinds, bytes, times and modes of files; targets of links; folders by name."""
    found: Dict[str, Tuple[object, ...]] = {}
    for path in root.rglob("*"):
        name, status = os.fspath(path.relative_to(root)), path.lstat()
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("folder",)
        else:
            found[name] = (path.read_bytes(), status.st_mtime_ns, status.st_mode & 0o777)
    return found


class Work(RuleBasedStateMachine):
    """`ours` and `theirs` are given the same changes; the model holds the files of `ours`."""

    @initialize()
    def begin(self) -> None:
        self.root = scratch()
        self.source, self.ours, self.theirs = (self.root / name for name in ("source", "ours", "theirs"))
        for folder in (self.source, self.ours, self.theirs):
            folder.mkdir()
        self.sent: Dict[str, File] = {}
        self.sent_links: Dict[str, str] = {}
        self.model: Dict[str, File] = {}
        self.model_links: Dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    @rule(name=names, data=data, mtime_ns=times, mode=modes)
    def put_in_source(self, name: str, data: bytes, mtime_ns: int, mode: int) -> None:
        self.sent[name] = File(data, mtime_ns, mode)
        put(self.source / name, self.sent[name])

    @rule(name=names)
    def remove_from_source(self, name: str) -> None:
        if self.sent.pop(name, None):
            (self.source / name).unlink()

    @rule(name=links, leads_to=st.sampled_from(["a", "nowhere", "../out", "/etc/passwd"]))
    def link_in_source(self, name: str, leads_to: str) -> None:
        self.sent_links[name] = leads_to
        (self.source / name).parent.mkdir(exist_ok=True)
        (self.source / name).unlink(missing_ok=True)
        (self.source / name).symlink_to(leads_to)

    @rule(name=names, data=data, mtime_ns=times, mode=modes)
    def put_in_destination(self, name: str, data: bytes, mtime_ns: int, mode: int) -> None:
        self.model[name] = File(data, mtime_ns, mode)
        for side in (self.ours, self.theirs):
            put(side / name, self.model[name])

    @rule(name=names)
    def remove_from_destination(self, name: str) -> None:
        if self.model.pop(name, None):
            for side in (self.ours, self.theirs):
                (side / name).unlink()

    @rule(name=names)
    def damage_in_destination(self, name: str) -> None:
        """Size and time stay."""
        old = self.model.get(name)
        if old is not None and old.data:
            self.model[name] = old._replace(data=b"!" + old.data[1:])
            for side in (self.ours, self.theirs):
                put(side / name, self.model[name])

    @rule(
        update=st.booleans(),
        checksum=st.booleans(),
        window_s=st.sampled_from([0, 0, 1, 2]),
        exclude=st.sampled_from([None, None, "*.tmp", "a"]),
        existing=st.sampled_from(Existing),
        verify=st.sampled_from(Verify),
        threads=st.integers(1, 3),
    )
    def copy(
        self,
        update: bool,
        checksum: bool,
        window_s: int,
        exclude: Optional[str],
        existing: Existing,
        verify: Verify,
        threads: int,
    ) -> None:
        policy = Policy(
            exclude_files=(exclude,) if exclude else (),
            skip_older=update,
            checksum=checksum,
            modify_window_ns=window_s * SECOND_NS,
            fix_modes=True,
            keep_owner=True,
        )
        request = CopyRequest(
            str(self.source),
            str(self.ours),
            policy=policy,
            verify=verify,
            existing=existing,
            threads=threads,
            retry=RetryPlan(0),
        )
        before = look(self.source)
        copied = self.expect(policy, existing)
        result = copy_tree(request)
        assert result.exit_code < 8, (result.failed, result.unstable, result.type_mismatch)
        assert look(self.source) == before
        assert result.files.copied == copied
        assert not left_partials(self.root) and not list(self.root.glob("**/.*.vdt"))
        self.compare()
        quirk = update and window_s > 0  # rsync -u leaves even the mode of a file whose time is within the window
        if RSYNC and existing is Existing.TRUST and not quirk:
            self.rsync(update, checksum, window_s, exclude)
        else:
            shutil.rmtree(self.theirs)
            subprocess.run(["cp", "-a", str(self.ours), str(self.theirs)], check=True)

    def expect(self, policy: Policy, existing: Existing) -> int:
        """What the model says of the next copy; the number of files and links that it copies."""
        copied = 0
        for name, file in self.sent.items():
            if os.path.basename(name).endswith(".tmp") and policy.exclude_files == ("*.tmp",):
                continue
            if os.path.basename(name) == "a" and policy.exclude_files == ("a",):
                continue
            there = self.model.get(name)
            kept: Optional[int] = None
            if there is None:
                wanted = True
            elif abs(there.mtime_ns - file.mtime_ns) <= policy.modify_window_ns:
                look_inside = policy.checksum or existing is Existing.PROVE
                wanted = len(there.data) != len(file.data) or (look_inside and there.data != file.data)
                kept = there.mtime_ns
            elif policy.skip_older and there.mtime_ns > file.mtime_ns:
                continue
            else:
                wanted = not (policy.checksum and there.data == file.data)  # else its time and mode are set
            copied += wanted
            self.model[name] = file if wanted or kept is None else file._replace(mtime_ns=kept, data=there.data)  # type: ignore[union-attr]
        for name, target in self.sent_links.items():
            if os.path.basename(name) not in policy.exclude_files:
                copied += self.model_links.get(name) != target
                self.model_links[name] = target
        return copied

    def compare(self) -> None:
        there = {name: entry for name, entry in shown(self.ours).items() if entry != ("folder",)}
        wanted: Dict[str, Tuple[object, ...]] = {name: tuple(file) for name, file in self.model.items()}
        wanted.update({name: ("link", target) for name, target in self.model_links.items()})
        assert there == wanted

    def rsync(self, update: bool, checksum: bool, window_s: int, exclude: Optional[str]) -> None:
        command = [RSYNC or "", "-a", f"--modify-window={window_s}"]
        command += ["-u"] * update + ["-c"] * checksum + ([f"--exclude={exclude}"] if exclude else [])
        subprocess.run([*command, f"{self.source}/", f"{self.theirs}/"], check=True, capture_output=True)
        assert shown(self.ours) == shown(self.theirs)
        for path in self.source.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                relative = path.relative_to(self.source)
                one, other = (self.ours / relative).stat(), (self.theirs / relative).stat()
                assert one.st_mode == other.st_mode, relative
                apart = abs(one.st_mtime_ns - other.st_mtime_ns)  # rsync leaves one that is in the same second
                assert apart < (window_s + 1) * SECOND_NS, relative
                assert one.st_mtime_ns == path.stat().st_mtime_ns, relative

    @invariant()
    def the_destination_is_what_the_model_says(self) -> None:
        if hasattr(self, "root"):
            self.compare()


@pytest.fixture(autouse=True, scope="module")
def no_waits() -> None:
    later.SECOND_LOOK_S = 0.0


def settled(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


TestWork = Work.TestCase
TestWork.settings = settled(25, 14)


@pytest.mark.long
class TestMuchWork(Work.TestCase):  # type: ignore[misc, name-defined]
    """The same for some minutes."""

    settings = settled(150, 40)
