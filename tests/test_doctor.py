"""The doctor: what each probe says of a storage that is well, and of one that is not; and that nothing is left."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import pytest
from post_office import Box, free_port, servers

from vdt import fs
from vdt.errors import RefusedError, StoppedError
from vdt.lock import TreeLock
from vdt.model import Policy, Verify
from vdt.options import ParsedOptions
from vdt.probe import Destination
from vdt.stop import StopFlag
from vdt.vizgen.config import Config
from vdt.vizgen.doctor import machine, share, source, speed
from vdt.vizgen.doctor.check import Check, State, exit_code, ok, problem, warning
from vdt.vizgen.doctor.estimate import Speed, estimate, span
from vdt.vizgen.doctor.server import look_at_server

RUN = "202310261058_VZGEN1_VMSC10202"


def by_name(checks: List[Check]) -> Dict[str, Check]:
    return {check.what: check for check in checks}


# ---- values --------------------------------------------------------------------------------------------------------


def test_the_worst_state_is_the_exit_code() -> None:
    assert exit_code([]) == exit_code([ok("a", "b")]) == 0
    assert exit_code([ok("a", "b"), warning("a", "b", "c")]) == 1
    assert exit_code([problem("a", "b", "c"), warning("a", "b", "c")]) == 16


def test_an_estimate_adds_bytes_and_calls() -> None:
    rates = Speed(write_bytes_per_s=100.0, read_bytes_per_s=200.0, source_bytes_per_s=50.0, file_s=0.3, workers=3)
    guess = estimate(30, 1000, rates)
    assert guess.copy_s == pytest.approx(1000 / 50 + 30 * 0.1 * 2 / 3)
    assert guess.proven_s == pytest.approx(1000 / 50 + 1000 / 200 + 30 * 0.1)
    assert estimate(0, 0, Speed()).proven_s == 0.0
    assert "with every file read back" in guess.words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119, "119 s"), (600, "10 min"), (12_600, "3.5 h"), (400_000, "4.6 days")]
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


# ---- the share -----------------------------------------------------------------------------------------------------


def tried(root: Path, **changes: Any) -> List[Check]:
    checks: List[Check] = []
    options: Dict[str, Any] = {"wanted": Verify.COLD, "quick": True, "threads": 8, **changes}
    share.try_share(checks.append, str(root), options.pop("stop", StopFlag()), **options)
    assert os.listdir(root) == [], "nothing is left"
    return checks


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PROBE_BYTES", 3 << 20)
    monkeypatch.setattr(source, "PROBE_BYTES", 3 << 20)


def test_a_good_share(tmp_path: Path) -> None:
    found = by_name(tried(tmp_path, quick=False))
    assert {check.state for check in found.values()} <= {State.OK, State.WARNING}
    assert {"Rename", "Times", "Case of names", "Flush", "Evidence", "Clock", "Long paths", "Lock"} <= set(found)
    assert "in a path of" in found["Long paths"].found and found["Lock"].state is State.OK
    assert "MB/s" in found["Throughput"].found and "ms a call" in found["Latency"].found


@pytest.mark.parametrize(
    ("changes", "name", "state", "words"),
    [
        ({"keeps_times": False}, "Times", State.WARNING, "refused"),
        ({"time_step_ns": 2 * 10**9}, "Times", State.WARNING, "about 2 s"),
        ({"time_step_ns": 50}, "Times", State.OK, "50 ns"),
        ({"fold_case": True}, "Case of names", State.OK, "one name"),
        ({"notes": ("x: a flush was refused (why)",)}, "Rights", State.WARNING, "a flush was refused"),
        ({"cold_reads": False}, "Evidence", State.WARNING, "because of that"),
        ({"cold_reads": True}, "Evidence", State.OK, "past this client's cache"),
    ],
)
def test_what_the_probe_finds_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Dict[str, Any], name: str, state: State, words: str
) -> None:
    cold = changes.pop("cold_reads", True)
    volume = replace(fs.volume(str(tmp_path)), cold_reads=cold, why_not_cold="because of that")
    monkeypatch.setattr(share, "probe", lambda path: replace(Destination(volume, False, 0), **changes))
    found = by_name(tried(tmp_path))[name]
    assert found.state is state and words in found.found and bool(found.remedy) == (state is not State.OK)


def test_a_weaker_level_of_the_configuration_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = replace(fs.volume(str(tmp_path)), cold_reads=True)
    monkeypatch.setattr(share, "probe", lambda path: Destination(volume, False, 0))
    found = by_name(tried(tmp_path, wanted=Verify.INFLIGHT))["Evidence"]
    assert found.state is State.WARNING and "'inflight'" in found.found


def test_a_share_that_refuses_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> Destination:
        raise RefusedError(f"The destination {path} cannot be renamed in: permission denied.")

    monkeypatch.setattr(share, "probe", refuse)
    (found,) = tried(tmp_path)
    assert found.state is State.PROBLEM and "cannot be renamed in" in found.found and found.remedy


def test_a_root_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    checks: List[Check] = []
    gone = str(tmp_path / "gone")
    share.try_share(checks.append, gone, StopFlag(), wanted=Verify.COLD, quick=True, threads=1)
    assert [check.state for check in checks] == [State.PROBLEM] and not os.path.exists(gone)


@pytest.mark.parametrize(
    ("apart_s", "state", "words"),
    [(0, State.OK, "agrees"), (-60, State.OK, "ahead"), (60, State.OK, "behind"), (400, State.WARNING, "behind")],
)
def test_a_clock_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart_s: int, state: State, words: str
) -> None:
    real = share.time.time
    monkeypatch.setattr(share.time, "time", lambda: real() + apart_s)
    found = by_name(tried(tmp_path))["Clock"]
    assert found.state is state and words in found.found


def test_long_names_that_are_refused_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "_LONG_NAME", "z" * 5000)
    found = by_name(tried(tmp_path))["Long paths"]
    assert found.state is State.WARNING and "too long" in found.found


def test_a_lock_that_two_can_have_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TreeLock, "_create", lambda self: True)
    found = by_name(tried(tmp_path))["Lock"]
    assert found.state is State.PROBLEM


def test_other_bytes_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = speed.digest_views
    answers = iter([("other", "bytes")])
    monkeypatch.setattr(speed, "digest_views", lambda views: next(answers, None) or real(views))
    found = by_name(tried(tmp_path, quick=False))["Throughput"]
    assert found.state is State.PROBLEM


@pytest.mark.parametrize("after", range(0, 60, 6))
def test_a_stop_leaves_nothing_whenever_it_comes(tmp_path: Path, after: int) -> None:
    class Stop(StopFlag):
        asked = 0

        def __bool__(self) -> bool:
            self.asked += 1
            return self.asked > after

    with pytest.raises(StoppedError):
        tried(tmp_path, quick=False, stop=Stop())
    assert os.listdir(tmp_path) == []


def test_what_was_left_by_a_killed_one_is_named_and_kept(tmp_path: Path) -> None:
    left = tmp_path / ".vdt-doctor-0123456789abcdef"
    left.mkdir()
    (tmp_path / ".vdt-doctor-notes").mkdir()
    checks: List[Check] = []
    share.look_at_left_overs(checks.append, str(tmp_path))
    assert [str(left) in check.found for check in checks] == [True] and left.exists()


def test_a_folder_that_cannot_be_taken_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks: List[Check] = []
    with monkeypatch.context() as broken:
        broken.setattr(share, "_remove", lambda path: os.rmdir(path + "/not there"))
        share.try_share(checks.append, str(tmp_path), StopFlag(), wanted=Verify.COLD, quick=True, threads=1)
    assert by_name(checks)["Left-overs"].state is State.WARNING
    assert str(tmp_path) in by_name(checks)["Left-overs"].found


# ---- the computer --------------------------------------------------------------------------------------------------


def test_this_computer_is_well_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fs, "state_home", lambda: str(tmp_path / "a" / "b"))
    checks: List[Check] = []
    machine.look_at_machine(checks.append)
    assert [check.state for check in checks] == [State.OK] * 3 and os.listdir(tmp_path) == []
    (tmp_path / "a").write_text("a file in its place")
    machine.look_at_machine(checks.append)
    assert checks[-1].state is State.WARNING and os.listdir(tmp_path) == ["a"]


def test_a_program_on_a_network_drive_and_an_old_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fs.volume
    monkeypatch.setattr(fs, "state_home", lambda: str(tmp_path))
    monkeypatch.setattr(fs, "volume", lambda path: replace(real(path), remote=True))
    monkeypatch.setattr(sys, "version_info", (3, 8, 10))
    checks: List[Check] = []
    machine.look_at_machine(checks.append)
    found = by_name(checks)
    assert found["Program"].state is State.WARNING and "network drive" in found["Program"].found
    assert found["Python"].state is State.PROBLEM


@pytest.mark.parametrize(
    ("program", "wanted", "windows", "state"),
    [
        ("C:\\robocopy.exe", "auto", True, State.OK),
        ("C:\\robocopy.exe", "off", True, State.OK),
        (None, "on", True, State.PROBLEM),
        (None, "on", False, State.PROBLEM),
        (None, None, True, State.WARNING),
        (None, None, False, State.OK),
    ],
)
def test_robocopy(monkeypatch: pytest.MonkeyPatch, program: Any, wanted: Any, windows: bool, state: State) -> None:
    monkeypatch.setattr(machine, "find_robocopy", lambda: program)
    monkeypatch.setattr(fs, "WINDOWS", windows)
    checks: List[Check] = []
    machine.look_at_robocopy(checks.append, wanted)
    assert [check.state for check in checks] == [state]


# ---- the mail server -----------------------------------------------------------------------------------------------


def asked(port: int, *, send_mail: bool, **changes: Any) -> Check:
    config = Config(
        "c.toml",
        "key",
        "/analysis",
        "/isilon",
        "/logs",
        ParsedOptions("", Policy()),
        smtp_server="127.0.0.1",
        smtp_port=port,
        sender="merscope@example.org",
        addressees=("lab@example.org", "core@example.org"),
    )
    checks: List[Check] = []
    look_at_server(checks.append, replace(config, **changes), send_mail=send_mail)
    (check,) = checks
    return check


def test_a_mail_is_sent_only_where_it_is_asked_for() -> None:
    box = Box()
    with servers() as start:
        port = start(box)
        assert asked(port, send_mail=False).state is State.OK and box.mails == []
        assert asked(port, send_mail=True).state is State.OK
        assert [mail[1] for mail in box.mails] == [["lab@example.org", "core@example.org"]]
        assert b"No data was transferred" in box.mails[0][2]


def test_a_server_that_refuses_or_is_not_there_is_a_warning() -> None:
    with servers() as start:
        port = start(Box(refuse={"core@example.org": "550 no such user"}))
        found = asked(port, send_mail=True)
        assert found.state is State.WARNING and "core@example.org" in found.found
        found = asked(port, send_mail=False, smtp_security="starttls")
        assert found.state is State.WARNING and "STARTTLS" in found.found
        found = asked(port, send_mail=False, smtp_user="lab", smtp_password_env="NO_SUCH_VARIABLE_HERE")
        assert found.state is State.WARNING and "NO_SUCH_VARIABLE_HERE" in found.found
    found = asked(free_port(), send_mail=False)
    assert found.state is State.WARNING and "could not be reached" in found.found and ".eml" in found.remedy
