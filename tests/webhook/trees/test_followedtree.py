"""A tree that changes: when it is read, and what stays in force."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from webhook.trees import followedtree, manifests
from webhook.trees.followedtree import FollowedTree
from webhook.trees.problems import ManifestError

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n"


@pytest.fixture
def tree(tmp_path: Path) -> FollowedTree:
    (tmp_path / "one.yaml").write_text(NAMESPACE.format("one"))
    return FollowedTree(tmp_path, network_namespace="kube-system")


def count(tree: FollowedTree) -> int:
    return tree.snapshot().counts()["namespaces"]


def test_a_wrong_tree_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no Kubernetes object is found"):
        FollowedTree(tmp_path, network_namespace="kube-system")


def test_a_change_is_in_force_after_two_looks_that_find_the_same(tree: FollowedTree, tmp_path: Path) -> None:
    before = tree.snapshot()
    tree.look()
    assert tree.snapshot() is before
    (tmp_path / "two.yaml").write_text(NAMESPACE.format("two"))
    tree.look()
    assert tree.snapshot() is before
    (tmp_path / "three.yaml").write_text(NAMESPACE.format("three"))  # the writer goes on
    tree.look()
    assert tree.snapshot() is before
    tree.look()
    assert count(tree) == 3
    in_force = tree.snapshot()
    tree.look()
    assert tree.snapshot() is in_force


def _while_reading(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something after the first reading, before the second look at the files."""
    load, rest = manifests.load_snapshot, iter([act])

    def loaded(*args: object, **options: object) -> object:
        try:
            return load(*args, **options)  # type: ignore[arg-type]  # the same as it got
        finally:
            next(rest, lambda: None)()

    monkeypatch.setattr(followedtree, "load_snapshot", loaded)


@pytest.mark.parametrize("text", [NAMESPACE.format("two"), "a: [1\n"], ids=["good", "half"])
def test_a_tree_that_changes_while_it_is_read_is_not_in_force(
    tree: FollowedTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "two.yaml").write_text(text)
    tree.look()
    _while_reading(monkeypatch, lambda: (tmp_path / "two.yaml").write_text(NAMESPACE.format("whole")))
    with caplog.at_level(logging.INFO):
        tree.look()
    assert count(tree) == 1
    assert caplog.records == []
    tree.look()
    assert count(tree) == 2


def test_a_mistake_keeps_the_tree_in_force_and_is_logged_once(
    tree: FollowedTree, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("a: [1\nb: 2\n")
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            tree.look()
    first, last = [record.message for record in caplog.records]
    assert first.startswith(f"{file}:2:")
    assert last == f"the tree {tmp_path} is refused; what was in force stays; correct it"
    assert count(tree) == 1
    caplog.clear()
    file.write_text(NAMESPACE.format("one") + "---\n" + NAMESPACE.format("two"))
    with caplog.at_level(logging.INFO):
        tree.look()
        tree.look()
    assert [record.message for record in caplog.records] == [
        f"tree in force: {tmp_path}: 0 networks, 2 namespaces, 0 policies, 0 policyconfigs, 0 pods"
    ]


def test_many_mistakes_are_counted(tree: FollowedTree, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(25):
        (tmp_path / f"bad{number}.yaml").write_text("a: [1\n")
    assert tree.reread() is False
    assert len(caplog.records) == 21
    assert "is refused with 5 more problems, see nadmit check; what was in force stays" in caplog.records[-1].message


def test_reread_does_not_wait_and_says_what_happened(tree: FollowedTree, tmp_path: Path) -> None:
    assert tree.reread() is None
    (tmp_path / "two.yaml").write_text(NAMESPACE.format("two"))
    assert tree.reread() is True
    assert count(tree) == 2
    (tmp_path / "two.yaml").write_text("a: [1\n")
    assert tree.reread() is False
    assert tree.reread() is False
    assert count(tree) == 2
    (tmp_path / "two.yaml").write_text(NAMESPACE.format("two"))
    assert tree.reread() is True


def test_the_time_of_a_file_is_no_proof(tree: FollowedTree, tmp_path: Path) -> None:
    """A file of the same size and time, as `cp -p` or `git` may write it."""
    file = tmp_path / "one.yaml"
    status = file.stat()
    new = tmp_path / "new"
    new.write_text(NAMESPACE.format("eno"))
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(file)
    tree.look()
    tree.look()
    assert tree.snapshot().has_namespace("eno")


def test_a_swapped_link_is_seen(tmp_path: Path) -> None:
    """The kubelet changes a mounted ConfigMap so."""
    for number, names in enumerate((["a"], ["a", "b"])):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "all.yaml").write_text("---\n".join(map(NAMESPACE.format, names)))
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "all.yaml").symlink_to("..data/all.yaml")
    tree = FollowedTree(tmp_path, network_namespace="kube-system")
    assert count(tree) == 1
    (tmp_path / "..new").symlink_to("..1")
    (tmp_path / "..new").replace(tmp_path / "..data")
    tree.look()
    tree.look()
    assert count(tree) == 2


def test_warnings_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = (
        "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicy\nmetadata: {name: p}\nspec: {typo: 1}\n"
    )
    (tmp_path / "p.yaml").write_text(policy)
    tree = FollowedTree(tmp_path, network_namespace="kube-system")
    before = len(caplog.records)
    assert before
    (tmp_path / "more.yaml").write_text(NAMESPACE.format("more"))
    assert tree.reread() is True
    assert [record.levelname for record in caplog.records[before:] if record.levelname == "WARNING"] == []
