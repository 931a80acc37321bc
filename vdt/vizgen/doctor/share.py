"""The destination, tried with real files in a folder of its own, which is taken away again whatever happens.

Everything that a transfer relies on is done once: flush, read past the cache, times, a rename over another file, long
names, the lock. What a killed process leaves is one folder, `.vdt-doctor-<16 digits>`; the next look names it.
"""

from __future__ import annotations

import os
import re
import time
from typing import Callable, List, Optional

from vdt import fs
from vdt.errors import LockedError, RefusedError, StoppedError, VdtError
from vdt.lock import TreeLock
from vdt.model import Evidence, Kind, Verify
from vdt.probe import Destination, probe
from vdt.stop import StopFlag
from vdt.vizgen.doctor.check import Tell, ok, problem, warning
from vdt.vizgen.doctor.estimate import Speed
from vdt.vizgen.doctor.speed import go_on, measure, put_file

TRIAL = re.compile(r"\.vdt-doctor-[0-9a-f]{16}\Z")
_MODE = 0o644
_ASK = "Ask whoever runs the storage for the right to make, rename and delete files there."
_LONG_FOLDER = 110
_LONG_NAME = "cell_boundaries_" + "z" * 195 + ".hdf5"  # 216 characters, as real runs have them
_CLOCK_APART_S = 300.0  # Windows refuses to sign in (Kerberos) from there on
_CLOCK_SEEN_S = 2.0  # FAT keeps times to two seconds
_EXACT_NS = 100  # NTFS and SMB keep times in steps of 100 ns


class TrialFolder:
    """A folder of our own below a root, for the time of a block. Nothing that is in it then is left."""

    def __init__(self, root: str) -> None:
        self.path = os.path.join(root, f".vdt-doctor-{os.urandom(8).hex()}")
        self.left = ""  # why it could not be taken away

    def __enter__(self) -> TrialFolder:
        fs.make_folder(self.path, parents=False)
        return self

    def __exit__(self, *_: object) -> None:
        for attempt in range(3):
            try:
                _remove(self.path)
                self.left = ""
                return
            except OSError as error:
                self.left = f"{self.path} could not be removed: {fs.explain(error)[1]}"
                time.sleep(0.1 * attempt)


def _remove(path: str) -> None:
    """A folder and all that is in it; it is our own."""
    try:
        entries = fs.list_folder(path, tolerant=True)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.kind is Kind.FOLDER:
            _remove(fs.full_path(path, entry.name))
        else:
            with fs.Folder(path) as folder:
                folder.unlink(entry.name)
    fs.remove_folder(path)


def look_at_left_overs(tell: Tell, root: str) -> None:
    """Name what a look that was killed left."""
    try:
        left = [entry.name for entry in fs.list_folder(root, tolerant=True) if TRIAL.match(entry.name)]
    except OSError:
        return  # said where the drive itself is looked at
    for name in left:
        tell(
            warning(
                "Left-overs",
                f"{os.path.join(root, name)} is of a look that was killed, or of one that is at work now",
                "Delete that folder when no other vdt doctor runs.",
            )
        )


def try_share(tell: Tell, root: str, stop: StopFlag, *, wanted: Verify, quick: bool, threads: int) -> Optional[Speed]:
    """Try the destination.

    Returns:
        What was measured; None where it cannot be used or `quick` left the measuring out.

    Raises:
        StoppedError: the stop came first; the folder is gone.
    """
    trial = TrialFolder(root)
    speed: Optional[Speed] = None
    try:
        with trial:
            found = probe(trial.path)
            _tell_probe(tell, found, wanted)
            steps: List[Callable[[], None]] = [
                lambda: _try_clock(tell, trial.path),
                lambda: _try_long_paths(tell, trial.path),
                lambda: _try_lock(tell, trial.path, stop),
            ]
            for step in steps:
                go_on(stop)
                step()
            if not quick:
                speed = measure(tell, trial.path, found, stop, threads)
    except StoppedError:
        raise
    except (RefusedError, OSError) as error:
        words = str(error) if isinstance(error, VdtError) else fs.explain(error)[1]
        tell(problem("Destination", f"{root} cannot be used: {words}", _ASK))
    finally:
        if trial.left:
            tell(warning("Left-overs", trial.left, "Delete that folder by hand."))
    return speed


