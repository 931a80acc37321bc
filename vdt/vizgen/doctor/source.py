"""The source: is it there, which trees of the run does it hold, how fast is it read. Nothing is written."""

from __future__ import annotations

import os
import time
from typing import Tuple

from vdt import fs
from vdt.errors import StoppedError
from vdt.listing import answer_s
from vdt.model import Kind
from vdt.stop import StopFlag
from vdt.vizgen.config import Config
from vdt.vizgen.doctor.check import Tell, ok, problem
from vdt.vizgen.doctor.speed import PROBE_BYTES, go_on
from vdt.vizgen.doctor.wanted import Known, Wanted, paths_of
from vdt.vizgen.layout import CopyType
from vdt.vizgen.nearest import hint

_LOOK_INTO = 60  # folders of a source that are searched for a large file


def look_at_source(note: Tell, wanted: Wanted, config: Config, stop: StopFlag, known: Known) -> bool:
    """The source drive, and the trees of the run."""
    remedy = f"Map the drive or plug the disk in ('{config.analysis_key}' in {config.path})."
    if not look_at_drive(note, "Source drive", config.analysis_drive, remedy):
        return False
    if wanted.run_id:
        sources = {kind: paths_of(wanted, config, kind).source for kind in CopyType}
        nowhere = not any(os.path.isdir(source) for source in sources.values())
        near = (
            hint(wanted.run_id, [os.path.dirname(s) for s in sources.values()]) if nowhere else "The run id is right."
        )
        for kind, source in sources.items():
            if os.path.isdir(source):
                note(ok("Source", f"{kind.value}: {source}"))
            else:
                remedy = f"{near} A tree that lies on the external disk is looked at with --disk."
                note(problem("Source", f"{kind.value} is not there: {source}", remedy))
    if not wanted.quick:
        _read_source(note, wanted, config, stop, known)
    return True


def look_at_drive(note: Tell, what: str, drive: str, remedy: str) -> bool:
    """Whether a drive is there and can be listed; `remedy` is for one that is not."""
    try:
        volume = fs.volume(drive)
        fs.list_folder(drive, tolerant=True)
    except OSError as error:
        note(problem(what, f"{drive} cannot be listed: {fs.explain(error)[1]}.{fs.absence(drive)}", remedy))
        return False
    note(ok(what, _place_of(drive, volume)))
    return True


def _read_source(note: Tell, wanted: Wanted, config: Config, stop: StopFlag, known: Known) -> None:
    """Read up to 64 MB of one file that lies there."""
    for kind in CopyType:
        root = os.path.join(config.analysis_drive, kind.source_folder, wanted.run_id)
        if not os.path.isdir(root):
            continue
        try:
            place, name = _large_file(root, stop)
            if not name:
                continue
            with fs.Folder(place) as folder:
                got, began = 0, time.perf_counter()
                with folder.back(name, cold=False) as (_, views):
                    for view in views:
                        got += len(view)
                        go_on(stop)
                        if got >= PROBE_BYTES:
                            break
                seconds = max(1e-6, time.perf_counter() - began)
        except StoppedError:
            raise
        except OSError as error:
            words = f"{getattr(error, 'filename', None) or root}: {fs.explain(error)[1]}"
            note(problem("Source", f"a file cannot be read: {words}", "Ask for the right to read the whole run."))
            return
        if got >= PROBE_BYTES:  # of less the rate would be one of the latency
            known.source_bytes_per_s = got / seconds
        rate = f"{got / 1e6:.1f} MB read with {got / 1e6 / seconds:.0f} MB/s (maybe from this computer's cache)"
        note(ok("Reading", f"{kind.value}: {rate}"))
        return


def _large_file(root: str, stop: StopFlag) -> Tuple[str, str]:
    """(folder, name) of the largest file of the first folders; ("", "") where there is none. Raises OSError."""
    largest, found = -1, ("", "")
    folders = [root]
    for place in folders:
        go_on(stop)
        for entry in fs.list_folder(place, tolerant=True):
            if entry.kind is Kind.FILE and not entry.offline and entry.size_bytes > largest:
                largest, found = entry.size_bytes, (place, entry.name)
            elif entry.kind is Kind.FOLDER and len(folders) < _LOOK_INTO:
                folders.append(fs.full_path(place, entry.name))
        if largest >= PROBE_BYTES:
            break
    return found


def _place_of(drive: str, volume: fs.Volume) -> str:
    """A drive in words, with how fast it answers."""
    where = "a network drive" if volume.remote else "no network drive, as far as the system tells"
    return f"{drive}: {volume.kind}, {where}, {answer_s(drive) * 1000:.2f} ms a call"
