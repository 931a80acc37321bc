"""The post: real SMTP on loopback, with every way a server can refuse, hang or lie."""

import datetime as dt
import email
import ipaddress
import socket
import ssl
import threading
import time
from datetime import datetime, timezone
from email.policy import SMTP

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from post_office import PLAIN, Box, free_port, local, message_of, servers

from vdt.vizgen import post
from vdt.vizgen.post import SmtpSettings, log_in, send


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


@pytest.fixture
def serve():
    with servers() as start:
        yield start


def login(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"robot", b"hunter2secret"), handled=False)


def test_plain(serve):
    box = Box()
    assert send(message_of(), local(serve(box))) is None
    ((sender, to, content, encrypted),) = box.mails
    assert (sender, to, encrypted) == ("merscope@example.org", ["lab@example.org", "core@example.org"], False)
    plain = email.message_from_bytes(content, policy=SMTP).get_body(("plain",)).get_content()
    assert plain.replace("\r\n", "\n") == PLAIN


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


def test_a_log_in_sends_no_mail(serve, certificate):
    box = Box()
    port = serve(box, tls_context=certificate[0], require_starttls=True, auth_required=True, authenticator=login)
    settings = local(port, security="starttls", user="robot", password_env="VDT_PW")
    assert log_in(settings, context=certificate[1], environ={"VDT_PW": "hunter2secret"}) is None
    reason = log_in(settings, context=certificate[1], environ={"VDT_PW": "wrong-word"})
    assert "refused the login of robot" in reason and "wrong-word" not in reason
    assert "certificate that is not trusted" in log_in(settings, environ={"VDT_PW": "hunter2secret"})
    assert log_in(local(serve(box))) is None
    assert "could not be reached" in log_in(local(free_port()))
    assert box.mails == []


def test_a_log_in_does_not_wait_for_a_server_that_hangs():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        reason = log_in(local(silent.getsockname()[1]), within_s=0.3)
        assert "did not answer in time" in reason or "could not be reached" in reason
        assert time.monotonic() - began < 5


def test_a_server_that_echoes_the_password_cannot_bring_it_into_a_log():
    assert post._without("hunter2secret", "robot", "no hunter2secret aHVudGVyMnNlY3JldA==") == "no *** ***"


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
