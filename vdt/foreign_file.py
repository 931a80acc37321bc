"""Reads a manifest that lies on disk, whoever wrote it, and finds out what it leaves open.

Nothing is written but temporary files of this machine, and nothing outside the tree is opened. A manifest is read
twice: its first lines to decide what they leave open (`decide`), then all of it, sorted, so that it is refused as a
whole before a file is checked with it. Memory does not grow with it.

Raises ManifestError with the number of the line, and nothing else, whatever the file holds.
"""

from __future__ import annotations

import codecs
import io
import os
import stat
from itertools import islice
from typing import BinaryIO, Dict, Iterator, Optional, Sequence, Tuple

from vdt import fs
from vdt.checksums import ALGORITHMS, by_digits, by_file_name, by_name, new, reversed_bytes
from vdt.errors import ManifestError
from vdt.foreign import LineError, Listed, Parser
from vdt.inside import open_inside
from vdt.manifest import SortedLines
from vdt.printable import printable

_LINE_BYTES = 256 << 10  # four times the longest path of Windows, escaped, in UTF-8
_LOOK_AT = 10_000  # lines of which the smallest files are tried
_TRIED = 16  # files that are hashed at most to find the algorithm
_NAMES_TRIED = 64  # names with a backslash that are looked up
_SMALL_BYTES = 64 << 20  # larger ones are tried only where there is none smaller


class Listing:
    """The files that one manifest lists, sorted by path, each once. Close it: temporary files hold long ones.

    Attributes:
        count: how many files.
        notes: what whoever reads the result should know, in sentences.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines = SortedLines()
        self.count = 0
        self.notes: Tuple[str, ...] = ()

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything and give the temporary files back."""
        self._lines.close()

    def take(self, item: Listed) -> None:
        """Add one line."""
        # what sorts last counts: of several algorithms the one with the longest digest, see __iter__
        self._lines.add(item.path, f"{_RANK[item.algorithm]}:{item.digest}:{item.line:015}")

    def settle(self) -> None:
        """Count, and look for names that stand there twice. Raises ManifestError where these contradict each other."""
        twice = several = 0
        before, key_before = "", ""  # no path is empty
        for path, key in self._lines:
            if path != before:
                self.count += 1
            else:
                one, other = _listed(path, key_before), _listed(path, key)
                if other.algorithm != one.algorithm:
                    several += 1
                elif other.digest == one.digest:
                    twice += 1
                else:
                    fault = f"'{printable(path)}' is listed with another digest in line {min(one.line, other.line)}."
                    raise ManifestError(self._path, max(one.line, other.line), fault)
            before, key_before = path, key
        notes = []
        if twice:
            notes.append(f"{twice} line(s) of the manifest say again what another line says.")
        if several:
            notes.append(f"{several} name(s) are listed under several algorithms: the longest digest counts.")
        if not self.count:
            notes.append("The manifest lists no file.")
        self.notes = (*self.notes, *notes)

    def __iter__(self) -> Iterator[Listed]:
        """Each file once; may be asked for again when the former iteration has ended."""
        last, last_key = "", ""
        for path, key in self._lines:
            if last and path != last:
                yield _listed(last, last_key)
            last, last_key = path, key
        if last:
            yield _listed(last, last_key)


_RANK = {name: f"{algorithm.digits:03}:{name}" for name, algorithm in ALGORITHMS.items()}


def _listed(path: str, key: str) -> Listed:
    """A line as `Listing.take` packed it."""
    _, algorithm, digest, line = key.split(":")
    return Listed(path, algorithm, digest, int(line))


def read_manifest(path: str, tree: str, *, hash_name: str = "") -> Listing:
    """Read and check a manifest whole.

    Args:
        tree: the folder that its names are relative to; a few of its small files are read where the algorithm is not
            named by tag, file name or `hash_name`, and names are looked up in it where backslashes may part folders.
        hash_name: the algorithm of lines without a tag, as a person named it.

    Raises:
        ManifestError: it cannot be read, a line is refused, or the algorithm stays undecided.
    """
    algorithm, little = "", False
    if hash_name:
        known = by_name(hash_name)
        if known is None:
            raise ManifestError(
                path, 0, f"'{printable(hash_name)}' is no algorithm. Give one of {', '.join(ALGORITHMS)}."
            )
        algorithm, little = known
    else:
        algorithm = by_file_name(os.path.basename(path)) or ""
    parts = fs.WINDOWS
    first = list(
        islice(lines_of(path, Parser(algorithm=algorithm, windows=fs.WINDOWS, backslash_parts=parts)), _LOOK_AT)
    )
    if not parts and any(item.backslash for item in first):
        parts = _parted(tree, first)
    undecided = [item for item in first if not item.algorithm]
    if undecided:
        if parts and not fs.WINDOWS:
            undecided = [item._replace(path=_as_parts(item)) for item in undecided]
        algorithm, little = decide(path, tree, undecided)
    listing = Listing(path)
    try:
        parser = Parser(algorithm=algorithm, little_endian=little, windows=fs.WINDOWS, backslash_parts=parts)
        for item in lines_of(path, parser):
            if not item.algorithm:  # a line without a tag behind very many with one
                raise ManifestError(path, item.line, "its algorithm is not named. Give it with --hash.")
            listing.take(item)
        if _unended(path):
            listing.notes = ("The manifest's last line has no line end: it may have been cut.",)
        listing.settle()
    except BaseException:
        listing.close()
        raise
    return listing


