"""Windows paths as a person types them: what is wrong with one before any system is asked. Pure; `ntpath` alone.

Nothing is expanded or repaired silently: what stands there is used, or said to be wrong.
"""

from __future__ import annotations

import ntpath
import re

_VARIABLE = re.compile(r"%[^%\\/:]+%|\$env:\w+|\$\{?env:", re.IGNORECASE)
_ILLEGAL = re.compile(r"[<>|?*\x00-\x1f]")


def windows_absolute(path: str, cwd: str = "C:\\") -> str:
    """The absolute form: `Z:` is `Z:\\`, slashes become backslashes, a trailing one goes, `.` and `..` are resolved.

    Long-path prefixes are taken off: they are put on inside and never shown.
    """
    plain = path.replace("/", "\\")
    if plain.upper().startswith("\\\\?\\UNC\\"):
        plain = "\\\\" + plain[8:]
    elif plain.startswith("\\\\?\\"):
        plain = plain[4:]
    drive, rest = ntpath.splitdrive(plain)
    if drive.endswith(":") and not rest:
        plain = drive + "\\"
    elif not drive or not rest.startswith("\\"):
        plain = ntpath.join(cwd, plain)
    return ntpath.normpath(plain)


def windows_fault(path: str) -> str:
    """What is wrong with a typed path, as a sentence that says what to do; "" where nothing is."""
    if '"' in path:
        return (
            f"{path} holds a quotation mark. A backslash before a closing quotation mark makes it a part of the path: "
            'leave the last backslash out, "C:\\folder" and not "C:\\folder\\".'
        )
    if _VARIABLE.search(path):
        return f"{path} holds a variable, which is not expanded here. Write the folder out."
    drive, rest = ntpath.splitdrive(path)
    if path.startswith(("\\\\.\\", "//./")):
        return f"{path} names a device. Give a folder."
    if path.startswith(("\\\\", "//")) and not path.startswith(("\\\\?\\", "//?/")):
        parts = [part for part in path.replace("/", "\\").split("\\") if part]
        if len(parts) < 2:
            return f"{path} names a server without a share. Give both, like \\\\server\\share."
    elif _ILLEGAL.search(path[4:] if path.startswith("\\\\?\\") else path):
        return f"{path} holds a character that Windows allows in no name. Check the spelling."
    elif ":" in rest:
        return f"{path} has a colon behind the drive. Check the spelling."
    elif len(drive) == 2 and rest and not rest.startswith(("\\", "/")):
        return f"{path} lacks the backslash behind the drive. Write {drive}\\{rest}."
    return ""
