"""`python -m vdt.sample FOLDER`: writes a sample run and prints what it wrote."""

from __future__ import annotations

import argparse
import sys
from typing import Optional, Sequence

from vdt.errors import VdtError
from vdt.sample import DEFAULT_RUN_ID, DEMO, TREES, tree_root, write_run


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m vdt.sample",
        description="Write a MERSCOPE run with real names and made-up contents. The defaults make about 2,000 files "
        "and 0.2 GB; --fov 398 --bytes-divided-by 1500 makes all 131,872 files in 3.1 GB.",
    )
    parser.add_argument("folder", help="where the trees are made")
    parser.add_argument("--fov", type=int, default=DEMO["n_fov"], metavar="N", help="fields of view (%(default)s)")
    parser.add_argument(
        "--bytes-divided-by",
        type=int,
        default=DEMO["byte_divisor"],
        metavar="N",
        help="divide sizes above 64 KiB, at most down to 64 KiB (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="other sizes and contents (%(default)s)")
    parser.add_argument("--run-id", default=DEFAULT_RUN_ID, metavar="ID", help="name of the run (%(default)s)")
    parser.add_argument("--tree", action="append", choices=TREES, help="only this tree; may be repeated")
    given = parser.parse_args(argv)
    try:
        counts = write_run(
            given.folder,
            run_id=given.run_id,
            n_fov=given.fov,
            byte_divisor=given.bytes_divided_by,
            seed=given.seed,
            trees=given.tree or TREES,
        )
    except (VdtError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, VdtError) else 16
    for tree, count in counts.items():
        root = tree_root(tree, given.run_id)
        print(f"{root}: {count.files:,} files, {count.folders:,} folders, {count.size_bytes:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