def lines_of(path: str, parser: Parser) -> Iterator[Listed]:
    """The lines of a manifest in their order, as they come from disk.

    Raises:
        ManifestError: it cannot be read, or a line is refused.
    """
    number = 0
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ManifestError(path, 0, "it is no file.")
        with open(path, "rb") as file:
            for number, raw in enumerate(_raw_lines(file), 1):
                if len(raw) > _LINE_BYTES:
                    raise LineError(f"it is longer than {_LINE_BYTES >> 10} KiB, so this is no manifest.")
                item = parser.parse(raw, number)
                if item is not None:
                    yield item
    except LineError as error:
        raise ManifestError(path, number, str(error)) from error
    except UnicodeError as error:
        raise ManifestError(path, number + 1, "it is not the text that the file's first bytes promise.") from error
    except OSError as error:
        raise ManifestError(path, 0, f"it cannot be read: {fs.explain(error)[1]}.") from error
    except ValueError as error:  # a NUL in the manifest's own path
        raise ManifestError(path, 0, "it cannot be read: no file has such a name.") from error


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines as UTF-8 with their ends, one that is too long as its first bytes."""
    mark = file.read(4)
    if mark[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise LineError("it is UTF-32. Save it as UTF-8.")
    if mark[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # as PowerShell's > writes it
        file.seek(0)
        text = io.TextIOWrapper(file, "utf-16", "surrogatepass", newline="\n")
        try:
            while line := text.readline(_LINE_BYTES + 1):
                yield line.encode("utf-8", "surrogatepass")
        finally:
            text.detach()
        return
    file.seek(len(codecs.BOM_UTF8) if mark.startswith(codecs.BOM_UTF8) else 0)
    while raw := file.readline(_LINE_BYTES + 1):
        yield raw


def _unended(path: str) -> bool:
    """Whether the last line has no end: it may have been cut."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2))
            return bool(size) and b"\n" not in file.read(2)
    except OSError:
        return False  # whoever reads it says so


def _as_parts(item: Listed) -> str:
    return item.path.replace("\\", "/") if item.backslash else item.path


def _parted(tree: str, first: Sequence[Listed]) -> bool:
    """Whether backslashes part folders: no name is there as it stands, and one is so where they do."""
    with_backslash = [item for item in first if item.backslash][:_NAMES_TRIED]
    if any(_size(tree, item.path) is not None for item in with_backslash):
        return False
    return any(_size(tree, _as_parts(item)) is not None for item in with_backslash)


def _size(tree: str, path: str) -> Optional[int]:
    """Bytes of a regular file of the tree; None where there is none that can be looked at."""
    folder, _, name = path.rpartition("/")
    try:
        with open_inside(tree, folder) as place:
            found = place.stat(name)
    except (OSError, ValueError):
        return None
    return found.size_bytes if found.regular else None


def decide(path: str, tree: str, listed: Sequence[Listed]) -> Tuple[str, bool]:
    """(algorithm, little-endian) of lines whose length leaves several: the smallest files are tried under all.

    Raises:
        ManifestError: no file agrees under any of them.
    """
    sizes = sorted((size, item.path, item) for item in listed for size in [_size(tree, item.path)] if size is not None)
    names = by_digits(len(listed[0].digest))
    for size, _, item in sizes[:_TRIED]:
        if size > _SMALL_BYTES and item is not sizes[0][2]:
            break
        for name, found in _digests(tree, item.path, names).items():
            if found == item.digest:
                return name, False
            if name.startswith("xxh") and reversed_bytes(found) == item.digest:
                return name, True
    tried = f"none of the {min(len(sizes), _TRIED)} files that were tried agrees with its digest under any of them"
    why = tried if sizes else "none of its files is there to try them on"
    fault = f"its digests may be {' or '.join(names)}, and {why}. Name the algorithm with --hash."
    raise ManifestError(path, 0, fault)


def _digests(tree: str, path: str, names: Sequence[str]) -> Dict[str, str]:
    """Digest by algorithm of one file, read once; none where it cannot be read."""
    folder, _, name = path.rpartition("/")
    running = {each: new(each) for each in names}
    try:
        with open_inside(tree, folder) as place, place.back(name, cold=False) as (found, views):
            if not found.regular:
                return {}
            for view in views:
                for one in running.values():
                    one.update(view)
    except OSError:
        return {}
    return {each: one.hexdigest() for each, one in running.items()}
