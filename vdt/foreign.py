"""Reads the lines of manifests, whoever wrote them: ours, xxhsum, md5sum, sha256sum and friends, Windows tools.

Pure: bytes of one line in, a value or a refusal out. What is understood:

* ``digest  name`` and ``digest *name`` (GNU), ``digest name`` (md5 -r), ``XXH3_digest  name`` (xxhsum 0.8.2);
* ``TAG (name) = digest`` (BSD) and ``TAG(name)= digest`` (openssl), xxhsum's ``_LE`` tags too;
* a leading backslash: in the name ``\\\\``, ``\\n``, ``\\r`` stand for one character each; else backslashes are raw;
* empty lines, comments (``#``, ``;``, ``//``), upper-case digests, CR LF, blanks before the digest, ``./name``.

A backslash of a name is a character of it, or parts folders as Windows tools write them: `Parser` is told which.
Control characters of a name are data, since POSIX names may hold them; NUL and raw line breaks are not.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from vdt.checksums import ALGORITHMS, by_digits, by_name, reversed_bytes
from vdt.printable import printable

_GNU = re.compile(r"(\\?)(XXH3_)?([0-9a-fA-F]+)(?:[ \t][ *]|[ \t](?![ *]))(.+)\Z", re.DOTALL)
_BSD = re.compile(r"(\\?)([A-Za-z0-9_/-]+) ?\((.+)\) ?= ?([0-9a-fA-F]+)[ \t]*\Z", re.DOTALL)
_TAGGED = re.compile(r"\\?([A-Za-z0-9_/-]+) ?\(")
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPED = {"\\": "\\", "n": "\n", "r": "\r"}
# the usual line, with nothing in it to unescape, to ask or to refuse; all others are looked at closely
_NAME = rb"(?!\.{1,2}[/\r\n]|\.{1,2}\Z)[A-Za-z0-9_.+=,@%()~ -]+"
_USUAL = re.compile(rb"([0-9a-f]+)  (?:\./)?((?:%b/)*%b)\r?\n?\Z" % (_NAME, _NAME))
_DRIVE = re.compile(r"[A-Za-z]:(?:[\\/]|\Z)")
_UNC = re.compile(r"\\\\[^\\]+\\[^\\]")
_SHOWN = 60  # characters of a line that a message quotes


class Listed(NamedTuple):
    """One file that a manifest lists."""

    path: str  # relative, parts parted by "/"
    algorithm: str  # a key of ALGORITHMS; "" while the length leaves several and nothing has decided
    digest: str  # lower-case hex digits
    line: int  # from 1
    backslash: bool = False  # one stands in the name: a character of it, or parting folders


class LineError(ValueError):
    """A line that is refused; the text is a sentence that is safe to print."""


class Parser:
    """Reads the lines of one manifest, in their order.

    Args:
        algorithm: for lines without a tag, as a person, the file name or a trial named it; "" goes by length.
        little_endian: the digests of these lines have their bytes in the other order.
        windows: this system's rules for names hold: no colon, no control character, UTF-8 (lone surrogates as such).
        backslash_parts: a backslash parts folders.
    """

    def __init__(
        self, *, algorithm: str = "", little_endian: bool = False, windows: bool = False, backslash_parts: bool = False
    ) -> None:
        self._algorithm, self._little = algorithm, little_endian
        self._windows, self._parts = windows, backslash_parts
        self._digits = 0  # of the first line without a tag: all of them have as many, or one was torn
        self._first = 0
        self._usual = ""  # what that many digits mean

    def parse(self, raw: bytes, number: int) -> Optional[Listed]:
        """One line with or without its end; None for an empty line or a comment.

        Raises:
            LineError: it is no manifest line, or one that must not be followed.
        """
        usual = _USUAL.match(raw)
        if usual is not None and len(usual[1]) == self._digits and not self._little:
            return Listed(usual[2].decode("ascii"), self._usual, usual[1].decode("ascii"), number)
        if raw.endswith(b"\n"):
            raw = raw[:-1]
        if raw.endswith(b"\r"):
            raw = raw[:-1]
        if b"\0" in raw:
            raise LineError("it holds a NUL, so this is no text, or UTF-16 without its mark. Save it as UTF-8.")
        text = self._decoded(raw)
        bare = text.lstrip(" \t\r")
        if not bare or bare.startswith(("#", ";", "//")):
            return None
        if "\r" in bare:
            raise LineError(
                "a carriage return stands in its midst. Lines end with LF or CR LF, and one in a name is \\r."
            )
        return self._gnu(bare, number) or self._bsd(bare, number)

    def _decoded(self, raw: bytes) -> str:
        if not self._windows:
            return raw.decode("utf-8", "surrogateescape")
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise LineError("it is not UTF-8. Save the manifest as UTF-8.") from error

    def _gnu(self, text: str, number: int) -> Optional[Listed]:
        found = _GNU.match(text)
        if found is None:
            return None
        escaped, prefix, digest, name = found.groups()
        if prefix:
            if len(digest) != ALGORITHMS["xxh3"].digits:
                raise LineError(f"an XXH3 digest has 16 digits, not {len(digest)}.")
            return self._listed("xxh3", digest, name, escaped, number)
        return self._listed(self._untagged(len(digest), number), digest, name, escaped, number, little=self._little)

    def _untagged(self, digits: int, number: int) -> str:
        candidates = by_digits(digits)
        if not candidates:
            raise LineError(f"no algorithm that is known here has digests of {digits} digits.")
        if self._digits and digits != self._digits:
            raise LineError(f"its digest has {digits} digits, that of line {self._first} has {self._digits}.")
        if self._algorithm and self._algorithm not in candidates:
            raise LineError(
                f"its digest has {digits} digits, which is not {self._algorithm}. Name the algorithm with --hash."
            )
        if not self._digits:
            self._digits, self._first = digits, number
            only = candidates[0] if len(candidates) == 1 and digits >= 40 else ""
            self._usual = self._algorithm or only
        return self._usual

    def _bsd(self, text: str, number: int) -> Listed:
        found = _BSD.match(text)
        if found is None:
            begun = _TAGGED.match(text)
            what = f"it is torn behind {begun[1]}" if begun and by_name(begun[1]) else "it is no line of a manifest"
            raise LineError(f"{what}: '{printable(text[:_SHOWN])}'.")
        escaped, tag, name, digest = found.groups()
        known = by_name(tag)
        if known is None:
            raise LineError(f"the algorithm {tag} is not known here. Known are {', '.join(ALGORITHMS)}.")
        algorithm, little = known
        if len(digest) != ALGORITHMS[algorithm].digits:
            raise LineError(f"a digest of {tag} has {ALGORITHMS[algorithm].digits} digits, not {len(digest)}.")
        return self._listed(algorithm, digest, name, escaped, number, little=little)

    def _listed(
        self, algorithm: str, digest: str, name: str, escaped: str, number: int, *, little: bool = False
    ) -> Listed:
        name = _unescaped(name) if escaped else name
        path = self._relative(name)
        digest = digest.lower()
        return Listed(path, algorithm, reversed_bytes(digest) if little else digest, number, "\\" in name)

    def _relative(self, name: str) -> str:
        """The name as a path below the tree. Raises LineError where it would lead elsewhere."""
        shown = printable(name[:_SHOWN])
        if _DRIVE.match(name) or _UNC.match(name) or name.startswith("/"):
            raise LineError(f"'{shown}' is an absolute path. Only names below the tree are checked.")
        if self._parts:
            if name.startswith("\\"):
                raise LineError(f"'{shown}' is an absolute path. Only names below the tree are checked.")
            name = name.replace("\\", "/")
        if name.endswith("/"):
            raise LineError(f"'{shown}' names a folder. A manifest lists files.")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts or name.endswith("/."):
            raise LineError(f"'{shown}' names no file.")
        if ".." in parts:
            raise LineError(f"'{shown}' leads upwards by '..'. Only names below the tree are checked.")
        if self._windows and any(char == ":" or char < " " for char in name):
            raise LineError(f"'{shown}' cannot be a name on this system.")
        return "/".join(parts)


def _unescaped(name: str) -> str:
    def plain(found: re.Match[str]) -> str:
        try:
            return _ESCAPED[found[1]]
        except KeyError:
            raise LineError(f"'{printable(found[0])}' is no escape: \\\\, \\n and \\r are.") from None

    return _ESCAPE.sub(plain, name)
