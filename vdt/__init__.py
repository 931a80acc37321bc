"""vizgen_data_transfer: copies MERSCOPE runs, reads every file back and proves it.

For notebooks and pipelines (docs/api.md): `vdt.copy_tree`, `vdt.audit_tree` and what they give and raise. Each is
imported when it is first asked for, so that `import vdt` costs nothing.
"""

from typing import TYPE_CHECKING, Any, List

from vdt.version import __version__

if TYPE_CHECKING:
    from vdt.api import Audited as Audited
    from vdt.api import Copied as Copied
    from vdt.api import Wrong as Wrong
    from vdt.api import audit_tree as audit_tree
    from vdt.api import copy_tree as copy_tree
    from vdt.errors import VdtError as VdtError
    from vdt.stop import StopFlag as StopFlag

_ROOMS = {
    "copy_tree": "api",
    "audit_tree": "api",
    "Copied": "api",
    "Audited": "api",
    "Wrong": "api",
    "StopFlag": "stop",
    "VdtError": "errors",
}

__all__ = ["Audited", "Copied", "StopFlag", "VdtError", "Wrong", "__version__", "audit_tree", "copy_tree"]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"vdt.{_ROOMS[name]}"), name)


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
