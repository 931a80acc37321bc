"""The mail: whole texts against golden files, and real SMTP on loopback.

`VDT_WRITE_GOLDEN=1` writes the golden files anew: look at the difference before it is kept.
"""

import datetime as dt
import email
import html
import ipaddress
import os
import re
import socket
import ssl
import stat
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.policy import SMTP
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vdt.model import Count, Evidence, Grew, Problem, Row, TreeResult
from vdt.vizgen import mail
from vdt.vizgen.layout import CopyType
from vdt.vizgen.mail import (
    SmtpSettings,
    build_message,
    compose,
    eml_name,
    keep_somewhere,
    keep_unsent,
    resend_unsent,
    send,
    unsent,
)
from vdt.vizgen.report import RunReport, TreeReport, Verdict
from vdt.vizgen.verdict import decide

GOLDEN = Path(__file__).parent / "golden"
RUN = "202310261058_VZGEN1_VMSC10202"
WHEN = datetime(2026, 4, 12, 18, 15, 2, tzinfo=timezone(timedelta(hours=1)))
SAMPLE = {
    CopyType.RAW_DATA: Count(8042, 11, 900719884237),
    CopyType.ANALYSIS: Count(123787, 1567, 908034287581),
    CopyType.OUTPUT: Count(43, 4, 116555448991),
}

# ---------------------------------------------------------------------------------------------------- what it says


def good_tree(kind, **changes):
    count, destination = SAMPLE[kind], f"L:\\{RUN}\\{kind.value}"
    result = TreeResult(
        source=f"Z:\\{kind.source_folder}\\{RUN}",
        destination=destination,
        started=WHEN,
        ended=WHEN,
        dirs=Row(total=count.folders + 1, copied=count.folders + 1),
        files=Row(total=count.files, copied=count.files),
        size_bytes=Row(total=count.size_bytes, copied=count.size_bytes),
        files_by_evidence={Evidence.COLD: count.files},
        bytes_by_evidence={Evidence.COLD: count.size_bytes},
        threads_used=3.2,
        reached_end=True,
        manifest=destination + ".xxh128",
        manifest_sha256=f"{len(kind.value):02x}" * 32,
    )
    listed = replace(count, folders=count.folders + 1)
    tree = TreeReport(
        copy_type=kind,
        source=result.source,
        destination=destination,
        before=count,
        after=count,
        robocopy_before=listed,
        robocopy_after=listed,
        result=result,
        log=destination + ".log",
        log_status="Complete log file",
        evidence_file=destination + ".evidence\\20260412T181502-MERSCOPE3-transfer.jsonl",
        manifest=result.manifest,
    )
    return replace(tree, **changes)


def report_of(trees, **changes):
    base = RunReport(
        run_id=RUN,
        trees=tuple(trees),
        verdict=decide(trees, error=changes.get("error", "")),
        exit_code=0,
        command=f"L:\\eivdt\\Scripts\\vizgen_data_transfer.exe {RUN}",
        elapsed_s=83228.4,
        threads=8,
        threads_used=3.2,
    )
    return replace(base, **changes)


def success():
    return report_of([good_tree(kind) for kind in CopyType])


