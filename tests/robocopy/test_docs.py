"""docs/robocopy.md is held against the tables of the two parsers."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Dict, Tuple

from vdt import rsync_options
from vdt.robocopy.options import parse_option_string
from vdt.robocopy.table import OPTIONS, Status
from vdt.rsync_options import parse_rsync_options

from .test_command import VALUES

PAGE = (Path(__file__).parents[2] / "docs" / "robocopy.md").read_text(encoding="utf-8")
NOW = datetime(2026, 7, 24)


def test_every_option_of_robocopy_stands_in_the_table_with_its_status() -> None:
    rows: Dict[str, Tuple[str, str]] = {}
    for spelled, status, configured, text in re.findall(r"^\| `(/[^`]+)` \| (.*?) \| (.*?) \| (.*) \|$", PAGE, re.M):
        assert spelled not in rows and text
        rows[spelled] = (status, configured)
    expected = {}
    for name, option in OPTIONS.items():
        options = parse_option_string(f"/{name}{VALUES[option.takes]}", now=NOW)
        configured = Status.REFUSED if options.faults else Status.NO_EFFECT if options.not_honoured else Status.HONOURED
        expected[f"/{name}{option.takes.value}"] = (option.status.value, configured.value)
    assert rows == expected


def test_every_option_of_rsync_stands_in_its_table_with_its_status() -> None:
    rows: Dict[str, str] = {}
    for spelled, status in re.findall(r"^\| (`-[^|]+`) \| (honoured|without effect|refused) \|", PAGE, re.M):
        for option in re.findall(r"`([^`]+)`", spelled):
            rows[option] = status
    known = {f"-{letter}" for letter in "arltpogDucn"} | {f"--{name}" for name in rsync_options._LONG}
    known |= {f"--{name}=" for name in rsync_options._WITH_VALUE}
    known |= {("-" if len(name) == 1 else "--") + name for name in rsync_options._NO_EFFECT}
    known |= {"--delete", "--delete-*", "--del", "--remove-source-files"}
    assert set(rows) == known
    for option, status in rows.items():
        options = parse_rsync_options(
            {"--exclude=": "--exclude=x", "--bwlimit=": "--bwlimit=1M"}.get(option, option + "1" * option.endswith("="))
        )
        if status == "refused":
            assert options.faults, option
            continue
        assert not options.faults, option
        devices = option in ("-D", "--devices", "--specials")  # taken in, and named: there is nothing to copy
        assert bool(options.not_honoured) == (status == "without effect" or devices), option
