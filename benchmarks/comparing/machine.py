"""What it was measured on: processors, memory, system, file systems and mounts, versions. No host name."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from typing import Any, Dict, Iterable, List

from comparing import process
from vdt import fs
from vdt.printable import printable
from vdt.version import __version__

_SAYS_VERSION = {
    "rclone": ["version"],
    "hashdeep": ["-V"],
    "fpart": ["-V"],
    "robocopy": ["/?"],
    "xcopy": ["/?"],
}

_PART_OF = {"sh": "the system", "fpsync": "fpart"}


def machine() -> Dict[str, Any]:
    """Processors, memory in bytes (0 where the system does not say), system and interpreter."""
    return {
        "processors": os.cpu_count() or 0,
        "processor": _processor(),
        "memory_bytes": memory_bytes(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            named = re.search(r"^model name\s*:\s*(.+)$", file.read(), re.MULTILINE)
        if named:
            return printable(named[1])
    except OSError:
        pass
    return printable(platform.processor() or platform.machine())


def memory_bytes() -> int:
    """Memory of this computer, 0 where it is not known."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def _windows_memory() -> int:
    import ctypes

    class Status(ctypes.Structure):
        """MEMORYSTATUSEX."""

        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "t1", "f1", "t2", "f2", "f3")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    answered = getattr(ctypes, "windll").kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # noqa: B009
    return int(status.total) if answered else 0


def file_system(path: str) -> Dict[str, str]:
    """Kind, mount options and how this side flushes; never the name of a server."""
    volume = fs.volume(path)
    return {
        "kind": volume.kind,
        "options": mount_options(_mountinfo(), fs.mount_point(path)),
        "cold_reads": "yes" if volume.cold_reads else f"no: {volume.why_not_cold}",
    }


def _mountinfo() -> str:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


_NAMES = re.compile(r"^(username|user|domain|addr|srcaddr|unc|password|pass|ip|mountaddr|clientaddr|prefixpath|upn)=")


def mount_options(mountinfo: str, mount_point: str) -> str:
    """Options of a mount from the text of /proc/self/mountinfo, without names and addresses; "" where it has none."""
    found = ""
    for line in mountinfo.splitlines():
        words = line.split(" ")
        if len(words) > 9 and _unescaped(words[4]) == mount_point and "-" in words:
            at_end = words[words.index("-") + 3] if len(words) > words.index("-") + 3 else ""
            options = dict.fromkeys([*words[5].split(","), *at_end.split(",")])
            found = ",".join(option for option in options if option and not _NAMES.match(option))  # the last one counts
    return printable(found)


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def versions(programs: Iterable[str]) -> Dict[str, str]:
    """The first line in which a program tells its version; ours and Python's too."""
    said = {"vdt": f"vdt {__version__}", "python": f"Python {platform.python_version()}"}
    for program in dict.fromkeys(programs):
        if shutil.which(program) and program not in _PART_OF:
            said[program] = _version(program)
    return said


def _version(program: str) -> str:
    if sys.platform == "win32" and program in ("robocopy", "xcopy"):
        return f"{program} of {platform.platform()}"  # it tells no version
    lines: List[str] = []
    try:
        ended = process.run([program, *_SAYS_VERSION.get(program, ["--version"])])
        lines = [line for line in ended.said.splitlines() if re.search(r"\d", line)]
    except OSError:
        pass
    first = printable(lines[0].strip()[:120]) if lines else "tells no version"
    return first if program in first else f"{program}: {first}"
