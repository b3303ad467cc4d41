"""The work of a run grows with the tree: each object is judged once in each environment."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.callcounts import calls

from .trees import check, network, pod, write


def judged(directories: int, objects: int) -> Counter[str]:
    write({
        f"e{number}/all.yaml": "---\n".join([network("lan"), *(pod(f"p{one}", "lan") for one in range(objects))])
        for number in range(directories)
    })  # fmt: skip
    write({"shared.yaml": "---\n".join(pod(f"s{one}", "lan") for one in range(objects))})
    with calls() as counted:
        assert check(".").exit_code == 0
    return counted


@pytest.mark.slow
def test_calls_grow_with_objects_and_environments() -> None:
    small, large = judged(2, 10), judged(2, 20)
    assert (small["answer_mutation"], large["answer_mutation"]) == (2 * 21, 2 * 41)
    assert sum(large.values()) < 2.5 * sum(small.values())


@pytest.mark.slow
def test_a_text_of_comments_is_read_once() -> None:
    def total(number: int) -> int:
        lines = "# nadmit: ignore NAD303 x\n" * number
        write({"a.yaml": f"{lines}{pod('a')}"})
        with calls() as counted:
            check("a.yaml")
        return sum(counted.values())

    base = total(1)
    assert total(400) - base < 3 * (total(200) - base)
