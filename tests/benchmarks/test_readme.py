"""benchmarks/README.md is held against the scripts: options, files, contenders."""

from __future__ import annotations

import re

import pytest

import scaling
from comparing import options, stopwatch
from comparing.contenders import auditors, copiers
from vdt.cli.copy import parser as copy_parser

from .conftest import BENCHMARKS

README = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
GOALS = (BENCHMARKS / "goals.py").read_text(encoding="utf-8")
FULL_COUNT = (BENCHMARKS / "full_count.py").read_text(encoding="utf-8")
OF_OTHERS = {"--download"}  # options of rivals, quoted


def test_every_option_exists() -> None:
    parsers = (options.parser(), scaling.parser(), stopwatch.parser("x"), copy_parser())
    known = {option for one in parsers for action in one._actions for option in action.option_strings}
    known |= set(re.findall(r'"(--[a-z-]+)"', GOALS + FULL_COUNT))
    sample = {"--fov", "--bytes-divided-by", "--tree"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]*[a-z]", README))
    assert named - known - sample - OF_OTHERS == set()
    of_compare = {option for action in options.parser()._actions for option in action.option_strings}
    assert of_compare - named <= {"-h", "--help", "--what", "--no-png"}, "--help says enough of these"


def test_every_link_and_script_is_there() -> None:
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    anchors = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        assert not path or (BENCHMARKS / path).exists(), target
        assert path or anchor in anchors, target
    for script in set(re.findall(r"\b(\w+\.py)\b", README)):
        found = [*BENCHMARKS.rglob(script), *(BENCHMARKS.parent / "tests" / "rigs").glob(script)]
        assert found, script


def test_every_contender_is_in_the_table() -> None:
    for one in (*copiers([]), *auditors()):
        assert one.family == "ours" or one.family in README.lower(), one.name


def test_every_script_is_named() -> None:
    for script in BENCHMARKS.glob("*.py"):
        assert script.name in README, script.name


def test_no_word_of_the_machine_it_was_written_on() -> None:
    assert not re.search(r"/work\b|/root\b|pyenv", README)


@pytest.mark.parametrize("line", re.findall(r"^& \$py C:\\benchmarks\\compare\.py (.*?)(?:\s{2,}#.*)?$", README, re.M))
def test_the_ten_lines_are_understood(line: str) -> None:
    assert options.read(line.replace("\\", "/").split()) is not None


def test_there_are_ten_lines() -> None:
    (block,) = re.findall(r"```powershell\n(.*?)```", README, re.DOTALL)
    assert len(block.splitlines()) <= 10 and block.count("compare.py") >= 5
