"""Two trees on mounts that break on command, a copier started between them, and what has to be true afterwards.

`vdt` runs as a process of its own; nothing of it is imported. What is judged is what is really stored (`Mount.store`),
not what the mount says. A scenario that cannot show that its fault fired proves nothing: see `Mount.fired`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Union

FAULTFS = Path(__file__).resolve().parents[2] / "rigs" / "faultfs.py"
MIB = 1 << 20
SMALL, BIG = "small/victim.bin", "big/victim.bin"  # alone in their folders: a rule meets them and no one else
SIZES = {
    "top.txt": 4,
    "one/a.bin": 3000,
    "one/b.bin": 0,
    "one/c.bin": 70_001,
    "deep/er/d.bin": 4096,
    SMALL: 90_001,
    BIG: 3 * MIB + 7,
}
OLD = b"what lay here before, and has to stay until better is proven\n"
OLD_NS, NEW_NS = 1_600_000_000_000_000_000, 1_700_000_001_123_456_700  # an odd second: rounding to 2 s shows
FOLDERS_NS = 1_650_000_000_000_000_000

Rule = Dict[str, Any]


class Outcome(NamedTuple):
    """How a run of the copier ended."""

    code: int
    out: str
    err: str
    json: Any
    seconds: float

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def named(self) -> List[str]:
        """Files that the JSON calls not right."""
        lists = ("failed", "unstable", "conflict", "type_mismatch")
        return [entry["path"] for name in lists for entry in (self.json or {}).get(name, [])]

    def __str__(self) -> str:
        return f"exit code {self.code} after {self.seconds:.1f} s\n{self.out}{self.err}{json.dumps(self.json)}"


def rule(op: Union[str, List[str]], action: Any, path: str = "", name: str = "fault", **when: Any) -> Rule:
    """A rule of faultfs; `name` is what `Mount.fired` asks for."""
    made: Rule = {"id": name, "op": op, "action": action, "when": when}
    if path:
        made["path"] = path
    return made


def around(victim: str, root: str = "dst") -> str:
    """The glob of a rule: the folder that the victim has for itself, its partials included."""
    return f"/{root}/{victim.rpartition('/')[0]}/*"


def wait_for(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("what the test waits for did not happen")


def write_tree(root: Path, sizes: Dict[str, int], seed: int = 1) -> None:
    """Files of noise with times that differ, in folders with a time of their own."""
    noise = random.Random(seed)
    block = noise.getrandbits(8 * (MIB + 7)).to_bytes(MIB + 7, "big")
    for number, (name, size) in enumerate(sizes.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        start = noise.randrange(MIB)
        with open(path, "wb") as file:
            file.write(block[start : start + size])
            while file.tell() < size:
                file.write(block[: size - file.tell()])
        stamp = NEW_NS + number * 2_000_000_000
        os.utime(path, ns=(stamp, stamp))
    for folder, _, _ in os.walk(root, topdown=False):
        os.utime(folder, ns=(FOLDERS_NS, FOLDERS_NS))


def files_of(root: Path) -> Dict[str, Path]:
    return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}


def same_bytes(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with open(one, "rb") as a, open(other, "rb") as b:
        while True:
            left, right = a.read(4 * MIB), b.read(4 * MIB)
            if left != right:
                return False
            if not left:
                return True


class Mount:
    """`store` shown at `point`, with rules that say what goes wrong there."""

    def __init__(self, root: Path, name: str, *options: str, store: Optional[Path] = None) -> None:
        self.store, self.point = store or root / f"{name}_store", root / name
        self.log, self.rules_file, self.said = (root / f"{name}.{kind}" for kind in ("log", "rules", "said"))
        self.options = options
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.store.mkdir(exist_ok=True)
        self.point.mkdir()

    @property
    def is_mounted(self) -> bool:
        """Asked of the kernel's table: a look at the mount itself would be a call that rules count."""
        return f" {self.point} " in Path("/proc/self/mountinfo").read_text(encoding="utf-8")

    def start(self, rules: Iterable[Rule] = (), *more_options: str) -> None:
        self._write_rules(rules)
        command = [sys.executable, str(FAULTFS), str(self.store), str(self.point)]
        command += ["--rules", str(self.rules_file), "--log", str(self.log), *self.options, *more_options]
        with open(self.said, "ab") as said:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        wait_for(lambda: self.is_mounted or self.process is None or self.process.poll() is not None)
        assert self.is_mounted and self.process.poll() is None, self.said.read_text("utf-8", "replace")

    def stop(self) -> None:
        """Unmounts, whatever state the mount is in."""
        for how in (["-u"], ["-u", "-z"]):
            if self.is_mounted:
                subprocess.run(["fusermount3", *how, str(self.point)], capture_output=True)
        if self.process:
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def again(self, rules: Iterable[Rule] = ()) -> None:
        self.stop()
        self.start(rules)

    def change(self, rules: Iterable[Rule]) -> None:
        """Other rules while it is mounted."""
        before = len(self.events("rules_reloaded"))
        self._write_rules(rules)
        wait_for(lambda: len(self.events("rules_reloaded")) > before)

    def _write_rules(self, rules: Iterable[Rule]) -> None:
        new = self.rules_file.with_suffix(".new")
        new.write_text(json.dumps(list(rules)), encoding="utf-8")
        new.replace(self.rules_file)

    def events(self, event: str = "") -> List[Dict[str, Any]]:
        """What the log holds, over all times it was mounted."""
        if not self.log.exists():
            return []
        lines = self.log.read_bytes().split(b"\n")[:-1]
        found = [json.loads(line) for line in lines]
        return [entry for entry in found if not event or entry["event"] == event]

    def fired(self, name: str = "fault", **fields: Any) -> List[Dict[str, Any]]:
        return [
            entry
            for entry in self.events("fault")
            if entry["rule"] == name and all(entry.get(key) == value for key, value in fields.items())
        ]


