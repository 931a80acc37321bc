"""A tiny run, a configuration, a runner and a mail server for tests that see the commands from outside only.

Nothing of the package is imported here. Everything is written below `tmp_path` (or /dev/shm, cleaned up).
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import pytest
from aiosmtpd.controller import Controller

DROP_IN = [sys.executable, "-m", "vdt.cli.drop_in"]
VDT = [sys.executable, "-m", "vdt"]
RUN_ID = "202310261058_VZGEN1_VMSC10202"
TREES = {"raw_data": "merfish_raw_data", "analysis": "merfish_analysis", "output": "merfish_output"}
MARKERS = ("EXPERIMENT_FINISHED", "RAW_DATA_SYNC_FINISHED", "MERLIN_FINISHED")
GIVE_PLACE = ("settings/zero.json", "settings/a&b <c>.txt", "data/nested/deeper/three.bin")  # to the markers: ten files
LONG_NAME = "cell_boundaries_" + "z" * 195 + ".hdf5"
LARGE_BYTES = 4 * 1024 * 1024 + 4097
CACHED_FILE_SYSTEMS = {"tmpfs", "ramfs"}
LEVELS = ("none", "inflight", "reread", "cold", "both", "on_record", "present")
assert len(LONG_NAME) == 216


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each command is a new interpreter: byte code is kept for all of them, away from the sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("byte_code")))
        yield


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str
    json: Any = None

    @property
    def text(self) -> str:
        return self.out + self.err


def plain_sentences(result: Result, *named: str) -> None:
    """A refusal: code 16, no traceback, short, and the thing at fault is named."""
    assert "Traceback" not in result.text, result.text
    for word in named:
        assert word in result.text, f"{word!r} is not named in: {result.text}"
    assert result.code == 16, result


def is_tmpfs(path: Path) -> bool:
    found = subprocess.run(["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True)
    return found.stdout.strip() in CACHED_FILE_SYSTEMS


def best_level(asked: str, path: Path) -> str:
    """The evidence that can be had for `asked` where `path` lies."""
    return "reread" if asked in ("cold", "both") and is_tmpfs(path) else asked


def fill(root: Path, seed: int = 0, large_bytes: int = LARGE_BYTES, without: tuple[str, ...] = ()) -> None:
    """Ten files (less those of `without`) and five folders: empty ones, long, non-ASCII, read-only, large; times with
    nanoseconds."""
    for folder in ("data/nested/deeper", "settings", "empty"):
        (root / folder).mkdir(parents=True)
    block = hashlib.sha256(str(seed).encode()).digest()
    contents = {
        "experiment.json": b'{"seed": %d}\n' % seed,
        "read only.txt": b"not to be changed\n",
        "settings/zero.json": b"",
        "settings/größe_µm.csv": b"x,y\n1,2\n",
        "settings/a&b <c>.txt": b"&<>",
        "data/" + LONG_NAME: block * 10,
        "data/stack_000.dat": (block * (large_bytes // 32 + 1))[:large_bytes],
        "data/nested/one.bin": block * 2200,
        "data/nested/two.bin": block * 2048,
        "data/nested/deeper/three.bin": block,
    }
    for number, (name, data) in enumerate(contents.items()):
        if name in without:
            continue
        path = root / name
        path.write_bytes(data)
        set_time(path, 1698300000_123456700 + number * 1_000_000_000)
    (root / "read only.txt").chmod(0o444)
    (root / "data/nested").chmod(0o750)
    for folder in ("data/nested/deeper", "data/nested", "data", "settings", "empty", "."):
        set_time(root / folder, 1698200000_500000000)


def set_time(path: Path, mtime_ns: int) -> None:
    """Access time one hour earlier, so that a read would move it even under relatime."""
    os.utime(path, ns=(mtime_ns - 3600 * 10**9, mtime_ns), follow_symlinks=False)


def write(path: Path, data: bytes, mtime_ns: int = 1698300000_000000000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    set_time(path, mtime_ns)
    return path


def snapshot(root: Path, *, times: bool = True, folders: bool = True) -> dict[str, tuple[Any, ...]]:
    """Everything below `root`: kind, mode, size, mtime, contents. Two equal ones: nothing was changed."""
    found: dict[str, tuple[Any, ...]] = {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = Path(folder, name)
            info = path.lstat()
            mtime_ns = info.st_mtime_ns if times else 0
            key = path.relative_to(root).as_posix()
            if stat.S_ISLNK(info.st_mode):
                found[key] = ("link", str(path.readlink()))
            elif stat.S_ISDIR(info.st_mode):
                if folders:
                    found[key] = ("folder", stat.S_IMODE(info.st_mode), mtime_ns)
            elif stat.S_ISREG(info.st_mode):
                digest = hashlib.sha256(path.read_bytes()).hexdigest() if info.st_mode & 0o444 else ""
                found[key] = ("file", stat.S_IMODE(info.st_mode), info.st_size, mtime_ns, digest)
            else:
                found[key] = ("special", info.st_mode)
    return found


def files_of(root: Path) -> dict[str, Path]:
    return {p.relative_to(root).as_posix(): p for p in root.rglob("*") if p.is_file() and not p.is_symlink()}


def partials(root: Path) -> list[Path]:
    """Partials that are being written; the probe before the first byte is smaller."""
    found = []
    for path in root.rglob(".vdt-*.partial"):
        try:
            if path.stat().st_size > 100_000:
                found.append(path)
        except FileNotFoundError:
            pass
    return found


def wait_for(condition: Callable[[], Any], timeout_s: float = 15.0) -> Any:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("what the test waits for did not happen")


WARM = """
import json, os, sys
import vdt.cli.drop_in, vdt.cli.main, smtplib, tqdm
print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        for number, path in enumerate([os.devnull, asked["out"], asked["err"]]):
            os.dup2(os.open(path, os.O_RDWR), number)
        sys.argv = [sys.modules[asked["module"]].__file__, *asked["args"]]
        code = 16
        try:
            code = sys.modules[asked["module"]].main(asked["args"])
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    print(child, flush=True)
    status = os.waitpid(child, 0)[1]
    print(os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status), flush=True)
