"""Faults by chance, from one seed: the same seed, the same faults."""

from __future__ import annotations

import errno
import random
from collections import Counter
from typing import Dict, Optional, Tuple

from .faultyfs import FLIP, LOST, SHORT, SKIP, Call, Deed, FaultyFs

MENU: Dict[str, Tuple[Deed, ...]] = {
    "read": (errno.EIO, SHORT, errno.ESTALE),
    "write": (errno.EIO, errno.ENOSPC, FLIP, LOST, SHORT),
    "rename": (errno.EBUSY, errno.EIO, SKIP),
    "utime": (errno.EIO, SKIP),
    "fsync": (errno.EIO,),
    "syncfs": (errno.EIO,),
}
OTHERS: Tuple[Deed, ...] = (errno.EIO, errno.EACCES, errno.ESTALE)


class Dice(FaultyFs):
    """Each call fails with a chance, in a way that the seed chooses: by what it is and how often it was made before, so
    that it does not matter in which order two threads come."""

    seed = 0

    def __enter__(self) -> FaultyFs:
        self._made: Counter[Tuple[str, str, str, bool]] = Counter()
        self._chance = random.Random(self.seed).choice((0.005, 0.02, 0.08))
        return super().__enter__()

    def _deed(self, op: str, full: Optional[str]) -> Tuple[Optional[Deed], Optional[Call]]:
        deed, call = super()._deed(op, full)
        if call is None or op == "closedir":
            return deed, call
        with self._lock:
            self._made[call[1:]] += 1
            dice = random.Random(f"{self.seed} {call[1:]} {self._made[call[1:]]}")
            if dice.random() < self._chance:
                deed = dice.choice(MENU.get(op, OTHERS))
                self.hits.append(call)
        return deed, call
