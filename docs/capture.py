"""What commands print, for the pages: a small run in a folder of its own, the real commands, names and times made even.

Nothing is made up: a capture is the output of its command with the folder called /home/lab, the clock standing still,
and the lines left out that differ from computer to computer (notes, evidence files, how a read was made).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Sequence

ROOT = Path(__file__).resolve().parent.parent
RUN = "202310261058_VZGEN1_VMSC10202"
_MODULES = {"vizgen_data_transfer": "vdt.cli.drop_in", "vdt": "vdt"}
_CLOCK = re.compile(r"(Started|Ended) : .*")
_LEFT_OUT = re.compile(r"(NOTE|note|evidence|manifest)\b.*|OK: .*")
_SIZES = {
    "merfish_raw_data": {
        **dict.fromkeys(("EXPERIMENT_FINISHED", "RAW_DATA_SYNC_FINISHED", "MERLIN_FINISHED"), 0),
        "experiment.json": 300,
        "data/stack_0.dax": 90_000,
        "data/stack_1.dax": 90_000,
    },
    "merfish_analysis": {"analysis.json": 200},
    "merfish_output": {"region_0/cell_by_gene.csv": 40_000, "region_0/cell_metadata.csv": 65_536},
}


class Place:
    """A folder with a run that was transferred."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        for tree, files in _SIZES.items():
            for name, size in files.items():
                path = self.folder / "analysis_drive" / tree / RUN / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(bytes(range(256)) * (size // 256) + b"\n" * (size % 256))
                os.utime(path, (1698393600, 1698393600))
        self.isilon = self.folder / "isilon"
        self.isilon.mkdir()
        (self.folder / ".vizgen_config.toml").write_text(
            f"analysis_drive_nix = '{self.folder / 'analysis_drive'}'\nisilon_drive_nix = '{self.isilon}'\n",
            encoding="utf-8",
        )
        self.run(["vizgen_data_transfer", "--no_email", RUN])

    def run(self, command: Sequence[str]) -> str:
        """What a command prints on standard output."""
        env = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state"), "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
        done = subprocess.run(
            [sys.executable, "-m", _MODULES[command[0]], *command[1:]],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # progress, which differs from time to time
        )
        return done.stdout.decode("utf-8")

    def show(self, *command: str) -> str:
        """The command and what it prints, as a block for a page."""
        lines: List[str] = []
        for line in self.run(command).replace(str(self.folder), "/home/lab").splitlines():
            if not _LEFT_OUT.fullmatch(line):
                lines.append(_CLOCK.sub(r"\1 : Friday, July 24, 2026 11:08:15 AM", line).rstrip())
        return "\n".join(["```text", f"$ {' '.join(command)}", *lines, "```"])


def captures() -> Dict[str, str]:
    """Every capture by its name."""
    with tempfile.TemporaryDirectory(prefix="vdt-capture-") as folder:
        place = Place(Path(folder))
        copied = place.isilon / RUN
        (copied / "output" / "region_0" / "cell_metadata.csv").unlink()
        shown = {
            "dry run": place.show("vizgen_data_transfer", "--dry_run", "--copy_type", "output", "--", RUN),
            "mistyped": place.show("vizgen_data_transfer", "--dry_run", RUN.replace("_VZGEN1", "_VZGNE1")),
        }
        damaged = copied / "output" / "region_0" / "cell_by_gene.csv"
        was = damaged.stat()
        with open(damaged, "r+b") as file:
            file.seek(12_345)
            file.write(b"?")
        os.utime(damaged, ns=(was.st_atime_ns, was.st_mtime_ns))
        source = f"analysis_drive/merfish_output/{RUN}"
        shown["audit"] = place.show("vdt", "audit", f"isilon/{RUN}/output", "--source", source)
        return shown
