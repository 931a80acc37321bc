"""`vdt robocopy` from outside: whole logs line by line, exit codes, counts, encodings, and what it refuses."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from pathlib import Path
from typing import Dict, List, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vdt.cli.main import main
from vdt.robocopy.exitcode import exit_text
from vdt.robocopy.read import decode, read_log

T0, HOUR = 1_690_000_000, 3600
TITLE = "   ROBOCOPY     ::     Robust File Copy for Windows"
RULE = "-" * 78


class Ended(NamedTuple):
    code: int
    log: str
    out: str
    err: str

    @property
    def lines(self) -> List[str]:
        """The list: between the header's last rule and the summary's."""
        body = self.log.split(RULE + "\r\n")
        return body[3 if self.log.startswith("\r\n" + "-" * 79) else 0].split("\r\n")


def put(path: Path, data: bytes = b"", seconds: int = T0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (seconds, seconds))
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source and a destination with a name of each class."""
    source, dest = tmp_path / "src", tmp_path / "dst"
    put(source / "lonely.dat", b"12345")
    put(source / "Newer.dat", b"n", T0 + HOUR)
    put(dest / "Newer.dat", b"o")
    put(source / "older.dat", b"o")
    put(dest / "older.dat", b"n", T0 + HOUR)
    put(source / "changed.dat", b"four")
    put(dest / "changed.dat", b"two")
    put(source / "same.dat", b"same")
    put(dest / "same.dat", b"same")
    put(source / "zero.dat")
    put(source / "clash", b"a file")
    (dest / "clash").mkdir()
    put(source / "sub" / "large.bin", b"\0" * 1_500_000)
    put(source / "sub" / "skip.tmp", b"tmp")
    put(source / "out" / "never.dat", b"never")
    (source / "empty").mkdir()
    put(dest / "extra.dat", b"extra")
    put(dest / "gone" / "within.dat", b"w")
    return tmp_path


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    def run(*words: str, log: str = "x.log") -> Ended:
        path = tmp_path / log
        capfd.readouterr()
        code = main(["robocopy", str(tmp_path / "src"), str(tmp_path / "dst"), *words])
        out, err = capfd.readouterr()
        return Ended(code, decode(path.read_bytes()) if path.exists() else "", out, err)

    return run


def test_a_whole_log_line_by_line(tree: Path, run) -> None:
    ended = run("/E", "/V", "/XF", "*.TMP", "/XD", "out", f"/LOG:{tree / 'x.log'}")
    assert ended.code == 1 | 2 | 4
    s = os.sep
    src, dst = f"{tree / 'src'}{s}", f"{tree / 'dst'}{s}"
    day = r"\w+, \w+ \d+, \d{4} \d+:\d\d:\d\d [AP]M"
    expected = [
        "",
        "-" * 79,
        TITLE + " " * 30,
        "-" * 79,
        "",
        ("  Started : ", day),
        f"   Source : {src}",
        f"     Dest : {dst}",
        "",
        "    Files : *.*",
        "\t    ",
        "Exc Files : *.TMP",
        "\t    ",
        " Exc Dirs : out",
        "\t    ",
        "  Options : *.* /V /S /E /DCOPY:DA /COPY:DAT /R:5 /W:1 ",
        "",
        RULE,
        "",
        f"\t                   7\t{src}",
        f"\t*EXTRA Dir        -1\t{dst}gone{s}",
        "\t  *EXTRA File \t\t       5\textra.dat",
        f"\t   named dir       0\t{src}out{s}",
        "\t    Changed   \t\t       4\tchanged.dat\r100%  ",
        "\t  *MISMATCH   \t\t       6\tclash",
        "\t    New File  \t\t       5\tlonely.dat\r100%  ",
        "\t    Newer     \t\t       1\tNewer.dat\r100%  ",
        "\t    Older     \t\t       1\tolder.dat\r100%  ",
        "\t          same\t\t       4\tsame.dat",
        "\t    New File  \t\t       0\tzero.dat",
        f"\t  New Dir          0\t{src}empty{s}",
        f"\t  New Dir          2\t{src}sub{s}",
        "\t    New File  \t\t   1.4 m\tlarge.bin\r100%  ",
        "\t         named\t\t       3\tskip.tmp",
        "",
        RULE,
        "",
        "               Total    Copied   Skipped  Mismatch    FAILED    Extras",
        "    Dirs :         4         2         2         0         0         1",
        "   Files :         9         6         2         1         0         1",
        "   Bytes :    1.43 m    1.43 m         7         6         0         5",
        "   Times :   0:00:00   0:00:00                       0:00:00   0:00:00",
        "",
        "",
        ("   Speed :", r" {10} +\d+ Bytes/sec\."),
        ("   Speed :", r" {10} +\d+\.\d{3} MegaBytes/min\."),
        ("   Ended : ", day),
        "",
        "",
    ]
    found = ended.log.split("\r\n")
    assert len(found) == len(expected)
    for line, wanted in zip(found, expected):
        if isinstance(wanted, str):
            assert line == wanted
        else:
            assert line.startswith(wanted[0]) and re.fullmatch(wanted[1], line[len(wanted[0]) :]), line
    assert ended.out == f" Log File : {tree / 'x.log'}\n"
    assert "Exit code 7: Files were copied" in ended.err and ": 6 files" in ended.err


