"""The mark of a run that is under way, on this machine: what is left of it tells the next start that it had no report.

A window that is closed, an update that restarts the computer or a power cut may end a run before its mail. So each run
leaves a small file in the local state folder when it begins, touches it while it lives, and removes it once its report
is out. Where the folder cannot be written there is no mark, and nothing else changes.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict
from datetime import datetime
from typing import List

from vdt.lock import died_here, read_holder, this_holder

BEAT_S = 30.0  # how exactly the end of a run that was cut off is known
_BEGINS, _ENDS = "running.", ".json"


class Mark:
    """The mark of this run: left with `begin`, removed with `end`."""

    def __init__(self, folder: str, run_id: str, *, beat_s: float = BEAT_S) -> None:
        self._folder, self._beat_s = folder, beat_s
        self._path = os.path.join(folder, f"{_BEGINS}{run_id}.{os.getpid()}{_ENDS}")
        self._over = threading.Event()

    def begin(self) -> None:
        """Leave it, and touch it from now on; never raises."""
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            with open(self._path, "w", encoding="ascii") as file:
                json.dump(asdict(this_holder("")), file)
                file.flush()
                os.fsync(file.fileno())  # a power cut is one of the ends that it is to tell of
        except OSError:
            return
        threading.Thread(target=self._live, name="vdt-mark", daemon=True).start()

    def _live(self) -> None:
        while not self._over.wait(self._beat_s):
            try:
                os.utime(self._path)
            except OSError:
                pass  # the time that it has is the best that is known

    def end(self) -> None:
        """The report is out; never raises."""
        self._over.set()
        _remove(self._path)


def unreported(folder: str, *, take: bool) -> List[str]:
    """A sentence for each run of this machine whose process is gone and whose mark is still there, the oldest first.

    `take` removes these marks, so that each is said once.
    """
    found = []
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    for name in names:
        if not (name.startswith(_BEGINS) and name.endswith(_ENDS)):
            continue
        path = os.path.join(folder, name)
        holder = read_holder(path)
        if holder is None or not died_here(holder):
            continue
        try:
            ended_s = os.stat(path).st_mtime
        except OSError:
            continue  # another start was faster
        run_id = name[len(_BEGINS) : -len(_ENDS)].rpartition(".")[0]
        when = datetime.fromtimestamp(ended_s).strftime("%Y-%m-%d %H:%M")
        found.append(
            (ended_s, f"Run {run_id} ended without a report at about {when}. The same command goes on with it.")
        )
        if take:
            _remove(path)
    return [sentence for _, sentence in sorted(found)]


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
