"""Lines come out in the order of the walk, whatever the order in which files end."""

from __future__ import annotations

from typing import List

from hypothesis import given, settings
from hypothesis import strategies as st

from vdt.robocopy.order import InOrder


def test_a_folder_waits_for_its_files_and_later_folders_for_it() -> None:
    order = InOrder()
    order.open("", 2)
    order.add("", "root\n")
    order.open("a", 1)
    order.add("a", "a\n")
    order.add("a", "a/f\n", "f")
    order.settled("a")
    order.add("", "z\n", "z")
    order.settled("")
    assert order.take() == ""
    order.add("", "B\n", "B")
    order.settled("")
    assert order.take() == "root\nB\nz\na\na/f\n"
    assert order.rest() == ""


def test_lines_of_one_file_stay_together_and_in_time() -> None:
    order = InOrder()
    order.open("", 2)
    for text, name in (("b try\n", "b"), ("a\n", "a"), ("b error\n", "b"), ("b again\n", "b")):
        order.add("", text, name)
    assert order.rest() == "a\nb try\nb error\nb again\n"


def test_what_comes_late_is_not_lost_and_what_is_held_is_bounded() -> None:
    order = InOrder(most_chars=10)
    order.open("", 1)
    order.add("", "0123456789A\n")
    order.open("a", 1)
    order.add("a", "a\n")
    assert order.take() == "0123456789A\n", "too much is held: the first folder goes as it stands"
    order.add("", "late\n", "late")
    assert order.take() == "late\n"
    assert order.rest() == "a\n"


@given(st.lists(st.integers(0, 5), max_size=8), st.randoms(use_true_random=False), st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_every_line_comes_once_and_in_order_where_nothing_is_too_much(files: List[int], random, most: int) -> None:
    order = InOrder(most)
    todo = []
    out = ""
    wanted = ""
    for number, count in enumerate(files):
        folder = f"f{number}"
        order.open(folder, count)
        order.add(folder, f"{folder}\n")
        wanted += f"{folder}\n" + "".join(f"{folder}/{n}\n" for n in range(count))
        todo += [(folder, str(n)) for n in range(count)]
    random.shuffle(todo)
    for folder, name in todo:
        order.add(folder, f"{folder}/{name}\n", name)
        order.settled(folder)
        out += order.take()
    out += order.rest()
    assert sorted(out) == sorted(wanted)
    if most >= len(wanted):
        assert out == wanted
