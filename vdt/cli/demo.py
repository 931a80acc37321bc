"""The command `vdt demo [DIR]`: a sample run, transferred and proven before your eyes."""

from __future__ import annotations

import os
import sys
from typing import Callable, List, Tuple

from vdt import fs, sample
from vdt.cli.terminal import Parser, say_on, stop_on_signals
from vdt.errors import UsageError
from vdt.hashing import digest_views
from vdt.manifest import parse
from vdt.progress import Console
from vdt.stop import StopFlag
from vdt.vizgen.layout import CopyType
from vdt.vizgen.request import Request, Surroundings
from vdt.vizgen.run import run

_CONFIG = """\
# Written by `vdt demo`. Paths of this demonstration only; no mail is sent.
analysis_drive_pc = '{analysis}'
isilon_drive_pc = '{isilon}'
isilon_drive_logs_pc = '{logs}'
analysis_drive_nix = '{analysis}'
isilon_drive_nix = '{isilon}'
isilon_drive_logs_nix = '{logs}'
"""


def parser() -> Parser:
    """The options of `vdt demo`."""
    p = Parser(
        prog="vdt demo",
        usage="%(prog)s [OPTIONS] [DIR]",
        description="Writes a small MERSCOPE run (about 2,000 files, 200 MB) and a configuration, transfers the run\n"
        "with vizgen_data_transfer, reads everything once more and shows the mail and all files that\nwere written.",
    )
    p.add_argument("folder", nargs="?", default="vdt_demo", metavar="DIR", help="folder to work in (default: vdt_demo)")
    p.add_argument("--seed", type=int, default=1, help="seed of the sample run (default 1)")
    p.add_argument("--debug", action="store_true", help="show details of unexpected errors")
    return p


def command(arguments: List[str]) -> int:
    """Make, transfer, re-hash, show. Raises VdtError."""
    options = parser().parse(arguments)
    say = say_on(sys.stdout)
    folder = fs.absolute(options.folder)
    analysis, isilon = os.path.join(folder, "analysis_drive"), os.path.join(folder, "isilon")
    config = os.path.join(folder, ".vizgen_config.toml")
    if "'" in folder:
        raise UsageError(
            f"The folder {folder} holds a quote, which the demonstration cannot write down. Choose another."
        )
    _make(folder, analysis, isilon, config, options.seed, say)
    say(f"1. A sample run lies in {analysis}.")
    say(f"2. Transferring it: vizgen_data_transfer --no_email --vizgen_config {config} {sample.DEFAULT_RUN_ID}")
    stop = StopFlag()
    progress = Console(sys.stderr)
    stop_on_signals(stop, progress.say)
    try:
        request = Request(sample.DEFAULT_RUN_ID, config, " ".join(["vdt", "demo", *arguments]), mail=False)
        ended = run(request, Surroundings(stop, progress, lambda line: say(f"   {line}"), sys.stdout, progress.pulse))
    finally:
        progress.end()
    if stop or ended.mail is None:
        return ended.exit_code
    say("3. Reading every copied file once more and comparing it with the manifests:")
    wrong = 0
    run_folder = os.path.join(isilon, sample.DEFAULT_RUN_ID)
    for kind in CopyType:
        right, bad = rehash(os.path.join(run_folder, kind.value))
        wrong += bad
        say(f"   {kind.value}: {right} right, {bad} wrong")
    say("4. The mail that would be sent:\n")
    say(ended.mail.plain)
    say("5. Where everything lies:")
    for text, path in (
        ("the copies", run_folder),
        ("robocopy-format logs", os.path.join(run_folder, "*.log")),
        ("manifests for xxhsum -c", os.path.join(run_folder, "*.xxh128")),
        ("evidence, one line a file", os.path.join(run_folder, "*.evidence")),
        ("master log", os.path.join(isilon, "logs", "vizgen_data_transfer.log")),
        ("report to look at", ended.report.page if ended.report is not None else ""),
        ("configuration", config),
    ):
        say(f"   {text:<26} {path}")
    return ended.exit_code or (8 if wrong else 0)


def _make(folder: str, analysis: str, isilon: str, config: str, seed: int, say: Callable[[str], None]) -> None:
    try:
        for path in (analysis, isilon):
            fs.make_folder(path)
        if os.path.isdir(os.path.join(analysis, sample.tree_root("raw_data", sample.DEFAULT_RUN_ID))):
            say(f"The sample run of an earlier demonstration in {folder} is used again.")
        else:
            say("Writing a sample run ...")
            sample.write_run(analysis, n_fov=sample.DEMO["n_fov"], byte_divisor=sample.DEMO["byte_divisor"], seed=seed)
        with open(config, "w", encoding="utf-8") as file:
            file.write(_CONFIG.format(analysis=analysis, isilon=isilon, logs=os.path.join(isilon, "logs")))
    except OSError as error:
        raise UsageError(
            f"The demonstration cannot write in {folder}: {fs.explain(error)[1]}. Name another folder."
        ) from error


def rehash(tree: str) -> Tuple[int, int]:
    """Hash every file that the tree's manifest lists; (right, wrong or missing)."""
    right = wrong = 0
    cold = fs.volume(tree).cold_reads
    with open(f"{tree}.xxh128", encoding="utf-8", errors="surrogateescape", newline="\n") as manifest:
        for line in manifest:
            parsed = parse(line)
            if parsed is None:
                wrong += 1
                continue
            digest, path = parsed
            folder, _, name = path.rpartition("/")
            try:
                with fs.Folder(fs.full_path(tree, folder)) as handle, handle.back(name, cold=cold) as (_, views):
                    same = digest_views(views)[1] == digest
            except OSError:
                same = False
            right, wrong = (right + 1, wrong) if same else (right, wrong + 1)
    return right, wrong
