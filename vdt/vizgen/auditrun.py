"""`vizgen_data_transfer RUN_ID --audit`: the trees of a run that was copied, read and judged; every end is reported.

Each tree is held against its source where that is still there, with the digests on record to tell which side changed;
else against the manifest beside it; else its digests are put on record in a first manifest. Only `--repair` writes into
a tree.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any, Dict, List, Optional, Tuple

from vdt.auditreport import report_lines, result_object
from vdt.audittree import AuditRequest, AuditTools, audit_tree
from vdt.errors import AwayError, RefusedError, StoppedError, VdtError
from vdt.preflight import COPY, check_report
from vdt.repair import ALL
from vdt.treelog import TreeLog
from vdt.troubles import NO_SUCH_RUN
from vdt.version import __version__
from vdt.vizgen.auditmail import FATAL, AuditedTree, audit_mail, audit_page, audit_said, audit_verdict, objection
from vdt.vizgen.drives import check_isilon
from vdt.vizgen.layout import CopyType, TreePaths, tree_paths
from vdt.vizgen.nearest import hint
from vdt.vizgen.request import Ended, byte_meter
from vdt.vizgen.run import Run
from vdt.vizgen.verdict import verdict_object


class AuditRun(Run):
    """A run that reads instead of copying."""

    def _work(self) -> None:
        self._audited: List[AuditedTree] = []
        self._at: Optional[TreePaths] = None
        self._audit_tools: Optional[AuditTools] = None
        config, request = self._config, self._request
        self._watch.phase("Looking at", config.isilon_drive)
        check_isilon(config)
        run_folder = os.path.join(config.isilon_drive, request.run_id)
        if not os.path.lexists(run_folder):
            said = NO_SUCH_RUN.sentence(run_id=request.run_id, drive=config.isilon_drive, source=run_folder)
            raise RefusedError(f"{said} {hint(request.run_id, [config.isilon_drive])}")
        for kind in CopyType:
            item = tree_paths(kind, request.run_id, config.analysis_drive, config.isilon_drive, config.logs)
            report = "" if request.json == "-" else request.json or ""
            check_report(report, item.source)
            check_report(report, item.destination, COPY)
        if os.path.isdir(self._flags_lie_in):  # else the source is gone, and nothing of it can still come
            self._check_finished()
        for item in self._lay_out():
            if self._around.stop:
                raise StoppedError(f"The audit was stopped ({self._around.stop.reason}); the same command goes on.")
            self._one(item)
        if self._around.stop:
            raise StoppedError(f"The audit ended early: {self._around.stop.reason}. The same command goes on with it.")

    def _one(self, item: TreePaths) -> None:
        name = item.copy_type.value
        asked = self._asked(item)
        held_against = asked.source or asked.manifest or "the digests on record"
        self._tell(f"{name}: auditing {item.destination} against {held_against}")
        self._at = item
        with ExitStack() as stack:
            tools = AuditTools(
                self._around.stop,
                self._around.progress,
                byte_meter(self._request, self._config, self._around.stop),
                self._tell,
                watch=self._watch,
            )
            self._audit_tools = tools
            if asked.repair:
                log = TreeLog(item.log)
                stack.callback(log.close)
                tools.log = log
            try:
                result = audit_tree(asked, tools)
            except StoppedError:
                raise
            except VdtError as error:
                self._audited.append(AuditedTree(item, error=str(error)))
                self._tell(f"{name}: FAILED: {error}", level="error")
                if isinstance(error, AwayError):
                    raise
                return
        self._audited.append(AuditedTree(item, result))
        for line in report_lines(result):
            self._tell(f"{name}: {line}", level="warning" if result.exit_code else "info")

    def _asked(self, item: TreePaths) -> AuditRequest:
        request, settings = self._request, self._settings
        self._watch.phase("Looking at", item.source)
        source = item.source if os.path.isdir(item.source) else ""
        self._watch.phase("Looking at", item.destination)
        manifest = item.manifest if os.path.isfile(item.manifest) else ""
        if request.repair and not source:
            raise RefusedError(
                f"The source of {item.copy_type.value} is not there: {item.source}. --repair copies from it; check the "
                "run id and the drive, or leave --repair out."
            )
        prefix = item.copy_type.value + "/"
        accepted = [path.replace(os.sep, "/") for path in request.accept_source]
        return AuditRequest(
            destination=item.destination,
            source=source,
            manifest="" if source else manifest,
            write_manifest="" if manifest else item.manifest,
            record=True,
            policy=settings.policy,
            threads=settings.threads,
            retry=settings.retry,
            share_wait_s=settings.share_wait_s,
            repair=request.repair,
            accept_source=tuple(
                path[len(prefix) :] if path != ALL else path
                for path in accepted
                if path == ALL or path.startswith(prefix)
            ),
            lock_folder=item.state_folder,
            count=True,
        )

    def _abandon(self, gone: VdtError) -> str:
        """The working thread hangs: take what is known of the tree in work."""
        self._watch.abandoned = True
        hanging = self._watch.hanging()
        known = self._audit_tools.so_far() if self._audit_tools is not None else None
        if known is not None and self._at is not None and all(t.paths is not self._at for t in self._audited):
            reason = known.stopped or self._around.stop.reason
            stopped = replace(known, reached_end=False, stopped=reason, notes=(*known.notes, *hanging))
            self._audited.append(AuditedTree(self._at, stopped))
        for line in hanging:
            self._tell(line, level="error")
        return " ".join([str(gone), *hanging[:1]])

    @property
    def _share_lost(self) -> bool:
        """True once a side was given up."""
        return any(tree.result is not None and tree.result.fatal for tree in getattr(self, "_audited", []))

    # -- the end -------------------------------------------------------------------------------------------------------

    def _report(self, error: str, code: int) -> Ended:
        trees = tuple(getattr(self, "_audited", ()))
        for tree in trees:
            code = max(code, tree.exit_code)
        reason = objection(trees, error) or self._unfinished()
        if error:
            self._tell(f"ERROR: {error}", level="error")
        path = self._request.json
        if path and not self._delivery.json(path, self._object(trees, error, code, reason)):
            code = FATAL
        said = audit_said(
            self._request.run_id,
            trees,
            error,
            passed=not code,
            reason=reason,
            notes=self._notes,
            command=self._request.command,
            threads=self._settings.threads,
            elapsed_s=time.monotonic() - self._began,
        )
        page = ""
        if any(tree.result is not None for tree in trees):  # one that was refused leaves no more than its log
            page = self._delivery.page(audit_page(said, self._about()))
        text = audit_mail(said, page)
        self._hand_out(text, text.plain.strip().split("\n")[-1])
        return Ended(code, text)

    def _unfinished(self) -> str:
        """Why the source of a copy that is right must be kept all the same, without its full stop."""
        if self._finished is None:
            return "whether the run is finished was not looked at"
        objection = self._finished.objection.rstrip(".")
        return objection[:1].lower() + objection[1:]

    def _object(self, trees: Tuple[AuditedTree, ...], error: str, code: int, reason: str) -> Dict[str, Any]:
        found: Dict[str, Any] = {}
        for tree in trees:
            known = result_object(tree.result) if tree.result is not None else {"complete": False}
            destination = tree.paths.destination
            found[tree.paths.copy_type.value] = {"destination": destination, **known, "error": tree.error}
        return {
            "version": __version__,
            "command": self._request.command,
            "run_id": self._request.run_id,
            "audit": True,
            "started": self._started.isoformat(timespec="seconds"),
            "ended": datetime.now().astimezone().isoformat(timespec="seconds"),
            "complete": bool(trees) and all(tree.result is not None and tree.result.reached_end for tree in trees),
            "exit_code": code,
            "verdict": {**verdict_object(audit_verdict(trees, reason)), "reason": reason},
            "error": error,
            "trees": found,
        }
