"""Which option strings the real robocopy may be given for counting: those with which it lists, and does nothing else.

Pure. Rule 1: without /L there is no listing, whatever else the string holds. Rule 2: an option that deletes, moves,
writes a file of its own, waits for hours or hides the totals is refused even beside /L, which would disarm some of
them: nobody needs it here, and a slip must not be one word away from a loss. What is unknown is left to robocopy,
which refuses it itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from vdt.options import split_words

ADVICE = "Write '/L /E /BYTES /V /NP /FP'."
MOST_THREADS = 128  # of robocopy's /MT

_ANOTHER_LOG = "names a log, which is the business of this program"
_OTHER_FOLDERS = "names folders, which is the business of this program"
_UNSEEN = "brings options that cannot be seen here"
_WAITS = "may wait for hours or for ever"
_UNFIT = {
    **dict.fromkeys(("MIR", "PURGE", "MOV", "MOVE"), "deletes"),
    **dict.fromkeys(("MON", "MOT", "RH", "PF"), _WAITS),
    **dict.fromkeys(("LOG", "LOG+", "UNILOG", "UNILOG+"), _ANOTHER_LOG),
    **dict.fromkeys(("SD", "DD", "NOSD", "NODD"), _OTHER_FOLDERS),
    "JOB": _UNSEEN,
    "SAVE": "writes a file",
    "REG": "changes the settings of this computer",
    "CREATE": "makes files",
    "QUIT": "ends before anything is counted",
    "NJS": "leaves out the totals",
}
_LISTS_OF_NAMES = frozenset({"XF", "XD", "IF"})


@dataclass(frozen=True)
class ListOptions:
    """The words of one string; fit to be run only while `faults` is empty.

    Each fault continues a sentence that begins with the name of the setting.
    """

    words: Tuple[str, ...]
    faults: Tuple[str, ...] = ()

    def with_threads(self, threads: int) -> Tuple[str, ...]:
        """The words and /MT, where they do not hold it themselves."""
        if any(_name(word) == "MT" for word in self.words):
            return self.words
        return (*self.words, f"/MT:{min(max(threads, 1), MOST_THREADS)}")


def parse_list_options(text: str) -> ListOptions:
    """Read a `robocopy_list`; never raises."""
    words, closed = split_words(text, '"')
    options = tuple(word.text for word in words)
    faults = []
    if any(not letter.isprintable() for word in options for letter in word):
        faults.append(f"holds a control character. {ADVICE}")
    if not closed:
        faults.append(f"has a quote that is not closed. {ADVICE}")
    if not _lists(options):
        faults.append(f"has to hold /L, or robocopy would copy. {ADVICE}")
    for name in sorted({_name(option) for option in options} & set(_UNFIT)):
        faults.append(f"holds /{name}, which {_UNFIT[name]}. {ADVICE}")
    return ListOptions(options, tuple(faults))


def _name(option: str) -> str:
    """The name of an option in capitals, "" for a word that is none: `/mt:8` is MT."""
    return option[1:].upper().partition(":")[0] if option[:1] in ("/", "-") else ""


def _lists(options: Tuple[str, ...]) -> bool:
    """Whether /L stands there for certain: behind /XF or /XD, -L may be taken for a name."""
    among_names = False
    for option in options:
        if option.upper() == "/L" or (option.upper() == "-L" and not among_names):
            return True
        if option[:1] == "/" or not among_names:
            among_names = _name(option) in _LISTS_OF_NAMES
    return False
