"""Mails that could not be sent: kept, sent by a later run, and nothing else ever mailed."""

import email
import os
import stat
from email.policy import SMTP

import pytest
from post_office import PLAIN, RUN, WHEN, Box, free_port, local, message_of, servers

from vdt.vizgen import unsent as unsent_module
from vdt.vizgen.post import send
from vdt.vizgen.unsent import Resent, eml_name, keep_somewhere, keep_unsent, unsent

WE = ("LAB@example.org", "core@example.org", "more@example.org")


@pytest.fixture
def serve():
    with servers() as start:
        yield start


def resend_unsent(folders, settings, sender="Merscope <merscope@example.org>", addressees=WE) -> Resent:
    return unsent_module.resend_unsent(folders, settings, sender=sender, addressees=addressees)


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
    assert again.get_body(("plain",)).get_content().replace("\r\n", "\n") == PLAIN
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


@pytest.mark.parametrize(
    "configured",
    [
        {"addressees": ("lab@example.org",)},  # the mail has one more
        {"addressees": ("xlab@example.org", "core@example.org")},
        {"sender": "other@example.org"},
    ],
)
def test_a_mail_for_or_of_others_is_named_and_not_sent(serve, tmp_path, configured):
    box = Box()
    path = keep_unsent(message_of(), str(tmp_path), eml_name(RUN, WHEN))
    done = resend_unsent([str(tmp_path)], local(serve(box)), **configured)
    assert (done.sent, done.failed, done.foreign, box.mails) == ((), (), (path,), [])
    assert os.listdir(tmp_path) == [os.path.basename(path)]


@pytest.mark.parametrize(
    "header", ["Cc", "Bcc", "Sender", "Resent-Date", "Resent-To", "Resent-Cc", "Resent-Bcc", "Resent-From"]
)
def test_a_mail_with_headers_that_we_never_write_is_not_ours(serve, tmp_path, header):
    box, message = Box(), message_of()
    message[header] = "Mon, 01 Jan 2024 00:00:00 +0000" if header == "Resent-Date" else "victim@example.org"
    keep_unsent(message, str(tmp_path), eml_name(RUN, WHEN))
    done = resend_unsent([str(tmp_path)], local(serve(box)), addressees=(*WE, "victim@example.org"))
    assert done == Resent() and box.mails == []


def rewritten(folder, old: bytes, new: bytes) -> str:
    """A kept mail, one header of which is another."""
    path = keep_unsent(message_of(), str(folder), eml_name(RUN, WHEN))
    with open(path, "rb") as file:
        raw = file.read()
    begin = raw.index(old)
    with open(path, "wb") as file:
        file.write(raw[:begin] + new + raw[raw.index(b"\r\n", begin) :])
    return path


def test_a_mail_for_nobody_is_not_sent(serve, tmp_path):
    """No address is among those whom the configuration names, too."""
    box, path = Box(), rewritten(tmp_path, b"To:", b"To: undisclosed recipients:;")
    done = resend_unsent([str(tmp_path)], local(serve(box)))
    assert (done.sent, done.failed, done.foreign, box.mails) == ((), (), (path,), [])


@pytest.mark.parametrize("more", [b"", b"To: lab@example.org\r\n", b"From: merscope@example.org\r\n"])
@pytest.mark.parametrize("broken", [b"<\\@[ ", b"a@b, <", b"=?utf-8?b?=?=\xe9 <", b'"'])
def test_headers_over_which_the_parser_stumbles_end_no_run(serve, tmp_path, broken, more):
    """Whoever may write into the logs folder may leave such a file there."""
    rewritten(tmp_path, b"To:", more + b"To: " + broken)
    before, box = sorted(os.listdir(tmp_path)), Box()
    assert resend_unsent([str(tmp_path)], local(serve(box))).sent == ()
    assert box.mails == [] and sorted(os.listdir(tmp_path)) == before


def test_a_mail_that_is_cut_or_too_long_is_not_ours(serve, tmp_path, monkeypatch):
    box, path = Box(), keep_unsent(message_of(), str(tmp_path), eml_name(RUN, WHEN))
    size = os.path.getsize(path)
    monkeypatch.setattr(unsent_module, "_LARGEST_BYTES", size - 1)
    assert resend_unsent([str(tmp_path)], local(serve(box))) == Resent() and box.mails == []
    monkeypatch.setattr(unsent_module, "_LARGEST_BYTES", size)
    with open(path, "r+b") as file:
        raw = file.read()
        file.truncate(raw.rindex(b"--") - 40)  # the last boundary is gone
    assert resend_unsent([str(tmp_path)], local(serve(box))) == Resent() and box.mails == []
    with open(path, "wb") as file:
        file.write(raw)
    assert resend_unsent([str(tmp_path)], local(serve(box))).sent == (path,)


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
