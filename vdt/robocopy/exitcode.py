"""What robocopy's exit codes mean, in plain words. Pure."""

from __future__ import annotations

COPIED, EXTRAS, MISMATCH, FAILED, FATAL = 1, 2, 4, 8, 16

_NOTHING = "Nothing had to be copied, and nothing failed."
_FATAL = (
    "Fatal: the transfer could not start or go on. The command is wrong, or the source or the destination is missing "
    "or refuses access."
)


def exit_text(code: int) -> str:
    """One sentence for each value from 0 to 16; robocopy has no other values, and the sentence says so."""
    if code == 0:
        return _NOTHING
    if code == FATAL:
        return _FATAL
    if not 0 < code < FATAL:
        return f"Ended with {code}, which is no exit code of robocopy: the process was stopped or never ran."
    parts = ["files were copied" if code & COPIED else "no file was copied"]
    if code & EXTRAS:
        parts.append("the destination holds files or folders that the source does not have")
    if code & MISMATCH:
        parts.append("some names are a file on one side and a folder on the other")
    parts.append("not everything could be copied and proven" if code & FAILED else "nothing failed")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
