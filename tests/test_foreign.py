"""Lines of manifests: what each tool writes, what is refused, and that nothing else ever happens."""

from __future__ import annotations

import re
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt import foreign
from vdt.checksums import ALGORITHMS, reversed_bytes
from vdt.foreign import LineError, Listed, Parser
from vdt.manifest import encoded, render

D8, D16, D32, D40, D64 = "1" * 8, "2" * 16, "3" * 32, "4" * 40, "5" * 64


def one(line, **how) -> Optional[Listed]:
    return Parser(**how).parse(line if isinstance(line, bytes) else encoded(line), 7)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{D32}  a/b", ("a/b", "", D32)),
        (f"{D64} *a.bin\r\n", ("a.bin", "sha256", D64)),
        (f"{D40} a", ("a", "sha1", D40)),
        (f"{D40}\t a", ("a", "sha1", D40)),
        (f"  {'AB' * 20}  a", ("a", "sha1", "ab" * 20)),
        (f"{D40}   lead", (" lead", "sha1", D40)),
        (f"{D40}  *star", ("*star", "sha1", D40)),
        (f"{D40} **star", ("*star", "sha1", D40)),
        (f"{D40}  -n", ("-n", "sha1", D40)),
        (f"{D40}  ./a//b/./c", ("a/b/c", "sha1", D40)),
        (f"{D40}  back\\nslash", ("back\\nslash", "sha1", D40)),
        (f"\\{D40}  new\\nline\\\\\\r", ("new\nline\\\r", "sha1", D40)),
        (f"{D16}  a", ("a", "", D16)),
        (f"{D8}  a", ("a", "", D8)),
        (f"XXH3_{D16}  a", ("a", "xxh3", D16)),
        (f"XXH3 (a) = {D16}", ("a", "xxh3", D16)),
        (f"XXH128 (a ) = b) = {D32}", ("a ) = b", "xxh128", D32)),
        (f"MD5(a)= {D32}", ("a", "md5", D32)),
        (f"SHA2-256(a)= {D64}", ("a", "sha256", D64)),
        (f"\\MD5 (b\\\\c) = {D32}", ("b\\c", "md5", D32)),
        ("XXH32_LE (a) = ff53d132", ("a", "xxh32", "32d153ff")),
        (f"{D40}  tab\tand\x1b", ("tab\tand\x1b", "sha1", D40)),
        (b"4" * 40 + b"  \xff", ("\udcff", "sha1", D40)),
    ],
)
def test_what_tools_write(line, expected) -> None:
    found = one(line)
    assert found is not None and found[:3] == expected and found.line == 7


@pytest.mark.parametrize("line", ["", "\n", "\r\n", "  ", "# MD5", "; TeraCopy", "// FCIV", "\r      \r"])
def test_what_says_nothing(line: str) -> None:
    assert one(line) is None


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (f"{D40}  /etc/passwd", "absolute"),
        (f"{D40}  //server/share/a", "absolute"),
        (f"{D40}  \\\\server\\share\\a", "absolute"),
        (f"{D40}  C:\\a", "absolute"),
        (f"{D40}  c:/a", "absolute"),
        (f"{D40}  a/../../b", "upwards"),
        (f"{D40}  ..", "upwards"),
        (f"{D40}  a/", "folder"),
        (f"{D40}  .", "no file"),
        (f"{D40}  a\0b", "NUL"),
        (f"{D40}  a\rb", "carriage return"),
        (f"\\{D40}  a\\tb", "escape"),
        (f"\\{D40}  a\\", "escape"),
        (f"{D40[:-1]}  a", "39 digits"),
        (f"MD5 (a) = {D40}", "32 digits"),
        (f"MD5 (a) = {D32[:-2]}", "32 digits"),
        (f"XXH3_{D32}  a", "16 digits"),
        ("MD5 (a", "torn"),
        (f"BLAKE2b (a) = {D32}", "not known"),
        ("hello \x1b[31m world", "\\x1b"),
        (D40, "no line"),
        (f"{D40}  ", "no line"),
        (b"\xff\xfe", "no line"),
    ],
)
def test_what_is_refused(line, word: str) -> None:
    with pytest.raises(LineError, match=word.replace("\\", "\\\\")) as error:
        one(line)
    assert str(error.value).isprintable()


def test_a_named_algorithm_holds_for_lines_without_a_tag() -> None:
    assert one(f"{D32}  a", algorithm="md5").algorithm == "md5"
    little = one(f"{'0123456789abcdef' * 2}  a", algorithm="xxh128", little_endian=True)
    assert little.digest == reversed_bytes("0123456789abcdef" * 2)
    assert one(f"MD5 (a) = {D32}", algorithm="xxh128").algorithm == "md5", "its own tag says more"
    with pytest.raises(LineError, match="--hash"):
        one(f"{D40}  a", algorithm="md5")


def test_lines_without_a_tag_have_one_length() -> None:
    """A digest whose beginning is cut off must not pass as one of a shorter algorithm."""
    parser = Parser()
    parser.parse(encoded(f"{D64}  a"), 1)
    with pytest.raises(LineError, match="line 1 has 64"):
        parser.parse(encoded(f"{D40}  b"), 2)
    assert parser.parse(encoded(f"MD5 (c) = {D32}"), 3)


@pytest.mark.parametrize("line", [f"{D40}  a:stream", f"{D40}  a\tb", b"4" * 40 + b"  \xff", f"{D40}  d:x"])
def test_names_that_windows_cannot_hold(line) -> None:
    with pytest.raises(LineError):
        one(line, windows=True, backslash_parts=True)


