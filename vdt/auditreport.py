"""An audit's result as text and as JSON. Pure."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Sequence

from vdt.findings import AuditResult, Finding, closing_sentence, verdict_words
from vdt.model import Evidence, Judged
from vdt.printable import printable

LONGEST_LIST = 50


def entry_object(finding: Finding) -> Dict[str, Any]:
    """One name as JSON: path, verdict, reason, and what is known of a DIFFERENT file."""
    entry: Dict[str, Any] = {"path": finding.path, "verdict": finding.judged.value, "reason": finding.reason}
    if finding.judged is Judged.DIFFERENT:
        shown = finding.diagnosis
        known = shown is not None and shown.first_difference >= 0
        entry["side"] = finding.side.value if finding.side is not None else ""
        entry["first_difference"] = shown.first_difference if shown is not None and known else None
        entry["bad_chunks"] = len(shown.bad_chunks) if shown is not None and known else None
        entry["chunks"] = shown.chunks if shown is not None and known else None
        entry["damage"] = shown.damage if shown is not None else ""
    return entry


def line_object(finding: Finding) -> Dict[str, Any]:
    """One line of --jsonl."""
    return {
        **entry_object(finding),
        "size": finding.size_bytes,
        "evidence": finding.evidence.value,
        "xxh128": finding.digest,
        "read_before": finding.when,
    }


def result_object(result: AuditResult) -> Dict[str, Any]:
    """What a script may rely on."""
    return {
        "destination": result.destination,
        "source": result.source,
        "against": result.against,
        "host": result.host,
        "started": result.started.isoformat(timespec="seconds"),
        "ended": result.ended.isoformat(timespec="seconds"),
        "complete": result.reached_end,
        "exit_code": result.exit_code,
        "verdict": verdict_words(result),
        "files": {judged.value: result.files.get(judged, 0) for judged in Judged},
        "bytes": {judged.value: result.size_bytes.get(judged, 0) for judged in Judged},
        "files_by_evidence": {level.value: result.by_evidence.get(level, 0) for level in Evidence},
        "entries": [entry_object(finding) for finding in result.entries],
        "repaired": list(result.repaired),
        "not_repaired": [{"path": path, "reason": why} for path, why in result.refused],
        "wrong_before_repair": [entry_object(finding) for finding in result.wrong_before],
        "hosts": {str(number): files for number, files in sorted(result.hosts.items())},
        "links": result.links,
        "read_bytes": result.read_bytes,
        "carried_files": result.carried_files,
        "proven_before": result.record_only,
        "threads_used": round(result.threads_used, 2),
        "manifest": result.manifest,
        "manifest_sha256": result.manifest_sha256,
        "evidence_file": result.evidence_file,
        "stopped": result.stopped,
        "fatal": result.fatal,
        "notes": list(result.notes),
        "may_delete_source": closing_sentence(result),
    }


def table_lines(result: AuditResult) -> List[str]:
    """The table of verdicts."""
    rule = "-" * 48
    lines = [f"{'Verdict':<12}{'Files':>12}{'Bytes':>24}", rule]
    for judged in Judged:
        count = result.files.get(judged, 0)
        if count or judged is Judged.OK:
            lines.append(f"{judged.value:<12}{count:>12}{result.size_bytes.get(judged, 0):>24}")
    return [*lines, rule]


def report_lines(result: AuditResult) -> List[str]:
    """What a person reads at the end of an audit."""
    return [*table_lines(result), *detail_lines(result), f"Verdict: {_verdict(result)}", closing_sentence(result)]


def detail_lines(result: AuditResult) -> List[str]:
    """Every name that is not OK, how the others were read, and what else must be known."""
    return [printable(line) for line in _details(result)]


def _verdict(result: AuditResult) -> str:
    words = verdict_words(result)
    return f"{words} ({result.stopped})" if result.stopped else words


def _details(result: AuditResult) -> Iterator[str]:
    yield from cut([f"{f.judged.value} {f.path or '.'}: {f.words}" for f in result.entries])
    if result.repaired:
        yield f"repaired and right now: {len(result.repaired)} file(s)"
        yield from cut([f"  {f.judged.value} before: {f.path}: {f.words}" for f in result.wrong_before])
    yield from cut([f"not repaired: {path}: {why}" for path, why in result.refused])
    verb = "put on record" if result.only_recorded else "OK"
    for level, count in result.by_evidence.items():
        links = result.links if level is Evidence.NONE else 0
        if links:
            yield f"OK: {links} link(s), compared by what they lead to"
        if count - links:
            yield f"{verb}: {count - links} file(s) {level.words}"
    for number, files in sorted(result.hosts.items()):
        if number > 1:
            yield f"confirmed by {number} hosts: {files} file(s)"
    if result.carried_files:
        yield f"read by the audit that this one goes on with: {result.carried_files} file(s)"
    yield from cut([f"note: {note}" for note in result.notes])
    if result.manifest:
        yield f"manifest: {result.manifest}"
    if result.evidence_file:
        yield f"evidence: {result.evidence_file}"


def cut(lines: Sequence[str]) -> Iterator[str]:
    """The first lines of a long list, and how many more there are."""
    yield from lines[:LONGEST_LIST]
    if len(lines) > LONGEST_LIST:
        yield f"and {len(lines) - LONGEST_LIST} more of these; --json or --jsonl names them all"
