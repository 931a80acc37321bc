"""The README is held against the house: its commands run, its options, keys, links and sentences exist.

Blocks that begin with `# tested` are run as they stand.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set

import pytest
from vdt.etc import CONFIG_TEMPLATE, read_template

from vdt.cli import audit as audit_command
from vdt.cli import copy as copy_command
from vdt.cli import demo as demo_command
from vdt.cli import drop_in
from vdt.sample import write_run

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ARCHITECTURE.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = "202310261058_VZGEN1_VMSC10202"
POSIX = os.name == "posix"


class Block(NamedTuple):
    language: str
    text: str
    heading: str


def blocks(page: str) -> List[Block]:
    found: List[Block] = []
    heading = ""
    for match in re.finditer(r"^(#+ [^\n]*)$|^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1].lstrip("# ")
        else:
            found.append(Block(match[2], match[3], heading))
    return found


def section(title: str, page: str = README) -> str:
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#+ [A-Z]|\Z)", page, re.MULTILINE | re.DOTALL)
    assert match, title
    return match[2]


def without_blocks(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


# ---- the two commands --------------------------------------------------------------------------------------------


def one_liners(language: str) -> List[str]:
    return [line for b in blocks(section("Two commands")) if b.language == language for line in b.text.splitlines()]


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
    found = [block for block in blocks(README) if block.language == "powershell"]
    assert len(found) >= 8
    for block in found:
        assert "&&" not in block.text and "||" not in block.text, block
        assert block.text.isascii(), block
        assert not re.search(r"\}; *if \(\$\?\)", block.text), block
        assert block.text.count("{") == block.text.count("}"), block


# ---- options, keys, links ----------------------------------------------------------------------------------------

FOREIGN = {
    "README.md": {
        *("--from", "--no-project", "--with-editable", "--no-deps", "--only-binary", "--platform"),
        *("--python-version", "--no-index", "--find-links", "--prefix", "--quiet"),
    },
    "CONTRIBUTING.md": {"--check", "--platform", "--cmd", "--minutes"},
    "CHANGELOG.md": {"--delete", "--remove-source-files"},
}


def known_options() -> Set[str]:
    known: Set[str] = set()
    for parser in (drop_in.parser(), copy_command.parser(), audit_command.parser(), demo_command.parser()):
        known.update(option for action in parser._actions for option in action.option_strings)
    return known


@pytest.mark.parametrize("page", PAGES)
def test_every_option_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
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
    assert not {option for option in of_1_0_0 - {"--help"} if option not in README}


def test_the_table_of_keys_is_that_of_the_template() -> None:
    cells = [row.split("|")[1] for row in section("Configuration").splitlines() if row.startswith("| `")]
    named = {word.split()[-1] for cell in cells for word in re.findall(r"`([^`]+)`", cell)}
    template = read_template(CONFIG_TEMPLATE)
    keys = set(re.findall(r"^(?:# )?([a-z_0-9]+) = ", template, re.MULTILINE))
    assert keys - named == set() and named - keys == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: str) -> None:
    text = without_blocks((ROOT / page).read_text(encoding="utf-8"))
    anchors = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (ROOT / target).exists(), target
    for target in re.findall(r"`(vdt/[\w/.]+|tests/[\w/.]+|etc/[\w.]+)`", text):
        assert target in {"tests/test_x.py", "vdt/x.py"} or (ROOT / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_no_page_knows_the_machine_it_was_written_on(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not re.search(r"/work\b|/tmp\b|/root\b|pyenv", text)


# ---- what the mail excerpt and the tables show -------------------------------------------------------------------


def test_levels_stand_in_their_order_with_the_words_of_the_report() -> None:
    from vdt.model import Evidence, Verify

    rows = re.findall(r"^\| `(\w+)`[^|]*\| ([^|]+) \|", section('What "verified" means'), re.MULTILINE)
    assert rows == [(level.value, Evidence(level.value).words) for level in Verify]
    for word in (Evidence.ON_RECORD, Evidence.PRESENT):
        assert f"`{word.words}`" in README


def test_the_excerpt_of_the_mail_is_cut_from_a_mail() -> None:
    """Word for word where nothing of the run stands in the line."""
    golden = (ROOT / "tests" / "golden" / "mail_success.txt").read_text(encoding="utf-8")
    lines = {line.rstrip() for line in golden.splitlines()}
    excerpt = [line for b in blocks(section("The mail")) for line in b.text.splitlines()]
    for line in excerpt:
        if line and not re.search(r"\d|/home/lab", line):
            assert line in lines, line
    order = [line for line in excerpt if line.endswith(":") and line in lines]
    assert order == sorted(order, key=golden.index) and len(order) >= 6


# ---- commands that run -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the commands in `.venv/bin`, as after the README's first command, and nothing else."""
    folder = tmp_path_factory.mktemp("readme")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in (("vdt", "vdt"), ("vizgen_data_transfer", "vdt.cli.drop_in")):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def environment(home: Path) -> Dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("VDT_", "PYTEST_"))}
    env.update(HOME=str(home), XDG_STATE_HOME=str(home / "state"), RUN=RUN)
    env["PATH"] = str(home / ".venv" / "bin") + os.pathsep + env.get("PATH", "")
    return env


