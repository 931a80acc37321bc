"""Every command that README and guides print is run, or parsed as far as it can be here.

A block of shell that begins with `# tested` is run as it stands, in the place that its heading tells. Each other one is
named in `RUN_ELSEWHERE` with what runs it. PowerShell cannot be run on Linux: its lines are read, and what calls a
program of ours is given to that program's own parser; of pip, python and the shell's own words the options are known.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple

import pytest
from pages import PAGES, ROOT, blocks, read, section, without_blocks

from vdt.cli import drop_in
from vdt.cli.main import _COMMANDS, _help
from vdt.cli.terminal import Parser
from vdt.sample import write_run

RUN = "202310261058_VZGEN1_VMSC10202"
POSIX = os.name == "posix"
PARSERS: Dict[str, Callable[[], Parser]] = {
    name: import_module(f"vdt.cli.{name.replace('-', '_')}").parser for name in _COMMANDS
}

# (page, heading): where a `# tested` block is run
HOME, DEMO, RUN_FOLDER = "home", "demo", "run folder"
PLACES = {
    ("README.md", "Try it without an instrument"): HOME,
    ("docs/user.md", "Auditing and repairing a copy"): HOME,
    ("docs/user.md", "Looking without copying"): DEMO,
    ("docs/user.md", "Any other folder: `vdt copy`"): HOME,
    ("docs/user.md", "With robocopy's words: `vdt robocopy`"): HOME,
    ("docs/verification.md", "Looking at a copy without this program"): RUN_FOLDER,
}
# (page, heading, beginning): what runs this block instead
RUN_ELSEWHERE = {
    ("README.md", "Two commands", "python3 -m venv .venv && .venv/bin/pip install -q . "): "test_installs",
    ("README.md", "Two commands", "python3 -m venv .venv && .venv/bin/pip install -q -e"): ".ci/run, word for word",
    ("README.md", "Two commands", "uvx "): "test_installs, where uv is installed",
    ("README.md", "Install on the Vizgen Windows PC", "python3 -m pip wheel"): "test_installs",
    ("docs/admin.md", "On Linux", "python3 -m pip wheel"): "test_installs",
    ("CONTRIBUTING.md", "Set up", "python3 -m venv"): ".ci/run, word for word",
    ("CONTRIBUTING.md", "Set up", ".venv/bin/pip install -q -e '.[lint]'"): ".ci/run runs the same checks",
    ("CONTRIBUTING.md", "Set up", ".ci/run"): "itself",
    ("CONTRIBUTING.md", "Set up", "tests/windows/run.sh"): "by hand, as root on Debian with Wine",
    ("CONTRIBUTING.md", "Set up", ".venv/bin/python -m pytest -m long"): "by hand, half an hour and more",
    ("CONTRIBUTING.md", "Set up", ".venv/bin/python -m tests.faults.against"): "tests/faults/rig/test_against.py",
    ("CONTRIBUTING.md", "Golden files", "VDT_WRITE_GOLDEN=1"): "tests/test_mail.py, without writing",
    ("CONTRIBUTING.md", "Golden files", "VDT_ROBOCOPY_LOGS="): "tests/robocopy/test_read.py, with logs of its own",
}


def shell_blocks() -> Iterator[Tuple[str, str, str]]:
    """(page, heading, text) of every block of shell."""
    for page in PAGES:
        for block in blocks(read(page)):
            if block.language == "sh":
                yield page, block.heading, block.text


def test_every_block_of_shell_is_run_here_or_elsewhere() -> None:
    left = dict.fromkeys(RUN_ELSEWHERE)
    tested = []
    for page, heading, text in shell_blocks():
        if text.startswith("# tested\n"):
            tested.append((page, heading))
            continue
        ours = [key for key in RUN_ELSEWHERE if key[:2] == (page, heading) and text.startswith(key[2])]
        assert len(ours) == 1, f"{page}, {heading}: nothing runs this block:\n{text}"
        left.pop(ours[0], None)
    assert not left, "an entry that stands for no block any more"
    assert sorted(tested) == sorted(PLACES)


# ---- blocks that run as they stand -----------------------------------------------------------------------------------


class Place:
    """A folder with the commands in `.venv/bin`, as after the README's first command, and what `vdt demo` leaves."""

    def __init__(self, home: Path) -> None:
        self.home = home
        programs = home / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name, module in (("vdt", "vdt"), ("vizgen_data_transfer", "vdt.cli.drop_in")):
            script = programs / name
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("VDT_", "PYTEST_"))}
        self.env.update(HOME=str(home), XDG_STATE_HOME=str(home / "state"), RUN=RUN)
        self.env["PATH"] = str(programs) + os.pathsep + self.env.get("PATH", "")
        self.demo = home / "vdt_demo"
        self.run_folder = self.demo / "isilon" / RUN
        (home / "run1").mkdir()
        (home / "run1" / "one.tif").write_text("1")

    def demonstrate(self) -> None:
        """What `vdt demo` leaves behind, with a smaller sample."""
        write_run(str(self.demo / "analysis_drive"), n_fov=1, byte_divisor=200_000)
        (self.demo / "isilon").mkdir()
        config = f"analysis_drive_nix = '{self.demo / 'analysis_drive'}'\nisilon_drive_nix = '{self.demo / 'isilon'}'\n"
        (self.demo / ".vizgen_config.toml").write_text(config, encoding="utf-8")
        self.shell("vizgen_data_transfer --no_email $RUN", self.demo)

    def shell(self, text: str, where: Path) -> str:
        done = subprocess.run(
            ["sh", "-e", "-c", text],
            cwd=where,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
        )
        out = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, f"{text}\n{out}"
        return out

    def block(self, page: str, heading: str) -> str:
        """Run a tested block in its place; what it prints."""
        (text,) = (t for p, h, t in shell_blocks() if (p, h) == (page, heading) and t.startswith("# tested\n"))
        places = {HOME: self.home, DEMO: self.demo, RUN_FOLDER: self.run_folder}
        return self.shell(text, places[PLACES[page, heading]])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("commands")
    yield Place(home)
    shutil.rmtree(home, ignore_errors=True)


