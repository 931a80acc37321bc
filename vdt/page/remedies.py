"""What to do about a file that did not end well: from the kind of end and the system's reason to one sentence.

Pure. A table and nothing else: a new reason is a new line.
"""

from __future__ import annotations

import re
from typing import Tuple

AGAIN = "then give the same command again; only these files are copied."
_BY_REASON: Tuple[Tuple[str, str], ...] = (
    ("virus", f"Let the virus scanner leave out source and destination, or have the file looked at; {AGAIN}"),
    ("offline|only online|cloud", f"Fetch the file first (open it once); {AGAIN}"),
    (
        "permission denied|access is denied|denies access|not permit|read-only|write-protected|refuses the (user|pass)",
        f"Let the account that copies read the file at the source and write at the destination; {AGAIN}",
    ),
    ("disk is full|quota|no space|no room", f"Make room at the destination; {AGAIN}"),
    ("another program|in use|busy", f"Close the program that holds the file; {AGAIN}"),
    (
        "too long|does not allow this|cannot hold|too large for|name",
        f"The destination cannot hold this name or size: rename the file at the source, or choose another file system; "
        f"{AGAIN}",
    ),
    ("link", f"Mend the link at the source, or remove it; {AGAIN}"),
    (
        "input/output|crc|hardware error|wrong data",
        f"The medium or the way to it is bad: check disk, cable and share, {AGAIN} Where it stays, look for another "
        "copy.",
    ),
    ("read back|digest|differ", f"Other bytes came back than were sent: check memory, network and storage, {AGAIN}"),
    ("network|server|share|connection|timed out|stale|not ready", f"Bring drive or share back; {AGAIN}"),
    (
        "not there|no such|cannot find|not found",
        f"It went away while the run was copied: find it, or leave it; {AGAIN}",
    ),
)
_BY_KIND = {
    "failed": f"Mend what the reason names; {AGAIN}",
    "unproven": f"Both sides have to be readable to be compared: mend what the reason names; {AGAIN}",
    "unstable": "Something still writes it. Wait until instrument and analysis are done, then give the same command "
    "again.",
    "conflict": "The copy was proven and the source is older or shorter: find out which of them is right. Only if it "
    "is the source: the same command with --replace_proven.",
    "type mismatch": "A file stands where the other side has a folder: move the one at the destination away, then give "
    "the same command again.",
    "leads out of the tree": "What the link leads to is not in the copy. Copy it by itself, where it is needed.",
    "not copied": "Nothing to do where it is no data; sockets and devices cannot be copied, an offline file has to be "
    "fetched first.",
    "changed since the copy": "Give the same command again when nothing writes into the run any more; only what "
    "changed is copied.",
    "grew": "Nothing: all of it was copied, and the count before was corrected.",
}


def remedy(kind: str, reason: str) -> str:
    """What a person does next.

    Args:
        kind: failed, unproven, unstable, conflict, type mismatch, leads out of the tree, not copied,
            changed since the copy, grew.
        reason: the system's words; only those of a failure matter.
    """
    if kind in ("failed", "unproven"):
        last = reason.rpartition(": ")[2].lower()  # names stand before it, and may hold any word
        for pattern, words in _BY_REASON:
            if re.search(pattern, last):
                return words
    return _BY_KIND[kind]
