"""What is to be done with one folder: pure decisions on a Pair of listings.

    pair of listings + policy + digests on record  ->  FolderPlan (actions, skipped, extras, mismatches, ...)

Nothing here touches a disk; a dry run is this plan, reported.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from vdt.compare import classify, conflict_words, older_or_shorter
from vdt.decision import Fate, decisions
from vdt.model import Action, Entry, Evidence, Existing, FileClass, Kind, Policy, Problem, Verb, join
from vdt.records import History, Record, Records
from vdt.selection import PARTIAL, PARTIAL_BEGINS, Selection


class Pair(NamedTuple):
    """The two listings of one folder, links that are to be followed already replaced by what they lead to."""

    folder: str
    source: Sequence[Entry]  # sorted by name
    dest: Optional[Sequence[Entry]]  # None: the folder is not there yet
    links_left_out: Mapping[str, bool] = {}  # names of links of the source; True where one leads to a folder


class Skipped(NamedTuple):
    """A file that needs no work."""

    entry: Entry
    file_class: FileClass
    evidence: Evidence
    record: Optional[Record] = None
    word: str = ""  # robocopy's word where it is not the class: "named", "large", "small", ...


# for what is made for every file of a second run: a third of the price of the constructor
_present: Callable[[Tuple[object, ...]], Skipped] = partial(tuple.__new__, Skipped)


@dataclass
class FolderPlan:
    """Everything decided for one folder. `listed` counts its files that match the file specs, as robocopy's folder
    lines do."""

    folder: str
    is_new: bool
    listed: int = 0
    actions: List[Action] = field(default_factory=list)
    skipped: List[Skipped] = field(default_factory=list)
    retouch: List[Action] = field(default_factory=list)  # only the mode differs and is to be set
    descend: List[Tuple[Entry, bool]] = field(default_factory=list)  # (sub-folder, exists at the destination)
    excluded_folders: List[Entry] = field(default_factory=list)  # by name, or as links to folders
    extra_files: List[Entry] = field(default_factory=list)
    extra_folders: List[Entry] = field(default_factory=list)
    within_extras: List[Tuple[str, List[Entry]]] = field(default_factory=list)  # each folder below, with its files
    named_extras: List[Entry] = field(default_factory=list)  # an exclusion matches them: no extras
    mismatches: List[Tuple[Entry, Entry]] = field(default_factory=list)
    conflicts: List[Tuple[Problem, int]] = field(default_factory=list)  # with the source's size in bytes
    refused: List[Tuple[Entry, str]] = field(default_factory=list)  # cannot be held by the destination: failed
    special: List[Tuple[Entry, str]] = field(default_factory=list)  # listed, not copied
    stale_partials: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """What the decisions need beyond the policy."""

    policy: Policy
    existing: Existing = Existing.PROVE
    replace_proven: bool = False
    also: Optional[str] = None  # the second digest that a record must hold to count
    past_cache: bool = False  # a record must be of a read past the cache; a weaker one is proven again
    fold_case: bool = False  # the destination does not tell "a" from "A"
    time_step_ns: int = 0  # how coarsely the destination keeps times


class Planner:
    """Decides folder by folder. Compiles the patterns of the policy once."""

    def __init__(self, rules: Rules, records: Records) -> None:
        self._rules = rules
        self._policy = self.policy = rules.policy
        self._decisions = decisions(rules.policy)
        window_ns = max(rules.policy.modify_window_ns, rules.time_step_ns)
        self._rounding = replace(rules.policy, modify_window_ns=window_ns)
        self._records = records
        self._selection = Selection(rules.policy, fold_case=rules.fold_case)
        self._key: Callable[[str], str] = str.lower if rules.fold_case else str
        policy = rules.policy
        looked_into = policy.include_same or policy.checksum or policy.include_modified
        self._same_are_left = rules.existing is Existing.TRUST and not looked_into
        self._new_are_copied = not rules.policy.skip_lonely

    def plan(self, pair: Pair) -> FolderPlan:
        """Decide one folder."""
        plan = FolderPlan(pair.folder, pair.dest is None)
        key = self._key
        present: Dict[str, Entry] = {}
        for entry in pair.dest or ():
            if entry.name.startswith(PARTIAL_BEGINS) and entry.kind is not Kind.FOLDER and PARTIAL.match(entry.name):
                plan.stale_partials.append(entry.name)
            else:
                present[key(entry.name)] = entry
        records = self._records.of_folder(pair.folder) if present else {}
        taken: Dict[str, str] = {}
        left_out = set()  # no extras, and no copies of anything else
        fold_case, everything, lonely = self._rules.fold_case, self._selection.takes_every_file, self._new_are_copied
        folder, actions, skipped = pair.folder, plan.actions, plan.skipped
        for entry in pair.source:
            name = entry.name
            if everything and entry.kind is Kind.FILE and not entry.offline and not name.startswith(PARTIAL_BEGINS):
                plan.listed += 1  # the usual file, without the questions that `_selected` asks
            elif not self._selected(plan, entry, pair.links_left_out):
                left_out.add(key(name))
                continue
            if fold_case:
                name = key(name)
                if name in taken:
                    reason = f"its name differs only by case from '{taken[name]}', which is kept"
                    plan.refused.append((entry, reason))
                    continue
                taken[name] = entry.name
            dest = present.pop(name, None)
            if dest is None and lonely and entry.kind is Kind.FILE:
                actions.append(Action(folder, entry, Verb.COPY, FileClass.LONELY))
            elif (
                self._same_are_left  # and nothing at all differs: the usual file of a second run
                and dest is not None
                and entry.kind is Kind.FILE
                and entry[1:5] == dest[1:5]  # kind, size, time, mode
                and not records
            ):
                skipped.append(_present((entry, FileClass.SAME, Evidence.PRESENT, None, "")))
            else:
                self._place(plan, entry, dest, records)
        if self._decisions[FileClass.EXTRA].fate is Fate.REPORT:
            for entry in sorted(entry for name, entry in present.items() if name not in left_out):
                self._extra(plan, entry)
        return plan

    def _extra(self, plan: FolderPlan, entry: Entry) -> None:
        policy, selection = self._policy, self._selection
        path = join(plan.folder, entry.name)
        if entry.kind is Kind.FOLDER:
            passed = not policy.excluded_extras and selection.folder_excluded(path)
            (plan.named_extras if passed else plan.extra_folders).append(entry)
        elif policy.all_extras or selection.included(path):
            passed = not policy.excluded_extras and selection.named(path)
            (plan.named_extras if passed else plan.extra_files).append(entry)

    def _selected(self, plan: FolderPlan, entry: Entry, links_left_out: Mapping[str, bool]) -> bool:
        """True when a name is to be compared; what is not is noted in the plan."""
        selection = self._selection
        path = join(plan.folder, entry.name)
        passed = entry.kind is Kind.LINK and entry.name in links_left_out
        if entry.kind is Kind.FOLDER or (passed and links_left_out[entry.name]):
            if not selection.deep_enough(path):
                return False
            if passed or selection.folder_excluded(path):
                plan.excluded_folders.append(entry)
                return False
            return True
        if not selection.included(path):
            return False
        plan.listed += 1
        if entry.kind is Kind.UNKNOWN:
            plan.refused.append((entry, f"it cannot be looked at: {entry.target}"))
            return False
        if passed:
            plan.skipped.append(Skipped(entry, FileClass.SAME, Evidence.NONE, None, "junction"))
            return False
        reason = selection.never_copied(entry)
        if reason:
            plan.special.append((entry, reason))
            return False
        word = selection.excluded(entry, path)
        if word:
            plan.skipped.append(Skipped(entry, FileClass.SAME, Evidence.NONE, None, word))
            return False
        return True

    def _place(self, plan: FolderPlan, entry: Entry, dest: Optional[Entry], records: Dict[str, History]) -> None:
        policy = self._policy
        if entry.kind is Kind.FOLDER:
            if dest is not None and dest.file_id == entry.file_id != (0, 0):
                plan.refused.append((entry, "it is one and the same folder on both sides: nothing would be a copy"))
            elif dest is not None and dest.kind is not Kind.FOLDER:
                plan.mismatches.append((entry, dest))
            else:
                plan.descend.append((entry, dest is not None))
            return
        history = records.get(entry.name) if records else None
        record = history.of(dest) if history and dest is not None and entry.kind is Kind.FILE else None
        # what the share rounded off counts only where no record holds the source's own time
        file_class = classify(entry, dest, self._rounding if record is None else policy)
        if file_class is FileClass.MISMATCH and dest is not None:
            plan.mismatches.append((entry, dest))
            return
        if record is not None and dest is not None:
            if record.matches_source(entry):
                # the destination may keep the time coarsely; the record knows that, so times count as equal
                file_class = classify(entry, dest._replace(mtime_ns=entry.mtime_ns), policy)
                again = policy.include_tweaked if file_class is FileClass.TWEAKED else policy.include_same
                if self._record_has_all(record) and not (again or policy.checksum or policy.include_modified):
                    self._skip(plan, Skipped(entry, file_class, Evidence.ON_RECORD, record), dest)
                    return
            elif not self._rules.replace_proven and older_or_shorter(
                entry.size_bytes, entry.mtime_ns, (record.size_bytes, record.mtime_ns), policy
            ):
                reason = conflict_words(entry.size_bytes, dest.size_bytes)
                plan.conflicts.append((Problem(join(plan.folder, entry.name), reason), entry.size_bytes))
                return
        if file_class is FileClass.SAME and self._same_are_left and entry.kind is Kind.FILE:
            plan.skipped.append(Skipped(entry, file_class, Evidence.PRESENT))
            return
        digest, mtime_ns = (record.digest, record.mtime_ns) if record is not None else ("", 0)
        self._decide(plan, Action(plan.folder, entry, _verb(entry), file_class, 1, dest, digest, mtime_ns))

    def _decide(self, plan: FolderPlan, action: Action) -> None:
        policy, entry, dest, file_class = self._policy, action.source, action.dest, action.file_class
        fate, word = self._decisions[file_class]
        if fate is Fate.LEAVE:
            plan.skipped.append(Skipped(entry, file_class, Evidence.NONE, None, word))
        elif fate is Fate.COPY:
            same_size = dest is not None and dest.size_bytes == entry.size_bytes
            by_content = policy.checksum and same_size and action.verb is Verb.COPY
            plan.actions.append(action._replace(verb=Verb.PROVE) if by_content else action)
        elif entry.kind is Kind.LINK:
            plan.skipped.append(Skipped(entry, file_class, Evidence.ON_RECORD))  # its text was just compared
        elif policy.checksum or policy.include_modified or self._rules.existing is Existing.PROVE:
            plan.actions.append(action._replace(verb=Verb.PROVE))
        else:
            self._skip(plan, Skipped(entry, file_class, Evidence.PRESENT), dest)

    def _skip(self, plan: FolderPlan, skipped: Skipped, dest: Optional[Entry]) -> None:
        plan.skipped.append(skipped)
        if skipped.file_class is FileClass.TWEAKED and self._policy.fix_modes:
            plan.retouch.append(Action(plan.folder, skipped.entry, Verb.COPY, FileClass.TWEAKED, 1, dest))

    def _record_has_all(self, record: Record) -> bool:
        also = self._rules.also
        if self._rules.past_cache and not record.evidence.past_cache:
            return False
        return not also or record.also.startswith(also + ":")


def _verb(entry: Entry) -> Verb:
    return Verb.LINK if entry.kind is Kind.LINK else Verb.COPY
