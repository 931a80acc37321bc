"""The sample run: its plan meets the published totals, and what is written is the plan."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Dict, List, Set, Tuple

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.errors import RefusedError, UsageError
from vdt.model import Count
from vdt.sample import (
    COMPACT,
    DEFAULT_RUN_ID,
    DEMO,
    FULL,
    FULL_FOVS,
    TREES,
    PlannedFile,
    plan_folders,
    plan_run,
    tree_root,
    write_run,
)
from vdt.sample.__main__ import main
from vdt.sample.catalogue import Content, catalogue
from vdt.sample.content import Contents
from vdt.sample.planner import LARGE_BYTES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LONG_RUN_ID = "202409242358_240916JHHUBC0005XQ-V2V-HubcTMA-V2-BY_VMSC02511"
CONTENTS = Contents(run_id=DEFAULT_RUN_ID, seed=1)  # its blocks are made once for all tests
PUBLISHED = {
    "raw_data": Count(8_042, 11, 900_719_884_237),
    "analysis": Count(123_787, 1_567, 908_034_287_581),
    "output": Count(43, 4, 116_555_448_991),
}


@pytest.fixture(scope="module")
def full() -> List[PlannedFile]:
    return list(plan_run(**FULL))


@pytest.fixture(scope="module")
def demo() -> List[PlannedFile]:
    return list(plan_run(**DEMO))


def totals(files: List[PlannedFile], n_fov: int) -> Dict[str, Count]:
    number, size_bytes = Counter(file.tree for file in files), Counter[str]()
    folders = Counter(tree for tree, _ in plan_folders(n_fov=n_fov))
    for file in files:
        size_bytes[file.tree] += file.size_bytes
    return {tree: Count(number[tree], folders[tree], size_bytes[tree]) for tree in TREES}


def shape(tree: str, path: str) -> Tuple[str, str]:
    """The path without its numbers and without base64, which holds them hidden."""
    return tree, re.sub(r"\d+", "0", re.sub(r"/metadata/.*", "/metadata/*", path))


def on_disk(top: Path) -> Tuple[Dict[str, Tuple[int, int, str]], Dict[str, int]]:
    """Files (size, time, digest) and folders (time) below `top`, with the top itself."""
    files, folders = {}, {}
    for folder, _, names in os.walk(top):
        folders[Path(folder).relative_to(top).as_posix()] = os.stat(folder).st_mtime_ns
        for name in names:
            path = Path(folder, name)
            data = path.read_bytes()
            entry = (len(data), path.stat().st_mtime_ns, xxhash.xxh3_128_hexdigest(data))
            files[path.relative_to(top).as_posix()] = entry
    return files, folders


def content_of(file: PlannedFile, *, run_id: str = DEFAULT_RUN_ID, seed: int = 1) -> bytes:
    return b"".join(Contents(run_id=run_id, seed=seed).pieces(file))


# the plan


def test_full_scale_meets_the_published_totals(full: List[PlannedFile]) -> None:
    assert totals(full, FULL_FOVS) == PUBLISHED
    assert {tree: catalogue().trees[tree].totals for tree in TREES} == PUBLISHED


def test_defaults_are_those_of_the_catalogue() -> None:
    assert (catalogue().run_id, catalogue().n_fov) == (DEFAULT_RUN_ID, FULL_FOVS)


def test_another_seed_keeps_names_and_volume(full: List[PlannedFile]) -> None:
    other = list(plan_run(**FULL, seed=2))
    assert [(file.tree, file.path) for file in other] == [(file.tree, file.path) for file in full]
    assert totals(other, FULL_FOVS) == PUBLISHED
    assert [file.size_bytes for file in other] != [file.size_bytes for file in full]
    assert [file.mtime_ns for file in other] != [file.mtime_ns for file in full]


def test_plan_is_the_same_on_every_python(demo: List[PlannedFile]) -> None:
    lines = "\n".join(f"{file.tree}/{file.path} {file.size_bytes} {file.mtime_ns}" for file in demo)
    assert xxhash.xxh3_64_hexdigest(lines.encode()) == "85f3ff972a0b4ca9"


def test_names_are_unique_even_where_case_is_ignored(full: List[PlannedFile]) -> None:
    paths = [(file.tree, file.path.lower()) for file in full]
    paths += [(tree, path.lower()) for tree, path in plan_folders()]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("n_fov", [1, 3, 50, 700])
def test_every_folder_is_planned_before_what_it_holds(n_fov: int) -> None:
    known: Set[Tuple[str, str]] = {(tree, "") for tree in TREES}
    for tree, path in plan_folders(n_fov=n_fov):
        assert (tree, path.rpartition("/")[0]) in known
        known.add((tree, path))
    used = {(file.tree, file.path.rpartition("/")[0]) for file in plan_run(n_fov=n_fov)}
    assert used <= known


def test_some_folders_stay_empty(demo: List[PlannedFile]) -> None:
    paths = [file.path for file in demo] + [path for _, path in plan_folders(n_fov=3)]
    for folder in ("low_resolution/tmp", "snakemake/.snakemake/incomplete"):
        assert folder in paths
        assert not any(path.startswith(folder + "/") for path in paths)


def test_demo_is_small_and_holds_every_shape(full: List[PlannedFile], demo: List[PlannedFile]) -> None:
    assert len(demo) == 2_031
    assert 195e6 < sum(file.size_bytes for file in demo) < 215e6
    shapes = [{shape(file.tree, file.path) for file in files} for files in (full, demo)]
    assert shapes[0] == shapes[1]
    folders = [{shape(*folder) for folder in plan_folders(n_fov=n_fov)} for n_fov in (FULL_FOVS, DEMO["n_fov"])]
    assert folders[0] == folders[1]


def test_compact_fits_on_a_small_disk_and_spares_small_files(full: List[PlannedFile]) -> None:
    compact = list(plan_run(**COMPACT))
    assert [file.path for file in compact] == [file.path for file in full]
    assert sum(-(-file.size_bytes // 4_096) * 4_096 for file in compact) < 3_500_000_000
    for before, after in zip(full, compact):
        if before.size_bytes <= LARGE_BYTES:
            assert after.size_bytes == before.size_bytes
        else:
            assert after.size_bytes == max(LARGE_BYTES, before.size_bytes // COMPACT["byte_divisor"])


def test_times_follow_the_steps_of_a_run(full: List[PlannedFile]) -> None:
    when = {f"{file.tree}/{file.path}": file.mtime_ns for file in full}

    def stack(name: str) -> List[int]:
        return [when[f"raw_data/data/stack_{name}_{fov:04d}.dax"] for fov in range(FULL_FOVS)]

    acquired = [time for name in ("prestain", *map(str, range(9))) for time in stack(name)]
    assert acquired == sorted(set(acquired))
    assert 23 < (acquired[-1] - acquired[0]) / 3.6e12 < 30
    flags = ["EXPERIMENT_FINISHED", "RAW_DATA_SYNC_FINISHED", "MERLIN_START", "MERLIN_FINISHED"]
    late = [when[f"raw_data/{flag}"] for flag in flags]
    assert [acquired[-1], *late] == sorted([acquired[-1], *late])
    assert late[-1] == max(when.values())
    analysis = [time for path, time in when.items() if path.startswith("analysis/")]
    output = [time for path, time in when.items() if path.startswith("output/")]
    assert late[2] < min(analysis) < max(analysis) < min(output) < max(output) < late[3]


def test_times_have_fractions_that_every_file_system_of_the_facility_keeps(demo: List[PlannedFile]) -> None:
    assert all(file.mtime_ns % 100 == 0 for file in demo)
    assert len({file.mtime_ns % 1_000_000_000 for file in demo}) > len(demo) * 0.99


def test_a_tree_alone_is_planned_as_among_the_others(demo: List[PlannedFile]) -> None:
    assert list(plan_run(**DEMO, trees=["output"])) == [file for file in demo if file.tree == "output"]


def test_long_run_id_gives_names_over_260_characters() -> None:
    files = list(plan_run(run_id=LONG_RUN_ID, n_fov=398, trees=["analysis"]))
    assert max(len(f"{tree_root(file.tree, LONG_RUN_ID)}/{file.path}") for file in files) == 323
    assert max(len(file.path.rpartition("/")[2]) for file in files) == 216


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"n_fov": 0}, "n_fov"),
        ({"byte_divisor": 0}, "byte_divisor"),
        ({"trees": ["raw"]}, "'raw'"),
        ({"trees": ["output", "output"]}, "twice"),
        ({"run_id": "no_time_VMSC00001"}, "YYYYMMDDhhmm"),
        ({"run_id": "202310261058_a/b"}, "letters"),
    ],
)
def test_bad_arguments_are_named(arguments: Dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        list(plan_run(**arguments))  # type: ignore[arg-type]


# contents


@settings(max_examples=150, deadline=None)
@given(
    content=st.sampled_from([kind for kind in Content if kind is not Content.FLAG]),
    size_bytes=st.integers(0, 6_000),
    suffix=st.sampled_from([".tif", ".npy", ".pkl", ".x"]),
)
def test_contents_have_the_planned_size(content: Content, size_bytes: int, suffix: str) -> None:
    file = PlannedFile("analysis", f"a/b{suffix}", size_bytes, content, 1_698_318_000_123_456_700)
    assert sum(map(len, CONTENTS.pieces(file))) == size_bytes


@pytest.mark.parametrize("content", [Content.DAX, Content.IMAGE, Content.BINARY, Content.CSV, Content.JSON])
def test_large_file_does_not_repeat_itself(content: Content) -> None:
    size_bytes = 12 * 1_048_576 + 12_345
    pieces = list(CONTENTS.pieces(PlannedFile("raw_data", "a", size_bytes, content, 0)))
    assert sum(map(len, pieces)) == size_bytes
    large = [xxhash.xxh3_128_digest(piece) for piece in pieces if len(piece) > 1_000_000]
    assert len(large) >= 11
    assert len(set(large)) == len(large)


def test_text_files_are_well_formed(demo: List[PlannedFile]) -> None:
    seen = Counter[Content]()
    for file in demo:
        if file.content in (Content.JSON, Content.TOML, Content.CSV, Content.INF, Content.LOG):
            text = b"".join(CONTENTS.pieces(file)).decode("ascii")
            seen[file.content] += 1
            assert text.endswith("\n") or not text
            if file.content is Content.JSON:
                assert json.loads(text)["run"] == DEFAULT_RUN_ID
            elif file.content is Content.TOML:
                assert tomllib.loads(text)["run"] == DEFAULT_RUN_ID
    assert len(seen) == 5


@pytest.mark.parametrize("run_id", [DEFAULT_RUN_ID, LONG_RUN_ID])
def test_flags_and_stamps_say_what_they_should(run_id: str) -> None:
    files = {file.path: file for file in plan_run(run_id=run_id, n_fov=1)}
    flag, stamp = files["MERLIN_FINISHED"], files["Decode/tasks/Decode_0.done"]
    text = f"{run_id} MERLIN_FINISHED\n".encode()
    assert (content_of(flag, run_id=run_id), flag.size_bytes) == (text, len(text))
    assert float(content_of(stamp)) == pytest.approx(stamp.mtime_ns / 1e9, abs=1e-6)


# the disk


def test_what_is_written_is_the_plan(tmp_path: Path) -> None:
    counts = write_run(str(tmp_path), n_fov=1, byte_divisor=10**6, seed=5)
    for tree in TREES:
        files, folders = on_disk(tmp_path / tree_root(tree))
        plan = list(plan_run(n_fov=1, byte_divisor=10**6, seed=5, trees=[tree]))
        assert {path: entry[:2] for path, entry in files.items()} == {
            file.path: (file.size_bytes, file.mtime_ns) for file in plan
        }
        assert set(folders) == {".", *(path for _, path in plan_folders(n_fov=1, trees=[tree]))}
        assert counts[tree] == Count(len(files), len(folders) - 1, sum(entry[0] for entry in files.values()))
        digests = Counter(entry[2] for entry in files.values() if entry[0] >= 16)
        assert digests.most_common(1)[0][1] == 1
        newest_ns: Dict[str, int] = {}
        for file in plan:
            folder = file.path.rpartition("/")[0] or "."
            newest_ns[folder] = max(newest_ns.get(folder, 0), file.mtime_ns)
        assert {folder: folders[folder] for folder in newest_ns} == newest_ns


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_run(str(tmp_path / name), n_fov=1, byte_divisor=10**6, seed=seed, trees=["output"])
    a, b, c = (on_disk(tmp_path / name / tree_root("output")) for name in "abc")
    assert a == b
    assert a != c


def test_progress_sees_every_file(tmp_path: Path) -> None:
    seen: List[PlannedFile] = []
    write_run(str(tmp_path), n_fov=1, byte_divisor=10**6, trees=["output"], progress=seen.append)
    assert seen == list(plan_run(n_fov=1, byte_divisor=10**6, trees=["output"]))


def test_a_tree_that_is_there_is_left_alone(tmp_path: Path) -> None:
    there = tmp_path / tree_root("output")
    there.mkdir(parents=True)
    with pytest.raises(RefusedError, match="is there already"):
        write_run(str(tmp_path), **DEMO)
    assert [path.name for path in tmp_path.iterdir()] == ["merfish_output"]
    assert list(there.iterdir()) == []


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tmp_path), "--fov", "1", "--bytes-divided-by", "1000000", "--tree", "output"]
    assert main(arguments) == 0
    assert "merfish_output/202310261058_VZGEN1_VMSC10202: 43 files, 4 folders" in capsys.readouterr().out
    assert main(arguments) == 16
    assert "is there already" in capsys.readouterr().err