def failure():
    raw = good_tree(CopyType.RAW_DATA)
    raw = replace(
        raw,
        after=replace(raw.after, files=8000, size_bytes=raw.after.size_bytes - 2401),
        robocopy_after=None,
        ignored_python=frozenset({"gigabytes"}),
        log_status="Incomplete log file: the summary is missing",
        manifest=raw.destination + ".incomplete.xxh128",
        result=replace(
            raw.result,
            files=Row(total=8042, copied=7900, skipped=90, failed=52, extras=2),
            files_by_evidence={
                Evidence.COLD: 7800,
                Evidence.REREAD: 99,
                Evidence.INFLIGHT: 1,
                Evidence.ON_RECORD: 80,
                Evidence.PRESENT: 10,
            },
            bytes_by_evidence={Evidence.COLD: 900000000000, Evidence.REREAD: 5, Evidence.ON_RECORD: 719000000},
            failed=tuple(Problem(f"data/stack_{n:03d}.dat", "Access is denied", 6) for n in range(52)),
            unstable=(Problem("settings/é<&>.json", "size changed while it was read", 3),),
            conflict=(Problem("old.tif", "the proven copy is newer"),),
            type_mismatch=(Problem("seg", "a file here, a folder there"),),
            unproven=(Problem("x\x1b[31m\udcff.png", "unreadable"),),
            grew=(Grew("logs/run.log", 118004, 120405),),
            changed_since=(Problem("late.csv", "new"),),
            special=(Problem("pipe", "a fifo"),),
            notes=("The share did not keep times below 2 s.",),
            retries=312,
            resumed_bytes=1073741824,
            weak_files=110,
            manifest="",
        ),
    )
    analysis = good_tree(
        CopyType.ANALYSIS, before=None, after=None, robocopy_before=None, robocopy_after=None,
        result=None, log_status="", evidence_file="", manifest="",
        error=f"The source Z:\\merfish_analysis\\{RUN} does not exist. Is the run id right?",
    )  # fmt: skip
    output = replace(analysis, copy_type=CopyType.OUTPUT, destination=f"L:\\{RUN}\\output", error="")
    return report_of([raw, analysis, output], exit_code=16, notes=("robocopy.exe was stopped after 60 s.",))


def assert_golden(name, text):
    path = GOLDEN / name
    if os.environ.get("VDT_WRITE_GOLDEN"):
        path.write_bytes(text.encode("utf-8"))
    assert text == path.read_text(encoding="utf-8")


def test_success_whole():
    text = compose(success())
    assert text.subject == f"Vizgen data transfer completed for run: {RUN}"
    assert_golden("mail_success.txt", text.plain)


def test_failure_whole():
    text = compose(failure())
    assert text.subject == f"Vizgen data transfer failed for run: {RUN}"
    assert_golden("mail_failure.txt", text.plain)


def test_the_order_is_the_promised_one():
    plain = compose(success()).plain
    marks = [
        f"Vizgen data transfer completed for run: {RUN}\n",
        "May the source be deleted? YES: Z:\\merfish_raw_data",
        "\nData location(s):\n",
        "\nData summary:\n",
        "\nData summary Python based counts:\n",
        "\nData summary Robocopy based counts:\n",
        "\nVerification:\n",
        "\nExit code(s):\n",
        "\nNote:",
        "\n- Raw directory: Copied raw_data",
        "\nLog file status:\n",
        "\nCommand executed:\n",
        f"\nTotal execution time : 23:07:08, using 8 thread(s) for run: {RUN}",
    ]
    places = [plain.index(mark) for mark in marks]
    assert places == sorted(places)
    assert plain.startswith(marks[0])


@pytest.mark.parametrize("make", [success, failure])
def test_html_says_the_same(make):
    text = compose(make())
    assert "<script" not in text.html and "http" not in text.html and "src=" not in text.html
    words = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text.html)))
    for line in text.plain.splitlines():
        for cell in re.split(r"\s{2,}", line.strip()):
            if set(cell) - {"-"}:
                assert re.sub(r"^- ", "", cell) in words, cell
    assert text.html.index("May the source be deleted?") < text.html.index("Data location(s):")


def test_markup_in_names_is_escaped():
    text = compose(failure())
    assert "settings/é&lt;&amp;&gt;.json" in text.html
    assert "<&>" in text.plain


@pytest.mark.parametrize("make", [success, failure])
def test_no_control_character_and_nothing_that_cannot_be_encoded(make):
    text = compose(make())
    for form in (text.subject, text.plain, text.html):
        form.encode("utf-8")
        assert all(c.isprintable() or c == "\n" for c in form)
    if make is failure:
        assert "unproven: x\\x1b[31m\\udcff.png, unreadable" in text.plain


def test_a_list_is_cut_at_fifty_and_says_where_the_rest_is():
    plain = compose(failure()).plain
    assert plain.count("- failed: ") == 51
    assert "data/stack_049.dat" in plain and "data/stack_050.dat" not in plain
    assert f"- failed: and 2 more; the full list is in L:\\{RUN}\\raw_data.log" in plain


