"""Alternate data streams of folders and of files that are copied: counted, and carried over where that is asked for.

A look costs a call for each file. So it is only taken where the source lies on a disk of this computer that has such
streams (NTFS), or, where they are to be copied, on any volume that has them. Not done: streams of files that were there
already; no stream stands in a manifest.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import List, Tuple

from vdt import fs
from vdt.copyjob import CopyJob
from vdt.hashing import Digester, digest_views


class SideData:
    """What lies beside the bytes of the files of one tree. Safe in threads.

    Attributes:
        looks: anything is looked for at all.
        notes: what is to be said at the end, of everything together.
    """

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        volume, self._copies = job.source_volume, job.policy.streams
        self.looks = volume.streams and (self._copies or not volume.remote)
        self._flushes = job.destination_volume.flush is not fs.Flush.NONE
        self._asked_in_vain = self._copies and not volume.streams
        self._lock = threading.Lock()
        self._files = self._folders = self._streams = self._bytes = self._unseen = 0
        self._first = ""

    def carry(self, source: fs.Folder, name: str, dest: fs.Folder, partial: str, path: str) -> None:
        """See to one file whose bytes are in its partial; before the partial gets its times.

        Args:
            path: its relative path, for what is said.

        Raises:
            OSError: a stream that is to be copied could not be, or gives other bytes when it is read back.
        """
        found = self._look(source, name)
        if self._copies:
            for stream, size_bytes in found:
                self._copy(source, name, dest, partial, stream, size_bytes)
        self._count(path, found, is_folder=False)

    def carry_folder(self, folder: str) -> None:
        """See to one folder, by its relative path, before it gets its times; what is there and right stays.

        Raises:
            OSError: as `carry` does.
        """
        if not self.looks:
            return
        with ExitStack() as stack:
            try:
                source = stack.enter_context(fs.Folder(fs.full_path(self._job.source, folder)))
                found = source.streams("")
            except OSError as error:
                self._missed(error)
                return
            if found and self._copies:
                root = self._job.destination
                with fs.Folder(fs.full_path(root, folder), beneath=root, hold=True) as dest:
                    self._job.guard()
                    there = dict(dest.streams(""))
                    for stream, size_bytes in found:
                        if there.get(stream) != size_bytes or not self._same(source, dest, stream, size_bytes):
                            self._copy(source, "", dest, "", stream, size_bytes)
        self._count(folder or ".", found, is_folder=True)

    def _look(self, folder: fs.Folder, name: str) -> List[Tuple[str, int]]:
        if not self.looks:
            return []
        try:
            return folder.streams(name)
        except OSError as error:
            self._missed(error)
            return []

    def _missed(self, error: OSError) -> None:
        """Raises the error again where streams are copied; where they are only counted, that is said and no more."""
        if self._copies:
            raise error
        with self._lock:
            self._unseen += 1

    def _count(self, path: str, found: List[Tuple[str, int]], *, is_folder: bool) -> None:
        if not found:
            return
        with self._lock:
            self._folders += is_folder
            self._files += not is_folder
            self._streams += len(found)
            self._bytes += sum(size_bytes for _, size_bytes in found)
            self._first = self._first or f"{path}:{found[0][0]}"

    @staticmethod
    def _same(source: fs.Folder, dest: fs.Folder, stream: str, size_bytes: int) -> bool:
        digests = []
        for side in (source, dest):
            opened = side.open_stream("", stream)
            try:
                digests.append(digest_views(fs.read_views(opened, size_bytes)))
            finally:
                fs.close(opened)
        return digests[0] == digests[1]

    def _copy(self, source: fs.Folder, name: str, dest: fs.Folder, partial: str, stream: str, size_bytes: int) -> None:
        sent = source.open_stream(name, stream)
        try:
            kept = dest.open_stream(partial, stream, write=True)
            try:
                read = Digester()
                for view in fs.read_views(sent, size_bytes):
                    fs.write_all(kept, view)
                    read.update(view)
                if self._flushes:
                    fs.flush(kept)
            finally:
                fs.close(kept)
        finally:
            fs.close(sent)
        back = dest.open_stream(partial, stream)
        try:
            if digest_views(fs.read_views(back, size_bytes)) != (read.size_bytes, read.digest):
                raise OSError(f"its stream {stream} gives other bytes when it is read back")
        finally:
            fs.close(back)

    @property
    def notes(self) -> Tuple[str, ...]:
        """The sentences, none where nothing was found."""
        said = []
        if self._asked_in_vain:
            said.append("The source's file system has no alternate data streams; nothing of that kind was copied.")
        if self._streams:
            holders = [
                f"{count} {noun}(s)" for count, noun in ((self._files, "file"), (self._folders, "folder")) if count
            ]
            fate = "were copied and read back" if self._copies else "were not copied; vdt copy --streams does that"
            said.append(
                f"{self._streams} alternate data stream(s) of {' and '.join(holders)}, {self._bytes} bytes "
                f"(one is {self._first}), {fate}."
            )
        if self._unseen:
            said.append(
                f"Of {self._unseen} file(s) or folder(s) it could not be seen whether they have alternate data streams."
            )
        return tuple(said)
