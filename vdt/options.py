"""What an option string of the configuration asks for, whatever dialect it is written in.

Pure. `robocopy/options.py` and `rsync_options.py` both turn their string into a `ParsedOptions`; neither ever raises:
what is wrong is a sentence in `faults`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Tuple

from vdt.model import Policy

LONGEST_WAIT_S = 4_000_000.0
"""46 days. Windows can wait at most 2^32 ms, which is 49 days; a longer wait would be an error when it is too late."""

MOST_RETRIES = 1_000_000_000


@dataclass(frozen=True)
class ParsedOptions:
    """The copy policy of one option string, and what it asks for that is not done.

    Usable only while `faults` is empty; the other fields then hold what could be read.
    """

    text: str  # as configured
    policy: Policy
    retries: Optional[int] = None  # None: not said
    retry_wait_s: Optional[float] = None
    threads: Optional[int] = None
    bwlimit: Optional[str] = None  # in the spelling of `bwlimit.parse_bwlimit`
    not_honoured: Tuple[str, ...] = ()  # "/COMPRESS: why it has no effect here", in the order of the string
    notes: Tuple[str, ...] = ()  # consequences that the user should know of
    faults: Tuple[str, ...] = ()  # one sentence each

    @property
    def remarks(self) -> Tuple[str, ...]:
        """All that belongs in the log and the mail."""
        return self.not_honoured + self.notes


class Word(NamedTuple):
    """One word of an option string."""

    text: str
    quoted: bool  # it began with a quote, so it is a value even where it looks like an option


def split_words(text: str, quotes: str) -> Tuple[Tuple[Word, ...], bool]:
    """Split at blanks outside of quotes; a backslash is a plain character, as in Windows paths.

    Args:
        text: the option string.
        quotes: the characters that open and close a quoted part.

    Returns:
        The words, and whether the last quote was closed.
    """
    words: List[Word] = []
    letters: List[str] = []
    quote = ""
    inside = quoted = False
    for letter in text:
        if quote:
            if letter == quote:
                quote = ""
            else:
                letters.append(letter)
        elif letter in quotes:
            quoted = quoted or not inside
            inside = True
            quote = letter
        elif letter.isspace():
            if inside:
                words.append(Word("".join(letters), quoted))
            letters, inside, quoted = [], False, False
        else:
            inside = True
            letters.append(letter)
    if inside:
        words.append(Word("".join(letters), quoted))
    return tuple(words), not quote
