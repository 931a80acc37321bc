"""`vdt doctor` from outside: its lines, its exit codes, and that it leaves nothing."""

from __future__ import annotations

import json
import shutil
import signal
from typing import Any, Dict, List

import pytest

from contract.conftest import RUN_ID, VDT, Inbox, Result, World, plain_sentences, wait_for


def ask(world: World, *args: str) -> Result:
    target = world.root / "doctor.json"
    target.unlink(missing_ok=True)
    result = world.vdt("doctor", "--quick", "--json", str(target), *args)
    checks = json.loads(target.read_text("ascii")) if target.exists() else None
    target.unlink(missing_ok=True)
    return result._replace(json=checks)


def states(result: Result) -> Dict[str, List[Any]]:
    found: Dict[str, List[Any]] = {}
    for check in result.json["checks"]:
        found.setdefault(check["state"], []).append(check)
    return found


def test_a_sound_set_up(done: World) -> None:
    before = done.snapshot()
    result = ask(done, "--no_email", RUN_ID)
    assert result.code in (0, 1), result.text  # a busy machine may keep a page in its cache
    assert "PROBLEM" not in states(result)
    for line in ("OK       Configuration: ", "OK       Isilon drive: ", "OK       Lock: ", "OK       Long paths: "):
        assert f"\n{line}" in result.out
    assert "0.0 GB are left to copy of 30 files" in result.out
    after = done.snapshot()
    for moved in (
        "isilon",
        f"isilon/{RUN_ID}",
        "isilon/logs",
        "state/vdt",
    ):  # something was made in them and taken away
        before.pop(moved, None), after.pop(moved, None)
    assert after == before


def test_the_speed_is_measured(done: World) -> None:
    result = done.vdt("doctor", "--no-email", RUN_ID)
    assert "Throughput: 64 MB: written with" in result.out and " with every file read back" in result.out
    assert not [path for path in done.isilon.iterdir() if path.name.startswith(".vdt")]


@pytest.mark.parametrize("name", ["Isilon drive", "Source drive", "a tree of the run", "configuration", "overlap"])
def test_a_problem_is_named_with_its_remedy_and_16(done: World, name: str) -> None:
    if name == "Isilon drive":
        done.isilon.rename(done.root / "away")
    elif name == "Source drive":
        done.analysis.rename(done.root / "away")
    elif name == "a tree of the run":
        shutil.rmtree(done.source("output"))
    elif name == "configuration":
        done.configure(vdt='verify = "surely"\nthread = 3')
    else:
        done.configure(isilon_drive_nix=str(done.source()))
    result = ask(done, "--no_email", RUN_ID)
    assert result.code == 16 and "Traceback" not in result.text, result.text
    problems = states(result)["PROBLEM"]
    assert problems and all(check["found"] and check["remedy"] for check in problems)
    assert all("\n         -> " in result.out for _ in problems)
    expected = {
        "Isilon drive": "Isilon drive",
        "Source drive": "Source drive",
        "a tree of the run": "output is not there",
        "configuration": "thread",
        "overlap": "lies inside the source",
    }[name]
    assert expected in result.out


def test_the_mail_server(done: World, inbox: Inbox) -> None:
    done.configure(port=inbox.port)
    assert "Mail server: 127.0.0.1" in ask(done).out and inbox.mails == []
    result = ask(done, "--send-test-mail")
    assert "it took a test mail" in result.out
    assert inbox.only()["Subject"] == "Vizgen data transfer: test mail"
    inbox.close()
    result = ask(done)
    assert result.code == 1 and "could not be reached" in result.out


def test_ctrl_c_leaves_nothing(done: World) -> None:
    process = done.start([*VDT, "doctor", "--no-email"])

    def begun() -> bool:
        return any(path.name.startswith(".vdt-doctor-") for path in done.isilon.iterdir())

    wait_for(begun)
    process.send_signal(signal.SIGINT)
    result = done.end(process)
    assert result.code == 8 or "All is well" in result.out, result.text
    assert "Traceback" not in result.text and not begun()


def test_names_are_escaped(done: World) -> None:
    done.isilon.rename(done.root / "isi\x1blon")
    done.configure(isilon_drive_nix=str(done.root / "isi\x1blon"))
    result = ask(done, "--no-email")
    assert "\x1b" not in result.text and "isi\\x1blon" in result.out


def test_bad_input(done: World) -> None:
    plain_sentences(done.vdt("doctor", "a/b"), "path separator")
    plain_sentences(done.vdt("doctor", "--no-email", "--send-test-mail"), "contradict")
    inside = str(done.source() / "x.json")
    plain_sentences(done.vdt("doctor", "--no-email", "--json", inside), "never written")
    plain_sentences(done.vdt("runs", "--json", inside), "never written")
    plain_sentences(done.vdt("status", RUN_ID, "--json", inside), "never written")
    result = done.vdt("doctor", "--vizgen-config", "nowhere.toml")
    assert result.code == 16 and "PROBLEM" in result.out and "nowhere.toml" in result.out