"""


class Warm:
    """Starts commands by fork from an interpreter that has imported them: a process each, without the start-up."""

    def __init__(self) -> None:
        self.server = subprocess.Popen([sys.executable, "-c", WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.server.stdout
        self.ready = self.server.stdout.readline() == b"ready\n"

    def run(self, module: str, args: list[str], world: World, timeout_s: float) -> Result:
        assert self.server.stdin and self.server.stdout
        with tempfile.TemporaryDirectory(prefix="vdt-contract-") as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            out.touch()
            err.touch()
            asked = {"module": module, "args": args, "cwd": str(world.root), "env": world.env}
            self.server.stdin.write(json.dumps({**asked, "out": str(out), "err": str(err)}).encode() + b"\n")
            self.server.stdin.flush()
            child = int(self.server.stdout.readline())
            if not select.select([self.server.stdout], [], [], timeout_s)[0]:
                os.kill(child, signal.SIGKILL)
            code = int(self.server.stdout.readline())
            assert code != -signal.SIGKILL, f"still at work after {timeout_s} s: {args}"
            return Result(code, *(p.read_bytes().decode("utf-8", "replace") for p in (out, err)))

    def close(self) -> None:
        self.server.communicate()


@pytest.fixture(scope="session", autouse=True)
def warm(compiled_once: None) -> Iterator[None]:
    if not hasattr(os, "fork"):
        yield
        return
    made = Warm()
    World.warm = made if made.ready else None
    yield
    World.warm = None
    made.close()


class World:
    """A folder with everything a command may touch, and the commands run in it."""

    warm: Warm | None = None

    def __init__(self, root: Path) -> None:
        self.root = root
        self.analysis = root / "analysis"
        self.isilon = root / "isilon"
        self.logs = self.isilon / "logs"
        self.state = root / "state"
        self.config = root / ".vizgen_config.toml"
        self.isilon.mkdir()
        self.prefix: list[str] = []
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("VDT_", "PYTEST_", "ROBOCOPY"))}
        self.env.update(XDG_STATE_HOME=str(self.state), HOME=str(root / "home"), COLUMNS="120")
        self.configure()

    def make_run(
        self,
        run_id: str = RUN_ID,
        analysis: Path | None = None,
        large_bytes: int = LARGE_BYTES,
        markers: bool = True,
    ) -> None:
        for number, folder in enumerate(TREES.values()):
            place = GIVE_PLACE if markers and folder == TREES["raw_data"] else ()
            fill((analysis or self.analysis) / folder / run_id, number, large_bytes, place)
        if markers:
            self.finish(run_id, analysis)

    def finish(self, run_id: str = RUN_ID, analysis: Path | None = None, markers: tuple[str, ...] = MARKERS) -> None:
        """The flag files of a finished run; the time of the folder stays."""
        raw = (analysis or self.analysis) / TREES["raw_data"] / run_id
        for number, name in enumerate(markers):
            write(raw / name, f"{run_id} {name}\n".encode(), 1698400000_000000000 + number * 1_000_000_000)
        set_time(raw, 1698200000_500000000)

    def source(self, tree: str = "raw_data", run_id: str = RUN_ID) -> Path:
        return self.analysis / TREES[tree] / run_id

    def run_folder(self, run_id: str = RUN_ID) -> Path:
        return self.isilon / run_id

    def destination(self, tree: str = "raw_data", run_id: str = RUN_ID) -> Path:
        return self.run_folder(run_id) / tree

    def configure(self, *, vdt: str = "", rsync: str = "-av", top: str = "", port: int = 0, **keys: str) -> None:
        """Writes the configuration; `keys` replace top-level ones, an empty value leaves the key out."""
        values = {
            "analysis_drive_nix": str(self.analysis),
            "isilon_drive_nix": str(self.isilon),
            "analysis_drive_pc": "Z:\\",
            "isilon_drive_pc": "L:\\",
            "smtp_server": "127.0.0.1",
            "sender_email": "merscope@example.org",
            **keys,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value]
        lines += [top, "[production]", 'addressees = ["lab@example.org"]']
        lines += ["[development]", 'addressees = ["first@example.org", "second@example.org"]']
        lines += ["[tool.options]", 'robocopy = "/Z /E /J"', f"rsync = {json.dumps(rsync)}", "[vdt]", vdt]
        if port:
            lines.append(f"smtp_port = {port}")
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self, command: list[str], **kwargs: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.prefix + command,
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **kwargs,
        )

    def run(self, command: list[str], *, timeout_s: float = 60) -> Result:
        """Runs `command` to its end; `start` gives a fresh interpreter instead of a warm one."""
        if self.warm and not self.prefix:
            for start, module in ((DROP_IN, "vdt.cli.drop_in"), (VDT, "vdt.cli.main")):
                if command[: len(start)] == start:
                    return self.warm.run(module, command[len(start) :], self, timeout_s)
        process = self.start(command)
        return self.end(process, timeout_s=timeout_s)

    @staticmethod
    def end(process: subprocess.Popen[bytes], *, timeout_s: float = 60) -> Result:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return Result(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def drop_in(self, *args: str | bytes) -> Result:
        return self.run([*DROP_IN, *args])  # type: ignore[list-item]

    def transfer(self, *args: str, run_id: str = RUN_ID) -> Result:
        """The drop-in without mail, and its JSON object."""
        target = self.root / "result.json"
        if target.exists():
            target.unlink()
        result = self.drop_in("--no_email", "--json", str(target), *args, "--", run_id)
        return result._replace(json=json.loads(target.read_text("ascii")) if target.exists() else None)

    def vdt(self, *args: str) -> Result:
        return self.run([*VDT, *args])

    def copy(self, *args: str) -> Result:
        """`vdt copy src dst` and its JSON object."""
        target = self.root / "copy.json"
        if target.exists():
            target.unlink()
        result = self.vdt("copy", "src", "dst", "--json", str(target), *args)
        return result._replace(json=json.loads(target.read_text("ascii")) if target.exists() else None)

    def snapshot(self) -> dict[str, tuple[Any, ...]]:
        return snapshot(self.root)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three trees, a configuration, nothing copied yet."""
    made = World(tmp_path)
    made.make_run()
    return made


