"""The configuration: every file of 1.0.0 loads, every fault is named, all of them at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.errors import ConfigError
from vdt.model import Existing, Links, Verify
from vdt.vizgen.config import DEFAULT_ROBOCOPY_LIST, Config, load_config, read_config

WINDOWS = {
    "analysis_drive_pc": "Z:\\",
    "analysis_drive_pc_disk": "G:\\Vizgen data Z drive",
    "analysis_drive_pc_debug": "L:\\test_data",
    "isilon_drive_pc": "L:\\",
}
POSIX = {"analysis_drive_nix": "/data", "isilon_drive_nix": "/isilon"}
MAIL = {
    "smtp_server": "smtp.place.org",
    "sender_email": "robot@place.org",
    "production": {"addressees": ["lab@place.org"]},
    "development": {"addressees": ["dev@place.org", "two@place.org"]},
}
GOOD = {**WINDOWS, **POSIX, **MAIL}

OF_VERSION_1 = r"""
analysis_drive_pc = "Z:\\"
isilon_drive_pc = "L:\\"
isilon_drive_logs_pc = "L:\\logs"
analysis_drive_pc_disk = "G:\\Vizgen data Z drive"
analysis_drive_pc_debug = "L:\\test_data"
analysis_drive_nix = "/data/in"
isilon_drive_nix = "/data/out"
isilon_drive_logs_nix = "/data/out/logs"
smtp_server = "smtp.example.com"
sender_email = "user@example.co.uk"
[production]
addressees = [
    "first.user@example_account.ac.uk",
  ]
