"""The order of a look: computer, configuration, source, destination, logs, speed, mail server.

Whatever stands in the way of one check is told by it, and the next one goes on as far as it can. The source is listed
and read, never written; what is written at the destination is gone at the end.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import List, Optional

from vdt import fs
from vdt.closing import bytes_left
from vdt.errors import ConfigError, RefusedError, VdtError
from vdt.model import Kind, Links, Verify
from vdt.preflight import check_apart
from vdt.scan import take_snapshot
from vdt.selection import PARTIAL
from vdt.snapshot import Snapshot
from vdt.stop import StopFlag
from vdt.tuning import DEFAULT_THREADS
from vdt.vizgen.config import Config, load_config
from vdt.vizgen.doctor.check import Check, Tell, ok, problem, warning
from vdt.vizgen.doctor.estimate import Speed, estimate
from vdt.vizgen.doctor.machine import look_at_machine, look_at_robocopy
from vdt.vizgen.doctor.server import look_at_server
from vdt.vizgen.doctor.share import TrialFolder, look_at_left_overs, try_share
from vdt.vizgen.doctor.source import look_at_drive, look_at_source
from vdt.vizgen.doctor.speed import go_on
from vdt.vizgen.doctor.wanted import Known, Wanted, paths_of
from vdt.vizgen.layout import CopyType
from vdt.vizgen.sources import refuse_in_sources

_MAY_LIST = "Ask for the right to list it."
_MAY_WRITE = "Ask whoever runs the storage for the right to write there."


def examine(wanted: Wanted, stop: StopFlag, tell: Tell) -> List[Check]:
    """Look at everything; `tell` has each line as it is found.

    Raises:
        RefusedError: the report would lie in a source.
        StoppedError: the stop came first. Nothing is left behind.
    """
    checks: List[Check] = []

    def note(check: Check) -> None:
        checks.append(check)
        tell(check)

    look_at_machine(note)
    config = _configuration(note, wanted)
    if config is None:
        return checks
    refuse_in_sources(wanted.report, config)
    look_at_robocopy(note, config.robocopy_check)
    go_on(stop)
    known = Known()
    source = look_at_source(note, wanted, config, stop, known)
    remedy = f"Map the drive (setting in {config.path})."
    destination = look_at_drive(note, "Isilon drive", config.isilon_drive, remedy)
    if source and destination:
        _apart(note, wanted, config)
    if destination:
        go_on(stop)
        _room(note, wanted, config, stop, known)
        look_at_left_overs(note, config.isilon_drive)
        _writable(note, "Logs folder", config.logs)
        _run_folder(note, wanted, config)
        go_on(stop)
        speed = try_share(
            note,
            config.isilon_drive,
            stop,
            wanted=config.verify or Verify.COLD,
            quick=wanted.quick,
            threads=config.threads or config.options.threads or DEFAULT_THREADS,
        )
        if speed is not None and speed.write_bytes_per_s and known.files:
            _tell_estimate(note, wanted, known, replace(speed, source_bytes_per_s=known.source_bytes_per_s))
    go_on(stop)
    if wanted.mail and config.smtp_server:
        look_at_server(note, config, send_mail=wanted.send_mail)
    return checks


def _configuration(note: Tell, wanted: Wanted) -> Optional[Config]:
    """All faults, each a line. Where only the mail's part is wrong the rest is used."""

    def load(*, need_mail: bool) -> Config:
        return load_config(wanted.config, windows=fs.WINDOWS, disk=wanted.disk, need_mail=need_mail)

    remedy = f"Correct it in {wanted.config}; vizgen_data_transfer --init_config writes a commented template."
    try:
        config = load(need_mail=wanted.mail)
    except ConfigError as error:
        for fault in error.faults:
            note(problem("Configuration", fault, remedy))
        try:
            return load(need_mail=False) if wanted.mail else None
        except VdtError:
            return None
    except VdtError as error:
        note(problem("Configuration", str(error), remedy))
        return None
    for words in config.warnings:
        note(warning("Configuration", words, f"Correct it in {wanted.config}, if that is not what was meant."))
    remarks = f"; {'; '.join(config.options.remarks)}" if config.options.remarks else ""
    note(ok("Configuration", f"{config.path} can be used{remarks}"))
    return config


