"""Environments side by side: how a tree is divided, and what each is judged with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from webhook.trees import builder, documents, environments
from webhook.trees.documents import Document


def documents_of(files: Sequence[str]) -> list[Document]:
    """Return a namespace for each `file name`, which differs from all others unless the name ends with "="."""
    made: list[Document] = []
    for number, line in enumerate(files):
        file, name = line.split()
        label = "same" if name.endswith("=") else f"n{number}"
        text = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name.rstrip('=')}, labels: {{a: {label}}}}}\n"
        made += documents.parse(text, file=file, problems=[])
    return made


def split(*files: str) -> dict[str, tuple[list[str], list[str]]]:
    """Return members and judged documents of each environment, as `file` alone."""
    made = documents_of(files)
    found, _ = environments.split(made, list(map(builder.identity, made)))
    return {
        one.label: ([made[index].file for index in one.members], [made[index].file for index in sorted(one.judged)])
        for one in found
    }


def test_without_two_objects_of_one_name_it_is_one() -> None:
    assert split("dev/a.yaml a", "prod/b.yaml b") == {
        "": (["dev/a.yaml", "prod/b.yaml"], ["dev/a.yaml", "prod/b.yaml"])
    }


@pytest.mark.parametrize(
    "files", [("x/a.yaml a", "x/b.yaml a"), ("a.yaml a", "a.yaml a"), ("x/y/a.yaml a", "x/y/b.yaml a")]
)
def test_files_of_one_directory_are_no_environments(files: tuple[str, ...]) -> None:
    assert list(split(*files)) == [""]


def test_the_same_object_in_two_directories_counts_once_and_is_judged_at_both_places() -> None:
    """Two kustomizations of one cluster may share a namespace."""
    files = ("apps/a.yaml a=", "apps/c.yaml c", "infra/a.yaml a=", "infra/b.yaml b")
    assert split(*files) == {
        "": (["apps/a.yaml", "apps/c.yaml", "infra/b.yaml"], [file.partition(" ")[0] for file in files])
    }
    assert split("x/a.yaml a=", "x/b.yaml a=")[""][0] == ["x/a.yaml", "x/b.yaml"], "a mistake in one directory"
    found = split("dev/a.yaml a=", "dev/b.yaml b", "prod/a.yaml a=", "prod/b.yaml b")
    assert found["prod"][0] == ["prod/a.yaml", "prod/b.yaml"], "copies stay with their environment"


def test_directories_with_most_of_their_objects_in_common_are_environments() -> None:
    assert list(split("dev/a.yaml a=", "dev/b.yaml b=", "prod/a.yaml a=", "prod/b.yaml b=", "prod/c.yaml c")) == [
        "dev",
        "prod",
    ]


def test_directories_side_by_side_are_judged_without_each_other() -> None:
    assert split("e/dev/a.yaml a", "e/dev/d.yaml d", "e/prod/a.yaml a", "e/test/b.yaml b", "all.yaml c") == {
        "e/dev": (["e/dev/a.yaml", "e/dev/d.yaml", "e/test/b.yaml", "all.yaml"],) * 2,
        "e/prod": (["e/prod/a.yaml", "e/test/b.yaml", "all.yaml"],) * 2,
    }


def test_the_same_name_below_another_parent_belongs_together() -> None:
    found = split("n/dev/a.yaml a", "n/prod/a.yaml a", "w/dev/b.yaml b", "w/prod/b.yaml b")
    assert found["n/dev"][0] == found["w/dev"][0] == ["n/dev/a.yaml", "w/dev/b.yaml"]
    assert found["n/prod"][1] == ["n/prod/a.yaml"]


def test_without_the_same_name_the_first_is_taken() -> None:
    assert split("n/x/a.yaml a", "n/y/a.yaml a", "w/p/b.yaml b", "w/q/b.yaml b")["n/y"] == (
        ["n/y/a.yaml", "w/p/b.yaml"],
        ["n/y/a.yaml"],
    )


def test_environments_inside_an_environment() -> None:
    found = split("dev/a.yaml a", "prod/a.yaml a", "prod/x/b.yaml b", "prod/y/b.yaml b")
    assert found["prod/x"] == (["prod/a.yaml", "prod/x/b.yaml"], ["prod/x/b.yaml"])
    assert found["prod/y"] == (["prod/a.yaml", "prod/y/b.yaml"], ["prod/y/b.yaml"])
    assert "prod/x/b.yaml" not in found["dev"][0]
    assert {file for _, judged in found.values() for file in judged} == {
        "dev/a.yaml", "prod/a.yaml", "prod/x/b.yaml", "prod/y/b.yaml",
    }  # fmt: skip


def test_a_directory_replaces_what_its_parent_has() -> None:
    """The other files of the parent are in both."""
    assert split("a.yaml a", "b.yaml b", "prod/a.yaml a") == {
        ".": (["a.yaml", "b.yaml"], ["a.yaml", "b.yaml"]),
        "prod": (["b.yaml", "prod/a.yaml"], ["prod/a.yaml"]),
    }


def test_two_files_with_one_object_in_an_environment_stay_together() -> None:
    assert split("dev/a.yaml a", "dev/b.yaml a", "prod/a.yaml a")["dev"][0] == ["dev/a.yaml", "dev/b.yaml"]


def test_every_document_is_judged_somewhere() -> None:
    """For all shapes of three levels with two names each."""
    files = [
        f"{first}{second}{name}.yaml {name}"
        for first in ("", "p/", "q/")
        for second in ("", "x/", "y/")
        for name in "ab"
    ]
    made = documents_of(files)
    found, groups = environments.split(made, list(map(builder.identity, made)))
    assert groups
    assert {index for one in found for index in one.judged} == set(range(len(made)))
    for one in found:
        members = [builder.identity(made[index]) for index in one.members]
        assert len(members) == len(set(members)), one.label
