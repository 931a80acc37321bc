"""Puts the lines of a log into the order of the walk, as a log without /MT has them. Pure.

Files of several folders are copied together and end in any order, while a line with a bare name says something only
below the line of its folder. So the lines of a folder are held until all its files are settled: first what is known
of the folder itself, then its files by name. What is held is bounded: beyond that, folders are let go as they stand,
and their late lines follow where they come.
"""

from __future__ import annotations

from typing import Dict, List

MOST_CHARS = 1 << 20


class _Slot:
    __slots__ = ("awaited", "files", "head")

    def __init__(self, awaited: int) -> None:
        self.awaited = awaited
        self.head: List[str] = []
        self.files: Dict[str, List[str]] = {}

    def text(self) -> str:
        names = sorted(self.files, key=lambda name: (name.upper(), name))  # the order in which NTFS lists
        return "".join(self.head) + "".join("".join(self.files[name]) for name in names)


class InOrder:
    """The lines of one log."""

    def __init__(self, most_chars: int = MOST_CHARS) -> None:
        self._slots: Dict[str, _Slot] = {}  # in the order of the walk
        self._late: List[str] = []
        self._held = 0
        self._most_chars = most_chars

    def open(self, folder: str, awaited: int) -> None:
        """The walk came to a folder; so many of its files are still to be settled."""
        self._slots[folder] = _Slot(awaited)

    def add(self, folder: str, text: str, name: str = "") -> None:
        """A line of a folder, or of the file `name` in it."""
        slot = self._slots.get(folder)
        if slot is None:
            self._late.append(text)
            return
        self._held += len(text)
        if name:
            slot.files.setdefault(name, []).append(text)
        else:
            slot.head.append(text)

    def settled(self, folder: str) -> None:
        """One file of a folder is done with."""
        slot = self._slots.get(folder)
        if slot is not None:
            slot.awaited -= 1

    def take(self) -> str:
        """All that is due: every folder up to the first one that still waits for a file."""
        ready = self._late
        self._late = []
        while self._slots:
            folder, slot = next(iter(self._slots.items()))
            if slot.awaited > 0 and self._held <= self._most_chars:
                break
            ready.append(self._pop(folder))
        return "".join(ready)

    def rest(self) -> str:
        """Everything that is left, in order."""
        ready = self._late + [self._pop(folder) for folder in list(self._slots)]
        self._late = []
        return "".join(ready)

    def _pop(self, folder: str) -> str:
        text = self._slots.pop(folder).text()
        self._held -= len(text)
        return text