needs_shell = pytest.mark.skipif(not POSIX or not shutil.which("xxhsum"), reason="needs a POSIX shell and xxhsum")


@needs_shell
def test_the_tour_of_the_readme_and_the_look_without_this_program(place: Place) -> None:
    place.demonstrate()
    out = place.block("README.md", "Try it without an instrument")
    first, _, rest = out.partition("raw_data: would copy 1 files")
    assert first.count("Copied 0, ") == 3
    assert "output: would copy 1 files" in rest and "analysis: would copy 0 files" in rest
    result = json.loads((place.demo / "result.json").read_text("ascii"))
    copied = {name: tree["counts"]["files"]["copied"] for name, tree in result["trees"].items()}
    assert copied == {"raw_data": 1, "analysis": 0, "output": 1}
    assert out.rstrip().splitlines()[-1].startswith("May the source be deleted?"), "xxhsum said something"
    out = place.block("docs/user.md", "Looking without copying")
    assert out.startswith("May the source be deleted? ") and "1 runs, " in out
    assert f"{RUN}: no transfer is under way; the last one ended " in out
    assert "OK       Isilon drive: " in out
    assert place.block("docs/verification.md", "Looking at a copy without this program") == ""


@needs_shell
def test_the_commands_for_any_folder(place: Place) -> None:
    assert place.block("docs/user.md", "Any other folder: `vdt copy`").count("Verdict: proven") == 2
    out = place.block("docs/user.md", "Auditing and repairing a copy")
    assert out.count("Verdict: right\n") == 3 and "run1: right" in out
    assert json.loads((place.home / "audit.json").read_text("ascii"))["exit_code"] == 0
    assert (place.home / "copy.log").exists() and (place.home / "backup" / "run1.xxh128").exists()
    out = place.block("docs/user.md", "With robocopy's words: `vdt robocopy`")
    assert out.count("ROBOCOPY     ::     Robust File Copy for Windows") == 1, "the second one goes to the log alone"
    assert "*.tif" in (place.home / "robocopy.log").read_text(encoding="utf-8")


def test_the_help_of_vdt_names_every_command_once_with_what_it_does() -> None:
    lines = _help().splitlines()
    for name, (_, text) in _COMMANDS.items():
        assert len([line for line in lines if line.split("  ")[1:2] == [name] and line.endswith(text)]) == 1, name
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles[-1] == "examples:" and len(titles) >= 4


# ---- commands that are parsed ----------------------------------------------------------------------------------------

_OURS = re.compile(r"(?:& \"[^\"]*\\|\.venv\\Scripts\\)?(vizgen_data_transfer|vdt)(?:\.exe\"?)?(?= |$)(.*)")