def _tell_probe(tell: Tell, found: Destination, wanted: Verify) -> None:
    volume = found.volume
    tell(ok("Rename", "a file is renamed over an existing one in one step"))
    if not found.keeps_times:
        remedy = "Ask for the right to write attributes; without it files are told apart by size alone."
        tell(warning("Times", "setting a file's time was refused", remedy))
    elif found.time_step_ns > _EXACT_NS:
        kept = f"kept to about {found.time_step_ns / 1e9:g} s only"
        tell(warning("Times", kept, "Nothing needs to be done: closer times count as equal."))
    else:
        tell(ok("Times", "kept exactly" if not found.time_step_ns else f"kept to {found.time_step_ns} ns"))
    for note in found.notes:
        if "was refused" in note and "time" not in note:
            tell(warning("Rights", note, "Ask for full rights on the folder; the data are not affected."))
    case = "'a' and 'A' are one name here" if found.fold_case else "'a' and 'A' are two names here"
    tell(ok("Case of names", case))
    flush = {
        fs.Flush.VOLUME: "all that was written is flushed in one call",
        fs.Flush.FILE: "each file is flushed by itself",
        fs.Flush.NONE: "there is nothing to flush to (it lies in memory), or it was refused",
    }[volume.flush]
    tell(ok("Flush", flush))
    if not volume.cold_reads:
        tell(
            warning(
                "Evidence",
                f"files count as read back, and not past this client's cache: {volume.why_not_cold}",
                "A transfer proves no more from here, and its verdict is NO. Audit the copy from another computer.",
            )
        )
    elif wanted.rank < Verify.COLD.rank:
        tell(
            warning(
                "Evidence",
                f"the configuration asks for '{wanted.value}' ({Evidence(wanted.value).words}) only; files could be "
                "read back past this client's cache",
                'Set verify = "cold" in [vdt], or leave it out.',
            )
        )
    else:
        tell(ok("Evidence", "files can be read back past this client's cache (cold)"))


def _try_clock(tell: Tell, path: str) -> None:
    """The time that the file server gives a new file, against ours. Nothing is decided by it in a transfer."""
    with fs.Folder(path) as folder:
        before = time.time()
        fs.close(folder.create("clock", _MODE))
        after = time.time()
        there = folder.stat("clock").mtime_ns / 1e9
        folder.unlink("clock")
    apart = there - after if there > after else there - before if there < before else 0.0
    words = "the storage's clock agrees with this computer's"
    if abs(apart) >= _CLOCK_SEEN_S:
        words = f"the storage's clock is {abs(apart):.1f} s {'ahead' if apart > 0 else 'behind'}"
    if abs(apart) >= _CLOCK_APART_S:
        tell(warning("Clock", words, "Set this computer's clock: Windows may refuse to sign in to the share."))
    else:
        tell(ok("Clock", f"{words}; a transfer compares no clocks"))


def _try_long_paths(tell: Tell, path: str) -> None:
    """A path and a name as long as real runs have them."""
    folder = fs.full_path(path, "f" * _LONG_FOLDER)
    try:
        fs.make_folder(folder)
        with fs.Folder(folder) as opened:
            put_file(opened, _LONG_NAME, memoryview(b"x"), flush=False)
            if opened.stat(_LONG_NAME).size_bytes != 1:
                raise OSError("another size came back")
    except OSError as error:
        tell(
            warning(
                "Long paths",
                f"a name of {len(_LONG_NAME)} characters below {len(folder)} more was refused: {fs.explain(error)[1]}",
                "Use a shorter folder as destination; files of such names are reported as failed.",
            )
        )
        return
    length = len(folder) + 1 + len(_LONG_NAME)
    tell(ok("Long paths", f"a name of {len(_LONG_NAME)} characters in a path of {length} works"))


def _try_lock(tell: Tell, path: str, stop: StopFlag) -> None:
    """Take a lock, see it, and see that a second one is refused."""
    folder = fs.full_path(path, "lock")
    lock = TreeLock(folder, path, say=lambda line: None, wait=stop.wait)
    second = TreeLock(folder, path, say=lambda line: None, wait=stop.wait)
    try:
        lock.acquire()
        held = lock.held() and lock.seen()
        try:
            second.acquire()
            second.release()
            refused = False
        except LockedError:
            refused = True
    except RefusedError as error:
        tell(problem("Lock", str(error), _ASK))
        return
    finally:
        lock.release()
    if held and refused:
        tell(ok("Lock", "a lock holds, and a second transfer is refused"))
    else:
        tell(
            problem(
                "Lock",
                "a second lock was given, or the first one was lost",
                "Do not let two computers transfer to this storage at once, and ask whoever runs it.",
            )
        )
