"""The files that a user copies and edits: the configuration and the PowerShell profile.

They lie in `etc/` of the project and are the package `vdt.etc` when it is installed.
"""

from __future__ import annotations

from importlib.resources import files

CONFIG_TEMPLATE = ".vizgen_config.toml"
PROFILE_TEMPLATE = ".profile.ps1"


def read_template(name: str) -> str:
    """Text of one of the two files, with plain line feeds.

    Raises:
        FileNotFoundError: there is no such file here, or the package was installed without it.
    """
    return files(__name__).joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")
