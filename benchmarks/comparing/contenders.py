"""Who can take part, how each is called, and what each proves. Pure: nothing here asks whether a program is there.

The evidence of ours is read from its own report, so what stands here is only what is asked for. That of the others is
what their manuals and sources say: nothing is credited that a program does not do, and no second pass counts as "past
the cache", since none of them asks the system for that.
"""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from vdt.errors import UsageError
from vdt.model import Evidence, Verify

DEFAULT_THREADS = 8  # of `vdt copy`
_COPYTREE = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], symlinks=True, dirs_exist_ok=True)"
_XXHSUM_AFTER = (
    'cd "$1" && find . -type f -print0 | xargs -0 xxhsum -H2 >"$3/sums" && cd "$2" && xxhsum -c --quiet "$3/sums"'
)


class Job(enum.Enum):
    """What is timed."""

    COPY = "copy"
    AUDIT = "audit"


class System(enum.Enum):
    """Where a contender can run at all."""

    ANY = "any"
    WINDOWS = "Windows"
    POSIX = "other systems than Windows"


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        words: with {source}, {destination} and {scratch} (a folder that is ours, off the file systems under test).
        good: exit codes that mean success.
        silent: it ends with 0 and names what is wrong on standard output, so any word there is a failure.
        folder: its working directory, "" for any.
        output: file that gets its standard output, "" for none.
    """

    words: Tuple[str, ...]
    good: Tuple[int, ...] = (0,)
    silent: bool = False
    folder: str = ""
    output: str = ""

    def filled(self, places: Mapping[str, str]) -> Step:
        """The same with its places filled in."""
        words = tuple(word.format_map(places) for word in self.words)
        return Step(words, self.good, self.silent, self.folder.format_map(places), self.output.format_map(places))

    def shown(self) -> str:
        """As a reader can type it, places as SRC, DST and TMP."""
        places = {"source": "SRC", "destination": "DST", "scratch": "TMP"}
        step = self.filled(places)
        words = ["python" if word == sys.executable else word for word in step.words]
        text = " ".join(f"'{word}'" if " " in word else word for word in words)
        text += f" > {step.output}" if step.output else ""
        return f"(in {step.folder}) {text}" if step.folder else text


@dataclass(frozen=True)
class Contender:
    """One way to do the job.

    Attributes:
        family: the word of --tools.
        programs: what has to be on PATH, the one whose version counts first; () is this Python.
        steps: what is on the clock, one after the other.
        evidence: the most it proves of a file; ours is then read from its report.
        proves: the same in plain words.
        prepared: commands before the clock starts.
        verify: level of ours, "" for the others.
        threads: most workers of ours, 0 for the others.
        reports: it writes {scratch}/report.json, which says what was proven.
    """

    name: str
    job: Job
    family: str
    programs: Tuple[str, ...]
    steps: Tuple[Step, ...]
    evidence: Evidence
    proves: str
    system: System = System.ANY
    prepared: Tuple[Step, ...] = ()
    verify: str = ""
    threads: int = 0
    reports: bool = False

    def shown(self) -> str:
        """The command or commands on the clock."""
        return "; then ".join(step.shown() for step in self.steps)


def _ours(verb: str, *words: str) -> Step:
    report = "{scratch}/report.json"
    return Step((sys.executable, "-m", "vdt", verb, *words, "--quiet", "--progress", "off", "--json", report))


def _copy_of_ours(name: str, level: Verify, threads: Optional[int]) -> Contender:
    words = ["{source}", "{destination}", "--exit", "plain", "--verify", level.value]
    words += ["--threads", str(threads)] if threads else []
    evidence = Evidence(level.value)
    return Contender(
        name,
        Job.COPY,
        "ours",
        (),
        (_ours("copy", *words),),
        evidence,
        evidence.words,
        verify=level.value,
        threads=threads or DEFAULT_THREADS,
        reports=True,
    )


def _theirs(
    name: str,
    family: str,
    steps: Sequence[Step],
    evidence: Evidence,
    proves: str = "",
    *,
    system: System = System.ANY,
    programs: Tuple[str, ...] = (),
) -> Contender:
    return Contender(name, Job.COPY, family, programs or (family,), tuple(steps), evidence, proves, system)


_BOTH_ENDS = "both ends read again and compared, through the cache"
_ROBOCOPY_GOOD = tuple(range(8))
_QUIET_ROBOCOPY = ("/R:1", "/W:1", "/NP", "/NFL", "/NDL")  # its default waits are 30 s, a million times


def _robocopy(*options: str) -> Contender:
    step = Step(("robocopy", "{source}", "{destination}", *options, *_QUIET_ROBOCOPY), good=_ROBOCOPY_GOOD)
    name = " ".join(("robocopy", *options))
    return _theirs(name, "robocopy", [step], Evidence.NONE, "nothing of the contents", system=System.WINDOWS)


def _windows() -> List[Contender]:
    xcopy = Step(("xcopy", "{source}", "{destination}", "/E", "/I", "/H", "/K", "/Q", "/Y"))
    return [
        _robocopy("/E", "/Z"),
        _robocopy("/E", "/J"),
        _robocopy("/E", "/MT:8"),
        _robocopy("/E", "/MT:32"),
        _theirs("xcopy /E", "xcopy", [xcopy], Evidence.NONE, "nothing of the contents", system=System.WINDOWS),
    ]


def _rsync() -> List[Contender]:
    copy = Step(("rsync", "-a", "{source}/", "{destination}/"))
    check = Step(("rsync", "-anc", "--out-format=%n", "{source}/", "{destination}/"), silent=True)
    sent = "what was sent arrived at the writing process"
    parts = Step(("fpsync", "-n", "8", "-t", "{scratch}/fpsync", "{source}/", "{destination}/"))
    return [
        _theirs("rsync -a", "rsync", [copy], Evidence.INFLIGHT, sent, system=System.POSIX),
        _theirs("rsync -a, then -c", "rsync", [copy, check], Evidence.REREAD, _BOTH_ENDS, system=System.POSIX),
        _theirs(
            "fpsync -n 8",
            "fpsync",
            [parts],
            Evidence.INFLIGHT,
            f"{sent} (it runs rsync)",
            system=System.POSIX,
            programs=("fpsync", "fpart", "rsync"),
        ),
    ]


def _rclone() -> List[Contender]:
    copy = ("rclone", "copy", "{source}", "{destination}")
    download = Step(("rclone", "check", "{source}", "{destination}", "--download"))
    written = "what was read has the digest of what was handed to the system"
    plain, fast = Step(copy), Step((*copy, "--local-hashes", "xxh128"))
    many = Step((*copy, "--local-hashes", "xxh128", "--transfers", "16", "--checkers", "16"))
    return [
        _theirs("rclone copy", "rclone", [plain], Evidence.INFLIGHT, f"{written} (MD5)"),
        _theirs("rclone copy, xxh128", "rclone", [fast], Evidence.INFLIGHT, f"{written} (xxh128)"),
        _theirs("rclone copy, xxh128, 16 transfers", "rclone", [many], Evidence.INFLIGHT, f"{written} (xxh128)"),
        _theirs("rclone copy, then check --download", "rclone", [plain, download], Evidence.REREAD, _BOTH_ENDS),
    ]


def _plain() -> List[Contender]:
    copy = Step(("cp", "-a", "{source}/.", "{destination}/"))
    sums = Step(("sh", "-c", _XXHSUM_AFTER, "sh", "{source}", "{destination}", "{scratch}"))
    tree = Step((sys.executable, "-c", _COPYTREE, "{source}", "{destination}"))
    nothing = "nothing of the contents"
    return [
        _theirs("cp -a", "cp", [copy], Evidence.NONE, nothing, system=System.POSIX),
        _theirs(
            "cp -a, then xxhsum of both",
            "cp",
            [copy, sums],
            Evidence.REREAD,
            _BOTH_ENDS,
            system=System.POSIX,
            programs=("cp", "xxhsum", "sh"),
        ),
        Contender("shutil.copytree", Job.COPY, "shutil", (), (tree,), Evidence.NONE, nothing),
    ]


def copiers(threads: Sequence[int]) -> List[Contender]:
    """Everybody who copies: ours at each level, ours at `cold` with each number of threads, and the others.

    Ours with its default of threads stands there once.
    """
    ours = [_copy_of_ours(f"vdt copy --verify {level.value}", level, None) for level in Verify]
    ours += [
        _copy_of_ours(f"vdt copy --threads {number}", Verify.COLD, number)
        for number in sorted(set(threads))
        if number != DEFAULT_THREADS
    ]
    return [*ours, *_windows(), *_rsync(), *_rclone(), *_plain()]


def auditors() -> List[Contender]:
    """Everybody who holds a finished copy against its source or against a list of digests."""
    listed = "the copy read and held against a list, through the cache"
    manifest, deep = "{scratch}/manifest.xxh128", "{scratch}/hashdeep.txt"
    state = ("--state", "{scratch}/state")

    def ours(name: str, *words: str) -> Contender:
        step = _ours("audit", "{destination}", *words, *state)
        cold = Evidence.COLD
        return Contender(name, Job.AUDIT, "ours", (), (step,), cold, cold.words, verify="cold", threads=8, reports=True)

    def theirs(name: str, family: str, step: Step, proves: str, *prepared: Step) -> Contender:
        return Contender(
            name, Job.AUDIT, family, (family,), (step,), Evidence.REREAD, proves, System.ANY, tuple(prepared)
        )

    digests = Step(("hashdeep", "-c", "md5", "-r", "-l", "."), folder="{source}", output=deep)
    audited = Step(("hashdeep", "-c", "md5", "-k", deep, "-a", "-r", "-l", "."), folder="{destination}")
    check = ("rclone", "check", "{source}", "{destination}")
    return [
        ours("vdt audit --source", "--source", "{source}"),
        ours("vdt audit --manifest", "--manifest", manifest),
        theirs("xxhsum -c", "xxhsum", Step(("xxhsum", "-c", "--quiet", manifest), folder="{destination}"), listed),
        theirs("rclone check", "rclone", Step(check), f"{_BOTH_ENDS} (MD5)"),
        theirs("rclone check --download", "rclone", Step((*check, "--download")), f"{_BOTH_ENDS} byte by byte"),
        theirs("hashdeep -a", "hashdeep", audited, f"{listed} (MD5)", digests),
    ]


def families() -> List[str]:
    """The words of --tools, in the order of the catalogue."""
    return list(dict.fromkeys(one.family for one in [*copiers(()), *auditors()]))


def absent(one: Contender, which: Callable[[str], Optional[str]], *, windows: bool) -> str:
    """Why a contender cannot take part here; "" when it can."""
    if (one.system is System.WINDOWS and not windows) or (one.system is System.POSIX and windows):
        return f"runs on {one.system.value} only"
    missing = [program for program in one.programs if not which(program)]
    return f"{' and '.join(missing)} not found" if missing else ""


def chosen(
    catalogue: Sequence[Contender], tools: Sequence[str], which: Callable[[str], Optional[str]], *, windows: bool
) -> Tuple[List[Contender], Dict[str, str]]:
    """Those who take part, and name -> reason for those who cannot; `tools` empty means everybody.

    Raises:
        UsageError: a family was asked for by name of which nobody can take part.
    """
    wanted = [one for one in catalogue if not tools or one.family in tools]
    missing = {one.name: reason for one in wanted if (reason := absent(one, which, windows=windows))}
    present = [one for one in wanted if one.name not in missing]
    for family in tools:
        reasons = [missing[one.name] for one in wanted if one.family == family and one.name in missing]
        if reasons and not any(one.family == family for one in present):
            raise UsageError(f"--tools {family}: {reasons[0]}. Install it, or leave it out.")
    return present, missing
