"""Links, junctions and placeholders as Windows shows them: the Windows half over a tree that answers as documented.

Wine makes none of these. What stands here is what `os.scandir`, `os.stat` and `os.readlink` give for them on Windows.
"""

from __future__ import annotations

import errno
import ntpath
import os
import stat
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import pytest
from test_fs_windows import Kernel32, load

from vdt import scan
from vdt.model import Kind, Links, Policy
from vdt.plan import FolderPlan, Planner, Rules
from vdt.records import NO_RECORDS

REPARSE, DIRECTORY, NORMAL = 0x400, 0x10, 0x80
SYMLINK, JUNCTION, CLOUD, DFS, DEDUP = 0xA000000C, 0xA0000003, 0x9000001A, 0x8000000A, 0x80000013
OFFLINE, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS = 0x1000, 0x40000, 0x400000


class Node(NamedTuple):
    attributes: int
    tag: int = 0
    target: str = ""
    size: int = 0


FOLDER = Node(DIRECTORY)


class FakeOs:
    """What windows_names asks of `os`, answered from a dict of full paths; `opened` tells what was opened."""

    path = ntpath
    strerror = staticmethod(os.strerror)

    def __init__(self, nodes: Dict[str, Node]) -> None:
        self.nodes = nodes
        self.read_links: List[str] = []

    def lstat(self, path: str) -> Any:
        node = self.nodes.get(self._real(ntpath.dirname(path)) + "\\" + ntpath.basename(path), self.nodes.get(path))
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no", path)
        return self._answer(node)

    def stat(self, path: str) -> Any:
        real = self._real(path)
        if real not in self.nodes:
            raise FileNotFoundError(errno.ENOENT, "no", path)
        return self._answer(self.nodes[real]._replace(tag=0, attributes=self.nodes[real].attributes & ~REPARSE))

    def readlink(self, path: str) -> str:
        self.read_links.append(path)
        return self.nodes[path].target

    @contextmanager
    def scandir(self, path: str) -> Iterator[Iterator[Any]]:
        real = self._real(path)
        names = [ntpath.basename(each) for each in self.nodes if ntpath.dirname(each) == real and each != real]

        def entry(name: str) -> Any:
            full = f"{path}\\{name}"
            found = self._answer(self.nodes[f"{real}\\{name}"])
            return SimpleNamespace(name=name, path=f"{real}\\{name}", stat=lambda follow_symlinks: found, full=full)

        yield iter([entry(name) for name in names])

    def _answer(self, node: Node) -> Any:
        mode = stat.S_IFLNK if node.tag == SYMLINK else stat.S_IFDIR if node.attributes & DIRECTORY else stat.S_IFREG
        number = list(self.nodes.values()).index(node) if node in self.nodes.values() else 0
        path = next((path for path, each in self.nodes.items() if each is node), "")
        times = {"st_mtime_ns": 3, "st_ctime_ns": 1, "st_atime_ns": 2}
        return SimpleNamespace(
            st_mode=mode | 0o777,
            st_file_attributes=node.attributes,
            st_reparse_tag=node.tag,
            st_size=node.size,
            st_dev=7,
            st_ino=abs(hash(path)) or number + 1,
            **times,
        )

    def _real(self, path: str, depth: int = 0) -> str:
        """Where a path leads to, links in it followed."""
        done = ""
        for part in path.split("\\"):
            done = f"{done}\\{part}" if done else part
            node = self.nodes.get(done)
            if node is not None and node.tag in (SYMLINK, JUNCTION):
                if depth > 8:
                    raise OSError(errno.EINVAL, "the name of the file cannot be resolved by the system")
                done = self._real(node.target, depth + 1)
        return done


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """seen(nodes, policy) -> the plans of all folders and the broken links, as the walk of this tree gives them."""

    def look(nodes: Dict[str, Node], policy: Optional[Policy] = None) -> Any:
        windows = load(Kernel32(), monkeypatch)
        fake = FakeOs({"S:": FOLDER, "S:\\src": FOLDER, **nodes})
        monkeypatch.setattr(windows.names, "os", fake)
        monkeypatch.setattr(windows.names, "long_path", lambda path: path)
        # identities of nodes are those of their places: a link and its target are told apart by following
        answers = fake._answer

        def answer(node: Node) -> Any:
            found = answers(node._replace(target=node.target))
            found.st_ino = next(
                (number for number, (_, each) in enumerate(fake.nodes.items(), 1) if each is node), found.st_ino
            )
            return found

        monkeypatch.setattr(fake, "_answer", answer)
        real_stat = fake.stat

        def followed(path: str) -> Any:
            found = real_stat(path)
            found.st_ino = list(fake.nodes).index(fake._real(path)) + 1
            return found

        monkeypatch.setattr(fake, "stat", followed)
        monkeypatch.setattr(scan, "fs", windows)
        chosen = policy or Policy(links=Links.FOLLOW)
        planner = Planner(Rules(chosen), NO_RECORDS)
        plans: Dict[str, FolderPlan] = {}
        broken: Dict[str, str] = {}
        for item in scan.walk("S:\\src", "D:\\dst", planner, chosen.links, windows.list_folder, dest_exists=False):
            assert item.error is None, item
            assert len(plans) < 50, "a loop is cut"
            plans[item.folder] = item.plan  # type: ignore[assignment]
            broken.update({entry.name: reason for entry, reason in item.broken_links})
        return SimpleNamespace(plans=plans, broken=broken, os=fake)

    return look


