"""Whole manifests: with the real tools both ways, hostile ones, undecided ones, long ones."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vdt import foreign_file, fs, manifest
from vdt.checksums import digest
from vdt.errors import ManifestError
from vdt.foreign_file import read_manifest
from vdt.manifest import encoded, render

D1, D2 = "1" * 40, "2" * 40
TOOLS = {
    "xxh32": ["xxhsum", "-H0"],
    "xxh64": ["xxhsum", "-H1"],
    "xxh128": ["xxhsum", "-H2"],
    "xxh3": ["xxhsum", "-H3"],
    **{name: [f"{name}sum"] for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")},
}
NAMES = [
    "a.txt",
    "d/e f",
    "back\\slash",
    "back\\nslash",
    " lead",
    "-n",
    "*star",
    "#c",
    "é",
    "bad\udcff",
    "p ) = q",
    "t\tab",
]
BREAKS = ["new\nline", "c\rr", "both\\\n"]


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing")
        pytest.skip(f"{name} is not installed")
    return found


def make(tree: Path, names: List[str]) -> Dict[str, bytes]:
    """Files in a tree; those that this file system cannot hold are left out."""
    made = {}
    for number, name in enumerate(names):
        path = tree / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"%d" % number)
        except OSError:
            continue
        made[name] = b"%d" % number
    return made


def listed(path: Path, tree: Path, **how) -> Dict[str, tuple]:
    with read_manifest(str(path), str(tree), **how) as listing:
        found = {item.path: (item.algorithm, item.digest) for item in listing}
        assert listing.count == len(found) and list(found) == sorted(found)
        return found


def wanted(algorithm: str, made: Dict[str, bytes]) -> Dict[str, tuple]:
    return {name: (algorithm, digest(algorithm, memoryview(data))) for name, data in made.items()}


posix = pytest.mark.skipif(os.name == "nt", reason="the coreutils")


@posix
@pytest.mark.parametrize(
    ("algorithm", "how"),
    [(name, how) for name in TOOLS for how in ([], ["--tag"])]
    + [(name, ["--little-endian", *how]) for name in TOOLS if name.startswith("xxh") for how in ([], ["--tag"])],
)
def test_what_the_real_tools_write(tmp_path: Path, algorithm: str, how: List[str]) -> None:
    command = TOOLS[algorithm]
    tree = tmp_path / "tree"
    breaks = [] if command[0] == "xxhsum" else BREAKS
    made = make(tree, NAMES + breaks)
    sums = tmp_path / "sums.txt"  # says nothing: tag, length or trial decide
    with sums.open("wb") as out:
        run = [tool(command[0]), *command[1:], *how, "--", *map(os.fsencode, made)]
        subprocess.run(run, cwd=tree, stdout=out, stderr=subprocess.DEVNULL, check=True)
    assert listed(sums, tree) == wanted(algorithm, made)


@posix
@pytest.mark.parametrize("algorithm", ["xxh32", "xxh64", "xxh128", "md5", "sha1", "sha256", "sha512"])
def test_the_real_tools_check_what_we_write(tmp_path: Path, algorithm: str) -> None:
    command = TOOLS[algorithm][0]
    tree = tmp_path / "tree"
    made = make(tree, NAMES + ([] if command == "xxhsum" else BREAKS))
    sums = tmp_path / f"tree.{algorithm}"
    sums.write_bytes(
        b"".join(encoded(render(found, name) + "\n") for name, (_, found) in wanted(algorithm, made).items())
    )
    done = subprocess.run([tool(command), "-c", "--strict", str(sums)], cwd=tree, capture_output=True, check=False)
    assert done.returncode == 0, done
    assert done.stdout.count(b": OK") == len(made)
    (tree / "a.txt").write_bytes(b"x")
    done = subprocess.run([tool(command), "-c", str(sums)], cwd=tree, capture_output=True, check=False)
    assert done.returncode != 0, "the check can fail"
    assert listed(sums, tree) == wanted(algorithm, made)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    make(folder, ["a", "d/b"])
    return folder


def write(tmp_path: Path, data: bytes, name: str = "sums.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_marks_at_the_beginning(tmp_path: Path, tree: Path, encoding: str) -> None:
    sums = write(tmp_path, f"{D1}  \u00e9\r\n{D2} *d\\b\r\n".encode(encoding))
    assert listed(sums, tree) == {"\u00e9": ("sha1", D1), "d/b": ("sha1", D2)}


@pytest.mark.skipif(os.name == "nt", reason="a backslash parts folders there in any case")
def test_a_backslash_is_a_character_where_such_a_file_is_there(tmp_path: Path, tree: Path) -> None:
    (tree / "d\\b").write_bytes(b"x")
    assert set(listed(write(tmp_path, f"{D1}  d\\b\n".encode()), tree)) == {"d\\b"}
    assert set(listed(write(tmp_path, f"{D1}  no\\b\n".encode()), tree)) == {"no\\b"}


@pytest.mark.parametrize(
    ("data", "line", "word"),
    [
        (f"{D1}  a\n{D1}  ../b\n".encode(), 2, "upwards"),
        (f"# c\n\n{D1}  /b\n".encode(), 3, "absolute"),
        (f"{D1}  a\n{D2}  a\n".encode(), 2, "line 1"),
        (f"{D1}  a\n{D2}  ./a\n".encode(), 2, "line 1"),
        (f"{D1}  a\n".encode("utf-16-le"), 1, "NUL"),
        (f"{D1}  a\n".encode("utf-32"), 0, "UTF-32"),
        (f"{D1}  a\n".encode("utf-16")[:-1], 1, "not the text"),
        (b"\x00" * 5000, 1, "NUL"),
        (b"PK\x03\x04 garbage", 1, "no line"),
        (f"{D1}  ".encode() + b"x" * 300_000, 1, "256 KiB"),
        (b"\n" + b"#" * 300_000, 2, "256 KiB"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_hostile_manifests(tmp_path: Path, tree: Path, data: bytes, line: int, word: str) -> None:
    sums = write(tmp_path, data)
    with pytest.raises(ManifestError, match=word) as error:
        read_manifest(str(sums), str(tree))
    assert error.value.exit_code == 16 and error.value.line == line and str(sums) in str(error.value)


@pytest.mark.parametrize("name", ["nothing", "", "a\0b"])
def test_a_manifest_that_cannot_be_read(tmp_path: Path, tree: Path, name: str) -> None:
    with pytest.raises(ManifestError, match=r"no file|cannot be read"):
        read_manifest(f"{tmp_path}/{name}", str(tree))


def test_what_is_said_twice_and_torn_is_noted(tmp_path: Path, tree: Path) -> None:
    with read_manifest(
        str(write(tmp_path, f"{D1}  a\n{D1}  a\nMD5 (a) = {'3' * 32}\n{D1}  b".encode())), str(tree)
    ) as found:
        assert [(item.path, item.algorithm) for item in found] == [("a", "sha1"), ("b", "sha1")]
        assert len(found.notes) == 3 and "may have been cut" in found.notes[0]
    with read_manifest(str(write(tmp_path, b"")), str(tree)) as found:
        assert list(found) == [] and found.notes == ("The manifest lists no file.",)


@pytest.mark.parametrize("algorithm", ["md5", "xxh128", "xxh64", "xxh3", "xxh32"])
def test_length_alone_is_decided_by_trial(tmp_path: Path, tree: Path, algorithm: str) -> None:
    right = digest(algorithm, memoryview(b"1"))
    wrong = "0" * len(right)
    sums = write(tmp_path, f"{wrong}  a\n{wrong}  gone\n{right}  d/b\n".encode())
    assert listed(sums, tree)["d/b"] == (algorithm, right)
    assert listed(sums, tree)["a"] == (algorithm, wrong), "a damaged file among them decides nothing"


def test_of_large_files_only_the_smallest_is_tried(tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_file, "_SMALL_BYTES", 0)
    (tree / "a").write_bytes(b"larger")
    first, other = (digest("md5", memoryview(data)) for data in (b"1", b"larger"))
    assert listed(write(tmp_path, f"{first}  d/b\n{'0' * 32}  a\n".encode()), tree)["a"][0] == "md5"
    with pytest.raises(ManifestError, match="--hash"):
        read_manifest(str(write(tmp_path, f"{'0' * 32}  d/b\n{other}  a\n".encode())), str(tree))


def test_a_file_that_cannot_be_read_decides_nothing(
    tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = fs.Folder.back

    def refused(self: fs.Folder, name: str, **how):
        if name == "a":
            raise PermissionError(13, "Permission denied")
        return back(self, name, **how)

    monkeypatch.setattr(fs.Folder, "back", refused)
    right, other = (digest("md5", memoryview(data)) for data in (b"1", b"0"))
    assert listed(write(tmp_path, f"{other}  a\n{right}  d/b\n".encode()), tree)["d/b"] == ("md5", right)


@pytest.mark.parametrize("name", ["gone", "a"])
def test_undecided_is_an_error(tmp_path: Path, tree: Path, name: str) -> None:
    sums = write(tmp_path, f"{'0' * 32}  {name}\n".encode())
    with pytest.raises(ManifestError, match=r"xxh128 or md5.*--hash"):
        read_manifest(str(sums), str(tree))
    assert listed(sums, tree, hash_name="MD5")[name] == ("md5", "0" * 32)
    assert listed(write(tmp_path, sums.read_bytes(), "x.md5"), tree)[name] == ("md5", "0" * 32)
    with pytest.raises(ManifestError, match="no algorithm"):
        read_manifest(str(sums), str(tree), hash_name="crc7")


def test_no_file_behind_a_link_is_tried(tmp_path: Path, tree: Path) -> None:
    outside = tmp_path / "outside"
    make(outside, ["x"])
    try:
        (tree / "l").symlink_to(outside, target_is_directory=True)
        (tree / "f").symlink_to(outside / "x")
    except OSError:
        pytest.skip("no links can be made here")
    right = hashlib.md5(b"0").hexdigest()
    with pytest.raises(ManifestError, match="none of its files"):
        read_manifest(str(write(tmp_path, f"{right}  l/x\n{right}  f\n".encode())), str(tree))


def test_long_manifests_wait_on_disk(tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_RUN_LINES", 50)
    names = [f"{n * 7919 % 1000:04}" for n in range(1000)]
    sums = write(tmp_path, "".join(f"{D1}  {name}\n" for name in names).encode())
    assert list(listed(sums, tree)) == sorted(names)
    sums.write_bytes(sums.read_bytes() + f"{D2}  0007\n".encode())
    with pytest.raises(ManifestError, match="'0007' is listed with another digest") as error:
        read_manifest(str(sums), str(tree))
    assert error.value.line == 1001


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda b: b"\xff\xfe" + b)))
def test_any_file_is_read_or_refused(tmp_path: Path, tree: Path, data: bytes) -> None:
    try:
        listed(write(tmp_path, data), tree)
    except ManifestError as error:
        assert error.line or "digests may be" in error.fault or "UTF-32" in error.fault


def test_a_manifest_cut_at_every_byte(tmp_path: Path, tree: Path) -> None:
    whole = f"{D1}  one\nMD5 (two) = {'3' * 32}\n\\{D2}  th\\nree\n".encode()
    full = listed(write(tmp_path, whole), tree)
    for at in range(len(whole)):
        sums = write(tmp_path, whole[:at])
        try:
            found = listed(sums, tree)
        except ManifestError as error:
            assert error.line == whole[:at].count(b"\n") + 1
            continue
        for path, what in found.items():
            assert what in full.values() and (full.get(path) == what or any(name.startswith(path) for name in full))