def old_tools_checks(text: str, *, list_only: bool) -> None:
    """What version 1.0.0 asked of a log, line by line counted from either end."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    assert lines[2].strip() == TITLE.strip()
    found = [at for at in (-11, -7) if lines[at].strip().startswith("Total") and lines[at].strip().endswith("Extras")]
    assert found
    assert lines[found[0]].strip() == "Total    Copied   Skipped  Mismatch    FAILED    Extras"
    if list_only:
        assert found == [-7]
        for at, label in ((-6, "Dirs"), (-5, "Files"), (-4, "Bytes")):
            words = lines[at].split()
            assert words[:2] == [label, ":"] and int(words[2]) >= 0


@pytest.mark.parametrize("words", [[], ["/MT:4"], ["/V", "/NP", "/FP"], ["/NFL", "/NDL"], ["/TEE", "/BYTES"]])
def test_the_old_tools_position_checks_pass(tree: Path, run, words: List[str]) -> None:
    log = f"/LOG+:{tree / 'x.log'}"
    listed = run("/L", "/E", "/BYTES", "/V", "/NP", "/FP", log, *words[:1])
    old_tools_checks(listed.log, list_only=True)
    copied = run("/E", log, *words)
    appended = copied.log[len(listed.log) :]
    old_tools_checks(appended, list_only=False)
    again = run("/E", log, *words).log[len(copied.log) :]
    old_tools_checks(again, list_only=False)
    runs = read_log(copied.log + again)
    assert [one.complete for one in runs] == [True, True, True]
    assert runs[0].files is not None and runs[0].files == runs[1].files and listed.code == copied.code
    assert runs[2].files is not None and runs[2].files.copied == 0
    assert "Speed" in appended and "Speed" not in again and "Speed" not in listed.log


@pytest.mark.parametrize(
    ("words", "shown", "hidden"),
    [
        (["/MT:2"], ["New File  \t\t       5\t{src}lonely.dat", "File \t\t       5\t{dst}extra.dat"], ["New Dir"]),
        (["/FP", "/NP"], ["New File  \t\t       5\t{src}lonely.dat\r\n", "\t  New Dir          2\t{src}sub{s}"], []),
        (["/NS", "/NP"], ["\t    New File  \t\t\tlonely.dat\r\n", "\t  New Dir   \t{src}sub{s}"], []),
        (["/NC", "/NP"], ["\t  \t\t       5\tlonely.dat\r\n", "\t       2\t{src}sub{s}"], ["New File"]),
        (["/NFL"], ["\t*EXTRA Dir        -1\t{dst}gone{s}", "New Dir"], ["lonely", "100%"]),
        (["/NDL"], ["\t*EXTRA Dir        -1\t{dst}gone{s}", "lonely.dat"], ["New Dir"]),
        (["/TS", "/NP"], ["\t    New File  \t\t       5 2023/07/2"], []),
        (["/BYTES"], [" 1500000\tlarge.bin", "   Bytes :   15000"], ["1.4 m"]),
        (["/XX"], [], ["EXTRA"]),
        (["/X"], ["\t  *EXTRA File \t\t       1\twithin.dat"], []),
        (["/NJH"], ["New File", "Ended"], ["ROBOCOPY"]),
        (["/NJS"], ["New File", "ROBOCOPY"], ["Total", "Ended"]),
        (["/ETA", "/NP"], [" -> "], ["100%"]),
        ([], ["100%"], ["same.dat"]),
    ],
)  # fmt: skip
def test_each_display_switch(tree: Path, run, words: List[str], shown: List[str], hidden: List[str]) -> None:
    log = run("/E", *words, f"/LOG:{tree / 'x.log'}").log
    for text in shown:
        assert text.format(src=f"{tree / 'src'}{os.sep}", dst=f"{tree / 'dst'}{os.sep}", s=os.sep) in log
    for text in hidden:
        assert text not in log.replace("Extras", "").replace("*.* /S", "") or text in words


def test_encodings_and_the_console(tree: Path, run) -> None:
    name = "\u65e5\u672c \u00e9.dat"
    put(tree / "src" / name, b"x")
    uni = run("/E", f"/UNILOG:{tree / 'u.log'}", "/TEE", log="u.log")
    data = (tree / "u.log").read_bytes()
    assert data[:2] == b"\xff\xfe" and name in data.decode("utf-16") and name in uni.out
    run("/E", f"/UNILOG+:{tree / 'u.log'}", log="u.log")
    both = (tree / "u.log").read_bytes()
    assert both.startswith(data) and both[len(data) :].decode("utf-16-le").startswith("\r\n---")
    assert len(read_log(decode(both))) == 2
    utf8 = run("/IS", name, f"/LOG:{tree / 'x.log'}")
    assert name in (tree / "x.log").read_text("utf-8") and name not in utf8.out
    bare = run("/E", "/V")
    assert TITLE in bare.out and "Ended" in bare.out and "Log File" not in bare.out
    run("/E", f"/LOG:{tree / 'x.log'}")
    assert len(read_log((tree / "x.log").read_text("utf-8"))) == 1, "/LOG writes anew"


def snapshot(root: Path) -> Dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() if p.is_file() else b"" for p in sorted(root.rglob("*"))}


@pytest.mark.parametrize("word", ["/MIR", "/PURGE", "/MOVE", "/mov", "-mir", "/FOO", "/R:x", "--nonsense"])
def test_what_is_refused_touches_nothing(tree: Path, run, word: str) -> None:
    before = snapshot(tree)
    ended = run("/E", f"/LOG:{tree / 'x.log'}", word)
    assert ended.code == 16 and snapshot(tree) == before
    if word.upper() in ("/MIR", "/PURGE", "/MOVE", "/MOV", "-MIR"):
        assert f"ERROR : {word} is refused" in ended.out
    else:
        assert f'ERROR : Invalid Parameter #5 : "{word}"' in ended.out


def test_fatal_is_16_with_a_header_and_no_summary(tree: Path, run) -> None:
    shutil.rmtree(tree / "src")
    ended = run("/E", f"/LOG:{tree / 'x.log'}")
    assert ended.code == 16 and not (tree / "dst" / "lonely.dat").exists()
    lines = ended.log.split("\r\n")
    assert lines[2].startswith(TITLE) and "Total" not in ended.log
    assert re.fullmatch(
        rf"[\d/]{{10}} [\d:]{{8}} ERROR 2 \(0x00000002\) Accessing Source Directory {re.escape(str(tree / 'src'))}",
        lines[-3],
    )
    assert lines[-2].endswith("\r"), "behind the message stands CR CR LF"
    assert main(["robocopy"]) == main(["robocopy", str(tree)]) == 16
    assert main(["robocopy", "/?"]) == main(["robocopy", "--help"]) == 0


def test_classes_through_the_command(tree: Path, run) -> None:
    code = run("/E", "/XO", "/XN", "/XC", "/XL", "/XX", f"/LOG:{tree / 'x.log'}").code
    assert code == 4 and not (tree / "dst" / "sub").exists() and not (tree / "dst" / "empty").exists()
    run("/E", "/XF", str(tree / "src" / "sub" / "skip.tmp"), "/XD", str(tree / "src" / "out"))
    assert not (tree / "dst" / "sub" / "skip.tmp").exists() and not (tree / "dst" / "out").exists()
    assert (tree / "dst" / "sub" / "large.bin").stat().st_size == 1_500_000
    put(tree / "dst" / "same.dat", b"samE")
    assert run("/E").code == 2 | 4 | 1, "skip.tmp and out/ come now"
    assert (tree / "dst" / "same.dat").read_bytes() == b"samE", "size and time are equal"
    modified = run("/E", "/IM", f"/LOG:{tree / 'x.log'}")
    assert "\t    Modified  \t\t       4\tsame.dat" in modified.log and modified.code == 1 | 2 | 4
    assert (tree / "dst" / "same.dat").read_bytes() == b"same"
    (tree / "dst" / "same.dat").chmod(0o444)
    assert "Tweaked" not in run("/E", "/V", f"/LOG:{tree / 'x.log'}").log
    assert "\t    Tweaked   \t\t       4\tsame.dat" in run("/E", "/IT", f"/LOG:{tree / 'x.log'}").log
    old = run("/E", "/IS", "/MAXAGE:20000101", "/MINAGE:20000101", "/V", f"/LOG:{tree / 'x.log'}").log
    assert "\t       too new\t\t       5\tlonely.dat" in old


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name != "posix", reason="makes symbolic links")
@pytest.mark.parametrize(
    ("words", "file", "folder"),
    [
        ([], "followed", "followed"),
        (["/SL"], "link", "link"),
        (["/XJ"], "absent", "absent"),
        (["/XJD"], "followed", "absent"),
        (["/XJF"], "absent", "followed"),
        (["/SL", "/XJD"], "link", "absent"),
    ],
)
def test_links(tmp_path: Path, run, words: List[str], file: str, folder: str) -> None:
    put(tmp_path / "else" / "f", b"f")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "to_file").symlink_to(tmp_path / "else" / "f")
    (tmp_path / "src" / "to_folder").symlink_to(tmp_path / "else")
    ended = run("/E", "/V", *words, f"/LOG:{tmp_path / 'x.log'}")
    for name, wanted in (("to_file", file), ("to_folder", folder)):
        path = tmp_path / "dst" / name
        found = "link" if path.is_symlink() else "followed" if path.exists() else "absent"
        assert found == wanted
        if wanted == "absent":
            assert re.search(rf"junction.*{name}", ended.log)
    assert ended.code == (0 if (file, folder) == ("absent", "absent") else 1)


def test_reports_beside_robocopys(tree: Path, run) -> None:
    ended = run("/E", "/COMPRESS", "/COMPRESS", "--verify", "reread", "--json", str(tree / "r.json"), "--exit=plain")
    value = json.loads((tree / "r.json").read_text())
    assert ended.code == 8, "a type mismatch is not right"
    assert value["files_by_evidence"]["reread"] == value["counts"]["files"]["copied"] == 8
    assert value["command"].startswith("vdt robocopy ") and value["exit_code"] == 8
    assert ended.err.count("/COMPRESS: nothing is compressed") == 1


def test_a_bad_option_of_ours_is_16(tree: Path, run, capfd: pytest.CaptureFixture[str]) -> None:
    before = snapshot(tree)
    for words in (["--bwlimit", "fast"], ["--verify", "sure"], ["--json"], ["--exit=x"]):
        assert run("/E", *words).code == 16
    assert snapshot(tree) == before


def test_every_exit_code_has_its_text() -> None:
    assert len({exit_text(code) for code in range(17)}) == 17


# ---- folders made at random, and copied for real --------------------------------------------------------------------

SWITCHES = [
    "/XO",
    "/XN",
    "/XC",
    "/XL",
    "/XX",
    "/X",
    "/IS",
    "/IT",
    "/IM",
    "/MAX:3",
    "/MIN:1",
    "/FFT",
    "/DST",
    "/V",
    "/MT:3",
    "/LEV:2",
]
SPECS = ["", "*.a", "f?.*"]


def grow(root: Path, rng: random.Random, depth: int = 0) -> None:
    root.mkdir(exist_ok=True)
    for number in range(4):
        if rng.random() < 0.6:
            name = root / f"f{number}.{rng.choice('ab')}"
            put(name, b"x" * rng.randrange(5), T0 + rng.choice([0, 0, 1, HOUR, 2 * HOUR]))
    for number in range(2 if depth < 2 else 0):
        if rng.random() < 0.6:
            grow(root / f"d{number}", rng, depth + 1)
    if rng.random() < 0.3:
        (root / "c").mkdir() if rng.random() < 0.5 else put(root / "c", b"c")


@given(
    seed=st.integers(0, 2**32),
    recurse=st.sampled_from(["/E", "/S", ""]),
    switches=st.sets(st.sampled_from(SWITCHES), max_size=5),
    spec=st.sampled_from(SPECS),
    exclude=st.sampled_from([[], ["/XF", "f1.*"], ["/XD", "d0"], ["/XF", "*.b", "/XD", "d1"]]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_counts_of_real_folders(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    recurse: str,
    switches: set[str],
    spec: str,
    exclude: List[str],
) -> None:
    root = tmp_path_factory.mktemp("counts")
    rng = random.Random(seed)
    grow(root / "src", rng)
    if rng.random() < 0.8:
        grow(root / "dst", rng)
    words = (
        [word for word in (spec, recurse, *sorted(switches)) if word] + exclude + ["/BYTES", "/R:0", "--verify", "none"]
    )
    codes = []
    for name, more in (("l", ["/L"]), ("r", [])):
        codes.append(main(["robocopy", str(root / "src"), str(root / "dst"), *words, *more, f"/LOG:{root / name}"]))
    listed, copied = (read_log((root / name).read_text("utf-8"))[0] for name in "lr")
    for table in (listed, copied):
        for row in (table.dirs, table.files, table.size_bytes):
            assert row is not None
            assert row.total == row.copied + row.skipped + row.mismatch + row.failed
    assert listed.dirs == copied.dirs
    if "/IM" not in switches:  # contents are not read under /L
        assert listed.files == copied.files and listed.size_bytes == copied.size_bytes and codes[0] == codes[1]
    if recurse == "/E" and not exclude and "/LEV:2" not in switches and not spec and "/X" not in switches:
        everything = [path for path in (root / "src").rglob("*") if path.is_file()]
        hidden = [  # below a folder that is a file at the destination nothing is looked at
            path
            for path in everything
            if copied.dirs is not None and copied.dirs.mismatch and path.parent != root / "src"
        ]
        assert copied.files is not None and copied.size_bytes is not None
        if not hidden:
            assert copied.files.total == len(everything)
            assert copied.size_bytes.total == sum(path.stat().st_size for path in everything)
    shutil.rmtree(root)