def files(plans: Dict[str, FolderPlan]) -> List[str]:
    return sorted(action.path for plan in plans.values() for action in plan.actions)


def test_a_junction_that_leads_back_up_is_cut_and_said(seen: Any) -> None:
    found = seen(
        {
            "S:\\src\\a": FOLDER._replace(size=0),
            "S:\\src\\a\\f": Node(NORMAL, size=5),
            "S:\\src\\a\\up": Node(DIRECTORY | REPARSE, JUNCTION, "S:\\src"),
            "S:\\src\\a\\itself": Node(DIRECTORY | REPARSE, JUNCTION, "S:\\src\\a"),
        }
    )
    assert files(found.plans) == ["a/f"] and sorted(found.plans) == ["", "a"]
    assert found.broken == {
        "up": "the link leads back to a folder above it ('S:\\src')",
        "itself": "the link leads back to a folder above it ('S:\\src\\a')",
    }


def test_junctions_and_links_are_followed_to_what_they_lead_to(seen: Any) -> None:
    found = seen(
        {
            "S:\\other": Node(DIRECTORY, size=1),
            "S:\\other\\g": Node(NORMAL, size=9),
            "S:\\src\\junction": Node(DIRECTORY | REPARSE, JUNCTION, "S:\\other"),
            "S:\\src\\folder link": Node(DIRECTORY | REPARSE, SYMLINK, "S:\\other"),
            "S:\\src\\file link": Node(REPARSE, SYMLINK, "S:\\other\\g"),
            "S:\\src\\nowhere": Node(REPARSE, SYMLINK, "S:\\gone"),
        }
    )
    assert files(found.plans) == ["file link", "folder link/g", "junction/g"]
    (link,) = (action.source for action in found.plans[""].actions)
    assert (link.kind, link.size_bytes) == (Kind.FILE, 9), "the size of what it leads to"
    assert list(found.broken) == ["nowhere"] and "it is not there" in found.broken["nowhere"]