def _apart(note: Tell, wanted: Wanted, config: Config) -> None:
    try:
        for kind in CopyType:
            item = paths_of(wanted, config, kind)
            check_apart(item.source if wanted.run_id else config.analysis_drive, item.destination)
    except RefusedError as error:
        note(problem("Source and destination", str(error), f"Correct the drives in {config.path}."))


def _room(note: Tell, wanted: Wanted, config: Config, stop: StopFlag, known: Known) -> None:
    """Free space, against what is left of the run."""
    try:
        free = fs.volume(config.isilon_drive).free_bytes
    except OSError:
        return  # it was there a moment ago: the trial says why
    shown = f"{_gb(free)} free" if free else "the storage does not say how much is free"
    if wanted.run_id:
        _count(note, wanted, config, stop, known)
    if known.left_bytes is None:
        note(ok("Room", shown))
    elif free and free < known.left_bytes:
        note(
            problem(
                "Room",
                f"{shown}, {_gb(known.left_bytes)} are left to copy",
                "Make room, or use --ignore_space if the figure is wrong.",
            )
        )
    else:
        of = f"{known.files} files, {_gb(known.size_bytes)}"
        note(ok("Room", f"{shown}, {_gb(known.left_bytes)} are left to copy of {of}"))


def _count(note: Tell, wanted: Wanted, config: Config, stop: StopFlag, known: Known) -> None:
    left = 0
    for kind in CopyType:
        item = paths_of(wanted, config, kind)
        try:
            if not os.path.isdir(item.source):
                return
            source = _listed(item.source, stop)
            there = _listed(item.destination, stop) if os.path.isdir(item.destination) else Snapshot()
        except OSError as error:
            note(
                problem(
                    "Source",
                    f"{item.source} cannot be counted: {fs.explain(error)[1]}",
                    _MAY_LIST,
                )
            )
            return
        for trouble in source.unreadable[:3]:
            note(problem("Source", f"{trouble.path} cannot be listed: {trouble.reason}", _MAY_LIST))
        known.files += source.count.files
        known.size_bytes += source.count.size_bytes
        left += bytes_left(source, there)
    known.left_bytes = left


def _listed(root: str, stop: StopFlag) -> Snapshot:
    return take_snapshot(
        root,
        lambda path: fs.list_folder(path, tolerant=True),
        links=Links.COPY,
        ignore=lambda _, entry: entry.kind is not Kind.FOLDER and PARTIAL.match(entry.name) is not None,
        stop=lambda: stop,
    )


def _writable(note: Tell, what: str, folder: str) -> None:
    """Try a folder, or the one around it where a transfer would make it."""
    current = folder
    while not os.path.isdir(current) and os.path.dirname(current) != current:
        current = os.path.dirname(current)
    trial = TrialFolder(current)
    try:
        with trial:
            pass
    except OSError as error:
        note(problem(what, f"{folder} cannot be written: {fs.explain(error)[1]}", _MAY_WRITE))
        return
    if trial.left:
        note(warning("Left-overs", trial.left, "Delete that folder by hand."))
    note(ok(what, f"{folder} can be written" + ("" if current == folder else "; it is made when it is needed")))


def _run_folder(note: Tell, wanted: Wanted, config: Config) -> None:
    """Where an earlier transfer left the run, its folders have rights of their own. Nothing is made in a tree."""
    folder = os.path.join(config.isilon_drive, wanted.run_id)
    if not wanted.run_id or not os.path.isdir(folder):
        return
    _writable(note, "Run folder", folder)
    for kind in CopyType:
        tree = paths_of(wanted, config, kind).destination
        if os.path.isdir(tree) and not os.access(tree, os.W_OK):
            note(problem("Run folder", f"{tree} may not be written by you", _MAY_WRITE))


def _tell_estimate(note: Tell, wanted: Wanted, known: Known, speed: Speed) -> None:
    size = known.size_bytes if known.left_bytes is None else known.left_bytes
    guess = estimate(known.files, size, speed)
    note(ok("Time", f"{_gb(size)} of {wanted.run_id} take {guess.words}; several workers may make it less"))


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.1f} GB"
