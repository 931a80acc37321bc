"""Results as JSON: one object for a tree, the lists that a script needs. Pure; the file is written by `jsonfile.py`."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from vdt.model import Evidence, Problem, Row, TreeResult


def tree_object(result: TreeResult) -> Dict[str, Any]:
    """What a script may rely on for one tree (see the contract in the user guide)."""
    return {
        "source": result.source,
        "destination": result.destination,
        "started": result.started.isoformat(timespec="seconds"),
        "ended": result.ended.isoformat(timespec="seconds"),
        "complete": result.reached_end,
        "exit_code": result.exit_code,
        "verdict": verdict_words(result),
        "counts": {"dirs": _row(result.dirs), "files": _row(result.files), "bytes": _row(result.size_bytes)},
        "files_by_evidence": {level.value: result.files_by_evidence.get(level, 0) for level in Evidence},
        "bytes_by_evidence": {level.value: result.bytes_by_evidence.get(level, 0) for level in Evidence},
        "resumed_bytes": result.resumed_bytes,
        "failed": _problems(result.failed + result.unproven),
        "unstable": _problems(result.unstable),
        "conflict": _problems(result.conflict),
        "type_mismatch": _problems(result.type_mismatch),
        "extra": _problems(result.extra),
        "special": _problems(result.special),
        "links": result.links,
        "outward_links": _problems(result.outward_links),
        "unverified": result.unverified,
        "changed_since": _problems(result.changed_since),
        "grew": [{"path": g.path, "before": g.before_bytes, "after": g.after_bytes} for g in result.grew],
        "retries": result.retries,
        "threads_used": round(result.threads_used, 2),
        "manifest": result.manifest,
        "manifest_sha256": result.manifest_sha256,
        "stopped": result.stopped,
        "fatal": result.fatal,
        "notes": list(result.notes),
    }


def file_object(path: str, size_bytes: int, state: str, evidence: str, digest: str, reason: str) -> Dict[str, Any]:
    """One line of --jsonl."""
    return {
        "path": path,
        "size": size_bytes,
        "state": state,
        "evidence": evidence,
        "xxh128": digest,
        "reason": reason,
    }


def verdict_words(result: TreeResult) -> str:
    """One of: proven; complete, not proven; not complete; stopped; fatal."""
    if result.fatal:
        return "fatal"
    if not result.reached_end:
        return "stopped"
    if not result.complete:
        return "not complete"
    return "proven" if result.proven else "complete, not proven"


def _row(row: Row) -> Dict[str, int]:
    return dict(vars(row))


def _problems(problems: Sequence[Problem]) -> List[Dict[str, Any]]:
    return [{"path": p.path, "reason": p.reason, "attempts": p.attempts} for p in problems]