def test_a_run_that_ended_before_any_tree():
    text = compose(report_of([], error="Interrupted by Ctrl-C.", exit_code=8, elapsed_s=3.0))
    assert text.subject.startswith("Vizgen data transfer failed")
    assert "May the source be deleted? NO: Interrupted by Ctrl-C.\n" in text.plain
    assert "Total execution time : 0:00:03" in text.plain
    for heading in ("Data location(s):", "Verification:", "Exit code(s):", "Log file status:", "Command executed:"):
        assert heading in text.plain


def test_an_error_that_is_not_the_verdict_is_told_too():
    report = report_of([], error="Disk on fire.", verdict=Verdict(False, "1 file failed."), exit_code=16)
    assert "What ended the run: Disk on fire." in compose(report).plain


def test_robocopys_own_number_makes_no_failure():
    assert " completed " in compose(replace(success(), exit_code=3)).subject


# ------------------------------------------------------------------------------------------------------ the message


def message_of(text=None, addressees=("lab@example.org", "Core <core@example.org>")):
    return build_message(text or compose(success()), "merscope@example.org", addressees, WHEN, "pc 3")


def test_message_is_alternative_plain_first_and_survives_the_wire():
    text = compose(failure())
    message = email.message_from_bytes(message_of(text).as_bytes(policy=SMTP), policy=SMTP)
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert plain.get_content_type() == "text/plain"
    assert plain.get_content().replace("\r\n", "\n") == text.plain
    assert rich.get_content().replace("\r\n", "\n") == text.html
    assert message["Date"] == "Sun, 12 Apr 2026 18:15:02 +0100"
    assert message["To"] == "lab@example.org, Core <core@example.org>"
    assert message["Message-ID"].endswith("@pc-3>")


def test_no_header_can_be_injected():
    text = compose(replace(success(), run_id="R\r\nBcc: evil@example.org"))
    message = message_of(text)
    assert message["Bcc"] is None
    assert "\\x0d\\x0aBcc" in message["Subject"]
    assert b"\nBcc:" not in message.as_bytes()


# --------------------------------------------------------------------------------------------------------- the post


