"""clock.py FD COMMAND...: start a command, wait for it, write `code seconds peak_kib` to a descriptor (not Windows).

A small process between, because a new process is charged with the memory of the one that starts it: seen from here,
that is some 10 MiB and not what a benchmark happens to take. Imports next to nothing for the same reason.
"""

import os
import sys
import time


def _own_kib() -> int:
    """Most memory of this process since it became this program, 0 where the system does not say (not Linux)."""
    try:
        with open("/proc/self/status", "rb") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(b"VmHWM:"))
    except (OSError, StopIteration):
        return 0


def main() -> None:
    """Run it; `code` is that of the command, negative for a signal, `E<errno>` where it could not be started."""
    report, words = int(sys.argv[1]), sys.argv[2:]
    began = time.perf_counter()
    try:
        pid = os.posix_spawnp(words[0], words, os.environ)
    except OSError as error:
        os.write(report, b"E%d 0 0" % (error.errno or 0))
        return
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    peak_kib = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    if peak_kib <= 1.05 * _own_kib():
        peak_kib = 0  # no more than ours, which it was charged with
    os.write(report, b"%d %.6f %d" % (os.waitstatus_to_exitcode(status), seconds, peak_kib))


if __name__ == "__main__":
    main()
