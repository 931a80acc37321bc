"""The destination's folders: made before what lies in them, tidied, and given times and modes last of all.

A folder is made ahead of its turn by others (`made`); all else belongs to the thread that drives the transfer.
"""

from __future__ import annotations

import os
from typing import Callable, Dict, Iterable, List, Optional, Set, Tuple

from vdt import fs
from vdt.lock import other_around
from vdt.model import Entry, join
from vdt.outage import Presence
from vdt.plan import FolderPlan
from vdt.recorder import Recorder
from vdt.scan import Scanned
from vdt.stop import StopFlag
from vdt.treejob import TreeJob
from vdt.watch import Watch

FULL = "the destination is full"


class Folders:
    """Of one transfer's destination.

    Args:
        recorder: told of each folder that fails, and whether one was made.
        outage: what writes here waits for a root that is away.
    """

    def __init__(self, job: TreeJob, recorder: Recorder, watch: Watch, stop: StopFlag, outage: Presence) -> None:
        self._job, self._recorder, self._watch = job, recorder, watch
        self._stop, self._outage = stop, outage
        self.makes_all = job.policy.empty_folders and not job.policy.skip_lonely
        self._grown: Set[str] = set()  # those in which new ones were made
        self._set_last: List[Tuple[str, Entry]] = []  # those whose times and modes are set last
        self._bare: Set[str] = set()  # new ones without files, not made so far
        self._unmade: Dict[str, OSError] = {}  # those that could not be made, and so those below them

    def made(self, place: str) -> Optional[OSError]:
        with self._watch.doing("Creating Destination Directory", place):
            return self._make(place)

    def _make(self, place: str) -> Optional[OSError]:
        attempt = 1
        while True:
            mark = self._outage.over
            try:
                # parents are made in their turn; those of a share that went this moment are not made anew in its place
                fs.make_folder(
                    place,
                    parents=not self._job.policy.empty_folders,
                    beneath=self._job.destination,
                    ready=self._outage.guard,
                )
                return None
            except OSError as error:
                if self._outage.struck(mark):
                    continue
                heal = fs.heal(error)
                if heal is fs.Heal.FULL:
                    self._stop.set(FULL)
                wait = self._job.retry.wait_before(attempt) if heal is fs.Heal.MAYBE else None
                if wait is None or self._stop.wait(wait):
                    return error
                attempt += 1

    def reach(self, item: Scanned, plan: FolderPlan, make: Callable[[str], Optional[OSError]], *, new: bool) -> bool:
        """The walk came to a folder: make it where that is due, and count it.

        False where it could not be made; that is reported. `make`: makes one by full path, or knows how that ended;
        `new`: it was not there before this run.
        """
        job, recorder, folder = self._job, self._recorder, item.folder
        makes = not folder or bool(plan.actions) or self.makes_all
        if plan.is_new and not job.dry_run and makes:
            place = fs.full_path(job.destination, folder)
            parent = folder.rpartition("/")[0]
            error = self._unmade.get(parent) or make(place)
            self._grown.add(parent)
            if error is not None:
                self._unmade[folder] = error
                recorder.folder_failed(folder, "Creating Destination Directory", place, error)
                for action in plan.actions:
                    recorder.refused(action.path, action.source.size_bytes, "its folder could not be made")
                return False
        self._count(folder, new=new, makes=makes)
        if item.entry is not None and (job.chosen is None or plan.is_new or plan.actions):
            self._set_last.append((folder, item.entry))
        return True

    def may_have(self, folder: str) -> bool:
        """Whether a folder below this one can be made: this one could."""
        return folder not in self._unmade

    def _count(self, folder: str, *, new: bool, makes: bool) -> None:
        """Count a folder as made or as there. Without /E one without files is only made when one below it has some."""
        tally = self._recorder.tally
        if new and not makes and not self._job.policy.skip_lonely:
            self._bare.add(folder)
            return
        tally.folder(created=new and makes)
        while makes and self._bare and folder:
            folder = folder.rpartition("/")[0]
            if folder in self._bare:
                self._bare.remove(folder)
                tally.folder(created=True)

    def leave_out_bare(self) -> None:
        """The walk is over: new folders without files were not made."""
        for _ in self._bare:
            self._recorder.tally.folder(created=False)
        self._bare.clear()

    def tidy(self, plan: FolderPlan, place: str) -> None:
        """Remove partials that no run knows any more (this run holds the lock), and set modes that alone differ."""
        job = self._job
        if plan.stale_partials and len(self._job.journals):
            known = self._job.journals.knows
            plan.stale_partials = [name for name in plan.stale_partials if not known(join(plan.folder, name))]
        if plan.stale_partials and other_around(place, self._job.token):
            plan.stale_partials = []  # one transfer may work inside the destination of another one
        if not plan.stale_partials and not plan.retouch:
            return

        def clean() -> None:
            with fs.Folder(place, beneath=job.destination, hold=True) as folder:
                self._outage.guard()
                for name in plan.stale_partials:
                    folder.unlink(name)
                for action in plan.retouch:
                    folder.set_mode(action.source.name, action.source.mode)

        try:
            self._outage.again(clean)
        except OSError as error:
            self._recorder.notes.append(f"{place}: left-overs or modes could not be set right: {fs.explain(error)[1]}.")

    def drop_untouched_partials(self) -> None:
        """This run saw every file: a partial that none of them took up belongs to nothing any more."""
        for journal in self._job.journals.untouched():
            folder = journal.path.rpartition("/")[0]

            def remove(folder: str = folder, partial: str = journal.partial) -> None:
                root = self._job.destination
                with fs.Folder(fs.full_path(root, folder), beneath=root, hold=True) as place:
                    self._outage.guard()
                    place.unlink(partial)

            try:
                self._outage.again(remove)
            except OSError:
                pass  # its folder is gone, or the partial stays and is named by nothing: the next run removes it
            self._job.journals.drop(journal)

    def finish(
        self,
        each: Callable[[Callable[[Tuple[str, Entry]], None], Iterable[Tuple[str, Entry]]], None],
        carry: Callable[[str], None],
    ) -> None:
        """Names, times and modes of folders, deepest first, once nothing is written in them any more.

        `each` does one thing with many folders, several at a time where that is faster; `carry` sees to what else a
        folder has, by its relative path, and raises OSError where it could not.
        """
        policy = self._job.policy
        flushed = self._job.target.volume.flush is fs.Flush.FILE
        set_last = policy.folder_times or policy.folder_modes
        lost: List[Tuple[str, str, OSError]] = []
        trouble: List[str] = []

        def finish_one(item: Tuple[str, Entry]) -> None:
            folder, entry = item
            place = fs.full_path(self._job.destination, folder)

            def flush_names() -> None:
                with fs.Folder(place, beneath=self._job.destination) as opened:
                    opened.flush_names()

            def set_times() -> None:
                fs.set_folder(
                    place,
                    entry,
                    times=policy.folder_times,
                    mode=policy.folder_modes,
                    beneath=self._job.destination,
                    ready=self._outage.guard,
                )

            failed: List[OSError] = []
            try:
                self._outage.again(lambda: carry(folder))
            except OSError as error:
                if not isinstance(error, FileNotFoundError) or os.path.lexists(place):
                    failed.append(error)  # else it is an empty folder that the policy leaves out
            try:
                if flushed and folder in self._grown:
                    self._outage.again(flush_names)
            except OSError as error:
                failed.append(error)
            lost.extend((folder, place, error) for error in failed[:1])
            try:
                if set_last:
                    self._outage.again(set_times)
            except FileNotFoundError:
                pass  # an empty folder that the policy leaves out
            except OSError:
                trouble.append(place)

        # a folder that may not be entered any more, for its mode, must be the last one of its branch
        levels: Dict[int, List[Tuple[str, Entry]]] = {}
        for item in self._set_last:
            levels.setdefault(item[0].count("/") + bool(item[0]), []).append(item)
        for _, level in sorted(levels.items(), reverse=True):
            each(finish_one, level)
        for folder, place, error in lost:
            self._recorder.folder_failed(folder, "Copying Directory", place, error)
        if trouble:
            self._recorder.notes.append(
                f"{len(trouble)} folder(s): time or mode could not be set; files are not affected."
            )

    def flush(self) -> None:
        """Renames are on disk before success is said."""
        if self._job.target.volume.flush is not fs.Flush.VOLUME:
            return

        def flush_volume() -> None:
            with fs.Folder(self._job.destination) as root:
                root.flush_volume()

        try:
            self._outage.again(flush_volume)
        except OSError as error:
            self._recorder.folder_failed("", "Copying Directory", self._job.destination, error)
