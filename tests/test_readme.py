"""README and pages are held against the house: options, keys, links and words exist. Commands: test_commands.py."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import List, Set

import pytest
from pages import PAGES, ROOT, blocks, read, section, without_blocks
from vdt.etc import CONFIG_TEMPLATE, read_template

from vdt.cli import drop_in
from vdt.cli.main import _COMMANDS

README, USER, VERIFICATION = (read(page) for page in ("README.md", "docs/user.md", "docs/verification.md"))


# ---- the two commands --------------------------------------------------------------------------------------------


def one_liners(language: str) -> List[str]:
    return [
        line for b in blocks(section("Two commands", README)) if b.language == language for line in b.text.splitlines()
    ]


def test_ci_runs_the_test_command_of_the_readme_word_for_word() -> None:
    script = ROOT / ".ci" / "run"
    if not script.exists():
        pytest.skip("no .ci/run here")
    lines = script.read_text(encoding="utf-8").splitlines()
    demo, test = one_liners("sh")[:2]
    assert demo.endswith("vdt demo") and test.endswith("pytest")
    assert test in lines
    assert "\n" + test + "\n" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    first = next(line for line in lines if "pytest" in line or "ruff check" in line or "-m mypy" in line)
    assert first == test, "the README's command comes first"


def test_each_command_is_one_line_in_both_shells() -> None:
    posix, powershell = one_liners("sh"), one_liners("powershell")
    assert len(posix) == 4 and len(powershell) == 2  # two with venv, two with uv
    for one, other in zip(posix, powershell):
        steps = [step.split() for step in one.split(" && ")]
        words = (
            other.replace(".venv\\Scripts\\python -m pip", ".venv/bin/pip").replace("\\", "/").replace("Scripts", "bin")
        )
        for step in steps[1:]:
            assert " ".join(step) in words, (step, other)
        assert "-m venv .venv" in one and "-m venv .venv" in other


def test_powershell_5_understands_every_line() -> None:
    """It knows neither && nor ||, and `$?` is true again behind an `if`: steps are nested."""
    texts = [read(page) for page in PAGES]
    found = [block for text in texts for block in blocks(text) if block.language == "powershell"]
    assert len(found) >= 12
    for block in found:
        assert "&&" not in block.text and "||" not in block.text, block
        assert block.text.isascii(), block
        assert not re.search(r"\}; *if \(\$\?\)", block.text), block
        assert block.text.count("{") == block.text.count("}"), block


# ---- options, keys, links ----------------------------------------------------------------------------------------

FOREIGN = {
    "README.md": {
        *("--from", "--no-project", "--with-editable", "--no-deps", "--only-binary", "--platform"),
        *("--python-version", "--no-index", "--find-links", "--quiet"),
    },
    "CONTRIBUTING.md": {"--check", "--platform", "--cmd", "--minutes", "--only"},
    "CHANGELOG.md": {"--delete", "--remove-source-files"},
    "docs/admin.md": {"--no-deps", "--prefix", "--force-reinstall"},
    "docs/migration.md": {"--delete"},
    "docs/verification.md": {"--quiet"},
    "docs/watch.md": {"--now"},
    "docs/windows.md": {"--no-index", "--find-links"},
}
OF_OTHERS = ("docs/robocopy.md",)  # tests/robocopy/test_docs.py holds it to its own tables


def known_options() -> Set[str]:
    modules = [import_module(f"vdt.cli.{name.replace('-', '_')}") for name in _COMMANDS]
    actions = [action for module in (drop_in, *modules) for action in module.parser()._actions]
    return {option for action in actions for option in action.option_strings}


@pytest.mark.parametrize("page", [page for page in PAGES if page not in OF_OTHERS])
def test_every_option_exists(page: str) -> None:
    text = read(page)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]*[a-z0-9]", text))
    foreign = FOREIGN.get(page, set())
    unknown = named - known_options() - foreign
    assert not unknown
    assert foreign <= named, "an entry of FOREIGN is used no more"


def test_options_of_the_drop_in_that_are_new_are_in_the_changelog() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    of_1_0_0 = {
        *("--copy_type", "--threads", "--ignore_python_counts", "--ignore_robocopy_counts", "--disk"),
        *("--vizgen_config", "--debug", "--help"),
    }
    options = {o for action in drop_in.parser()._actions for o in action.option_strings if o.startswith("--")}
    assert not {option for option in options - of_1_0_0 if option not in changes}
    assert not {option for option in of_1_0_0 - {"--help"} if option not in README + USER}


def test_the_guide_lists_every_key_of_the_template() -> None:
    page = read("docs/admin.md")
    named = {cell.split()[-1] for cell in re.findall(r"^\| `([^`]+)` \|", section("The configuration", page), re.M)}
    template = read_template(CONFIG_TEMPLATE)
    keys = set(re.findall(r"^(?:# )?([a-z_0-9]+) = ", template, re.MULTILINE))
    old = {key for key in named - keys if key in template and ("header" in key or "footer" in key)}
    assert keys - named == set() and named - keys - old == {"addressees"} - keys


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: str) -> None:
    text = without_blocks(read(page))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target
    for target in re.findall(r"`(vdt/[\w/.]+|tests/[\w/.]+|etc/[\w.]+)`", text):
        assert target in {"tests/test_x.py", "vdt/x.py"} or (ROOT / target).exists(), target


def anchors(page: Path) -> Set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_knows_the_machine_it_was_written_on(page: str) -> None:
    text = read(page)
    assert not re.search(r"/work\b|/tmp\b|/root\b|pyenv", text)


# ---- what the mail excerpt and the tables show -------------------------------------------------------------------


def test_levels_stand_in_their_order_with_the_words_of_the_report() -> None:
    from vdt.model import Evidence, Verify

    rows = re.findall(r"^\| `(\w+)`[^|]*\| ([^|]+) \|", section("The levels", VERIFICATION), re.MULTILINE)
    assert rows == [(level.value, Evidence(level.value).words) for level in Verify]
    for word in (Evidence.ON_RECORD, Evidence.PRESENT):
        assert f"`{word.words}`" in VERIFICATION


def test_the_excerpt_of_the_mail_is_cut_from_a_mail() -> None:
    """Word for word where nothing of the run stands in the line."""
    golden = (ROOT / "tests" / "golden" / "mail_success.txt").read_text(encoding="utf-8")
    lines = {line.rstrip() for line in golden.splitlines()}
    excerpt = [line for b in blocks(section("The mail", USER)) for line in b.text.splitlines()]
    for line in excerpt:
        if line and not re.search(r"\d|/home/lab", line):
            assert line in lines, line
    order = [line for line in excerpt if line.endswith(":") and line in lines]
    assert order == sorted(order, key=golden.index) and len(order) >= 6
