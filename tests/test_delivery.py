"""What leaves a run: each thing has its time, is given up and said so, and is kept where it could not go."""

from __future__ import annotations

import io
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Tuple
from unittest.mock import Mock

import pytest

from vdt import fs
from vdt.errors import AbandonedError, LostOutputError
from vdt.progress import Silent
from vdt.stop import StopFlag
from vdt.vizgen import delivery as delivery_module
from vdt.vizgen.delivery import Delivery
from vdt.vizgen.mail import MailText
from vdt.vizgen.request import Surroundings
from vdt.vizgen.unsent import Resent

WHEN = datetime(2026, 4, 12, 18, 15, 2, tzinfo=timezone.utc)
TEXT = MailText("subject", "plain", "<p>html</p>")


class Scene:
    """A delivery, what it said, and what it would have sent."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.logs, self.state = place / "isilon" / "logs", place / "state"
        (place / "isilon").mkdir()
        config = Mock(
            isilon_drive=str(place / "isilon"),
            logs=str(self.logs),
            smtp_server="mail.example.org",
            smtp_port=0,
            smtp_security="none",
            smtp_user=None,
            smtp_password_env=None,
            sender="merscope@example.org",
            addressees=("lab@example.org",),
        )
        self.said: List[Tuple[str, str]] = []
        self.lost = False
        self.reason: Any = None  # why the server does not take a mail
        self.sent: List[float] = []
        self.resent: List[Dict[str, Any]] = []
        self.around = Surroundings(StopFlag(), Silent(), print, io.StringIO())
        self.delivery = Delivery("RUN", config, self.around, started=WHEN, tell=self.tell, share_lost=lambda: self.lost)
        monkeypatch.setattr(fs, "state_home", lambda: str(self.state))
        monkeypatch.setattr(delivery_module, "send", self.send)
        monkeypatch.setattr(delivery_module, "resend_unsent", self.resend)

    def tell(self, line: str, level: str = "info") -> None:
        self.said.append((level, line))

    def send(self, message: Any, settings: Any, *, within_s: float, on_refused: Any) -> Any:
        self.sent.append(within_s)
        return self.reason

    def resend(self, folders: Tuple[str, ...], settings: Any, **named: Any) -> Resent:
        self.resent.append({"folders": folders, **named})
        return Resent(("/logs/sent.eml",), (), ("/logs/foreign.eml",))

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.said)

    def kept(self) -> List[str]:
        return sorted(path.parent.name for path in self.logs.parent.parent.rglob("*.eml"))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


@pytest.mark.parametrize("error", [LostOutputError("The disk is full."), AbandonedError("no answer")])
def test_a_json_report_that_is_lost_is_said(scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    assert scene.delivery.json("-", {"a": 1}) and not scene.said

    def lose(*words: Any) -> None:
        raise error

    monkeypatch.setattr(delivery_module, "write_json", lose)
    assert scene.delivery.json("report.json", {}) is False
    ((level, line),) = scene.said
    assert level == "error" and ("report.json was given up" in line or "The disk is full." in line)


def test_the_page_lies_in_the_logs_folder(scene: Scene) -> None:
    path = scene.delivery.page("<html>")
    assert Path(path).parent == scene.logs and Path(path).read_text("utf-8") == "<html>" and path in scene.text


@pytest.mark.parametrize("why", ["abandoned", "lost", "gone"])
def test_no_page_is_written_to_a_share_that_hangs_or_is_lost(scene: Scene, why: str) -> None:
    scene.around.watch.abandoned, scene.lost = why == "abandoned", why == "lost"
    if why == "gone":
        scene.logs.parent.rmdir()
    assert scene.delivery.page("<html>") == "" and not scene.logs.exists()
    ((level, line),) = scene.said
    assert level == "warning" and ("given up" if why == "abandoned" else "not there") in line


def test_a_mail_that_is_out_takes_those_of_earlier_runs_along(scene: Scene) -> None:
    scene.delivery.mail(TEXT)
    assert scene.sent == [20.0] and scene.kept() == []
    (again,) = scene.resent
    assert again == {
        "folders": (str(scene.logs), str(scene.state)),
        "sender": "merscope@example.org",
        "addressees": ("lab@example.org",),
        "within_s": 20.0,
    }
    assert "Mail sent to lab@example.org." in scene.text
    assert "sent now: /logs/sent.eml" in scene.text and "not sent: /logs/foreign.eml" in scene.text


def test_nothing_is_looked_for_on_a_share_that_is_lost(scene: Scene) -> None:
    scene.lost = True
    scene.delivery.mail(TEXT)
    assert scene.resent[0]["folders"] == (str(scene.state),)


def test_after_a_stop_there_is_less_time_and_no_mail_of_earlier_runs(scene: Scene) -> None:
    scene.around.stop.set("Ctrl-C")
    scene.delivery.mail(TEXT)
    assert scene.sent == [10.0] and scene.resent == []


@pytest.mark.parametrize(
    ("abandoned", "lost", "gone", "place"),
    [
        (False, False, False, "logs"),
        (True, False, False, "state"),
        (False, True, False, "state"),
        (False, False, True, "state"),
    ],
)
def test_a_mail_that_is_not_out_is_kept(scene: Scene, abandoned: bool, lost: bool, gone: bool, place: str) -> None:
    scene.reason, scene.lost, scene.around.watch.abandoned = "the server is down", lost, abandoned
    if gone:
        scene.logs.parent.rmdir()
    scene.delivery.mail(TEXT)
    assert scene.kept() == [place] and scene.resent == [] and "Mail sent" not in scene.text
    assert "(the server is down). It is kept as " in scene.text


def test_the_master_log_stays_here_where_the_share_hangs(scene: Scene) -> None:
    master = Mock()
    master.deliver.return_value = ""
    scene.lost = True
    assert scene.delivery.master_log(master) == ""
    master.deliver.assert_called_once_with(str(scene.logs), str(scene.logs.parent), away=True)
    scene.around.watch.abandoned = True
    assert "is kept in" in scene.delivery.master_log(master) and master.deliver.call_count == 1
    scene.around.watch.abandoned = False
    master.deliver.side_effect = AbandonedError("no answer")
    assert "does not answer" in scene.delivery.master_log(master)