@pytest.fixture(scope="session")
def transferred(warm: None, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A run of small files that was transferred and may be deleted; not to be changed: `done` is a copy of it.

    On a busy machine a page now and then stays in the cache, and the probe then promises less: the next transfer reads
    back again.
    """
    made = World(tmp_path_factory.mktemp("transferred"))
    made.make_run(large_bytes=70_001)
    assert any(made.transfer().json["verdict"]["may_delete_source"] for _ in range(8))
    (made.root / "result.json").unlink()
    return made


@pytest.fixture
def done(transferred: World, tmp_path: Path) -> World:
    """A run that was transferred and may be deleted."""
    shutil.copytree(transferred.root, tmp_path, symlinks=True, dirs_exist_ok=True)
    (tmp_path / "isilon").rename(tmp_path / "copied")  # a World makes its own
    made = World(tmp_path)
    made.isilon.rmdir()
    (tmp_path / "copied").rename(made.isilon)
    return made


@pytest.fixture
def bare(tmp_path: Path) -> World:
    """A world with folders `src` (filled) and no `dst`, for `vdt copy`."""
    made = World(tmp_path)
    fill(tmp_path / "src")
    return made


@pytest.fixture
def empty_world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def memory_world() -> Iterator[World]:
    """A world on tmpfs, where no cache can be bypassed."""
    if not os.access("/dev/shm", os.W_OK) or not is_tmpfs(Path("/dev/shm")):
        pytest.skip("needs a tmpfs at /dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="vdt-contract-", dir="/dev/shm"))
    try:
        made = World(folder)
        fill(folder / "src")
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bound_by_modes() -> list[str]:
    """A prefix for commands under which file modes count, for root too."""
    if os.geteuid() != 0:
        return []
    prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    try:
        works = subprocess.run([*prefix, "sh", "-c", "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    if not works:
        pytest.skip("root reads everything here, and setpriv cannot take that away")
    return prefix


class Inbox:
    """A mail server on loopback that keeps what it is given."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.controller: Controller | None = None

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        self.envelopes.append(envelope)
        return "250 taken"

    def open(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def close(self) -> None:
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(e.content, policy=policy.default) for e in self.envelopes]  # type: ignore[misc]

    def only(self) -> EmailMessage:
        assert len(self.mails) == 1, [m["Subject"] for m in self.mails]
        return self.mails[0]


def plain_text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    made.open()
    yield made
    made.close()