class Rig:
    """A source that must not be touched, a destination with old files in it, and the copier."""

    def __init__(self, root: Path, truth: Path, env: Dict[str, str]) -> None:
        self.root, self.truth, self.env = root, truth, env
        self.source = Mount(root, "from", "--audit", "--deny-writes", store=truth.parent)
        self.destination = Mount(root, "to")
        self.stored = self.destination.store / "dst"
        self.old: Dict[str, bytes] = {}
        self.running: List[subprocess.Popen[bytes]] = []
        self.before = self._look()

    # ---- set up and take down ----------------------------------------------------------------------------------

    def lay_old(self, *names: str) -> None:
        """An older file at the destination under each name."""
        for name in names:
            path = self.stored / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(OLD)
            os.utime(path, ns=(OLD_NS, OLD_NS))
            self.old[name] = OLD

    def start(self, *rules: Rule, source: Iterable[Rule] = ()) -> None:
        self.source.start(source)
        self.destination.start(rules)

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.source.stop()
        self.destination.stop()

    # ---- the copier --------------------------------------------------------------------------------------------

    @property
    def source_root(self) -> str:
        return str(self.source.point / self.truth.name)

    @property
    def destination_root(self) -> str:
        return str(self.destination.point / "dst")

    def begin(self, *options: str, json_name: str = "result.json") -> subprocess.Popen[bytes]:
        copy = ["copy", self.source_root, self.destination_root, "--retry-wait", "0.1", *options]
        return self.begin_any(*copy, json_name=json_name)

    def begin_any(self, *words: str, json_name: str = "result.json") -> subprocess.Popen[bytes]:
        """Any command of `vdt` with a JSON report."""
        report = self.root / json_name
        if report.exists():
            report.unlink()
        process = subprocess.Popen(
            [sys.executable, "-m", "vdt", *words, "--json", str(report), "--progress", "off"],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.running.append(process)
        return process

    def end(
        self, process: subprocess.Popen[bytes], *, timeout_s: float = 60, json_name: str = "result.json"
    ) -> Outcome:
        start = time.monotonic()
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            text = (out + err).decode("utf-8", "replace")
            raise AssertionError(f"still at work after {timeout_s} s\n{text}") from None
        report = self.root / json_name
        found = json.loads(report.read_text("ascii")) if report.exists() else None
        texts = (stream.decode("utf-8", "replace") for stream in (out, err))
        outcome = Outcome(process.returncode, *texts, found, time.monotonic() - start)
        assert "Traceback" not in outcome.text, outcome
        return outcome

    def copy(self, *options: str, timeout_s: float = 60) -> Outcome:
        return self.end(self.begin(*options), timeout_s=timeout_s)

    # ---- what has to be true -----------------------------------------------------------------------------------

    def finals(self) -> Dict[str, Path]:
        if not self.stored.exists():
            return {}
        return {name: path for name, path in files_of(self.stored).items() if ".vdt" not in name}

    def leftovers(self) -> List[str]:
        return [str(path.relative_to(self.destination.store)) for path in self.destination.store.rglob("*.vdt*")]

    def wrong(self) -> List[str]:
        """Final names that hold neither the source's bytes nor what lay there before."""
        truth = files_of(self.truth)
        found = []
        for name, path in self.finals().items():
            if name in self.old and path.read_bytes() == self.old[name]:
                continue
            if name not in truth or not same_bytes(path, truth[name]):
                found.append(name)
        return found

    def missing(self) -> List[str]:
        """Files that are not, or not right, under their names at the destination."""
        finals = self.finals()
        return [n for n, path in files_of(self.truth).items() if n not in finals or not same_bytes(path, finals[n])]

    def _look(self) -> Dict[str, Any]:
        found = {}
        for name, path in files_of(self.truth).items():
            status = path.stat()
            found[name] = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode)
        return found

    def source_untouched(self) -> None:
        tried = self.source.events("mutation")
        assert not tried, f"tried at the source: {tried}"

    def honest(self, outcome: Outcome) -> None:
        """True of every run that came to its end, whatever broke."""
        self.source_untouched()
        assert not self.wrong(), f"wrong bytes under {self.wrong()}\n{outcome}"
        for name, old in self.old.items():
            assert name in self.finals(), f"the old {name} is gone\n{outcome}"
            assert self.finals()[name].read_bytes() == old or name not in self.missing(), name
        if outcome.code < 8:
            assert not self.missing(), f"success, and not there: {self.missing()}\n{outcome}"
            assert outcome.json["complete"] is True, outcome
            assert outcome.json["exit_code"] == outcome.code, outcome

    def right(self, outcome: Outcome, *, times: bool = True) -> None:
        """Success, and nothing but the copy is there."""
        self.honest(outcome)
        assert 0 <= outcome.code < 8, outcome
        assert not outcome.named, outcome
        assert not self.leftovers(), f"left behind: {self.leftovers()}\n{outcome}"
        if times:
            truth = files_of(self.truth)
            late = [n for n, p in self.finals().items() if p.stat().st_mtime_ns != truth[n].stat().st_mtime_ns]
            assert not late, f"other times: {late}\n{outcome}"

    def reported(self, outcome: Outcome, *names: str, lists: Iterable[str] = ("failed",)) -> None:
        """Failure: these files and no others are named, with a reason; what lay there before still does."""
        self.honest(outcome)
        assert outcome.code >= 8, outcome
        entries = [entry for kind in lists for entry in outcome.json[kind]]
        assert sorted({entry["path"] for entry in entries}) == sorted(names), outcome
        for entry in entries:
            assert entry["reason"] and entry["attempts"] >= 1, entry
        for name in names:
            assert name in outcome.text, f"{name} is not named on the screen\n{outcome}"
            if name in self.old:
                assert self.finals()[name].read_bytes() == self.old[name], f"the old {name} was changed\n{outcome}"
        assert set(self.missing()) == set(names), outcome

    def heals(self, *options: str, times: bool = True) -> Outcome:
        """A run without faults ends well, whatever the one before left."""
        self.destination.again()
        self.source.again()
        outcome = self.copy(*options)
        self.right(outcome, times=times)
        return outcome


def environment(cache: Path) -> Dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("VDT_", "PYTEST_"))}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env.update(XDG_STATE_HOME=str(cache / "state"), HOME=str(cache), PYTHONPYCACHEPREFIX=str(cache / "byte_code"))
    return env


def scratch() -> Path:
    """A folder for mounts and what they store: in memory where there is room, so that flushes cost nothing."""
    memory = Path("/dev/shm")
    in_memory = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30
    return Path(os.path.realpath(tempfile.mkdtemp(prefix="vdt-rig-", dir=str(memory) if in_memory else None)))


def why_not() -> str:
    """Why nothing can be mounted here; empty if it can."""
    if not sys.platform.startswith("linux"):
        return "FUSE file systems are mounted on Linux only here"
    if not shutil.which("fusermount3"):
        return "fusermount3 is missing (package fuse3)"
    root = scratch()
    try:
        mount = Mount(root, "try")
        try:
            mount.start()
        except AssertionError as error:
            return f"faultfs cannot be mounted: {error}"
        finally:
            mount.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return ""