[development]
addressees = ["first.user@example_account.ac.uk", "second.user@example_account.ac.uk"]
[tool.options]
rsync = "-av"
robocopy = "/Z /E /J"
robocopy_header = ["a", "b"]
robocopy_footer = -11
robocopy_list = "/L /E /BYTES /V /NP /FP"
robocopy_list_footer_start = "Total"
robocopy_list_footer_end = 7
"""


def good(windows: bool = False, **changes: Any) -> Config:
    return read_config({**GOOD, **changes}, "x.toml", windows=windows)


def faults(data: Any, windows: bool = False, **how: bool) -> Tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_config(data, "x.toml", windows=windows, **how)
    return caught.value.faults


def vdt_fault(**settings_: Any) -> str:
    found = faults({**GOOD, "vdt": settings_})
    assert len(found) == 1, found
    return found[0]


def without(*keys: str) -> Any:
    return {key: value for key, value in GOOD.items() if key not in keys}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    def write(content: Any) -> Path:
        path = tmp_path / ".vizgen_config.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


# ---- files that work ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_of_version_1_loads(written: Callable[[Any], Path], windows: bool, ends: str, mark: bytes) -> None:
    path = written(mark + OF_VERSION_1.replace("\n", ends).encode())
    config = load_config(path, windows=windows)
    assert config.path == str(path)
    assert (config.analysis_drive, config.isilon_drive, config.logs) == (
        ("Z:\\", "L:\\", "L:\\logs") if windows else ("/data/in", "/data/out", "/data/out/logs")
    )
    assert config.options.policy.links is (Links.FOLLOW if windows else Links.COPY)
    assert len(config.addressees) == (1 if windows else 2)
    assert (config.smtp_port, config.smtp_security, config.robocopy_list) == (25, "none", DEFAULT_ROBOCOPY_LIST)
    assert config.warnings and all("example" in warning for warning in config.warnings)


def test_nothing_of_the_table_vdt_is_set_by_default() -> None:
    config = good()
    assert config.warnings == ()
    names = ("threads", "verify", "existing", "retries", "retry_wait_s", "share_wait_s", "bwlimit", "settle_s")
    assert {getattr(config, name) for name in (*names, "robocopy_check", "also_hash", "smtp_user")} == {None}


def test_all_settings() -> None:
    config = good(
        vdt={
            "threads": 4,
            "verify": "Both",
            "existing": "trust",
            "retries": 0,
            "retry_wait_s": 1.5,
            "share_wait_s": 60,
            "bwlimit": "08:00,100M 19:00,off",
            "settle_s": 0,
            "robocopy_check": "off",
            "also_hash": "md5",
            "smtp_port": 2525,
            "smtp_security": "starttls",
            "smtp_user": "robot",
            "smtp_password_env": "VDT_SMTP_PASSWORD",
        }
    )
    assert (config.threads, config.verify, config.existing) == (4, Verify.BOTH, Existing.TRUST)
    assert (config.retries, config.retry_wait_s, config.share_wait_s, config.settle_s) == (0, 1.5, 60.0, 0.0)
    assert (config.bwlimit, config.robocopy_check, config.also_hash) == ("08:00,100M 19:00,off", "off", "md5")
    assert (config.smtp_port, config.smtp_security) == (2525, "starttls")
    assert (config.smtp_user, config.smtp_password_env) == ("robot", "VDT_SMTP_PASSWORD")
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("windows", "disk", "debug", "source", "people"),
    [
        (True, False, False, "Z:\\", 1),
        (True, True, False, "G:\\Vizgen data Z drive", 1),
        (True, False, True, "L:\\test_data", 2),
        (True, True, True, "L:\\test_data", 2),
        (False, False, False, "/data", 2),
        (False, False, True, "/data", 2),
        (False, True, True, "/mnt/disk", 2),
    ],
)
def test_source_and_addressees(windows: bool, disk: bool, debug: bool, source: str, people: int) -> None:
    data = {**GOOD, "analysis_drive_nix_disk": "/mnt/disk"}
    config = read_config(data, "x", windows=windows, disk=disk, debug=debug)
    assert config.analysis_drive == source
    assert GOOD.get(config.analysis_key, "/mnt/disk") == source
    assert len(config.addressees) == people
    assert bool(config.warnings) == (windows and disk and debug)


@pytest.mark.parametrize(
    ("path", "used", "logs"),
    [
        ("L:", "L:\\", "L:\\logs"),
        ("L:\\", "L:\\", "L:\\logs"),
        ("l:/x/", "l:/x/", "l:/x\\logs"),
        ("\\\\nas\\share", "\\\\nas\\share", "\\\\nas\\share\\logs"),
        ("\\\\?\\C:\\x", "\\\\?\\C:\\x", "\\\\?\\C:\\x\\logs"),
    ],
)
def test_windows_paths(path: str, used: str, logs: str) -> None:
    config = good(windows=True, isilon_drive_pc=path)
    assert (config.isilon_drive, config.logs) == (used, logs)


def test_logs_of_a_root() -> None:
    assert good(isilon_drive_nix="/").logs == "/logs"
    assert good(isilon_drive_nix="/x/", isilon_drive_logs_nix="").logs == "/x/logs"


def test_addressees_of_older_files() -> None:
    old = {**without("production", "development"), "addressees": ["old@place.org"]}
    for windows in (True, False):
        assert read_config(old, "x", windows=windows).addressees == ("old@place.org",)
    assert good(addressees=["old@place.org"]).addressees == ("dev@place.org", "two@place.org")


def test_without_mail_nothing_of_it_is_needed_or_checked() -> None:
    config = read_config({**POSIX, "sender_email": "broken"}, "x", windows=False, need_mail=False)
    assert (config.smtp_server, config.sender, config.addressees) == ("", "", ())


def test_default_ports_and_a_port_in_the_server() -> None:
    assert good(vdt={"smtp_security": "starttls"}).smtp_port == 587
    assert good(vdt={"smtp_security": "ssl"}).smtp_port == 465
    config = good(smtp_server="smtp.place.org:2525")
    assert (config.smtp_server, config.smtp_port) == ("smtp.place.org", 2525)
    assert "Keep one" in faults({**GOOD, "smtp_server": "a:26", "vdt": {"smtp_port": 25}})[0]


def test_only_the_option_string_of_this_system_counts() -> None:
    options = {"options": {"rsync": "--delete", "robocopy": "/S"}}
    assert good(windows=True, tool=options).options.text == "/S"
    assert "[tool.options] rsync" in faults({**GOOD, "tool": options})[0]
    assert good(windows=True).options.text == "/Z /E /J"
    assert good(tool={"options": {"rsync": " "}}).options.text == "-av"


def test_the_real_robocopy_must_only_list() -> None:
    assert good(windows=True, tool={"options": {"robocopy_list": "-l -e"}}).robocopy_list == "-l -e"
    assert good(tool={"options": {"robocopy_list": "/E"}}).robocopy_list == "/E"  # nobody to give it to, hardly ever
    assert good(tool={"options": {"robocopy_list": " "}}).robocopy_list == DEFAULT_ROBOCOPY_LIST
    found = faults({**GOOD, "tool": {"options": {"robocopy_list": "/E /MIR"}}}, windows=True)
    assert len(found) == 2 and "/L" in found[0] and "/MIR" in found[1]
    for text in ('/E "/L /V"', "/L /MOVE", "/L /MOV", "/L /PURGE", "/L /JOB:x", "/XF -L"):
        (fault,) = faults({**GOOD, "tool": {"options": {"robocopy_list": text}}}, windows=True)
        assert fault.startswith("[tool.options] robocopy_list h") and "Write '/L " in fault


# ---- faults ------------------------------------------------------------------------------------------------------


def test_all_faults_are_reported_together() -> None:
    found = faults(
        {
            "analysis_drive_nix": "data",
            "sender_email": "nobody",
            "tool": {"options": {"rsync": "--delete -n"}},
            "vdt": {"threats": 4, "threads": 0, "verify": 3},
        }
    )
    text = "\n".join(found)
    for word in (
        "analysis_drive_nix = 'data'",
        "isilon_drive_nix is missing",
        "smtp_server is missing",
        "sender_email holds 'nobody'",
        "[development] addressees is missing",
        "--delete is refused",
        "-n copies nothing",
        "threats in the table [vdt] is unknown. Did you mean threads?",
        "[vdt] threads is out of range",
        "[vdt] verify is a whole number",
    ):
        assert word in text
    assert len(found) == 10


@pytest.mark.parametrize(
    ("settings_", "word"),
    [
        ({"threads": True}, "true or false"),
        ({"threads": "4"}, "a text"),
        ({"threads": 4.0}, "a number"),
        ({"threads": 129}, "1 to 128"),
        ({"retries": -1}, "out of range"),
        ({"retries": [1]}, "a list"),
        ({"retry_wait_s": -0.1}, "out of range"),
        ({"retry_wait_s": float("nan")}, "out of range"),
        ({"share_wait_s": float("inf")}, "out of range"),
        ({"settle_s": False}, "true or false"),
        ({"verify": "hot"}, "none, inflight, reread, cold, both"),
        ({"existing": "hope"}, "prove, trust"),
        ({"robocopy_check": True}, "text in quotes"),
        ({"robocopy_check": "yes"}, "auto, on, off"),
        ({"also_hash": "crc"}, "md5, sha256"),
        ({"bwlimit": "100"}, "unit"),
        ({"bwlimit": 100}, "text in quotes"),
        ({"smtp_port": 0}, "1 to 65535"),
        ({"smtp_port": 65536}, "1 to 65535"),
        ({"smtp_security": "tls"}, "none, starttls, ssl"),
        ({"smtp_user": "me"}, "smtp_password_env is not"),
        ({"smtp_password_env": "VAR"}, "smtp_user is not"),
        ({"smtp_user": "a\nb", "smtp_password_env": "V"}, "control character"),
        ({"analysis_drive_nix_disk": "/x"}, "above the first [table]"),
        ({"xyzzy": 1}, "is unknown."),
    ],
)
def test_faults_in_vdt(settings_: Any, word: str) -> None:
    assert word in vdt_fault(**settings_)


def test_a_password_is_never_repeated() -> None:
    for settings_ in ({"smtp_user": "me", "smtp_password_env": "hunter 2!"}, {"smtp_password": "hunter 2!"}):
        fault = vdt_fault(**settings_)
        assert "hunter" not in fault and "smtp_password_env" in fault


def test_a_login_in_the_clear_is_a_warning() -> None:
    config = good(vdt={"smtp_user": "me", "smtp_password_env": "V"})
    assert "in the clear" in config.warnings[0]


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "@",
        "a@",
        "@b",
        "a@b\nBcc: c@d",
        "a@b\r",
        "a b@c",
        "a@b,c@d",
        "Name <a@b>",
        "a@b\x00",
        "a@b@c",
        "a@b\u2028",
    ],
)
def test_bad_addresses(address: str) -> None:
    for data in ({**GOOD, "sender_email": address}, {**GOOD, "development": {"addressees": ["x@y", address]}}):
        found = faults(data)
        assert len(found) == 1 and "no mail address" in found[0] and "\n" not in found[0]


@pytest.mark.parametrize("server", ["a b", "smtp://x", "a\nb", "a@b"])
def test_bad_servers(server: str) -> None:
    assert "no name of a server" in faults({**GOOD, "smtp_server": server})[0]


@pytest.mark.parametrize("value", ["", "  ", None])
@pytest.mark.parametrize("key", ["analysis_drive_nix", "isilon_drive_nix", "smtp_server", "sender_email"])
def test_missing_and_empty(key: str, value: Any) -> None:
    found = faults(without(key) if value is None else {**GOOD, key: value})
    assert len(found) == 1 and found[0].startswith(f"{key} is missing or empty")


@pytest.mark.parametrize("value", [[], [""], [" ", ""]])
def test_empty_lists(value: Any) -> None:
    assert "[development] addressees is missing" in faults({**GOOD, "development": {"addressees": value}})[0]


def test_the_disk_and_the_debug_source_are_asked_for() -> None:
    assert "analysis_drive_nix_disk is missing or empty (needed for --disk)" in faults(GOOD, disk=True)[0]
    data = without("analysis_drive_pc_debug", "analysis_drive_pc_disk")
    assert "needed for --debug" in faults(data, windows=True, debug=True)[0]
    assert "needed for --disk" in faults(data, windows=True, disk=True)[0]


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("analysis_drive_nix", 3, "a whole number"),
        ("analysis_drive_pc", ["Z:"], "a list"),
        ("smtp_server", True, "true or false"),
        ("sender_email", 1.5, "a number"),
        ("development", {"addressees": "a@b"}, "a text"),
        ("development", {"addressees": [1]}, "something else"),
        ("tool", "x", "a text"),
        ("tool", {"options": []}, "a list"),
        ("tool", {"options": {"rsync": ["-av"]}}, "a list"),
        ("vdt", 1, "a whole number"),
    ],
)
def test_wrong_types(key: str, value: Any, kind: str) -> None:
    found = faults({**GOOD, key: value})
    assert len(found) == 1 and kind in found[0]


@pytest.mark.parametrize("path", ["data", "Z:data", "\\data", "/data", "\\\\server", ".", "~\\x", "1:\\x"])
def test_relative_windows_paths(path: str) -> None:
    assert "not a full path" in faults({**GOOD, "analysis_drive_pc": path}, windows=True)[0]


@pytest.mark.parametrize("path", ["data", "Z:\\", "./x", "~/x"])
def test_relative_posix_paths(path: str) -> None:
    assert "not a full path" in faults({**GOOD, "isilon_drive_logs_nix": path})[0]


def test_unknown_keys_elsewhere_are_warnings() -> None:
    config = good(
        analysis_drive="x",
        threads=4,
        production={"addressees": ["a@b"], "smtp_server": "x"},
        tool={"options": {"robcopy": "/E"}, "black": {}},
    )
    text = "\n".join(config.warnings)
    assert len(config.warnings) == 5
    assert "Did you mean analysis_drive_" in text and "belongs into the table [vdt]" in text
    assert "above the first [table]" in text and "Did you mean robocopy?" in text and "black" in text


# ---- files that cannot be read -----------------------------------------------------------------------------------


def file_fault(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, windows=True)
    assert len(caught.value.faults) == 1
    assert caught.value.exit_code == 16
    return caught.value.faults[0]


def test_a_name_that_no_system_takes(tmp_path: Path) -> None:
    fault = file_fault(tmp_path / "a\0b")
    assert "cannot be read" in fault or "no file" in fault
    assert "\0" not in fault


@pytest.mark.parametrize("line", [r'"Z:\new"', r'"Z:\temp"', r'"L:\runs"', r'"Z:\future"', r'"Z:\big"'])
def test_backslashes_that_toml_takes_are_found_as_well(written: Callable[[Any], Path], line: str) -> None:
    text = OF_VERSION_1.replace(r'analysis_drive_pc = "Z:\\"', f"analysis_drive_pc = {line}")
    fault = file_fault(written(text))
    assert "control character" in fault and r"'Z:\data'" in fault and fault.isprintable()


def test_a_file_cut_at_every_byte_raises_nothing_else(written: Callable[[Any], Path]) -> None:
    data = OF_VERSION_1.encode()
    for end in range(0, len(data), 7):
        try:
            load_config(written(data[:end]), windows=True)
        except ConfigError as error:
            assert error.faults


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
).filter(lambda value: value is not None)
KEYS = st.sampled_from([*GOOD, "tool", "vdt", "addressees", "other"])


@given(st.dictionaries(KEYS, VALUES), st.dictionaries(st.sampled_from(["threads", "bwlimit", "verify"]), VALUES))
@settings(max_examples=150, deadline=None)
def test_any_values_give_a_config_or_faults(data: Any, settings_: Any) -> None:
    for windows in (True, False):
        try:
            read_config({**GOOD, "vdt": settings_, **data}, "x", windows=windows)
        except ConfigError as error:
            assert error.faults
