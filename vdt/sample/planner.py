"""Plans a run: every name, size and time, without touching a disk. Same arguments, same plan.

How a run is made smaller
    Fields of view (FOVs). Files per FOV follow `n_fov` in proportion; rows and columns of picture tiles follow its
    square root, as the area shrinks; the fragments of the Optimize tasks are min(50, n_fov). Every kind of file and
    folder keeps at least one. Files whose number does not follow (mosaics, exports, single frames) shrink in size.
    Bytes. A size above 64 KiB is divided by `byte_divisor`, but never to less than 64 KiB; smaller files keep their
    size, as they set the cost per file. So small stays small and large stays large, and there is a least volume.

Times rise over the run as its steps do: settings, prestain, rounds, flags of the instrument, then about 28 hours of
analysis, then the output; MERLIN_FINISHED is last. They are multiples of 100 ns, which NTFS and SMB keep as well.
"""

from __future__ import annotations

import base64
import itertools
import math
import random
from datetime import datetime, timezone
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple, TypedDict, Union

from vdt.errors import UsageError
from vdt.model import join
from vdt.sample.catalogue import DEFAULT_RUN_ID, FULL_FOVS, TREES, Content, FileShape, Scaling, Variable, catalogue

LARGE_BYTES = 65_536
_OPTIMIZE_FOVS = 50
_TICK_NS = 100
_TICKS_PER_HOUR = 36_000_000_000
_LEAST_SIGMA = 0.25


class RunSize(TypedDict):
    """How large a run is; pass it on as `write_run(root, **DEMO)`."""

    n_fov: int
    byte_divisor: int


FULL: RunSize = {"n_fov": FULL_FOVS, "byte_divisor": 1}  # 131,872 files, 1.93 TB
COMPACT: RunSize = {"n_fov": FULL_FOVS, "byte_divisor": 1500}  # 131,872 files, 3.05 GB (3.4 GB in 4 KiB blocks)
DEMO: RunSize = {"n_fov": 3, "byte_divisor": 80}  # 2,031 files, 0.21 GB


class PlannedFile(NamedTuple):
    """One file of the plan; `path` is relative to its tree's root, with "/"."""

    tree: str
    path: str
    size_bytes: int
    content: Content
    mtime_ns: int


class _Base64:
    """Formats as the URL-safe base64 of its format spec, in which fields are already filled in."""

    def __format__(self, spec: str) -> str:
        return base64.urlsafe_b64encode(spec.encode("utf-8")).decode("ascii")


_B64 = _Base64()
_Value = Union[str, int]


def plan_run(
    *,
    run_id: str = DEFAULT_RUN_ID,
    n_fov: int = FULL_FOVS,
    byte_divisor: int = 1,
    seed: int = 1,
    trees: Sequence[str] = TREES,
) -> Iterator[PlannedFile]:
    """Yield all files of a run, tree by tree, kind by kind.

    Args:
        run_id: begins with YYYYMMDDhhmm, the start of the run (taken as UTC).
        n_fov: fields of view, 1 or more; 398 is the published run.
        byte_divisor: sizes above 64 KiB are divided by it, see the head of this module.
        seed: another seed gives other sizes and times, but the same names and, at full scale, the same totals.
        trees: any of "raw_data", "analysis", "output"; one tree's plan does not depend on the others.

    Raises:
        UsageError: an argument is out of range (raised when the first file is asked for).
    """
    check_arguments(run_id=run_id, n_fov=n_fov, byte_divisor=byte_divisor, trees=trees)
    start_ticks = _start_ticks(run_id)
    for tree in trees:
        for shape in catalogue().trees[tree].files:
            rng = random.Random(f"{seed}/{tree}/{shape.id}")
            names = _names(join(shape.folder, shape.pattern), shape.variables, run_id, n_fov)
            sizes = _sizes(shape, len(names), n_fov, byte_divisor, rng)
            if shape.content is Content.FLAG:
                sizes = [len(flag_text(run_id, name)) for name in names]
            for path, size_bytes, mtime_ns in zip(names, sizes, _times(shape, len(names), start_ticks, rng)):
                yield PlannedFile(tree, path, size_bytes, shape.content, mtime_ns)


def plan_folders(
    *, run_id: str = DEFAULT_RUN_ID, n_fov: int = FULL_FOVS, trees: Sequence[str] = TREES
) -> Iterator[Tuple[str, str]]:
    """Yield (tree, path relative to its root) of all folders below the roots, parents first, empty ones too.

    Raises:
        UsageError: as plan_run.
    """
    check_arguments(run_id=run_id, n_fov=n_fov, byte_divisor=1, trees=trees)
    for tree in trees:
        for shape in catalogue().trees[tree].folders:
            for path in _names(shape.pattern, shape.variables, run_id, n_fov):
                yield tree, path


def tree_root(tree: str, run_id: str = DEFAULT_RUN_ID) -> str:
    """Path of a tree relative to the drive, with "/": merfish_raw_data/<run id> and so on."""
    return catalogue().trees[tree].root.format(RUN=run_id)


