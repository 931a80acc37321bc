"""vizgen_data_transfer: copies MERSCOPE runs, reads every file back and proves it."""

from vdt.version import __version__

__all__ = ["__version__"]