def called(line: str) -> Tuple[Optional[Parser], List[str]]:
    """(parser of the program that a line calls, its words); (None, []) where it is none of ours."""
    match = _OURS.fullmatch(line.strip())
    if match is None:
        return None, []
    words = shlex.split(match[2].replace("\\", "\\\\").split(" || ")[0])
    if match[1] == "vizgen_data_transfer":
        return drop_in.parser(), words
    if words and words[0] in PARSERS:
        return PARSERS[words[0]](), words[1:]
    assert words in ([], ["--help"], ["--version"]), f"there is no command vdt {' '.join(words)}"
    return None, []


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_have_options_that_are_theirs(page: str) -> None:
    """What stands in back quotes."""
    for command in re.findall(r"`((?:vizgen_data_transfer|vdt) [^`]+)`", without_blocks(read(page))):
        parser, words = called(command)
        known = {option for action in parser._actions for option in action.option_strings} if parser else set()
        named = {word for word in (parser._respell(words) if parser else ()) if re.match("--[a-z]", word)}
        assert named <= known, command


OF_THE_SHELL = (
    *("Set-Location ", "$env:Path = ", "notepad ", "if (-not (Test-Path $PROFILE))", ". $PROFILE", "start_eivdt"),
    *("$vdt = ", "$action = ", "$trigger = ", "$settings = ", "-RestartCount ", "Register-ScheduledTask "),
)
_PIP = re.compile(r'(?:& "[^"]*\\(?:python|pip)\.exe"|python|\.venv\\Scripts\\python) (?:-m pip )?(install.*)')
_VENV = re.compile(r'(?:python|py -3\.9) -m venv (?:"\$env:LOCALAPPDATA\\eivdt"|\.venv)')


def test_every_line_of_powershell_is_one_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """It is not run: there is no PowerShell here. Ours are parsed; of pip's the options are looked up in pip's help."""
    of_pip = subprocess.run([sys.executable, "-m", "pip", "install", "--help"], capture_output=True, text=True).stdout
    seen: Dict[str, int] = {"ours": 0, "pip": 0, "venv": 0, "shell": 0}
    for page in PAGES:
        for block in blocks(read(page)):
            for line in block.text.splitlines() if block.language == "powershell" else ():
                for step in [part.strip(" {}") for part in re.split(r"; (?=if \(\$\?\))|if \(\$\?\)", line)]:
                    kind = _kind(step, of_pip)
                    assert kind, f"{page}: {step}"
                    seen[kind] += 1
    assert min(seen.values()) >= 3, seen


def _kind(step: str, of_pip: str) -> str:
    task = re.fullmatch(r"-Argument '(.*)'", step)  # of a scheduled task that starts vdt
    if task:
        step = f"vdt {task[1]}"
    pip = _PIP.fullmatch(step)
    if not step or step.startswith(OF_THE_SHELL):
        return "shell"
    if pip:
        options = [word for word in shlex.split(pip[1].replace("\\", "/")) if word.startswith("-")]
        known = bool(re.search(r"--find-links", of_pip))  # pip is there
        return "pip" if known and all(re.search(rf"(?<![\w-]){re.escape(o)}(?![\w-])", of_pip) for o in options) else ""
    if _VENV.fullmatch(step):
        return "venv"
    if step.endswith("-m pytest") or " -c " in step:
        return "shell"
    parser, words = called(step)
    if parser is not None:
        try:
            parser.parse(words)
        except SystemExit as end:  # --version
            assert end.code == 0, step
    return "ours" if parser is not None else ""


# ---- installing, as printed ------------------------------------------------------------------------------------------


def fresh_copy(place: Path) -> Path:
    """The repository as somebody else gets it."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return place


@pytest.mark.slow
@pytest.mark.skipif(not POSIX or not (ROOT / ".git").exists(), reason="needs a POSIX shell and the repository")
def test_installs(tmp_path: Path) -> None:
    """The README's first command, the folder of wheels and the way under a prefix; each by pip, which must reach its
    registry."""
    copied = fresh_copy(tmp_path / "fresh")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VDT_", "VIRTUAL_ENV"))}
    env.update(HOME=str(tmp_path / "home"), XDG_STATE_HOME=str(tmp_path / "state"))
    texts: List[str] = [blocks(section("Two commands", read("README.md")))[0].text]
    texts += [text for page, heading, text in shell_blocks() if "pip wheel" in text]
    if shutil.which("uvx"):
        texts.append(next(t for _, _, t in shell_blocks() if t.startswith("uvx ")).splitlines()[0])
    assert len(texts) >= 3
    for text in texts:
        done = subprocess.run(["sh", "-e", "-c", text], cwd=copied, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert (copied / "vdt_demo" / "isilon").is_dir()
    wheels = [path.name for path in (copied / "wheels").iterdir()]
    assert any("win_amd64" in name for name in wheels) and any(name.startswith("vizgen_data") for name in wheels)
