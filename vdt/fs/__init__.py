"""The only place that knows which operating system runs. Both modules give the same names; one is chosen here, once."""

from __future__ import annotations

import platform
import sys

from vdt.fs.volume import EntryError, Flush, Heal, Stat, Volume

if sys.platform == "win32":
    from vdt.fs import windows as system
    from vdt.fs.windows import *  # noqa: F403  # all that stands in its `__all__`
else:
    from vdt.fs import posix as system
    from vdt.fs.posix import *  # noqa: F403  # all that stands in its `__all__`


def system_name() -> str:
    """System and version, as a report names them."""
    return platform.platform()


__all__ = ["EntryError", "Flush", "Heal", "Stat", "Volume", "system_name"]
__all__ += system.__all__