@pytest.mark.parametrize(
    ("policy", "copied"),
    [
        (Policy(links=Links.FOLLOW, skip_folder_links=True, skip_file_links=True), ["f"]),  # /XJ
        (Policy(links=Links.FOLLOW, skip_folder_links=True), ["f", "file link"]),  # /XJD
        (Policy(links=Links.FOLLOW, skip_file_links=True), ["f", "junction/g"]),  # /XJF
        (Policy(links=Links.SKIP), ["f"]),
        (Policy(links=Links.COPY), ["f", "file link", "junction"]),
    ],
)
def test_what_becomes_of_links_is_the_policys(seen: Any, policy: Policy, copied: List[str]) -> None:
    found = seen(
        {
            "S:\\other": Node(DIRECTORY, size=1),
            "S:\\other\\g": Node(NORMAL, size=9),
            "S:\\src\\f": Node(NORMAL, size=5),
            "S:\\src\\junction": Node(DIRECTORY | REPARSE, JUNCTION, "S:\\other"),
            "S:\\src\\file link": Node(REPARSE, SYMLINK, "S:\\other\\g"),
        },
        policy,
    )
    assert files(found.plans) == copied and found.broken == {}
    if policy.links is Links.COPY:
        targets = {a.source.name: a.source.target for a in found.plans[""].actions if a.source.kind is Kind.LINK}
        assert targets == {"junction": "S:\\other", "file link": "S:\\other\\g"}


@pytest.mark.parametrize("attribute", [OFFLINE, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS])
def test_a_placeholder_of_the_cloud_is_named_and_not_fetched(seen: Any, attribute: int) -> None:
    found = seen(
        {
            "S:\\src\\here": Node(NORMAL | REPARSE, CLOUD, size=5),  # kept on this device
            "S:\\src\\online": Node(NORMAL | REPARSE | attribute, CLOUD, size=1 << 40),
        }
    )
    assert files(found.plans) == ["here"]
    ((entry, reason),) = found.plans[""].special
    assert entry.name == "online" and reason == "lies offline or in the cloud; reading it would recall it"
    assert found.os.read_links == []


@pytest.mark.parametrize("tag", [DFS, CLOUD])
def test_a_folder_behind_another_reparse_point_is_a_folder(seen: Any, tag: int) -> None:
    """A DFS link, or a folder that OneDrive keeps: the system leads on by itself."""
    found = seen({"S:\\src\\a": Node(DIRECTORY | REPARSE, tag), "S:\\src\\a\\f": Node(NORMAL, size=5)})
    assert files(found.plans) == ["a/f"]


def test_a_deduplicated_file_is_a_file(seen: Any) -> None:
    found = seen({"S:\\src\\f": Node(NORMAL | REPARSE, DEDUP, size=5)})
    assert files(found.plans) == ["f"]


def test_a_listing_gives_all_three_times(seen: Any) -> None:
    found = seen({"S:\\src\\f": Node(NORMAL, size=5)})
    (action,) = found.plans[""].actions
    assert (action.source.mtime_ns, action.source.other_times) == (3, (1, 2))


@pytest.mark.parametrize("tag", [SYMLINK, JUNCTION])
@pytest.mark.parametrize("deep", [True, False])
def test_a_link_in_a_folders_place_is_refused_at_the_destination(
    monkeypatch: pytest.MonkeyPatch, tag: int, deep: bool
) -> None:
    windows = load(Kernel32(), monkeypatch)
    link = Node(DIRECTORY | REPARSE, tag, "S:\\other")
    fake = FakeOs({"S:\\dst": FOLDER, "S:\\dst\\a": link, "S:\\other": FOLDER, "S:\\other\\b": FOLDER})
    monkeypatch.setattr(windows.files, "os", fake)
    monkeypatch.setattr(windows.files, "long_path", lambda path: path)
    for beneath, refused in (("S:\\dst", True), ("", False)):
        path = "S:\\dst\\a\\b" if deep else "S:\\dst\\a"
        if refused:
            with pytest.raises(NotADirectoryError):
                windows.files.refuse_links(path, beneath)
        else:
            windows.files.refuse_links(path, beneath)
    windows.files.refuse_links("S:\\dst", "S:\\dst")
