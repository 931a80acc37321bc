"""What others write is read: damaged at random, and at each place by a server that answers as it likes. Nothing raises
but what is promised, nothing hangs, and no control character comes through."""

from __future__ import annotations

import base64
import json
import random
import re
import socket
import threading
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt import against, evidence, manifest, scrub
from vdt.auditstate import AuditState
from vdt.errors import ConfigError, LockedError, UsageError
from vdt.journal import Journal
from vdt.printable import printable
from vdt.robocopy.read import decode, log_status, read_log
from vdt.vizgen.config import load_config
from vdt.vizgen.mail import MailText, build_message
from vdt.vizgen.post import SmtpSettings, send

HERE = Path(__file__).resolve().parents[1]
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
TEMPLATE = (HERE.parent / "etc" / ".vizgen_config.toml").read_bytes()
LOGS = sorted((HERE / "robocopy" / "logs").iterdir())


def damaged(data: bytes, seed: int) -> bytes:
    """One to eight bytes are others, or a piece is gone, doubled, or comes from elsewhere."""
    dice = random.Random(seed)
    made = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(made) + 1)
        piece = dice.choice([b"\0", b"\n", b'"', b"\xff", b"\x1b[2J", b"9" * 400, b"[" * 300, b"{", b"\\", b"=", b"\r"])
        kind = dice.randrange(5)
        if kind == 0 and at < len(made):
            made[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del made[at : at + dice.randint(1, 40)]
        elif kind == 2:
            made[at:at] = made[at : at + dice.randint(1, 60)]
        elif kind == 3:
            made[at:at] = piece
        else:
            del made[at:]
            made += piece
    return bytes(made)


@pytest.mark.parametrize("part", range(4))
def test_a_damaged_configuration_is_read_or_its_faults_are_told(tmp_path: Path, part: int) -> None:
    path = tmp_path / "config.toml"
    told = 0
    for seed in range(part * 150, part * 150 + 150):
        path.write_bytes(damaged(TEMPLATE, seed))
        try:
            load_config(str(path), windows=bool(seed % 2), need_mail=bool(seed % 3), debug=bool(seed % 5))
        except ConfigError as error:
            told += 1
            assert str(error).strip() and not CONTROL.search(str(error)), (seed, str(error))
    assert told > 20


def test_a_damaged_robocopy_log_is_read_as_far_as_it_goes() -> None:
    for path in LOGS:
        data = path.read_bytes()
        for seed in range(60):
            text = decode(damaged(data, seed))
            read_log(text)
            assert isinstance(log_status(text), str)


LINES: Dict[str, Callable[[str], object]] = {
    '{"path": "a/b", "size": 5, "mtime_ns": 7, "xxh128": "%s", "evidence": "cold", "when": "x"}' % ("0" * 32): (
        evidence.parse_line
    ),
    f"{'0' * 32}  a/b": manifest.parse,
    f"XXH128 (a/b) = {'0' * 32}": manifest.parse,
    '{"version": 1, "path": "f", "partial": ".vdt-0123456789abcdef.partial", "size": 5, "mtime_ns": 5, '
    '"chunk_bytes": 67108864}\n'
    '{"chunk": 0, "xxh128": "%s"}\n' % ("0" * 32): lambda text: Journal.parse(
        "s", ".vdt-0123456789abcdef.journal", text
    ),
}


@pytest.mark.parametrize("line", LINES, ids=["evidence", "manifest", "manifest of BSD", "journal"])
def test_a_damaged_line_never_raises(line: str) -> None:
    read = LINES[line]
    for seed in range(1500):
        read(damaged(line.encode(), seed).decode("utf-8", "surrogateescape"))


STATE = """
{"process": 4242, "life": "77", "started": "2026-01-01T00:00:00+00:00"}
{"p":"a/b.bin","j":"OK","s":5,"n":7,"m":8,"d":"D0","e":"cold"}
{"p":"c/d","j":"DIFFERENT","s":5,"n":7,"m":8,"d":"D1","e":"cold","r":"","x":"","z":9,"f":3,"b":[0, 1],"c":2,"g":"zeros"}
""".replace("D0", "0" * 32).replace("D1", "1" * 32)
SOUND_JSON = [  # and no line of ours
    *('"process"', '["process"]', '{"process": 1}', '{"process": 1e999}', "7", "null", "[" * 100_000),
    '{"process": -1, "life": "unknown", "started": ""}',
    '{"process": 1180591620717411303424, "life": "unknown", "started": ""}',
    '{"p":"a","j":"DIFFERENT","s":1e999,"n":1,"m":1,"d":"","e":"cold","r":"","x":"","z":1,"f":1,"b":[],"c":1,"g":""}',
    '{"p":"a","j":"OK","s":1e999,"n":1,"m":1,"d":"","e":"cold"}',
    '{"p":"a","j":"OK","s":1,"n":1,"m":1,"d":5,"e":"on_record"}',
]


def test_a_damaged_state_of_an_audit_is_gone_on_with_as_far_as_it_goes(tmp_path: Path) -> None:
    texts = [f"{line}\n".encode() for line in SOUND_JSON] + [damaged(STATE.encode(), seed) for seed in range(300)]
    for number, text in enumerate(texts):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "read.jsonl").write_bytes(text)
        state = AuditState(str(folder))
        try:
            state.begin(datetime.now(timezone.utc))
        except LockedError:
            assert number >= len(SOUND_JSON), "nobody is at it"
        assert state.count <= 2
        state.close()


