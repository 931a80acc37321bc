"""Words of the command line -> Asked. All faults are found before anything is touched."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import List, Sequence, Tuple

from comparing.contenders import Job, families
from comparing.data import PROFILES
from vdt.cli.terminal import Parser, whole_number
from vdt.errors import UsageError

DESCRIPTION = """\
Copies the same files with every copier that is there, in turn, and says how long each takes and what each proves.

Nothing is measured where anything else lies, and nothing but what was made here is removed, also after Ctrl-C.
"""
_EPILOG = """\
examples:
  python benchmarks/compare.py --source Z:\\bench --dest L:\\bench --profile mixed --size-gb 20
  python benchmarks/compare.py --existing Z:\\merfish_output\\RUN_ID --dest L:\\bench --tools ours,robocopy
  python benchmarks/compare.py --source /dev/shm/from --dest /tmp/to --size-gb 0.5 --latency-ms 2

exit code: 0 all was measured; 8 a contender failed, see its row; 16 nothing could be done; 130 interrupted.
"""


@dataclass(frozen=True)
class Asked:
    """What is to be measured.

    Attributes:
        source: folder in which data is made; "" with `existing`.
        existing: folder with data that is there, "" where data is made.
        tools: families; () is everybody.
        threads: of ours, beside its default.
        latency_ms: each call at the destination takes so long, 0 for none.
        samba_ms: the destination is a Samba share on this computer, so far away each way; below 0 for none.
    """

    source: str
    destination: str
    existing: str
    profile: str
    size_bytes: int
    rounds: int
    tools: Tuple[str, ...]
    threads: Tuple[int, ...]
    jobs: Tuple[Job, ...]
    cold_source: bool
    latency_ms: float
    samba_ms: float
    out: str
    png: bool
    list_only: bool


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return number


def _at_least_nothing(text: str) -> float:
    return 0.0 if text in ("0", "0.0") else _positive(text)


def _list(text: str) -> List[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def parser() -> Parser:
    """The options of `compare.py`."""
    p = Parser(prog="compare.py", description=DESCRIPTION, epilog=_EPILOG)
    what = p.add_argument_group("what is copied where")
    what.add_argument("--source", metavar="DIR", help="empty or missing folder in which the data is made")
    what.add_argument("--dest", metavar="DIR", help="empty or missing folder that is measured on")
    what.add_argument("--existing", metavar="DIR", help="copy what lies here instead of data that is made")
    what.add_argument("--profile", choices=list(PROFILES), help="which trees of a MERSCOPE run are made (mixed: all)")
    what.add_argument("--size-gb", type=_positive, metavar="N", help="how much of it, 10^9 bytes (default 1)")
    who = p.add_argument_group("who takes part")
    who.add_argument(
        "--tools",
        default="auto",
        metavar="NAMES",
        help=f"auto (default: whoever is there), or some of {','.join(families())}",
    )
    who.add_argument("--threads", default="1,4,8,16,32", metavar="N,N", help="of ours; %(default)s")
    who.add_argument("--what", choices=("copy", "audit", "both"), default="both", help="what is timed (default both)")
    who.add_argument("--list", action="store_true", help="say who is there, what they prove and how they are called")
    how = p.add_argument_group("how")
    how.add_argument("--rounds", type=whole_number(1, 1000), default=3, metavar="N", help="turns of each (default 3)")
    how.add_argument(
        "--cold-source",
        action="store_true",
        help="take the source (for audits the copy too) out of memory before each turn; Linux",
    )
    how.add_argument(
        "--latency-ms",
        type=_positive,
        metavar="MS",
        help="let each call at the destination take so long, on a mount of our own; a checkout on Linux, with fuse3",
    )
    how.add_argument(
        "--samba",
        type=_at_least_nothing,
        nargs="?",
        const=1.0,
        metavar="MS",
        help="measure on a Samba share of this computer, so many ms away each way (1); a checkout on Linux, as root",
    )
    reports = p.add_argument_group("reports")
    reports.add_argument("--out", metavar="DIR", default=".", help="folder of results.json and results.html (.)")
    reports.add_argument("--no-png", action="store_true", help="no results.png even where matplotlib is installed")
    return p


def read(words: Sequence[str]) -> Asked:
    """Parse.

    Raises:
        UsageError: names everything that is wrong, or does not fit together.
    """
    options = parser().parse(words)
    faults: List[str] = []
    tools = () if options.tools.strip().lower() in ("auto", "") else tuple(_list(options.tools.lower()))
    unknown = [word for word in tools if word not in families()]
    if unknown:
        faults.append(f"--tools {','.join(unknown)}: nobody is called that; choose from {', '.join(families())}")
    threads = [int(word) if word.isdigit() else 0 for word in _list(options.threads)]
    if not all(1 <= number <= 128 for number in threads):
        faults.append(f"--threads {options.threads}: give whole numbers from 1 to 128, as 1,4,8")
    if not options.list:
        if not options.dest:
            faults.append("--dest is missing: an empty folder on the storage that you ask about")
        if not (options.source or options.existing):
            faults.append("--source is missing: an empty folder in which data is made; or --existing with data")
        if options.existing and (options.source or options.profile or options.size_gb):
            faults.append("--existing is copied as it is; leave out --source, --profile and --size-gb")
    if options.latency_ms and options.samba is not None:
        faults.append("--latency-ms and --samba cannot both be given")
    if faults:
        raise UsageError(f"{'. '.join(faults)}. See compare.py --help.")
    return Asked(
        source=os.path.abspath(options.source) if options.source else "",
        destination=os.path.abspath(options.dest) if options.dest else "",
        existing=os.path.abspath(options.existing) if options.existing else "",
        profile=options.profile or "mixed",
        size_bytes=round((options.size_gb or 1.0) * 1e9),
        rounds=options.rounds,
        tools=tools,
        threads=tuple(sorted(set(threads))),
        jobs={"copy": (Job.COPY,), "audit": (Job.AUDIT,), "both": (Job.COPY, Job.AUDIT)}[options.what],
        cold_source=options.cold_source,
        latency_ms=options.latency_ms or 0.0,
        samba_ms=-1.0 if options.samba is None else options.samba,
        out=os.path.abspath(options.out),
        png=not options.no_png,
        list_only=options.list,
    )