@pytest.mark.parametrize("line", [f"{D40}  d\\e\\f", f"\\{D40} *d\\\\e\\\\f", f"{D40}  .\\d\\e/f"])
def test_backslashes_that_part_folders(line: str) -> None:
    assert one(line, backslash_parts=True).path == "d/e/f"
    for bad in ("\\d", "d\\..\\..\\e"):
        with pytest.raises(LineError):
            one(f"{D40}  {bad}", backslash_parts=True)


# --- any name, any cut, any bytes -------------------------------------------------------------------------------------

part = st.text(
    st.one_of(st.sampled_from("\\nr*-# ()=\t\x1b\u2028\udcff"), st.characters(blacklist_characters="\0/\r\n")),
    min_size=1,
    max_size=8,
)
names = (
    st.lists(part.filter(lambda p: p not in (".", "..")), min_size=1, max_size=3)
    .map("/".join)
    .map(lambda name: name.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))
    .filter(lambda name: name[1:2] != ":" and not name.startswith("\\\\"))
)
with_breaks = st.tuples(names, st.sampled_from(["", "\n", "\r", "\r\n"])).map(lambda t: t[0] + t[1] + "z")
algorithms = st.sampled_from(sorted(ALGORITHMS))


def escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def gnu(algorithm: str, digest: str, name: str) -> str:
    """As md5sum and its friends write."""
    mark = "\\" if escaped(name) != name else ""
    return f"{mark}{digest}  {escaped(name)}"


def bsd(algorithm: str, digest: str, name: str) -> str:
    mark = "\\" if escaped(name) != name else ""
    return f"{mark}{algorithm.upper()} ({escaped(name)}) = {digest}"


def ours(algorithm: str, digest: str, name: str) -> str:
    return render(digest, name)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([gnu, bsd, ours]), algorithms, with_breaks, st.data(), st.sampled_from(["", "\n", "\r\n"]))
def test_every_dialect_comes_back(dialect, algorithm: str, name: str, data, end: str) -> None:
    digits = ALGORITHMS[algorithm].digits
    digest = data.draw(st.text("0123456789abcdef", min_size=digits, max_size=digits))
    line = encoded(dialect(algorithm, digest, name)) + end.encode()
    found = Parser(algorithm=algorithm).parse(line, 1)
    assert found is not None and found[:3] == (name, algorithm, digest)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([gnu, bsd, ours]), algorithms, with_breaks)
def test_a_line_cut_anywhere_keeps_its_digest_or_is_refused(dialect, algorithm: str, name: str) -> None:
    digest = ("0123456789abcdef" * 8)[: ALGORITHMS[algorithm].digits]
    line = encoded(dialect(algorithm, digest, name))
    for at in range(len(line)):
        try:
            found = Parser().parse(line[:at], 1)
        except LineError:
            continue
        if found is not None:
            assert found.digest == digest and found.algorithm in ("", algorithm), line[:at]
            assert dialect is not bsd, "its digest stands last, so a cut line is never whole"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_any_bytes_are_read_or_refused(raw: bytes, windows: bool, parts: bool) -> None:
    for line in (raw, b"4" * 40 + b"  " + raw, b"\\" + b"4" * 40 + b"  " + raw, b"MD5 (" + raw + b") = " + b"3" * 32):
        try:
            found = Parser(windows=windows, backslash_parts=parts).parse(line, 1)
        except LineError as error:
            assert not set(str(error)) & set("\r\n\x1b\0")
            continue
        if found is not None:
            pieces = found.path.split("/")
            assert not {"", ".", ".."} & set(pieces) and "\0" not in found.path
            assert not (windows and ":" in found.path)


# --- the short way of the usual line ----------------------------------------------------------------------------------

PLAIN = "abcAZ09_.+=,@%()~ -"
usual_names = st.lists(
    st.one_of(
        st.sampled_from(["..", ".", "...", ".a", "a.", " ", "", "a b", "*"]), st.text(PLAIN + "\\:/\t", max_size=6)
    ),
    min_size=1,
    max_size=4,
).map("/".join)


def answer(line: bytes, usual, **how) -> object:
    """What a line says, or why it is refused, behind a first line of the same kind."""
    kept, foreign._USUAL = foreign._USUAL, usual
    try:
        parser = Parser(**how)
        parser.parse(encoded(f"{D32}  first"), 1)
        return parser.parse(line, 2)
    except LineError as error:
        return str(error)
    finally:
        foreign._USUAL = kept


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([D32, D32.upper(), "ab" * 16, "AB" * 16, D40, D32[:-1], f"\\{D32}"]),
    st.sampled_from(["  ", " *", " ", "\t ", "  ./", "  ././", "  /", "   "]),
    usual_names,
    st.sampled_from(["", "\n", "\r\n", "\r", "\n\n"]),
    st.sampled_from([{}, {"algorithm": "md5"}, {"algorithm": "xxh128", "little_endian": True}, {"windows": True}]),
    st.booleans(),
)
def test_the_short_way_says_what_the_long_one_says(
    digest: str, gap: str, name: str, end: str, how: dict, parts: bool
) -> None:
    line = encoded(f"{digest}{gap}{name}{end}")
    never = re.compile(rb"(?!)")
    assert answer(line, foreign._USUAL, backslash_parts=parts, **how) == answer(
        line, never, backslash_parts=parts, **how
    )


@pytest.mark.parametrize(
    "name", ["../a", "..", "a/..", "a/../b", "/a", "a//..", "./..", "../", "a/", ".", "c:/a", "\\\\s\\h\\a"]
)
def test_the_second_line_is_refused_like_the_first(name: str) -> None:
    parser = Parser()
    assert parser.parse(encoded(f"{D32}  a/.b/..c"), 1) is not None
    with pytest.raises(LineError):
        parser.parse(encoded(f"{D32}  {name}\n"), 2)
