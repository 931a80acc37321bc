"""The rows of the house: imports point downward, and each effect has its one place.

A room is a module of `vdt` or a package in it; a package may import within itself.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, Iterator, List, Set, Tuple

import pytest

import vdt

ROOT = Path(vdt.__file__).parent

ROWS: Dict[int, Tuple[str, ...]] = {
    9: ("__main__",),
    8: ("cli",),
    7: ("vizgen", "api"),
    6: ("transfer", "copytree", "audit", "auditfolders", "audittree", "repair", "mend", "scrub"),
    5: ("engine", "recorder", "treejob", "folders", "claim", "auditrecorder", "auditjob"),
    4: (
        *("scan", "copier", "verifier", "batches", "lock", "progress", "preflight", "probe", "evidence"),
        *("manifest_file", "jsonfile", "sample", "journal", "desk", "stream", "lookahead", "watch", "supervise"),
        *(
            "outage",
            "appender",
            "log_ends",
            "auditor",
            "auditstate",
            "against",
            "sides",
            "inside",
            "foreign_file",
            "own",
        ),
        *("sidedata", "listing", "partial", "later", "treelog"),
    ),
    3: (
        *("compare", "plan", "records", "snapshot", "closing", "tally", "hashing", "manifest", "retry", "report"),
        *("printable", "options", "rsync_options", "bwlimit", "robocopy", "tuning"),
        *("selection", "copyjob", "steps", "decision"),
        *("diagnosis", "findings", "expected", "auditplan", "auditbatches", "auditreport", "chosen"),
        *("checksums", "foreign", "namesakes", "pulse", "page", "troubles"),
    ),
    2: ("fs",),
    1: ("model", "__init__"),
    0: ("errors", "version", "stop", "etc"),
}
ROW_OF = {room: row for row, rooms in ROWS.items() for room in rooms}

# Imports that do not point downward, each with its reason. The list may shrink; an entry that is used no more fails.
EXCEPTIONS: Dict[Tuple[str, str], str] = {
    # the front door
    ("__init__", "api"): "`vdt.copy_tree` and `vdt.audit_tree`, imported when they are asked for",
    # within the pure row
    ("plan", "compare"): "planning starts from the class",
    ("plan", "decision"): "goes on with what becomes of it",
    ("plan", "records"): "and from the digests on record",
    ("plan", "selection"): "of the names that are copied at all",
    ("closing", "snapshot"): "the last look is at two snapshots",
    ("tally", "plan"): "what a plan decided is counted",
    ("rsync_options", "options"): "both dialects are read into the same values",
    ("robocopy", "options"): "both dialects are read into the same values",
    ("rsync_options", "printable"): "words of the user are quoted in faults",
    ("robocopy", "printable"): "names stand in the log",
    ("bwlimit", "printable"): "words of the user are quoted in faults",
    ("checksums", "hashing"): "xxh128 in one go is made there",
    ("foreign", "checksums"): "a line names its algorithm",
    ("foreign", "printable"): "names are quoted in refusals",
    ("page", "printable"): "names stand in it",
    ("page", "pulse"): "curves are drawn",
    # among the verbs
    ("foreign_file", "inside"): "a few files are tried, none outside the tree",
    ("copier", "verifier"): "a copy is verified before it is renamed",
    ("copier", "partial"): "where its bytes lie until they are proven",
    ("copier", "journal"): "of a large one",
    ("partial", "journal"): "a large one is taken up where an earlier run ended",
    ("copier", "sidedata"): "what lies beside a file's bytes goes with them",
    ("partial", "stream"): "a large file is read and written by several workers",
    ("verifier", "stream"): "and read back by several",
    ("lock", "evidence"): "host_name",
    ("listing", "outage"): "a folder is listed again when its side is back",
    ("progress", "watch"): "where nothing moves the screen says whose answer is waited for",
    ("treelog", "appender"): "a log and evidence grow at the end",
    ("evidence", "appender"): "even on a share that goes away",
    # the audit's values
    ("diagnosis", "records"): "which side changed is told from the digests on record",
    ("findings", "diagnosis"): "a finding holds what is wrong",
    ("auditplan", "findings"): "what the listings settle",
    ("auditplan", "expected"): "and what a manifest wants",
    ("auditplan", "namesakes"): "and who is who under another case",
    ("auditbatches", "findings"): "checks are grouped",
    ("auditplan", "plan"): "the source's side is planned as a copy would be",
    ("auditplan", "selection"): "the name of a partial",
    ("auditplan", "tally"): "a link that leads out of the tree",
    ("auditreport", "findings"): "a result as text",
    ("auditreport", "printable"): "names stand in it",
    ("chosen", "plan"): "a repair is a plan with most of it left out",
    ("auditor", "sides"): "what was read of each",
    ("auditor", "stream"): "a large file is read by several workers",
    ("auditstate", "appender"): "the journal of an audit grows at the end",
    ("auditor", "inside"): "nothing outside of the tree is opened",
    ("against", "evidence"): "the digests on record",
    ("against", "foreign_file"): "and the manifests of other tools",
    # a transfer's parts
    ("folders", "recorder"): "a folder that cannot be made is reported, and what lies in it",
    ("folders", "treejob"): "of which transfer they are",
    # what an audit may lead to
    ("auditrecorder", "auditjob"): "what is written down, and where",
    ("audit", "auditfolders"): "folder by folder",
    ("audittree", "audit"): "one tree's audit with its surroundings",
    ("audittree", "repair"): "and its repair",
    ("repair", "audit"): "which is followed by another audit",
    ("repair", "mend"): "begins with the large files",
    ("repair", "transfer"): "and is a transfer",
    ("scrub", "audittree"): "one tree after the other",
    # one entry above its own command
    ("copytree", "transfer"): "`vdt copy` is one transfer with its surroundings",
}

SPEAK_OF_FS = {"copyjob", "steps", "batches"}  # values and words of `fs` (Volume, Flush, explain), no call on a disk
PURE = {*ROWS[3], *SPEAK_OF_FS, "model", "errors", "version"}
IMPURE_IMPORTS = {"os", "time", "threading", "pathlib"}
# bwlimit holds the token bucket that all workers share, beside the parser of its rate; pulse is told by several.
PURE_EXCEPTIONS = {("bwlimit", "time"), ("bwlimit", "threading"), ("pulse", "threading")}


def modules() -> List[Path]:
    return sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first[:-3] if first.endswith(".py") else first


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> Iterator[str]:
    """Full dotted names of all that a module imports, wherever in it the import stands."""
    package = ["vdt", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> Set[str]:
    found = set()
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "vdt":
            room = parts[1] if len(parts) > 1 else "__init__"
            there = room in ROW_OF or (ROOT / f"{room}.py").exists() or (ROOT / room).is_dir()
            found.add(room if there else "__init__")  # else it is a name that `vdt` itself gives
    return found - {room_of(path)}


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def test_every_room_has_its_row() -> None:
    rooms = {room_of(path) for path in modules()}
    assert rooms - set(ROW_OF) == set()
    assert set(ROW_OF) - rooms - {"etc"} == set(), "rows name only what exists"
    assert len(ROW_OF) == sum(map(len, ROWS.values())), "no room stands in two rows"


def test_imports_point_downward() -> None:
    used = set()
    wrong = []
    for path in modules():
        room = room_of(path)
        for other in sorted(rooms_imported(path)):
            if ROW_OF.get(other, 99) < ROW_OF.get(room, -1):
                continue
            if (room, other) in EXCEPTIONS:
                used.add((room, other))
            else:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert wrong == []
    assert set(EXCEPTIONS) - used == set(), "exceptions that nobody needs any more"


def test_exceptions_are_reasons_not_loopholes() -> None:
    assert all(EXCEPTIONS.values())
    assert not any((b, a) in EXCEPTIONS for a, b in EXCEPTIONS), "two rooms that import each other are one room"
    assert all(ROW_OF[a] <= ROW_OF[b] for a, b in EXCEPTIONS), "what points downward needs no exception"


def mentions_platform(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return (node.value.id, node.attr) in {("os", "name"), ("sys", "platform"), ("platform", "system")}
    if isinstance(node, ast.ImportFrom):
        names = {(node.module, alias.name) for alias in node.names}
        return bool(names & {("os", "name"), ("sys", "platform"), ("platform", "system")})
    return False


def prints_or_exits(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in {"print", "exit", "quit"}
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return (node.value.id, node.attr) == ("sys", "exit")
    if isinstance(node, ast.ImportFrom):
        return node.module == "sys" and any(alias.name == "exit" for alias in node.names)
    return isinstance(node, ast.Name) and node.id == "SystemExit"


def ends_at_once(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return (node.value.id, node.attr) in {("os", "_exit"), ("os", "abort")}
    return False


@pytest.mark.parametrize(
    ("found", "allowed"),
    [
        (mentions_platform, {"fs"}),
        # `python -m` is a command too
        (prints_or_exits, {"cli", "__main__", "sample/__main__"}),
        (ends_at_once, {"fs"}),
    ],
    ids=["asks for the platform", "prints or exits", "ends at once"],
)
def test_each_effect_has_its_place(found, allowed: Set[str]) -> None:
    wrong, seen = [], set()
    for path in modules():
        names = {room_of(path), path.relative_to(ROOT).with_suffix("").as_posix()}
        for node in ast.walk(tree_of(path)):
            if found(node):
                seen |= names
                if not names & allowed:
                    wrong.append(where(path, node))
    assert wrong == []
    assert allowed & seen, "the search finds what is there"


def test_pure_rooms_touch_no_system() -> None:
    used = set()
    for path in modules():
        room = room_of(path)
        if room in PURE:
            for name in imported(path):
                if name.split(".")[0] in IMPURE_IMPORTS:
                    used.add((room, name.split(".")[0]))
    assert used == PURE_EXCEPTIONS


def test_pure_rooms_import_no_room_that_touches_the_disk() -> None:
    """Through no other room either: what a pure room needs is pure."""
    needs: Dict[str, Set[str]] = {}
    for path in modules():
        needs.setdefault(room_of(path), set()).update(rooms_imported(path))
    for room in sorted(PURE - SPEAK_OF_FS):
        todo, reached = [room], set()
        while todo:
            for other in needs.get(todo.pop(), set()) - reached:
                reached.add(other)
                todo.append(other)
        assert {other for other in reached if ROW_OF[other] == 2 or ROW_OF[other] > 3} == set(), room


def test_both_systems_give_the_same_names() -> None:
    """`vdt.fs` takes what stands in `__all__` of the one that is there; the other one is only read here."""
    names: Dict[str, List[str]] = {}
    for system in ("posix", "windows"):
        for node in ast.parse((ROOT / "fs" / f"{system}.py").read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names[system] = ast.literal_eval(node.value)
    assert sorted(names["posix"]) == sorted(names["windows"]) and len(set(names["posix"])) == len(names["posix"])