def shell(text: str, where: Path, home: Path) -> str:
    done = subprocess.run(
        ["sh", "-e", "-c", text],
        cwd=where,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    out = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, f"{text}\n{out}"
    return out


def block_under(heading: str) -> str:
    (text,) = (b.text for b in blocks(README) if b.heading == heading and b.text.startswith("# tested\n"))
    return text


def demonstration_run(home: Path) -> None:
    """What `vdt demo` leaves behind, with a smaller sample."""
    folder = home / "vdt_demo"
    write_run(str(folder / "analysis_drive"), n_fov=2, byte_divisor=50_000)
    (folder / "isilon").mkdir()
    config = f"analysis_drive_nix = '{folder / 'analysis_drive'}'\nisilon_drive_nix = '{folder / 'isilon'}'\n"
    (folder / ".vizgen_config.toml").write_text(config, encoding="utf-8")
    shell("vizgen_data_transfer --no_email $RUN", folder, home)


@pytest.mark.skipif(not POSIX or not shutil.which("xxhsum"), reason="needs a POSIX shell and xxhsum")
def test_the_tested_blocks_run_as_printed(home: Path) -> None:
    assert sum(b.text.startswith("# tested\n") for b in blocks(README)) == 5
    demonstration_run(home)
    out = shell(block_under("Try it without an instrument"), home, home)
    first, _, rest = out.partition("raw_data: would copy 1 files")
    assert first.count("Copied 0, ") == 3
    assert "output: would copy 1 files" in rest and "analysis: would copy 0 files" in rest
    result = json.loads((home / "vdt_demo" / "result.json").read_text("ascii"))
    copied = {name: tree["counts"]["files"]["copied"] for name, tree in result["trees"].items()}
    assert copied == {"raw_data": 1, "analysis": 0, "output": 1}
    assert out.rstrip().splitlines()[-1].startswith("May the source be deleted?"), "xxhsum said something"
    assert shell(block_under("Looking at a finished copy later"), home / "vdt_demo" / "isilon" / RUN, home) == ""
    (home / "run1").mkdir()
    (home / "run1" / "one.txt").write_text("1")
    out = shell(block_under("Any other folder: `vdt copy`"), home, home)
    assert out.count("Verdict: proven") == 2
    out = shell(block_under("Auditing and repairing a copy"), home, home)
    assert out.count("Verdict: right\n") == 3 and "run1: right" in out
    assert json.loads((home / "audit.json").read_text("ascii"))["exit_code"] == 0
    assert (home / "copy.log").exists() and (home / "backup" / "run1.xxh128").exists()