def flag_text(run_id: str, path: str) -> str:
    """What a flag file such as EXPERIMENT_FINISHED says."""
    return f"{run_id} {path.rsplit('/', 1)[-1]}\n"


def check_arguments(*, run_id: str, n_fov: int, byte_divisor: int, trees: Sequence[str]) -> None:
    """Raise UsageError with every fault of the arguments."""
    faults = []
    if n_fov < 1:
        faults.append(f"n_fov is {n_fov}, it must be 1 or more.")
    if byte_divisor < 1:
        faults.append(f"byte_divisor is {byte_divisor}, it must be 1 or more.")
    faults += [f"There is no tree {tree!r}, only {', '.join(TREES)}." for tree in trees if tree not in TREES]
    if len(set(trees)) != len(trees):
        faults.append("A tree is named twice.")
    if not run_id.isascii() or not run_id.replace("-", "").replace("_", "").isalnum():
        faults.append(f"The run id {run_id!r} may hold letters, digits, '-' and '_'.")
    try:
        _start_ticks(run_id)
    except ValueError:
        faults.append(f"The run id {run_id!r} does not begin with a time as YYYYMMDDhhmm.")
    if faults:
        raise UsageError(" ".join(faults))


def _start_ticks(run_id: str) -> int:
    """Start of the run in units of 100 ns since 1970."""
    start = datetime.strptime(run_id[:12], "%Y%m%d%H%M").replace(tzinfo=timezone.utc)
    return int(start.timestamp()) * 10_000_000


def _names(pattern: str, variables: Sequence[Variable], run_id: str, n_fov: int) -> List[str]:
    """The product of all variables, the first one outermost."""
    fields: Dict[str, object] = {"RUN": run_id, "b64": _B64}
    keys = [variable.name for variable in variables]
    names = []
    for values in itertools.product(*(_values(variable, n_fov) for variable in variables)):
        fields.update(zip(keys, values))
        names.append(pattern.format_map(fields))
    return names


def _values(variable: Variable, n_fov: int) -> Sequence[_Value]:
    return variable.words or range(_scaled_count(variable, n_fov))


def _scaled_count(variable: Variable, n_fov: int) -> int:
    if variable.scaling is Scaling.FOV:
        return max(1, (2 * variable.count * n_fov + FULL_FOVS) // (2 * FULL_FOVS))
    if variable.scaling is Scaling.EDGE:
        return max(1, round(variable.count * math.sqrt(n_fov / FULL_FOVS)))
    if variable.scaling is Scaling.FRAGMENT:
        return min(_OPTIMIZE_FOVS, n_fov)
    return variable.count


def _sizes(shape: FileShape, count: int, n_fov: int, byte_divisor: int, rng: random.Random) -> List[int]:
    """Sizes in bytes: drawn at full scale so that their mean is the catalogue's, then made smaller."""
    follows_fov = any(variable.scaling is not Scaling.NONE for variable in shape.variables)
    part, whole = (1, byte_divisor) if follows_fov else (n_fov, FULL_FOVS * byte_divisor)
    drawn = _draw(shape, count, rng)
    if part == whole or shape.max_bytes <= LARGE_BYTES:
        return drawn
    return [size if size <= LARGE_BYTES else max(LARGE_BYTES, size * part // whole) for size in drawn]


def _draw(shape: FileShape, count: int, rng: random.Random) -> List[int]:
    """Log-normal sizes within the limits of `shape` whose sum is its share of the total to the byte."""
    low, high = shape.min_bytes, shape.max_bytes
    if low == high:
        return [low] * count
    total = min(max(shape.total_bytes * count // shape.count, low * count), high * count)
    median = max(1, shape.median_bytes)
    sigma = max(_LEAST_SIGMA, math.sqrt(2 * math.log(max(1.0, total / count / median))))
    raw = [median * math.exp(sigma * rng.gauss(0.0, 1.0)) for _ in range(count)]
    factor = 1.0
    for _ in range(20):  # clipping moves the sum; a few rounds bring it close
        reached = sum(min(max(factor * value, low), high) for value in raw)
        if abs(reached - total) < count:
            break
        factor *= total / reached
    return _settle([min(max(int(factor * value), low), high) for value in raw], total, low, high)


def _settle(sizes: List[int], total: int, low: int, high: int) -> List[int]:
    """Spread what is missing from (or above) `total` evenly over the sizes that have room for it."""
    missing = total - sum(sizes)
    while missing:
        step = 1 if missing > 0 else -1
        share = max(1, abs(missing) // len(sizes))
        for index, size in enumerate(sizes):
            room = high - size if step > 0 else size - low
            change = min(share, room, abs(missing))
            sizes[index] += step * change
            missing -= step * change
    return sizes


def _times(shape: FileShape, count: int, start_ticks: int, rng: random.Random) -> Iterator[int]:
    """Times in ns, strictly rising: one in each of `count` equal slots of the shape's hours."""
    first = start_ticks + round(shape.from_hours * _TICKS_PER_HOUR)
    slot = max(1, round((shape.to_hours - shape.from_hours) * _TICKS_PER_HOUR) // count)
    for index in range(count):
        yield (first + index * slot + rng.randrange(slot)) * _TICK_NS
