"""Turns: their order, what is timed, and that a contender cannot succeed by saying so."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Dict, List

import pytest

from comparing import process
from comparing.contenders import Contender, Job, Step, auditors, copiers
from comparing.data import Data, holdings
from comparing.rounds import Field, Run, in_turn, race
from vdt.model import Evidence

from .values import python_contender

COPY = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)"


@pytest.fixture
def field(tmp_path: Path) -> Field:
    source = tmp_path / "from"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_bytes(b"a" * 1000)
    (source / "sub" / "b").write_bytes(b"b" * 500)
    for name in ("to", "scratch"):
        (tmp_path / name).mkdir()
    return Field(
        Data(str(source), "", holdings(str(source))),
        str(tmp_path / "to"),
        str(tmp_path / "to"),
        str(tmp_path / "scratch"),
    )


def left(field: Field) -> List[str]:
    return os.listdir(field.behind)


def test_every_second_round_begins_at_the_other_end() -> None:
    three = [python_contender(name, "") for name in "abc"]
    assert ["".join(one.name for one in in_turn(three, number)) for number in (1, 2, 3)] == ["abc", "cba", "abc"]


def test_a_good_copy_is_timed_and_removed(field: Field) -> None:
    run = field.turn(python_contender("good", COPY), 1, 1)
    assert run.fault == "" and run.seconds > 0 and run.evidence is Evidence.COLD
    assert run.commands[0][-2] == field.data.source and left(field) == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("", r"it said success, and 0 of 2 files with 0 of 1500 bytes were there"),
        (COPY + "; open(sys.argv[2] + '/a', 'w')", r"2 of 2 files with 500 of 1500 bytes"),
        ("import sys; sys.exit('it \\x1b[2J broke')", r"ended with 1: it \\x1b\[2J broke"),
    ],
)
def test_who_copies_too_little_or_fails_is_told_apart(field: Field, code: str, fault: str) -> None:
    import re

    run = field.turn(python_contender("bad", code), 1, 1)
    assert re.search(fault, run.fault), run.fault
    assert left(field) == []


def test_a_check_that_names_what_differs_has_failed(field: Field) -> None:
    run = field.turn(python_contender("check", COPY + "; print('sub/b')", silent=True), 1, 1)
    assert run.fault == "it named what differs: sub/b"


def test_what_cannot_be_started_is_a_fault_of_that_contender(field: Field) -> None:
    nobody = Contender("x", Job.COPY, "x", (), (Step(("/no/such/program",)),), Evidence.NONE, "")
    assert field.turn(nobody, 1, 1).fault.startswith("could not be started: ")


def test_ours_is_believed_by_its_report_alone(field: Field) -> None:
    words = ("{source}", "{destination}", "{scratch}")
    report = (
        COPY + "; import json; open(sys.argv[3] + '/report.json', 'w').write(json.dumps(dict(files_by_evidence=%s)))"
    )

    def turn(counts: str) -> Run:
        return field.turn(python_contender("ours", report % counts, *words, reports=True), 1, 1)

    assert turn("dict(cold=5, reread=1)").evidence is Evidence.REREAD
    assert turn("dict(cold=5, inflight=0)").evidence is Evidence.COLD
    assert turn("dict(cold=5, present=1)").evidence is Evidence.PRESENT
    assert turn("dict(cold=0)").fault == "it proved no file"
    silent = field.turn(python_contender("ours", COPY, *words, reports=True), 1, 1)
    assert silent.fault == "it wrote no report of what was proven", "the report of an earlier turn does not count"


def test_steps_are_one_after_the_other_and_each_is_timed(field: Field) -> None:
    one = python_contender("two", COPY)
    two = Contender("two", Job.COPY, "t", (), (*one.steps, Step((sys.executable, "-S", "-c", ""))), Evidence.NONE, "")
    run = field.turn(two, 1, 1)
    assert len(run.step_seconds) == 2 and run.seconds == pytest.approx(sum(run.step_seconds))


def test_who_failed_is_not_tried_again_and_the_others_go_on(field: Field) -> None:
    runs: Dict[str, List[Run]] = {}
    said: List[str] = []
    race(field, [python_contender("good", COPY), python_contender("bad", "")], 2, runs, said.append)
    assert (len(runs["good"]), len(runs["bad"])) == (2, 1)
    assert [run.position for run in runs["good"]] == [1, 2]
    assert len(said) == 3 and said[0].startswith("round 1 of 2  good")


def test_an_audit_reads_one_copy_and_leaves_it_alone(field: Field) -> None:
    code = (
        "import os, sys; assert os.listdir(sys.argv[1]);"
        "assert open(sys.argv[2] + '/manifest.xxh128').read().count('  ') == 2;"
        "open(sys.argv[1] + '.evidence', 'w')"
    )
    words = ("{destination}", "{scratch}", "{scratch}/manifest.xxh128")
    for _ in range(2):
        run = field.turn(python_contender("audit", code, *words, job=Job.AUDIT), 1, 1)
        assert run.fault == "" and run.flush_seconds == 0
    assert left(field) == ["audited"] and os.listdir(os.path.join(field.behind, "audited")) == ["copy"]


def test_what_an_audit_needs_beforehand_may_fail(field: Field) -> None:
    step = Step((sys.executable, "-S", "-c", "import sys; sys.exit(3)"))
    one = Contender("a", Job.AUDIT, "t", (), (step,), Evidence.NONE, "", prepared=(step,))
    assert field.turn(one, 1, 1).fault.startswith("before its turn ")


@pytest.mark.skipif(not shutil.which("xxhsum"), reason="needs xxhsum")
def test_the_manifest_is_one_that_xxhsum_reads(field: Field) -> None:
    (one,) = (one for one in auditors() if one.name == "xxhsum -c")
    assert field.turn(one, 1, 1).fault == ""
    with open(os.path.join(field.behind, "audited", "copy", "a"), "r+b") as file:
        file.write(b"X")
    assert "xxhsum ended with 1" in field.turn(one, 2, 1).fault


def test_ours_takes_part_as_it_is(field: Field) -> None:
    (one,) = (one for one in copiers([]) if one.name == "vdt copy --verify none")
    run = field.turn(one, 1, 1)
    assert run.fault == "" and run.evidence is Evidence.NONE


@pytest.mark.skipif(os.name != "posix", reason="sends a signal as POSIX does")
def test_an_interrupted_command_is_gone_with_its_children(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGALRM)
    interrupted = signal.default_int_handler
    signal.signal(signal.SIGALRM, interrupted)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    told = tmp_path / "pid"
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    try:
        with pytest.raises(KeyboardInterrupt):
            process.run([sys.executable, "-S", "-c", code, str(told)])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if told.exists() and told.read_text():  # else it was gone before it began
        assert not is_alive(int(told.read_text()))


def is_alive(pid: int) -> bool:
    """Within a moment, as init collects it."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.02)
    return True


@pytest.mark.skipif(os.name != "posix", reason="Windows tells no memory of a process that has ended")
def test_memory_is_that_of_the_command_and_not_ours() -> None:
    ballast = bytearray(b"x") * (96 << 20)
    assert process.run([sys.executable, "-S", "-c", ""]).peak_kib < 40 << 10
    assert process.run([sys.executable, "-S", "-c", "x = bytearray(b'x') * (64 << 20)"]).peak_kib > 64 << 10
    assert len(ballast) == 96 << 20


def test_codes_signals_and_missing_programs() -> None:
    assert process.run([sys.executable, "-S", "-c", "raise SystemExit(7)"]).code == 7
    if os.name == "posix":
        assert process.run([sys.executable, "-S", "-c", "import os; os.kill(os.getpid(), 15)"]).code == -15
    with pytest.raises(FileNotFoundError):
        process.run(["/no/such/program"])


def test_output_goes_where_it_is_asked_for(tmp_path: Path) -> None:
    ended = process.run(
        [sys.executable, "-S", "-c", "print('a' * 3)"], output=str(tmp_path / "out"), folder=str(tmp_path)
    )
    assert (tmp_path / "out").read_text().strip() == "aaa" and ended.printed and ended.code == 0
