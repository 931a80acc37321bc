"""One transfer at a time in one tree: a lock file in the state folder, kept alive by a counter.

May: write and remove its own lock. A lock is taken over when its process is dead on this host, or when its counter
stood still for `LOST_AFTER_S` by this machine's own clock; clocks of two machines are never compared.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Callable, List, Optional

from vdt import fs
from vdt.errors import LockedError, RefusedError
from vdt.evidence import host_name

LOCK_NAME = "lock.json"
BEAT_S = 30.0  # the holder bumps the counter this often
LOST_AFTER_S = 300.0  # a counter that stood still for so long has no holder any more


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as the file says it."""

    host: str
    process_id: int
    process_started: str  # names one life of the process id
    since: str
    token: str
    counter: int = 0
    machine: str = ""  # tells machines and process name spaces of one host name apart

    @property
    def words(self) -> str:
        return f"host {self.host}, process {self.process_id}, since {self.since}"


class TreeLock:
    """The lock of one tree. Acquire, ask `held` before each batch of renames, release.

    Args:
        folder: the state folder; made when needed, removed on release when it is empty.
        tree: the tree that it guards, for messages.
        say: told what it waits for.
        wait: sleeps, returns True when the wait was cut short by a stop.
    """

    def __init__(
        self,
        folder: str,
        tree: str = "this tree",
        *,
        say: Callable[[str], None],
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
        beat_s: float = BEAT_S,
        lost_after_s: float = LOST_AFTER_S,
    ) -> None:
        self.token = os.urandom(8).hex()
        self.notes: List[str] = []
        self.folder = folder
        self._tree = tree
        self._path = os.path.join(folder, LOCK_NAME)
        self._say, self._wait, self._clock = say, wait, clock
        self._beat_s, self._lost_after_s = beat_s, lost_after_s
        self._me = Holder(
            host_name(),
            os.getpid(),
            fs.process_started(os.getpid()) or "unknown",
            datetime.now().astimezone().isoformat(timespec="seconds"),
            self.token,
            machine=fs.machine_identity(),
        )
        self._end = threading.Event()
        self._heart: Optional[threading.Thread] = None
        self._lost = False

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            LockedError: somebody else holds it, or may and the wait was cut short.
            RefusedError: the lock cannot be written.
        """
        try:
            fs.make_folder(self.folder)
            while not self._create():
                self._take_over()
        except OSError as error:
            raise RefusedError(
                f"The lock {self._path} cannot be written: {fs.explain(error)[1]}. Check the permissions of the folder."
            ) from error
        self._heart = threading.Thread(target=self._beat, name="vdt-lock", daemon=True)
        self._heart.start()

    def _create(self) -> bool:
        """Put a complete lock file in place, or find that one is there. Never leaves half a file."""
        mine = self._write_beside(self._me)
        try:
            try:
                os.link(mine, self._path)
            except FileExistsError:
                return False
            except OSError:  # no hard links here: an exclusive create is the next best
                try:
                    with open(self._path, "x", encoding="utf-8") as file:
                        json.dump(asdict(self._me), file)
                except FileExistsError:
                    return False
            return True
        finally:
            os.unlink(mine)

    def _write_beside(self, holder: Holder) -> str:
        path = f"{self._path}.{self.token}"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(asdict(holder), file)
            file.flush()
            os.fsync(file.fileno())
        return path

    def _take_over(self) -> None:
        """Return when the lock that stands in the way was removed; raise LockedError when it is alive."""
        seen = self._read()
        if seen is not None and seen.host == self._me.host and seen.machine in ("", self._me.machine):
            if fs.process_started(seen.process_id) in (seen.process_started, "unknown"):
                raise LockedError(
                    f"Another transfer works on {self._tree}: {seen.words}. Wait until it ends, or stop it."
                )
            self._remove(seen, f"The lock of a transfer that died ({seen.words}) was taken over.")
            return
        who = seen.words if seen is not None else "it cannot be read"
        self._say(f"A lock is there ({who}); waiting up to {self._lost_after_s:g} s to see whether it is alive.")
        until = self._clock() + self._lost_after_s
        while self._clock() < until:
            if self._wait(min(5.0, self._lost_after_s / 10)):
                raise LockedError(f"Another transfer may work on {self._tree}: {who}.")
            now = self._read()
            if now is not None and seen is not None and now.token == seen.token and now.counter != seen.counter:
                raise LockedError(f"Another transfer works on {self._tree}: {who}. Wait until it ends, or stop it.")
            if now != seen:
                return  # gone, or another one: look again from the start
        self._remove(seen, f"A lock that stood still for {self._lost_after_s:g} s ({who}) was taken over.")

    def _remove(self, seen: Optional[Holder], note: str) -> None:
        aside = f"{self._path}.stale-{self.token}"
        try:
            os.replace(self._path, aside)
        except FileNotFoundError:
            return
        taken = self._read(aside)
        if taken is not None and (seen is None or taken.token != seen.token):
            try:
                os.link(aside, self._path)  # a faster newcomer's live lock: put it back and look again
            except OSError:
                pass
            os.unlink(aside)
            return
        os.unlink(aside)
        self.notes.append(note)

    def _read(self, path: str = "") -> Optional[Holder]:
        try:
            with open(path or self._path, encoding="utf-8") as file:
                values = json.load(file)
            return Holder(
                str(values["host"]),
                int(values["process_id"]),
                str(values["process_started"]),
                str(values["since"]),
                str(values["token"]),
                int(values["counter"]),
                str(values.get("machine", "")),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _beat(self) -> None:
        count = 0
        while not self._end.wait(self._beat_s):
            count += 1
            try:
                if not self.held():
                    return
                beside = self._write_beside(replace(self._me, counter=count))
                try:
                    os.replace(beside, self._path)
                except OSError:
                    os.unlink(beside)
            except OSError:
                continue  # a share that is away; `held` tells whether the lock survived it

    def held(self) -> bool:
        """True while the lock file is still ours. Reads it from disk."""
        if self._lost:
            return False
        found = self._read()
        if found is not None:
            self._lost = found.token != self.token
        else:
            try:
                os.stat(self._path)
            except FileNotFoundError:
                self._lost = os.path.isdir(os.path.dirname(self.folder))  # a share that is away shows no folder
            except OSError:
                pass  # away for a moment: the last answer stands
        return not self._lost

    def release(self) -> None:
        """Give the lock back and remove what is left of the state folder; never raises."""
        self._end.set()
        if self._heart is not None:
            self._heart.join(timeout=5)
        try:
            if self.held():
                os.unlink(self._path)
            for name in os.listdir(self.folder):
                if name.startswith(LOCK_NAME + "."):  # left by a process that was killed while it wrote
                    os.unlink(os.path.join(self.folder, name))
        except OSError:
            pass
        parent = os.path.dirname(self.folder)
        for folder in (self.folder, parent) if os.path.basename(parent) == ".vdt" else (self.folder,):
            try:
                os.rmdir(folder)
            except OSError:
                return
