"""The two files that a user copies: the template works as it is, the profile holds what the guide promises."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import List, Tuple

import pytest
from vdt.etc import CONFIG_TEMPLATE, PROFILE_TEMPLATE, read_template

from vdt.vizgen.config import load_config
from vdt.vizgen.config_keys import KEYS, OPTION_KEYS, TOP_KEYS, VDT_KEYS


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / CONFIG_TEMPLATE
    path.write_text(read_template(CONFIG_TEMPLATE), encoding="utf-8")
    return path


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("debug", [True, False])
def test_the_template_loads_on_both_systems(template: Path, windows: bool, debug: bool) -> None:
    config = load_config(template, windows=windows, debug=debug)
    assert config.warnings and all("example" in warning for warning in config.warnings)
    assert config.options.text == ("/Z /E /J" if windows else "-av")
    if windows:
        assert (config.isilon_drive, config.logs) == ("L:\\", "L:\\logs")
        disk = load_config(template, windows=True, disk=True)
        assert (disk.analysis_drive, disk.isilon_drive) == ("G:\\Vizgen data Z drive", "L:\\")


def test_without_mail_the_template_gives_no_warning(template: Path) -> None:
    assert load_config(template, windows=True, need_mail=False).warnings == ()


def test_every_key_stands_in_the_template_and_every_commented_one_loads(template: Path) -> None:
    text = read_template(CONFIG_TEMPLATE)
    for key in (*TOP_KEYS, *OPTION_KEYS, *VDT_KEYS):
        assert re.search(rf"\b{key}\b", text), key
    table = text[text.index("\n[vdt]") :]
    assert set(re.findall(r"^# (\w+) = ", table, re.MULTILINE)) == set(VDT_KEYS)
    assert not re.search(r"^\w", table, re.MULTILINE)
    template.write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE), encoding="utf-8")
    config = load_config(template, windows=False, disk=True)
    assert (config.threads, config.retries, config.share_wait_s) == (8, 5, 14400.0)
    assert config.verify is not None and config.verify.value == "cold"
    assert (config.smtp_port, config.smtp_security, config.also_hash) == (25, "none", None)


def test_what_counts_without_a_key_is_what_the_template_says() -> None:
    """The template shows each setting of `[vdt]` with its default; a few have none and show an example."""
    shown = {
        key: value.strip('"') for key, value in re.findall(r"^# (\w+) = (.*)$", read_template(CONFIG_TEMPLATE), re.M)
    }
    told = {key.name: key.default.strip("`") for key in KEYS if key.table == "vdt"}
    words = {"retry_wait_s", "also_hash", "smtp_port", "smtp_user", "smtp_password_env"}
    assert {name: told[name] for name in VDT_KEYS if name not in words} == {
        name: shown[name] for name in VDT_KEYS if name not in words
    }
    written = dict(re.findall(r'^(\w+) = "([^"]*)"$', read_template(CONFIG_TEMPLATE), re.MULTILINE))
    for key in KEYS:
        if key.table == "tool.options" and key.default:
            assert key.default.strip("`") == written[key.name]


def test_templates_are_plain_text() -> None:
    for name in (CONFIG_TEMPLATE, PROFILE_TEMPLATE):
        text = read_template(name)
        # PowerShell 5 reads a file without a mark in the ANSI code page, so the profile has to be ASCII.
        assert text.isascii() and "\r" not in text and "\t" not in text
        assert max(map(len, text.splitlines())) <= 130


def test_an_unknown_template() -> None:
    with pytest.raises(FileNotFoundError):
        read_template("none")


# ---- the profile: its structure is checked as text, so no PowerShell is needed -----------------------------------


def structure(text: str) -> Tuple[str, List[str]]:
    """The code without strings and comments, and the strings."""
    strings: List[str] = []

    def take(match: re.Match[str]) -> str:
        if match[0].startswith("#"):
            return ""
        strings.append(match[0])
        return "''"

    return re.sub(r"'[^']*'|\"(?:`.|[^\"`])*\"|#[^\n]*", take, text), strings


def test_the_profile_has_function_alias_and_balanced_braces() -> None:
    code, strings = structure(read_template(PROFILE_TEMPLATE))
    function = re.search(r"^function (\S+) \{", code, re.MULTILINE)
    alias = re.search(r"^Set-Alias -Name start_eivdt -Value (\S+)", code, re.MULTILINE)
    assert function and alias and function[1] == alias[1]
    opened: List[str] = []
    for letter in code:
        if letter in "({[":
            opened.append(letter)
        elif letter in ")}]":
            assert opened and opened.pop() + letter in ("()", "{}", "[]")
    assert opened == []
    assert "'" not in code.replace("''", "") and '"' not in code
    assert "'L:\\'" in strings and "'eivdt'" in strings


def test_the_profile_checks_before_it_acts() -> None:
    code, strings = structure(read_template(PROFILE_TEMPLATE))
    assert "$env:LOCALAPPDATA" in code
    assert code.count("Test-Path -LiteralPath") == 2 and code.count("return") == 2
    assert code.rindex("return") < code.index("$env:Path = $programs") < code.index("Set-Location")
    assert "ctivate" not in code, "no script is run: no execution policy needs to change"
    assert any("no Python environment" in text for text in strings)
    assert any("drive $work is not there" in text for text in strings)


def test_the_profile_defines_the_alias(tmp_path: Path) -> None:
    """PowerShell says so itself where there is one; where there is none, the order of the two statements does."""
    text = read_template(PROFILE_TEMPLATE)
    assert text.index("function Start-VizgenTransfer {") < text.index("\nSet-Alias -Name start_eivdt")
    shell = shutil.which("pwsh") or shutil.which("powershell")
    if shell:
        profile = tmp_path / "profile.ps1"
        profile.write_text(text, encoding="ascii")
        command = f". '{profile}'; (Get-Alias start_eivdt).Definition"
        line = [shell, "-NoProfile", "-ExecutionPolicy", "Bypass", "-Command", command]
        run = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0 and "Start-VizgenTransfer" in run.stdout, run.stderr
