"""For notebooks and pipelines: copy a tree, audit a tree, get plain values back.

The same engine as the commands. Rule 1: nothing is printed, no process is ended, no signal handler is installed.
Rule 2: what could not be done at all is raised (`VdtError` and below); a file that failed is not: it stands in the
result. Ctrl-C ends the work within two seconds and is raised again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Type, TypeVar, Union

from vdt import auditreport, copytree, findings
from vdt.auditjob import no_listener
from vdt.audittree import SHARE_WAIT_S, AuditRequest, AuditTools
from vdt.audittree import audit_tree as _audit
from vdt.bwlimit import TokenBucket, parse_bwlimit
from vdt.copyjob import Meter, NoLimit
from vdt.errors import AbandonedError, AwayError, UsageError, VdtError
from vdt.findings import Finding
from vdt.model import Evidence, Existing, Judged, Links, Policy, Problem, TreeResult, Verify
from vdt.options import LONGEST_WAIT_S, MOST_RETRIES
from vdt.own import get_ready
from vdt.printable import printable
from vdt.progress import Silent
from vdt.recorder import FileSink, no_sink
from vdt.report import file_object, tree_object, verdict_words
from vdt.retry import RetryPlan
from vdt.stop import StopFlag
from vdt.supervise import INTERRUPTED, supervised
from vdt.tuning import DEFAULT_THREADS
from vdt.watch import Watch

Path = Union[str, "os.PathLike[str]"]
FileListener = Callable[[Mapping[str, Any]], object]
_Choice = TypeVar("_Choice", Verify, Existing, Links)
_Value = TypeVar("_Value")
_MOST_THREADS = 128
_LINKS_OF_AUDIT = (Links.COPY, Links.FOLLOW)


@dataclass(frozen=True)
class Copied:
    """How a copy ended.

    Attributes:
        source, destination: absolute paths.
        verdict: "proven" (every file was read back, now or on record), "complete, not proven", "not complete", or
            "stopped" (the destination is full, or somebody asked for the end; the same call goes on).
        proven: the verdict is "proven".
        complete: everything that the source holds, less what was excluded, arrived.
        files_copied, files_skipped, bytes_copied: skipped files were there already.
        failed, unstable, conflict, type_mismatch: files that did not end well, each with `path` (relative, "/"),
            `reason` and `attempts`.
        extra: what only the destination holds. Nothing of it is touched.
        evidence: files by what was done to know that they are right, in plain words.
        manifest: path of the digests, "" where none was asked for.
        notes: what else must be known, a sentence each.
        seconds: how long it took.
        exit_code: robocopy's, as `vdt copy` would end with.
        report: the object that `vdt copy --json` writes: all of the above and more, ready for `json.dump`.
    """

    source: str
    destination: str
    verdict: str
    proven: bool
    complete: bool
    files_copied: int
    files_skipped: int
    bytes_copied: int
    failed: Tuple[Problem, ...]
    unstable: Tuple[Problem, ...]
    conflict: Tuple[Problem, ...]
    type_mismatch: Tuple[Problem, ...]
    extra: Tuple[Problem, ...]
    evidence: Dict[str, int]
    manifest: str
    notes: Tuple[str, ...]
    seconds: float
    exit_code: int
    report: Dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Wrong:
    """One name that is not as it should be.

    Attributes:
        path: relative, "/".
        verdict: "DIFFERENT", "MISSING", "EXTRA", "UNREADABLE", "UNSTABLE" or "TYPE".
        reason: in plain words; for DIFFERENT with the first wrong byte and which side changed, where that is known.
    """

    path: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Audited:
    """What an audit found.

    Attributes:
        destination: absolute path of the copy.
        against: what it was held against, in words.
        verdict: "right", "right, but for extras", "not right", "recorded" (there was nothing to hold it against), or
            "stopped".
        right: everything that should be there is there and right.
        files: number of files by verdict, "OK" among them.
        wrong: all names that are not OK.
        repaired: paths that were copied again and are right now.
        may_delete_source: no word of this audit stands against it; `why` says the same in a sentence.
        manifest: path of the digests that were written, "" where none were.
        notes: what else must be known, a sentence each.
        seconds: how long it took.
        exit_code: 0 or 8, as `vdt audit` would end with.
        report: the object that `vdt audit --json` writes.
    """

    destination: str
    against: str
    verdict: str
    right: bool
    files: Dict[str, int]
    wrong: Tuple[Wrong, ...]
    repaired: Tuple[str, ...]
    may_delete_source: bool
    why: str
    manifest: str
    notes: Tuple[str, ...]
    seconds: float
    exit_code: int
    report: Dict[str, Any] = field(repr=False)


def copy_tree(
    source: Path,
    destination: Path,
    *,
    verify: str = Verify.COLD.value,
    existing: str = Existing.TRUST.value,
    replace_proven: bool = False,
    exclude: Sequence[str] = (),
    exclude_dirs: Sequence[str] = (),
    newer_only: bool = False,
    modify_window_s: float = 0.0,
    checksum: bool = False,
    links: str = Links.COPY.value,
    streams: bool = False,
    threads: int = DEFAULT_THREADS,
    retries: int = 5,
    retry_wait_s: Optional[float] = None,
    share_wait_s: float = copytree.SHARE_WAIT_S,
    bwlimit: str = "",
    manifest: Optional[Path] = None,
    log: Optional[Path] = None,
    append_log: bool = False,
    dry_run: bool = False,
    each_file: Optional[FileListener] = None,
    say: Callable[[str], object] = lambda line: None,
    stop: Optional[StopFlag] = None,
) -> Copied:
    """Copy the contents of `source` into `destination`, read every file back and prove it.

    Args:
        source: folder whose contents are copied; never written.
        destination: folder that receives them; made where it is missing. Nothing in it is deleted.
        verify: "none", "inflight", "reread", "cold" (read back past this computer's cache) or "both" (and the source
            read a second time).
        existing: files that are there with the source's size and time: "trust" or "prove" them.
        replace_proven: let an older or shorter source replace a copy that the evidence beside `manifest` proves.
        exclude, exclude_dirs: patterns of files and folders to leave out.
        newer_only: leave files that are newer at the destination.
        modify_window_s: times that differ by no more are equal (FAT: 2).
        checksum: compare contents, not size and time.
        links: "copy" (a link stays a link), "follow" or "skip".
        streams: Windows: alternate data streams too; otherwise they are counted.
        threads: at most so many workers, 1 to 128.
        retries: tries after the first of a file that failed.
        retry_wait_s: seconds before each; None is 1, 2, 5, 15, 30.
        share_wait_s: seconds that a side which stops answering is waited for.
        bwlimit: most bytes read a second: "100M", or "08:00,100M 19:00,off"; "" is no limit.
        manifest: file for the digests, in the form of `xxhsum`; evidence is kept beside it.
        log: file for a log in robocopy's format; with `append_log` it grows.
        dry_run: find out what would be copied and change nothing.
        each_file: called for each file with the values that `--jsonl` writes: path, size, state, evidence, xxh128 and
            reason. From another thread than yours, one call at a time; what it raises ends the copy.
        say: called with sentences for a person, such as that a share is waited for.
        stop: `stop.set("why")` from another thread ends the copy within two seconds; the same call goes on with it.

    Raises:
        UsageError: an argument cannot be honoured.
        RefusedError: the paths overlap, the source is no folder, the destination cannot be written, or another copy
            works on it (LockedError); nothing was copied.
        AwayError: source or destination went away and did not come back in time; what was copied stays.
        LostOutputError: log or manifest could not be written; what was copied stays.
        AbandonedError: it was stopped, and the system did not answer for two seconds. The lock stays as long as this
            process lives.
    """
    request = copytree.CopyRequest(
        source=_path("source", source),
        destination=_path("destination", destination),
        policy=Policy(
            exclude_files=_names("exclude", exclude),
            exclude_folders=_names("exclude_dirs", exclude_dirs),
            skip_older=newer_only,
            modify_window_ns=int(_seconds("modify_window_s", modify_window_s) * 1e9),
            checksum=checksum,
            links=_choice(Links, "links", links),
            streams=streams,
            fix_modes=True,
            keep_owner=True,
        ),
        verify=_choice(Verify, "verify", verify),
        existing=_choice(Existing, "existing", existing),
        replace_proven=replace_proven,
        threads=_whole("threads", threads, 1, _MOST_THREADS),
        retry=_retry(retries, retry_wait_s),
        share_wait_s=_seconds("share_wait_s", share_wait_s),
        log=_path("log", log) if log is not None else "",
        append_log=append_log,
        manifest=_path("manifest", manifest) if manifest is not None else "",
        dry_run=dry_run,
    )
    own, watch = StopFlag(stop), Watch()
    meter = _meter(bwlimit, own)

    def work() -> TreeResult:
        return copytree.copy_tree(
            request, stop=own, meter=meter, say=_teller(say), each_file=_file_sink(each_file), watch=watch
        )

    _ready(say)
    result = _done(work, own, watch)
    if result.fatal:
        raise AwayError(result.fatal)
    return Copied(
        source=result.source,
        destination=result.destination,
        verdict=verdict_words(result),
        proven=result.proven,
        complete=result.complete,
        files_copied=result.files.copied,
        files_skipped=result.files.skipped,
        bytes_copied=result.size_bytes.copied,
        failed=(*result.failed, *result.unproven),
        unstable=result.unstable,
        conflict=result.conflict,
        type_mismatch=result.type_mismatch,
        extra=result.extra,
        evidence={level.words: files for level in Evidence if (files := result.files_by_evidence.get(level, 0))},
        manifest=result.manifest,
        notes=result.notes,
        seconds=(result.ended - result.started).total_seconds(),
        exit_code=result.exit_code,
        report=tree_object(result),
    )


def audit_tree(
    destination: Path,
    *,
    source: Optional[Path] = None,
    manifest: Optional[Path] = None,
    hash: str = "",
    write_manifest: Optional[Path] = None,
    strict: bool = False,
    links: str = Links.COPY.value,
    skip_proven_after: str = "",
    repair: bool = False,
    accept_source: Sequence[str] = (),
    threads: int = DEFAULT_THREADS,
    retries: int = 5,
    retry_wait_s: Optional[float] = None,
    share_wait_s: float = SHARE_WAIT_S,
    bwlimit: str = "",
    state: Optional[Path] = None,
    each_file: Optional[FileListener] = None,
    say: Callable[[str], object] = lambda line: None,
    stop: Optional[StopFlag] = None,
) -> Audited:
    """Read a copy that exists, whoever made it, and say which files are right; only `repair` changes anything in it.

    Args:
        destination: the copy.
        source: the tree it was copied from; both sides are read.
        manifest: or a list of digests, as xxhsum, md5sum, sha1sum, sha256sum or sha512sum write it. Without either the
            copy is held against the digests on record beside it.
        hash: the algorithm of `manifest`, where that does not tell.
        write_manifest: file for the digests of a copy that is right.
        strict: extras count as wrong.
        links: links of the source are compared as links ("copy") or by what they lead to ("follow").
        skip_proven_after: a date, 2026-04-30: what was proven since is not read again.
        repair: copy again, from `source`, what is missing or changed at the destination.
        accept_source: with `repair`: these paths too although their source changed or nothing is on record; ("all",)
            is every one.
        state: folder of this computer for what must survive an interruption; None is the usual one.
        threads, retries, retry_wait_s, share_wait_s, bwlimit, say, stop: as for `copy_tree`.
        each_file: called for each file with the values that `vdt audit --jsonl` writes.

    Raises:
        UsageError: arguments that make no sense, or none together.
        RefusedError: a side cannot be read at all, or nothing is on record.
        ManifestError: the manifest cannot be used.
        LostOutputError: evidence, state or manifest could not be written.
        AbandonedError: it was stopped, and the system did not answer for two seconds.
        VdtError: a side went away and did not come back in time, or the repair was refused.
    """
    linked = _choice(Links, "links", links, _LINKS_OF_AUDIT)
    if source is not None and manifest is not None:
        raise UsageError("source and manifest cannot both be given. Choose what the copy is held against.")
    if repair and source is None:
        raise UsageError("repair copies from the source: give source too.")
    if accept_source and not repair:
        raise UsageError("accept_source says what repair may copy: give repair=True too.")
    request = AuditRequest(
        destination=_path("destination", destination),
        source=_path("source", source) if source is not None else "",
        manifest=_path("manifest", manifest) if manifest is not None else "",
        hash=hash,
        write_manifest=_path("write_manifest", write_manifest) if write_manifest is not None else "",
        policy=Policy(links=linked, fix_modes=True, keep_owner=True),
        strict=strict,
        threads=_whole("threads", threads, 1, _MOST_THREADS),
        retry=_retry(retries, retry_wait_s),
        share_wait_s=_seconds("share_wait_s", share_wait_s),
        state=_path("state", state) if state is not None else "",
        skip_proven_after=skip_proven_after,
        repair=repair,
        accept_source=_names("accept_source", accept_source),
    )
    own, watch = StopFlag(stop), Watch()
    tools = AuditTools(own, Silent(), _meter(bwlimit, own), _teller(say), each=_finding_sink(each_file), watch=watch)
    _ready(say)
    result = _done(lambda: _audit(request, tools), own, watch)
    if result.fatal:
        raise VdtError(result.fatal)
    objection = findings.objection_to_deleting(result)
    return Audited(
        destination=result.destination,
        against=result.against,
        verdict=findings.verdict_words(result),
        right=result.exit_code == 0,
        files={judged.value: result.files.get(judged, 0) for judged in Judged},
        wrong=tuple(Wrong(entry.path, entry.judged.value, entry.words) for entry in result.entries),
        repaired=result.repaired,
        may_delete_source=not objection,
        why=findings.closing_sentence(result),
        manifest=result.manifest,
        notes=result.notes,
        seconds=(result.ended - result.started).total_seconds(),
        exit_code=result.exit_code,
        report=auditreport.result_object(result),
    )


def _done(work: Callable[[], _Value], own: StopFlag, watch: Watch) -> _Value:
    """What the work gives. Ctrl-C is raised once it has ended, or was abandoned."""
    try:
        result = supervised(work, own)
    except AbandonedError as gone:
        watch.abandoned = True
        if own.reason == INTERRUPTED:
            raise KeyboardInterrupt from gone
        raise AbandonedError(" ".join([str(gone), *watch.hanging()])) from gone
    except VdtError as error:
        if own.reason == INTERRUPTED:
            raise KeyboardInterrupt from error
        raise
    if own.reason == INTERRUPTED:
        raise KeyboardInterrupt
    return result


def _ready(say: Callable[[str], object]) -> None:
    said = get_ready()
    if said:
        say(printable(said))


def _meter(bwlimit: str, stop: StopFlag) -> Meter:
    return TokenBucket(parse_bwlimit(bwlimit), wait=stop.wait) if bwlimit else NoLimit()


def _teller(say: Callable[[str], object]) -> Callable[[str], None]:
    def tell(line: str) -> None:
        say(printable(line))

    return tell


def _file_sink(listener: Optional[FileListener]) -> FileSink:
    if listener is None:
        return no_sink
    told = listener

    def sink(path: str, size_bytes: int, state: str, evidence: str, digest: str, reason: str) -> None:
        told(file_object(path, size_bytes, state, evidence, digest, reason))

    return sink


def _finding_sink(listener: Optional[FileListener]) -> Callable[[Finding], None]:
    if listener is None:
        return no_listener
    told = listener

    def sink(finding: Finding) -> None:
        told(auditreport.line_object(finding))

    return sink


# -- arguments ---------------------------------------------------------------------------------------------------------


def _path(name: str, value: Path) -> str:
    try:
        path = os.fspath(value)
    except TypeError:
        raise UsageError(f"{name} has to be a path, not {type(value).__name__}.") from None
    if not isinstance(path, str) or not path:
        raise UsageError(f"{name} has to be a path as text, and not empty.")
    return path


def _names(name: str, values: Sequence[str]) -> Tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise UsageError(f"{name} has to be a list of texts, like ['*.tmp'].")
    return tuple(values)


def _choice(kind: Type[_Choice], name: str, value: str, allowed: Sequence[_Choice] = ()) -> _Choice:
    choices = {member.value: member for member in (allowed or kind)}
    try:
        return choices[value]
    except (KeyError, TypeError):
        raise UsageError(f"{name} is {value!r}. Choose from: {', '.join(choices)}.") from None


def _whole(name: str, value: int, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UsageError(f"{name} is {value!r}, not a whole number from {low} to {high}.")
    return value


def _seconds(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST_WAIT_S:
        raise UsageError(f"{name} is {value!r}, not a number of seconds from 0 to {LONGEST_WAIT_S:g}.")
    return float(value)


def _retry(retries: int, wait_s: Optional[float]) -> RetryPlan:
    wait = None if wait_s is None else _seconds("retry_wait_s", wait_s)
    return RetryPlan(_whole("retries", retries, 0, MOST_RETRIES), wait)
