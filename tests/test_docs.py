"""The pages of docs/ are held against the code: what is made from it is what would be made now."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def load_maker() -> Any:
    spec = importlib.util.spec_from_file_location("vdt_docs_make", DOCS / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER = load_maker()


@pytest.mark.parametrize("name", [*MAKER.WHOLE, *MAKER.PARTS])
def test_a_page_that_is_made_from_the_code_is_the_one_that_would_be_made_now(name: str) -> None:
    if os.name == "nt" and name == "user.md":
        pytest.skip("its captures are made on Linux: the paths in them are those of POSIX")
    assert (DOCS / name).read_text(encoding="utf-8") == MAKER.page(name), "python docs/make.py writes it anew"
