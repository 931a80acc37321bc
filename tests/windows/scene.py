"""A small run on Q:, a configuration, and the commands as separate Windows processes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

RUN = "202310261058_VZGEN1_VMSC10202"
MARKERS = ("EXPERIMENT_FINISHED", "RAW_DATA_SYNC_FINISHED", "MERLIN_FINISHED")
TREES = {"raw_data": "merfish_raw_data", "analysis": "merfish_analysis", "output": "merfish_output"}
SCRIPTS = Path(sys.executable).parent / "Scripts"
WAIT_S = 120


class Result(NamedTuple):
    """What a command left behind; `out` is what a cp1252 console showed."""

    code: int
    out: str
    report: Dict[str, Any]


def write(path: Path, data: bytes, mtime_ns: int = 1698300000_123456700) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def fill(tree: Path, seed: str) -> None:
    """Empty, small, large, read-only, blank and accent; three folders, one of them empty."""
    block = hashlib.sha256(seed.encode()).digest()
    write(tree / "experiment.json", block)
    write(tree / "data" / "stack 0.dat", block * 40_000)
    write(tree / "data" / "größe µm.csv", b"x,y\n")
    write(tree / "data" / "nothing", b"")
    write(tree / "read only.txt", b"not to be changed").chmod(0o444)
    (tree / "empty").mkdir()


def make_run(analysis: Path) -> Dict[str, Path]:
    """The three trees of a run below an analysis drive."""
    trees = {kind: analysis / folder / RUN for kind, folder in TREES.items()}
    for kind, tree in trees.items():
        fill(tree, kind)
    for name in MARKERS:
        write(trees["raw_data"] / name, f"{RUN} {name}\n".encode())
    return trees


def fully(drive: str) -> str:
    """`X:` as a folder."""
    return drive + "\\" if drive.endswith(":") else drive


def configure(folder: Path, analysis: str, isilon: str, *, disk: str = "", logs: str = "") -> Path:
    """A configuration for these drives; literal strings, as a person writes Windows paths."""
    path = folder / ".vizgen_config.toml"
    lines = [
        f"analysis_drive_pc = '{analysis}'",
        f"analysis_drive_pc_disk = '{disk or analysis}'",
        f"isilon_drive_pc = '{isilon}'",
        f"isilon_drive_logs_pc = '{logs or os.path.join(fully(isilon), 'logs')}'",
        "smtp_server = '127.0.0.1'",
        "sender_email = 'merscope@example.org'",
        "addressees = ['lab@example.org']",
        "[vdt]",
        "smtp_port = 9",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def start(arguments: List[str], cwd: Path, **environment: str) -> subprocess.Popen[bytes]:
    """One command as a process of its own. Wine fails to begin one now and then (error 1359) when it is busy."""
    for _ in range(5):
        try:
            return _start(arguments, cwd, environment)
        except OSError as error:
            if error.winerror != 1359:
                raise
            time.sleep(0.5)
    return _start(arguments, cwd, environment)


def _start(arguments: List[str], cwd: Path, environment: Dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments,
        cwd=str(cwd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
    )


def finish(process: subprocess.Popen[bytes], report: Optional[Path] = None) -> Result:
    """Wait for it; the output must be what a cp1252 console can show."""
    out, _ = process.communicate(timeout=WAIT_S)
    value = json.loads(report.read_text(encoding="ascii")) if report is not None and report.exists() else {}
    text = out.decode("cp1252")
    assert "Traceback" not in text and "UnicodeEncodeError" not in text, text
    return Result(process.returncode, text.replace("\r\n", "\n"), value)


def drop_in(config: Path, *options: str, run: str = RUN, mail: bool = False, **environment: str) -> Result:
    """`vizgen_data_transfer` beside its configuration."""
    report = config.parent / "report.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "vdt.cli.drop_in", "--json", str(report), "--robocopy_check", "off", *options]
    command += [] if mail else ["--no_email"]
    return finish(start([*command, "--", run], config.parent, **environment), report)


def audit(config: Path, *options: str, run: str = RUN, **environment: str) -> Result:
    """`vizgen_data_transfer --audit`."""
    report = config.parent / "audit.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "vdt.cli.drop_in", "--audit", "--no_email", "--json", str(report), *options]
    return finish(start([*command, "--", run], config.parent, **environment), report)


def copy(source: str, destination: str, cwd: Path, *options: str, **environment: str) -> Result:
    """`vdt copy`."""
    report = cwd / "copy.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "vdt", "copy", source, destination, "--json", str(report), "--progress", "off"]
    return finish(start([*command, *options], cwd, **environment), report)


def vdt(*arguments: str, cwd: Path, **environment: str) -> Result:
    """Any command of `vdt`."""
    return finish(start([sys.executable, "-m", "vdt", *arguments], cwd, **environment))


def contents(tree: Path) -> Dict[str, Any]:
    """Every name below a tree, with bytes and time of a file."""
    found: Dict[str, Any] = {}
    for folder, names, files in os.walk("\\\\?\\" + str(tree.absolute()) if str(tree)[1:2] == ":" else str(tree)):
        base = folder[len("\\\\?\\") :] if folder.startswith("\\\\?\\") else folder
        for name in names:
            found[os.path.relpath(os.path.join(base, name), str(tree)).replace("\\", "/")] = None
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                data = file.read()
            relative = os.path.relpath(os.path.join(base, name), str(tree)).replace("\\", "/")
            found[relative] = (hashlib.md5(data).hexdigest(), os.stat(path).st_mtime_ns)
    return found
