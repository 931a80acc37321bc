"""Is it faster than robocopy on our storage, and what does the proof cost? See README.md beside this file, and --help.

    python benchmarks/compare.py --source Z:\\bench --dest L:\\bench --profile mixed --size-gb 20

Needs the installed package and this folder, no checkout. It informs, it does not gate.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        import vdt  # noqa: F401
    except ImportError:
        print(
            f"The package vizgen_data_transfer is not installed for {sys.executable}. "
            "Run this with the Python of its environment.",
            file=sys.stderr,
        )
        sys.exit(16)
    from comparing.command import main

    sys.exit(main(sys.argv[1:]))
