"""What grows with the number of files and with the size of one, and what does not: time and memory, drawn.

    python benchmarks/scaling.py --dir /dev/shm/grow --files 1k,10k,100k --sizes 1k,1M,100M,1G

Writes below DIR only, which is empty or missing, and removes it. Writes scaling.json and scaling.html.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime
from typing import Dict, List, Sequence, Tuple

from comparing import ground, growth_page, machine
from comparing.command import INTERRUPTED, check_reports, guarded, write_report
from comparing.contenders import chosen, copiers
from comparing.growth import Growth, Point, amount, measure, sentences
from vdt import fs
from vdt.cli.terminal import Parser, say_on, whole_number
from vdt.errors import UsageError
from vdt.printable import printable

_WHO = (
    *("vdt copy --verify cold", "vdt copy --verify none", "rsync -a", "cp -a", "rclone copy, xxh128"),
    *("robocopy /E /MT:8", "robocopy /E /J"),
)
_NAMES = ("scaling.json", "scaling.html")


def parser() -> Parser:
    """The options of `scaling.py`."""
    p = Parser(prog="scaling.py", description=__doc__)
    p.add_argument("--dir", metavar="DIR", required=True, help="empty or missing folder; both sides lie in it")
    p.add_argument("--files", default="1k,10k,100k", metavar="N,N", help="numbers of files (%(default)s); 0 for none")
    p.add_argument("--bytes-each", default="1k", metavar="N", help="size of each of them (%(default)s)")
    p.add_argument("--sizes", default="1k,1M,100M,1G", metavar="N,N", help="sizes of one file, likewise (%(default)s)")
    p.add_argument("--tools", default="auto", metavar="NAMES", help="auto, or some of ours,robocopy,rsync,rclone,cp")
    p.add_argument("--rounds", type=whole_number(1, 100), default=3, metavar="N", help="turns of each (default 3)")
    p.add_argument("--out", metavar="DIR", default=".", help="folder of scaling.json and scaling.html (.)")
    return p


def _amounts(text: str) -> List[int]:
    return [] if text.strip() == "0" else sorted({amount(word.strip()) for word in text.split(",")})


def _scale(words: Sequence[str]) -> int:
    options = parser().parse(words)
    counts, sizes, each = _amounts(options.files), _amounts(options.sizes), amount(options.bytes_each)
    if not counts and not sizes:
        raise UsageError("--files and --sizes are both 0: there is nothing to measure.")
    note, say = say_on(sys.stderr), say_on(sys.stdout)
    who = [one for one in copiers(()) if one.name in _WHO]
    tools = [] if options.tools == "auto" else options.tools.lower().split(",")
    if unknown := [word for word in tools if word not in {one.family for one in who}]:
        raise UsageError(f"--tools {','.join(unknown)}: nobody is called that. See scaling.py --help.")
    contenders, missing = chosen(who, tools, shutil.which, windows=fs.WINDOWS)
    out = os.path.abspath(options.out)
    check_reports(out, _NAMES)
    folder, kind, interrupted = os.path.abspath(options.dir), "", False
    found: Dict[str, List[Point]] = {}
    trees: Dict[str, List[Tuple[int, int]]] = {
        "files": [(count, each) for count in counts],
        "size": [(1, size) for size in sizes],
    }
    try:
        with ExitStack() as stack:
            own = stack.enter_context(ground.claimed(folder))
            scratch = stack.enter_context(ground.scratch_folder())
            kind = machine.file_system(own)["kind"]
            for axis, wanted in trees.items():
                measure(own, scratch, axis, wanted, contenders, options.rounds, found, note)
    except KeyboardInterrupt:
        interrupted = True
        note("Interrupted; what was made here is removed.")
    grown = [Growth(axis, tuple(points)) for axis, points in found.items() if points]
    if not grown:
        return INTERRUPTED
    at = machine.machine()
    about = {
        "made": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        "machine": f"{at['processors']} processors ({at['processor']}), {at['memory_bytes'] / 2**30:.1f} GiB of memory",
        "system": f"{at['system']}, {at['python']}",
        "file system": f"{kind}, both sides",
        "rounds": str(options.rounds),
        "versions": "; ".join(machine.versions(program for one in contenders for program in one.programs).values()),
        "not measured": "; ".join(f"{name}: {why}" for name, why in missing.items()),
        "command": subprocess.list2cmdline(["python", "benchmarks/scaling.py", *words]),
    }
    for growth in grown:
        for sentence in sentences(growth):
            say(sentence)
    value = growth_page.json_object(grown, about, complete=not interrupted)
    texts = {"scaling.json": json.dumps(value, indent=1) + "\n", "scaling.html": growth_page.render(grown, about)}
    for name, text in texts.items():
        write_report(os.path.join(out, name), text)
        note(f"written: {printable(os.path.join(out, name))}")
    failed = any(row.fault for growth in grown for point in growth.points for row in point.rows)
    return INTERRUPTED if interrupted else 8 if failed else 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: _scale(sys.argv[1:])))
