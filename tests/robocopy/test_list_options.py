"""With which strings the real robocopy may be run: it lists for certain, and does nothing beside that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdt.robocopy.list_options import parse_list_options
from vdt.vizgen.config import DEFAULT_ROBOCOPY_LIST


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DEFAULT_ROBOCOPY_LIST, ("/L", "/E", "/BYTES", "/V", "/NP", "/FP")),
        ("-l -e", ("-l", "-e")),
        ('/E "/L"', ("/E", "/L")),
        ("/E\n  /L\t/BYTES", ("/E", "/L", "/BYTES")),
        ('/L /XD "C:\\a b" tmp', ("/L", "/XD", "C:\\a b", "tmp")),
        ("/XF *.tmp /L", ("/XF", "*.tmp", "/L")),
        ("/XF *.tmp /E -L", ("/XF", "*.tmp", "/E", "-L")),
        ("/L /NOTKNOWN", ("/L", "/NOTKNOWN")),  # robocopy refuses it
        ("/L /XD /logs", ("/L", "/XD", "/logs")),
    ],
)
def test_strings_that_list(text: str, words: tuple[str, ...]) -> None:
    options = parse_list_options(text)
    assert (options.words, options.faults) == (words, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["has to hold /L"]),
        ("/E /BYTES /LEV:2", ["has to hold /L"]),
        ("/E /LOG:x", ["has to hold /L", "holds /LOG, which names a log"]),
        ('"/E /L"', ["has to hold /L"]),  # robocopy takes it for one word
        ("/L: /E", ["has to hold /L"]),
        ("/XF *.tmp -L", ["has to hold /L"]),  # maybe a file named -L
        ("/XD -E -L", ["has to hold /L"]),
        ('/L "/E', ["quote that is not closed"]),
        ("/L \x1b /\x00", ["control character"]),
        ("/MIR", ["has to hold /L", "holds /MIR, which deletes"]),
        ("/L /mir -Purge", ["/MIR, which deletes", "/PURGE, which deletes"]),
        ("/L /MOV", ["/MOV, which deletes"]),
        ("/MOVE /L", ["/MOVE, which deletes"]),
        ("/L /MON:1", ["/MON, which may wait"]),
        ("/L /MOT:1", ["/MOT, which may wait"]),
        ("/L /RH:0100-0200", ["/RH, which may wait"]),
        ("/L /PF", ["/PF, which may wait"]),
        ("/L /JOB:other", ["/JOB, which brings options"]),
        ("/L /SAVE:other", ["/SAVE, which writes"]),
        ("/L /QUIT", ["/QUIT, which ends"]),
        ("/L /REG", ["/REG, which changes"]),
        ("/L /CREATE", ["/CREATE, which makes"]),
        ("/L /NJS", ["/NJS, which leaves out"]),
        ("/L /LOG+:x /UNILOG:y", ["/LOG+, which names a log", "/UNILOG, which names a log"]),
        ("/L /SD:x /NODD", ["/NODD, which names folders", "/SD, which names folders"]),
    ],
)
def test_strings_that_are_refused(text: str, words: list[str]) -> None:
    faults = parse_list_options(text).faults
    assert len(faults) == len(words)
    for fault, word in zip(faults, words):
        assert word in fault and fault.endswith("Write '/L /E /BYTES /V /NP /FP'.")


@pytest.mark.parametrize(
    ("text", "threads", "last"),
    [
        ("/L", 8, "/MT:8"),
        ("/L", 0, "/MT:1"),
        ("/L", 500, "/MT:128"),
        ("/L /mt", 8, "/mt"),
        ("/L -MT:4", 8, "-MT:4"),
        ("/L MT", 8, "/MT:8"),
    ],
)
def test_threads(text: str, threads: int, last: str) -> None:
    assert parse_list_options(text).with_threads(threads)[-1] == last


@given(st.text(alphabet='/-LlEMIROV+:" \tx', max_size=30))
def test_nothing_without_a_word_of_its_own_that_lists(text: str) -> None:
    options = parse_list_options(text)
    if not options.faults:
        assert {word.upper() for word in options.words} & {"/L", "-L"}
        assert not {word[1:].upper() for word in options.words if word[:1] in "/-"} & {"MIR", "MOV", "MOVE"}
