"""Opens folders below a root, and never what a link leads to."""

from __future__ import annotations

from vdt import fs


def open_inside(root: str, folder: str) -> fs.Folder:
    """The folder at a relative path below `root`, part by part; a link in the place of any part is refused.

    The root itself may be reached through links. Files are opened in the folder that comes back, with `follow=False`.

    Raises:
        OSError: a part is not there, is no folder, or is a link (ELOOP, ENOTDIR).
        ValueError: a part leads elsewhere ("..", "." or empty).
    """
    at = fs.Folder(root)
    for part in folder.split("/") if folder else ():
        if part in ("", ".", ".."):
            at.close()
            raise ValueError(f"'{part}' is no name of a folder")
        with at:
            below = at.child(part)
        at = below
    return at
