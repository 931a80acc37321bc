"""The plan of a repair: these files and no others, whatever their times and sizes say. Pure.

Rule 1: a source that is no longer what was judged is left alone.
Rule 2: nothing else of the tree is touched: no extras, no left-overs, no modes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping, Optional, Set, Tuple

from vdt.model import Entry, Verb, join
from vdt.plan import FolderPlan, Pair, Planner

States = Mapping[str, Optional[Tuple[int, int]]]  # path -> (size, time) that the source must have; None is any


class Chosen:
    """Plans folders as a `Planner` does and keeps what was chosen."""

    def __init__(self, planner: Planner, chosen: States) -> None:
        self._planner, self._chosen = planner, chosen
        self.policy = replace(planner.policy, all_extras=False)
        self._folders: Set[str] = set()
        for path in chosen:
            above = path
            while above and above not in self._folders:
                self._folders.add(above)
                above = above.rpartition("/")[0]

    def plan(self, pair: Pair) -> FolderPlan:
        """Decide one folder."""
        whole = self._planner.plan(pair)
        plan = FolderPlan(whole.folder, whole.is_new)
        plan.actions = [
            action._replace(verb=Verb.COPY if action.verb is Verb.PROVE else action.verb)
            for action in whole.actions
            if self._wanted(join(plan.folder, action.source.name), action.source)
        ]
        plan.listed = len(plan.actions)
        plan.descend = [item for item in whole.descend if join(plan.folder, item[0].name) in self._folders]
        return plan

    def _wanted(self, path: str, source: Entry) -> bool:
        if path not in self._chosen:
            return False
        state = self._chosen[path]
        return state is None or state == (source.size_bytes, source.mtime_ns)