@pytest.mark.parametrize("text", [b"[]", b'{"done": []}', b'{"done": {"a": 1e999}}', b"\xff", b"[" * 100_000, b""])
def test_a_damaged_memory_of_a_scrub_begins_anew(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "memory.json"
    path.write_bytes(text)
    memory = scrub._Memory(str(path))
    memory.load()
    memory.save()
    assert set(json.loads(path.read_bytes())["done"]) <= {"a"}


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a//b", "a\0b", ".", "", "a/"])
def test_evidence_that_leads_out_of_its_tree_is_no_evidence(path: str) -> None:
    line = {"path": path, "size": 1, "mtime_ns": 1, "xxh128": "0" * 32, "evidence": "cold", "when": ""}
    assert evidence.parse_line(json.dumps(line)) is None
    assert evidence.parse_line(json.dumps({**line, "path": "a/b"})) is not None


def test_an_evidence_file_that_is_damaged_in_its_middle_costs_its_lines(tmp_path: Path) -> None:
    """Of another host too. What lies before and behind the damage counts, and what is lost is said."""
    line = '{"path": "d/%d", "size": 5, "mtime_ns": 7, "xxh128": "%032d", "evidence": "cold", "when": "x"}\n'
    whole = "".join(line % (number, number) for number in range(200)).encode()
    for seed in range(40):
        dice = random.Random(seed)
        at = dice.randrange(len(whole) - 1500)
        folder = tmp_path / f"{seed}.evidence"
        folder.mkdir()
        name = "20260101T000000-another-host-transfer.jsonl"
        (folder / name).write_bytes(whole[:at] + dice.randbytes(700) + whole[at + 700 :])
        known = against.read_records([str(folder)])
        assert 180 <= known.records.count <= 198, seed
        assert "damaged" in known.notes[0] and name in known.notes[0], seed
        found = known.records.of_folder("d")
        assert all(record.digest == f"{int(name):032}" for name, history in found.items() for record in history), seed
        assert known.by_host["another-host"].count == known.records.count


@pytest.mark.parametrize("when", ["0001-01-01", "9999-12-31T23:59:59", "x", "2026-13-01", "\x1b"])
def test_no_date_is_too_old_or_too_far_off(tmp_path: Path, when: str) -> None:
    """In a line of evidence, and on the command line."""
    (tmp_path / "e").mkdir()
    line = {"path": "a", "size": 1, "mtime_ns": 1, "xxh128": "0" * 32, "evidence": "cold", "when": when}
    (tmp_path / "e" / "20260101T000000-h-audit.jsonl").write_text(json.dumps(line) + "\n", encoding="ascii")
    assert against.read_records([str(tmp_path / "e")], "2026-01-01").records.count == 1
    try:
        against.read_records([], when)
    except UsageError as error:
        assert "is no date" in str(error)


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_no_name_carries_a_control_character_out(name: str) -> None:
    assert not CONTROL.search(printable(name)) and "\n" not in printable(name) and "\t" not in printable(name)


# -- mails ---------------------------------------------------------------------------------------------------------

AWKWARD = st.text(st.characters(codec="utf-8", categories=["L", "Cc", "P", "Zs", "Zl"]), max_size=40)


@given(AWKWARD, AWKWARD)
@settings(max_examples=300)
def test_no_text_makes_a_header_of_its_own(run: str, host: str) -> None:
    """Whatever a run is called and whatever stands in the text: the headers are those that were meant."""
    bad = f"{run}\r\nBcc: thief@example.org\r\n\r\nbody{host}"
    message = build_message(
        MailText(f"done for run: {bad}", bad, f"<html>{host}</html>\n"),
        "merscope@example.org",
        ("lab@example.org",),
        datetime(2026, 1, 1, tzinfo=timezone.utc),
        bad,
    )
    head = message.as_bytes().partition(b"\r\n\r\n")[0]
    assert b"\nBcc" not in head.replace(b"\r", b"\n") and message["Bcc"] is None
    assert message.get_all("To") == ["lab@example.org"]


@contextmanager
def server_that_says(answer: Callable[[int, bytes], bytes]) -> Iterator[Tuple[int, List[bytes]]]:
    """A listener on loopback; `answer` gives what it says to the nth line (0 is the greeting), empty hangs up."""
    heard: List[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                number, line = 0, b""
                try:
                    while True:
                        said = answer(number, line)
                        if not said:
                            break
                        connection.sendall(said)
                        line = connection.recv(65536)
                        heard.append(line)
                        if not line:
                            break
                        number += 1
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.close()


def told_by(answer: Callable[[int, bytes], bytes], **changes: str) -> str:
    message = build_message(
        MailText("subject", "text\n", "<html></html>\n"),
        "merscope@example.org",
        ("lab@example.org",),
        datetime(2026, 1, 1, tzinfo=timezone.utc),
        "host",
    )
    with server_that_says(answer) as (port, _):
        values = {"server": "127.0.0.1", "port": port, "security": "none", **changes}
        reason = send(
            message,
            SmtpSettings(**values),  # type: ignore[arg-type]
            tries=2,
            within_s=1.5,
            sleep=lambda _: None,
            environ={"VDT_TEST_PASSWORD": "hunter2 secret"},
        )
    return reason or ""


@pytest.mark.parametrize("seed", range(16))
def test_a_mail_server_may_answer_what_it_likes(seed: int) -> None:
    dice = random.Random(seed)
    good = [
        b"220 hello\r\n",
        b"250-host\r\n250 AUTH PLAIN LOGIN\r\n",
        b"250 ok\r\n",
        b"250 ok\r\n",
        b"354 go\r\n",
        b"250 ok\r\n",
    ]

    def answer(number: int, _: bytes) -> bytes:
        line = good[min(number, len(good) - 1)]
        if dice.random() < 0.6:
            return line
        return dice.choice(
            [
                b"",
                damaged(line, dice.randrange(10**6)) or b"\r\n",
                b"\xff\xfe\x00\x1b[2J\x1b]0;title\x07\r\n",
                b"999 what\r\n",
                b"550 no \x1b[31m\x00 Bcc: x\r\n",
                b"250-" * 3000 + b"\r\n",
                b"421 " + b"x" * 9000 + b"\r\n",
            ]
        )

    reason = told_by(answer)
    assert not CONTROL.search(reason) and "\n" not in reason and len(reason) < 3000, reason


@pytest.mark.parametrize("stage", range(2, 5))
def test_a_server_that_repeats_the_password_brings_it_nowhere(stage: int) -> None:
    """In clear and in base64."""
    plain = base64.b64encode(b"\0user\0hunter2 secret")

    def answer(number: int, line: bytes) -> bytes:
        if number == 0:
            return b"220 hello\r\n"
        if number == 1:
            return b"250-host\r\n250 AUTH PLAIN\r\n"
        code = b"535" if number >= stage else b"235"
        return code + b"-you said " + line.strip() + b"\r\n" + code + b" hunter2 secret " + plain + b"\r\n"

    reason = told_by(answer, user="user", password_env="VDT_TEST_PASSWORD")
    assert reason and "hunter2" not in reason and plain.decode() not in reason, reason