class Box:
    """A mailbox that notes what it was given."""

    def __init__(self, refuse=()):
        self.mails = []
        self.refuse = dict(refuse)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content, session.ssl is not None))
        return "250 taken"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(server context, client context): a certificate for 127.0.0.1 that only this client trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    pem = cert.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    return server, ssl.create_default_context(cadata=pem.decode("ascii"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def serve():
    """Start a server: serve(box, ssl_context=..., tls_context=..., ...) -> port."""
    running = []

    def start(box, port=0, **options):
        controller = Controller(box, hostname="127.0.0.1", port=port or free_port(), **options)
        controller.start()
        running.append(controller)
        return controller.port

    yield start
    for controller in running:
        controller.stop()


def login(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"robot", b"hunter2secret"), handled=False)


def local(port, **options):
    return SmtpSettings("127.0.0.1", port, **options)


def test_plain(serve):
    box = Box()
    assert send(message_of(), local(serve(box))) is None
    ((sender, to, content, encrypted),) = box.mails
    assert (sender, to, encrypted) == ("merscope@example.org", ["lab@example.org", "core@example.org"], False)
    plain = email.message_from_bytes(content, policy=SMTP).get_body(("plain",)).get_content()
    assert plain.replace("\r\n", "\n") == compose(success()).plain


def test_port_inside_the_server_name(serve):
    assert send(message_of(), SmtpSettings(f"127.0.0.1:{serve(Box())}")) is None
    assert SmtpSettings("mail.example.org", security="starttls").address == ("mail.example.org", 587)


def test_starttls_with_login(serve, certificate):
    box = Box()
    port = serve(box, tls_context=certificate[0], require_starttls=True, auth_required=True, authenticator=login)
    settings = local(port, security="starttls", user="robot", password_env="VDT_PW")
    assert send(message_of(), settings, context=certificate[1], environ={"VDT_PW": "hunter2secret"}) is None
    assert box.mails[0][3]


def test_implicit_ssl(serve, certificate):
    box = Box()
    port = serve(box, ssl_context=certificate[0])
    assert send(message_of(), local(port, security="ssl"), context=certificate[1]) is None
    assert len(box.mails) == 1  # this server speaks nothing but TLS


def test_an_untrusted_certificate_is_refused_once(serve, certificate):
    box = Box()
    waits = []
    reason = send(message_of(), local(serve(box, ssl_context=certificate[0]), security="ssl"), sleep=waits.append)
    assert "certificate that is not trusted" in reason
    assert waits == [] and box.mails == []


def test_starttls_never_falls_back_to_plain_text(serve):
    box = Box()
    reason = send(message_of(), local(serve(box), security="starttls"))
    assert "STARTTLS" in reason
    assert box.mails == []


def test_wrong_password_is_told_without_the_password(serve, certificate):
    port = serve(Box(), tls_context=certificate[0], auth_required=True, authenticator=login)
    settings = local(port, security="starttls", user="robot", password_env="VDT_PW")
    waits = []
    reason = send(message_of(), settings, context=certificate[1], environ={"VDT_PW": "wrong-word"}, sleep=waits.append)
    assert "refused the login of robot" in reason
    assert "wrong-word" not in reason
    assert waits == []


def test_a_server_that_echoes_the_password_cannot_bring_it_into_a_log():
    assert mail._without("hunter2secret", "robot", "no hunter2secret aHVudGVyMnNlY3JldA==") == "no *** ***"


@pytest.mark.parametrize(
    ("changes", "environ", "words"),
    [
        ({"password_env": "VDT_PW"}, {}, "VDT_PW"),
        ({"password_env": ""}, {}, "smtp_password_env"),
        ({"password_env": "VDT_PW"}, {"VDT_PW": "pässword"}, "ASCII"),
    ],
)
def test_a_password_that_cannot_be_had_is_a_clear_reason(changes, environ, words):
    reason = send(message_of(), local(1, user="robot", **changes), environ=environ)
    assert words in reason
    assert "pässword" not in reason


def test_one_refused_addressee_is_named_and_the_mail_is_out(serve):
    box = Box({"core@example.org": "550 no such user"})
    refused = []
    assert send(message_of(), local(serve(box)), on_refused=refused.append) is None
    assert refused == ["the server refused core@example.org: 550 no such user"]
    assert box.mails[0][1] == ["lab@example.org"]


def test_all_refused_is_a_failure_and_only_a_passing_one_is_tried_again(serve):
    waits = []
    port = serve(Box({"a@example.org": "550 no"}))
    reason = send(message_of(addressees=["a@example.org"]), local(port), sleep=waits.append)
    assert "a@example.org: 550 no" in reason
    assert waits == []
    port = serve(Box({"a@example.org": "451 later"}))
    assert "451 later" in send(message_of(addressees=["a@example.org"]), local(port), sleep=waits.append)
    assert waits == [1.0, 3.0]


def test_server_down_is_tried_three_times():
    waits = []
    reason = send(message_of(), local(free_port()), sleep=waits.append)
    assert "could not be reached" in reason
    assert len(waits) == 2


def test_waiting_never_goes_over_the_time():
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    send(message_of(), local(free_port()), within_s=2.5, sleep=sleep, clock=lambda: now[0])
    assert now[0] <= 2.5


@pytest.mark.parametrize("drip", [False, True])
def test_a_server_that_hangs_or_drips_is_left_in_time(drip):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        begun = time.monotonic()
        if drip:

            def trickle():
                connection, _ = server.accept()
                with connection:
                    try:
                        for _ in range(40):
                            connection.sendall(b"2")
                            time.sleep(0.1)
                    except OSError:
                        pass

            threading.Thread(target=trickle, daemon=True).start()
        reason = send(message_of(), local(server.getsockname()[1]), within_s=0.5)
    assert time.monotonic() - begun < 1.5
    assert reason


def test_nothing_raises_whatever_the_message():
    assert send(message_of(addressees=[]), local(free_port()), tries=1)
    assert send(email.message.EmailMessage(), local(free_port()), tries=1)


# ----------------------------------------------------------------------------------------------------- unsent mails


def test_server_down_then_up_again(serve, tmp_path):
    port, name = free_port(), eml_name(RUN, WHEN)
    assert name == f"{RUN}.20260412T181502.eml"
    message = message_of()
    assert send(message, local(port), tries=1)
    path = keep_unsent(message, str(tmp_path), name)
    assert os.listdir(tmp_path) == [name]

    still = resend_unsent([str(tmp_path)], local(port))
    assert still.sent == () and still.failed[0][0] == path
    assert os.listdir(tmp_path) == [name]

    box = Box()
    serve(box, port=port)
    assert resend_unsent([str(tmp_path)], local(port)).sent == (path,)
    assert os.listdir(tmp_path) == []
    again = email.message_from_bytes(box.mails[0][2], policy=SMTP)
    assert again["Message-ID"] == message["Message-ID"]
    assert again.get_body(("plain",)).get_content().replace("\r\n", "\n") == compose(success()).plain
    assert resend_unsent([str(tmp_path)], local(port)).sent == ()


def test_foreign_files_are_never_mailed(serve, tmp_path):
    box = Box()
    mine = message_of().as_bytes(policy=SMTP)
    (tmp_path / "letter.eml").write_bytes(mine)  # not our name
    (tmp_path / f"{RUN}.20260412T181502.eml").write_bytes(mine.replace(b"X-Vizgen-Data-Transfer", b"X-Other"))
    (tmp_path / f"{RUN}.20260412T181503.eml").write_bytes(b"\x00\xff no mail at all")
    (tmp_path / f"{RUN}.20260412T181504.eml").mkdir()
    before = sorted(os.listdir(tmp_path))
    done = resend_unsent([str(tmp_path), str(tmp_path / "missing")], local(serve(box)))
    assert (done.sent, done.failed, box.mails) == ((), (), [])
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links")
def test_a_link_is_not_followed(serve, tmp_path):
    logs, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    logs.mkdir()
    path = keep_unsent(message_of(), str(elsewhere), eml_name(RUN, WHEN))
    try:
        os.symlink(path, logs / os.path.basename(path))
    except OSError:
        pytest.skip("links are not allowed here")
    assert unsent(str(logs)) == []


def test_a_mail_whose_sending_was_cut_short_goes_out(serve, tmp_path):
    path = keep_unsent(message_of(), str(tmp_path), eml_name(RUN, WHEN))
    os.rename(path, path + ".sending")
    box = Box()
    assert resend_unsent([str(tmp_path)], local(serve(box))).sent == (path,)
    assert os.listdir(tmp_path) == []
    assert len(box.mails) == 1


def test_what_cannot_be_deleted_is_not_sent(serve, tmp_path, monkeypatch):
    keep_unsent(message_of(), str(tmp_path), eml_name(RUN, WHEN))

    def refuse(*_paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", refuse)
    box = Box()
    ((_path, reason),) = resend_unsent([str(tmp_path)], local(serve(box))).failed
    assert "Permission denied" in reason
    assert box.mails == []


def test_no_unsent_mail_is_overwritten(tmp_path):
    first = keep_unsent(message_of(), str(tmp_path), eml_name(RUN, WHEN))
    second = keep_unsent(message_of(), str(tmp_path), eml_name(RUN, WHEN))
    assert second.endswith("20260412T181502-2.eml")
    assert unsent(str(tmp_path)) == sorted([first, second])


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_permissions(tmp_path):
    private = keep_unsent(message_of(), str(tmp_path / "state"), eml_name(RUN, WHEN), private=True)
    assert stat.S_IMODE(os.stat(private).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "state").st_mode) == 0o700
    mask = os.umask(0o027)
    try:
        shared = keep_unsent(message_of(), str(tmp_path / "logs"), eml_name(RUN, WHEN))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(os.stat(shared).st_mode) == 0o640


def test_the_local_folder_serves_where_the_share_has_failed(tmp_path):
    (tmp_path / "logs").write_bytes(b"a file, not a folder")
    path = keep_somewhere(message_of(), eml_name(RUN, WHEN), str(tmp_path / "logs"), str(tmp_path / "state"))
    assert path.startswith(str(tmp_path / "state"))


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        keep_unsent(message_of(), str(tmp_path), eml_name(RUN, WHEN))
    assert os.listdir(tmp_path) == []
