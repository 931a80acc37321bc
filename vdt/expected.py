"""What a manifest or the digests on record say should be there, folder by folder, in as little memory as it takes.

Pure. Costs about the name and a hundred bytes a file.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Set


class Wanted(NamedTuple):
    """One file that should be there."""

    name: str
    algorithm: str
    digest: str
    size_bytes: int = -1  # -1 is not known


class Expected:
    """Every file that should be there, by folder; a later line of the same path replaces an earlier one."""

    def __init__(self) -> None:
        self._files: Dict[str, List[str]] = {}
        self._folders: Dict[str, Set[str]] = {"": set()}
        self.count = 0

    def add(self, path: str, algorithm: str, digest: str, size_bytes: int = -1) -> None:
        """Take one file by its relative path."""
        folder, _, name = path.rpartition("/")
        if folder not in self._files:
            self._files[folder] = []
            self._enter(folder)
        self._files[folder].append(f"{name}\0{algorithm}\0{digest}\0{size_bytes}")
        self.count += 1

    def _enter(self, folder: str) -> None:
        """Make a folder known to all above it."""
        names: Set[str] = set()
        while folder not in self._folders:
            self._folders[folder] = names
            folder, _, name = folder.rpartition("/")
            names = {name}
        self._folders[folder] |= names

    def files(self, folder: str) -> Dict[str, Wanted]:
        """name -> what is wanted, of one folder."""
        found: Dict[str, Wanted] = {}
        for line in self._files.get(folder, ()):
            name, algorithm, digest, size = line.split("\0")
            found[name] = Wanted(name, algorithm, digest, int(size))
        return found

    def folders(self, folder: str) -> Set[str]:
        """Names of the folders in a folder that hold wanted files, at whatever depth."""
        return self._folders.get(folder, set())

    def below(self, folder: str) -> Iterator[str]:
        """A folder and every one below it that holds wanted files, sorted."""
        stack = [folder]
        while stack:
            at = stack.pop()
            yield at
            stack += sorted((f"{at}/{name}" if at else name for name in self.folders(at)), reverse=True)
