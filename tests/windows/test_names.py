"""Names that Linux made and Windows has trouble with, and paths as a person types them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import pytest

from vdt.copytree import CopyRequest, copy_tree
from vdt.errors import RefusedError
from windows import scene
from windows.scene import copy, write

OnDrive = Callable[[str], Path]
MADE = Path("Q:\\made by linux")  # by run.sh: Windows cannot


@pytest.fixture
def made() -> Path:
    assert (MADE / "plain").exists(), "run.sh makes this folder anew for each run of the suite"
    return MADE


def test_names_that_differ_by_case_alone_are_said_and_never_merged(made: Path, on_drive: OnDrive) -> None:
    isilon, here = on_drive("L:"), on_drive("G:")
    ran = copy(str(made / "case"), str(isilon / "copy"), here)
    assert ran.code & 8, ran.out
    failed = {problem["path"]: problem["reason"] for problem in ran.report["failed"]}
    assert set(failed) == {"data.txt", "folder"}, failed
    assert failed["data.txt"] == "its name differs only by case from 'Data.txt', which is kept"
    found = {path.name: path for path in (isilon / "copy").iterdir()}
    assert set(found) == {"Data.txt", "Folder"}
    assert found["Data.txt"].read_bytes() == b"upper" and os.listdir(found["Folder"]) == ["x"]
    again = copy(str(made / "case"), str(isilon / "copy"), here)
    assert again.code == 8 and found["Data.txt"].read_bytes() == b"upper", "the second run says the same"


def test_names_that_windows_cannot_hold_fail_alone(made: Path, on_drive: OnDrive) -> None:
    isilon, here = on_drive("L:"), on_drive("G:")
    log = here / "copy.log"
    ran = copy(str(made / "illegal"), str(isilon / "copy"), here, "--log", str(log))
    failed = {problem["path"]: problem for problem in ran.report["failed"]}
    assert ran.code == 9 and set(failed) == {"a:b", "what?"}, ran.out
    for problem in failed.values():
        assert problem["reason"].endswith("Windows does not allow this name")
        assert problem["attempts"] == 1, "no try can heal it"
    assert os.listdir(isilon / "copy") == ["plain"], "and the others arrive"
    assert "ERROR 123 (0x0000007B)" in log.read_text(encoding="utf-8")


def test_names_that_a_person_cannot_type_arrive_as_they_are(made: Path, on_drive: OnDrive) -> None:
    isilon = on_drive("L:")
    ran = copy(str(made / "odd"), str(isilon / "copy"), on_drive("G:"))
    assert ran.code == 1, ran.out
    copied = f"\\\\?\\{isilon}\\copy"
    assert sorted(os.listdir(copied)) == ["blank ", "con", "ends.", "nul.txt"]
    for name in os.listdir(copied):
        os.unlink(f"{copied}\\{name}")


def test_an_audit_says_the_same_of_them(made: Path, on_drive: OnDrive) -> None:
    isilon, here = on_drive("L:"), on_drive("G:")
    copy(str(made / "case"), str(isilon / "copy"), here)
    ran = scene.vdt("audit", str(isilon / "copy"), "--source", str(made / "case"), cwd=here)
    assert ran.code == 8 and "OK                     2 " in ran.out, ran.out
    assert "MISSING data.txt: it is not there" in ran.out and "MISSING folder/y: it is not there" in ran.out, ran.out


# -- paths as a person types them ----------------------------------------------------------------------------------


@pytest.fixture
def tree(on_drive: OnDrive) -> Path:
    root = on_drive("Q:")
    write(root / "source" / "f", b"data")
    return root


def spellings(root: Path) -> List[str]:
    plain = str(root / "source")
    return [
        plain,
        plain + "\\",
        plain + "\\\\",
        plain.lower(),
        plain.replace("\\", "/"),
        plain.replace("\\", "/").lower() + "/",
        str(root) + "\\.\\source",
        str(root) + "\\nothing\\..\\source",
        "\\\\?\\" + plain,
        "source",
        ".\\source",
        "..\\" + root.name + "\\source",
        plain[2:],  # from the root of the drive where the command runs
    ]


@pytest.mark.parametrize("number", range(13))
def test_a_source_is_found_however_it_is_spelled(
    tree: Path, on_drive: OnDrive, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.chdir(tree)
    typed, copied, log = spellings(tree)[number], on_drive("L:") / "copy", on_drive("G:") / "copy.log"
    result = copy_tree(CopyRequest(typed, str(copied), log=str(log)))
    assert result.exit_code == 1 and (copied / "f").read_bytes() == b"data", typed
    text = log.read_text(encoding="utf-8")
    assert "\\\\?\\" not in text and f"Source : {tree}\\source\\".lower() in text.lower(), text


@pytest.mark.parametrize("root", ["E:", "E:\\", "e:/", "E:\\."])
def test_the_root_of_a_drive(on_drive: OnDrive, root: str) -> None:
    write(on_drive("E:") / "f", b"data")
    copied, log = on_drive("L:") / "copy", on_drive("G:") / "copy.log"
    result = copy_tree(CopyRequest(root, str(copied), log=str(log)))
    assert result.exit_code == 1 and result.source.upper() == "E:\\"
    assert "Source : E:\\" in log.read_text(encoding="utf-8").replace("e:", "E:")


def test_a_share_by_its_unc_name(on_drive: OnDrive) -> None:
    folder = on_drive("N:")
    write(folder / "source" / "f", b"data")
    share = f"\\\\nas\\share\\{folder.name}"
    for typed in (share + "\\source", share.replace("\\", "/") + "/source/", share.upper() + "\\SOURCE"):
        copied = on_drive("L:") / "copy"
        assert copy_tree(CopyRequest(typed, str(copied))).exit_code == 1, typed


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("%USERPROFILE%\\x", "holds a variable, which is not expanded here"),
        ("$env:TEMP\\x", "holds a variable, which is not expanded here"),
        ("\\\\nas", "names a server without a share"),
        ("\\\\.\\C:", "names a device"),
        ("Q:x", "lacks the backslash behind the drive"),
        ("Q:\\a*", "holds a character that Windows allows in no name"),
        ("Q:\\a:b", "has a colon behind the drive"),
        ('Q:\\a" L:\\b', "holds a quotation mark"),
    ],
)
def test_what_cannot_be_meant_is_explained_and_nothing_is_touched(tree: Path, typed: str, words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        copy_tree(CopyRequest(typed, str(tree / "copy")))
    assert words in str(refused.value) and "\n" not in str(refused.value)
    for request in (CopyRequest(str(tree / "source"), typed), CopyRequest(str(tree / "source"), "L:\\x", log=typed)):
        with pytest.raises(RefusedError) as refused:
            copy_tree(request)
        assert words in str(refused.value)
    assert os.listdir(tree) == ["source"] and refused.value.exit_code == 16


@pytest.mark.parametrize("typed", ["X:\\x", "Q:\\is not there", "\\\\nas\\share\\is not there", "\\\\nobody\\share"])
def test_a_source_that_is_not_there_is_said(tree: Path, typed: str) -> None:
    with pytest.raises(RefusedError, match=r"^The source .* cannot be read: (it|the path|.*network) .*\.$"):
        copy_tree(CopyRequest(typed, str(tree / "copy")))
    assert os.listdir(tree) == ["source"]


def test_a_command_ends_with_16_and_a_sentence(tree: Path, on_drive: OnDrive) -> None:
    for arguments in (["copy", "%TEMP%\\x", "L:\\x"], ["audit", "%TEMP%\\x", "--source", str(tree)]):
        ran = scene.vdt(*arguments, cwd=on_drive("G:"))
        assert ran.code == 16 and "holds a variable" in ran.out and len(ran.out.splitlines()) <= 2, ran.out


def test_the_trap_of_a_backslash_before_a_closing_quotation_mark(tree: Path) -> None:
    """As a person types it in cmd: `vdt copy "Q:\\...\\source\\" "L:\\copy"` is one word for the C library."""
    line = f'"{sys.executable}" -m vdt copy "{tree}\\source\\" "{tree}\\copy"'
    done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    out = done.stdout.decode("cp1252")
    assert done.returncode == 16 and "Traceback" not in out and not (tree / "copy").exists(), out
    assert "quotation mark" in out or "required" in out, out
