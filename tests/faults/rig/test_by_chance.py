"""Two calls of a hundred fail, wherever they are. The same seed gives the same faults."""

from __future__ import annotations

import pytest

from .stage import Rig, rule

pytestmark = pytest.mark.slow


SEEDS = {"destination": range(1, 7), "source": range(1, 4), "both": range(1, 4)}


@pytest.mark.parametrize(("side", "seed"), [(side, seed) for side, seeds in SEEDS.items() for seed in seeds])
def test_the_exit_code_is_honest(rig: Rig, side: str, seed: int) -> None:
    faults = [rule("*", "EIO", prob=0.02)]
    rig.destination.options += ("--seed", str(seed))
    rig.source.options += ("--seed", str(seed))
    rig.start(*(faults if side != "source" else []), source=faults if side != "destination" else [])
    outcome = rig.copy("--retry-wait", "0.02", timeout_s=90)
    assert rig.destination.fired() or rig.source.fired()
    rig.honest(outcome)
    if outcome.code < 8:
        assert not outcome.named, outcome
    elif outcome.code < 16:
        assert set(rig.missing()) <= set(outcome.named), outcome
    else:
        assert outcome.err.strip() or outcome.out.strip(), "ended without a word"
    rig.heals()
