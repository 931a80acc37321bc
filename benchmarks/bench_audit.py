"""bench_audit.py: what one file costs an audit. python benchmarks/bench_audit.py --dir DIR"""

from __future__ import annotations

import os
import shutil
import sys
from typing import List

from comparing import process
from comparing.rounds import digests
from comparing.stopwatch import Bench, Figure, each, main
from rows.trees import write_even
from vdt import fs
from vdt.auditplan import from_source
from vdt.audittree import AuditRequest, AuditTools, audit_tree
from vdt.copyjob import NoLimit
from vdt.foreign import Parser
from vdt.manifest import render
from vdt.model import Existing, Policy
from vdt.plan import Pair, Planner, Rules
from vdt.progress import Silent
from vdt.records import NO_RECORDS
from vdt.stop import StopFlag


def measure(bench: Bench) -> List[Figure]:
    """Reading a manifest, deciding, and whole audits beside `xxhsum -c`."""
    copy, source = os.path.join(bench.folder, "copy"), os.path.join(bench.folder, "source")
    for folder in (copy, source):
        write_even(folder, bench.files, 4000, per_folder=80)
    lines = [render(digest, path).encode() for path, digest in digests(copy)]
    manifest = os.path.join(bench.folder, "copy.xxh128")
    with open(manifest, "wb") as file:
        file.write(b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines))
    folders = sorted(os.listdir(source))
    listings = [sorted(fs.list_folder(os.path.join(source, name)), key=lambda entry: entry.name) for name in folders]

    def read_lines() -> None:
        parser = Parser(algorithm="xxh128")
        for number, line in enumerate(lines, 1):
            parser.parse(line, number)

    def decided() -> None:
        planner = Planner(Rules(Policy(include_same=True), Existing.PROVE), NO_RECORDS)
        for name, listing in zip(folders, listings):
            from_source(planner.plan(Pair(name, listing, listing)))

    def audited(**against: str) -> None:
        state = os.path.join(bench.folder, "state")
        tools = AuditTools(StopFlag(), Silent(), NoLimit(), lambda line: None)
        result = audit_tree(AuditRequest(copy, state=state, evidence_beside=False, **against), tools)  # type: ignore[arg-type]
        assert result.exit_code == 0, result
        shutil.rmtree(state, ignore_errors=True)

    timed, count = bench.timed, bench.files
    found = [
        each("a line of a manifest read", timed(read_lines), count),
        each("planned and decided from a source, a file", timed(decided), count),
        each("audit_tree against a manifest, a file", timed(lambda: audited(manifest=manifest)), count),
        each("audit_tree against the source, a file", timed(lambda: audited(source=source)), count),
    ]
    if shutil.which("xxhsum"):
        words = ["xxhsum", "-c", "--quiet", manifest]
        found.append(each("xxhsum -c, a file, its process included", timed(lambda: _checked(words, copy)), count))
    return found


def _checked(words: List[str], folder: str) -> None:
    ended = process.run(words, folder=folder)
    assert ended.code == 0, ended


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", measure, sys.argv[1:]))
