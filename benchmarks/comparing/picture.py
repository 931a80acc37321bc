"""results.png, where matplotlib is installed (`pip install matplotlib`, or the extra `bench` of a checkout)."""

from __future__ import annotations

from typing import Any, Sequence

from comparing.charts import sorted_rows
from comparing.contenders import Job
from comparing.figures import LEVELS, Row, of_job
from comparing.result import Result

_COLOURS = {"none": "#8a929b", "inflight": "#c77f00", "reread": "#3a9bd9", "cold": "#0b5cad", "both": "#b0508a"}


def available() -> bool:
    """Whether it can be drawn here."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def draw(result: Result, path: str) -> None:
    """Write the bars of results.html as a PNG. Raises OSError."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    jobs = [job for job in Job if any(row.total for row in of_job(result.rows, job))]
    counts = [len(sorted_rows(of_job(result.rows, job))) for job in jobs]
    if not jobs:
        return
    made, axes = pyplot.subplots(
        len(jobs),
        1,
        figsize=(9, 1.4 * len(jobs) + 0.32 * sum(counts) + 0.8),
        squeeze=False,
        height_ratios=counts,
        layout="constrained",
    )
    for (axis,), job in zip(axes, jobs):
        _bars(axis, sorted_rows(of_job(result.rows, job)))
        axis.set_xlabel("seconds of an audit" if job is Job.AUDIT else "seconds to the end of a flush")
    used = [level for level in LEVELS if any(row.evidence is level and row.total for row in result.rows)]
    swatches = [Patch(color=_COLOURS[level.value]) for level in used]
    made.legend(swatches, [level.words for level in used], loc="outside lower center", ncols=2, frameon=False)
    held = result.data.held
    title = f"{held.files:,} files, {held.size_bytes / 1e9:.3f} GB to {result.destination.kind}"
    made.suptitle(title.replace("$", r"\$"), fontsize=11)
    made.savefig(path, dpi=150, format="png")
    pyplot.close(made)


def _bars(axis: Any, rows: Sequence[Row]) -> None:
    places = list(range(len(rows)))
    spreads = [row.total for row in rows if row.total]
    middles = [one.median for one in spreads]
    ranges = [[one.median - one.least for one in spreads], [one.most - one.median for one in spreads]]
    axis.barh(places, middles, color=[_COLOURS[row.evidence.value] for row in rows], height=0.7)
    axis.errorbar(middles, places, xerr=ranges, fmt="none", ecolor="#222222", elinewidth=1, capsize=2)
    for place, one in zip(places, spreads):
        axis.annotate(f"{one.median:.3g}", (one.most, place), xytext=(4, 0), textcoords="offset points", va="center")
    axis.set_yticks(places, [row.name for row in rows])
    axis.invert_yaxis()
    axis.margins(x=0.1)
    axis.spines[["top", "right"]].set_visible(False)
