"""The tree of exceptions is what its docstring draws."""

from __future__ import annotations

import re

from emotrace import errors
from tests.error_tree import KINDS


def test_the_tree_is_drawn_as_it_is() -> None:
    stack: list[tuple[int, str]] = []
    drawn = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^(\s*[| `-]*)(\w+Error)\b", line)
        if match:
            depth, name = len(match[1]), match[2]
            while stack and stack[-1][0] >= depth:
                stack.pop()
            drawn[name] = stack[-1][1] if stack else "Exception"
            stack.append((depth, name))
    actual = {name: kind.__bases__[0].__name__ for name, kind in KINDS.items()}
    assert drawn == actual


def test_every_kind_has_a_code_of_its_own_and_a_description() -> None:
    codes = [kind.code for kind in KINDS.values()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
    assert all(kind.__doc__ for kind in KINDS.values())


def test_python_programmers_may_catch_what_they_know() -> None:
    assert issubclass(errors.OptionError, ValueError)
    assert issubclass(errors.LabelError, ValueError)
