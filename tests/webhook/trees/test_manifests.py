"""Files and trees: which files count, their objects, and one clear line for each problem."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from webhook.trees import manifests
from webhook.trees.documents import Document
from webhook.trees.problems import ManifestError, Position, Problem

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"


def read(text: str | bytes, file: str = "a.yaml") -> tuple[list[Document], list[str]]:
    problems: list[Problem] = []
    data = text.encode() if isinstance(text, str) else text
    return list(manifests.read_bytes(data, file=file, problems=problems)), [str(problem) for problem in problems]


BAD: dict[str, tuple[str | bytes, str]] = {
    "latin-1": (b"caf\xe9: 1", "a.yaml:1:4: not UTF-8: byte 0xe9; save the file as UTF-8"),
    "utf-16": (POD.encode("utf-16"), "a.yaml:1:1: not UTF-8: byte 0xff; save the file as UTF-8"),
    "list": ("- 1", "a.yaml:1:1: not a Kubernetes object: a list; write a mapping with apiVersion, kind and metadata"),
    "text": (
        "\nhello",
        'a.yaml:2:1: not a Kubernetes object: "hello"; write a mapping with apiVersion, kind and metadata',
    ),
    "nothing but a name": (
        "metadata: {name: x}",
        "a.yaml:1:1: not a Kubernetes object: apiVersion and kind are missing; add them",
    ),
    "no kind": ("apiVersion: v1\nkind: ''", "a.yaml:1:1: not a Kubernetes object: kind is missing; add it"),
    "no metadata": ("apiVersion: v1\nkind: Pod", "a.yaml:1:1: metadata is missing; add metadata with a name"),
    "metadata is text": (
        "apiVersion: v1\nkind: Pod\nmetadata: x",
        "a.yaml:3:1: metadata is missing; add metadata with a name",
    ),
    "no name": (
        "apiVersion: v1\nkind: Pod\nmetadata: {labels: {}}",
        "a.yaml:3:1: metadata.name is missing; add it",
    ),
    "name is a number": (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 7",
        "a.yaml:4:3: metadata.name: wrong type: 7; allowed: a string: quote it",
    ),
    "namespace": (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  namespace: [a]",
        "a.yaml:5:3: metadata.namespace: wrong type: a list; allowed: a string: quote it",
    ),
    "annotation": (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  annotations:\n    a.b/c: on",
        "a.yaml:6:5: metadata.annotations[a.b/c]: wrong type: true; allowed: a string: quote it",
    ),
    "labels": (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  labels: a",
        'a.yaml:5:3: metadata.labels: wrong type: "a"; allowed: a mapping of strings',
    ),
    "template": (
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\nspec: {jobTemplate: {spec: {template: {metadata: {annotations: {a: 5}}}}}}",
        "a.yaml:4:65: spec.jobTemplate.spec.template.metadata.annotations[a]: wrong type: 5; allowed: a string: quote it",
    ),
    "list item": (
        f"apiVersion: v1\nkind: List\nitems:\n- {POD.replace(chr(10), chr(10) + '  ')}\n- 5",
        "a.yaml:8:3: not a Kubernetes object: 5; write a mapping with apiVersion, kind and metadata",
    ),
    "name is a word of YAML": (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: n}\n",
        "a.yaml:3:12: metadata.name: wrong type: false; allowed: a string: quote it, because YAML reads n, y, on, off and the like as true and false",
    ),
    "a second document": (
        f"{POD}---\nkind: Pod\n",
        "a.yaml:5:1: not a Kubernetes object: apiVersion is missing; add it",
    ),
    "duplicate key": (f"{POD}kind: Pod", 'a.yaml:4:1: the key "kind" occurs twice in one mapping; keep one of them'),
    "tab": (
        f"{POD}spec:\n\tx: 1",
        "a.yaml:5:1: not YAML: found character that cannot start any token while scanning for the next token; indent with spaces, not with tabs",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(case: str) -> None:
    text, line = BAD[case]
    assert read(text)[1] == [line]


JSON_BAD = {
    "syntax": ('{"kind":\n  oops]', "a.json:2:3: not JSON: Expecting value; correct the JSON here"),
    "duplicate": (
        '{"kind": "a",\n "kind": "b"}',
        'a.json:2:2: the key "kind" occurs twice in one mapping; keep one of them',
    ),
    "depth": ('{"a":' * 300 + "1" + "}" * 300, "a.json:1:1281: it nests more than 256 levels; make it flatter"),
    "constant": ('{"a": NaN}', "a.json:1:1: not a Kubernetes object: apiVersion and kind are missing; add them"),
}


@pytest.mark.parametrize("case", JSON_BAD)
def test_bad_json_is_one_clear_line(case: str) -> None:
    text, line = JSON_BAD[case]
    assert read(text, "a.json")[1] == [line]


def test_items_of_a_typed_list_get_its_kind_and_empty_documents_are_skipped() -> None:
    items = [{"metadata": {"name": "a", "namespace": "blue"}}, {"metadata": {"generateName": "b-"}}]
    text = "---\n---\n" + json.dumps({"apiVersion": "v1", "kind": "PodList", "items": items}) + "\n---\n# nothing\n"
    found, problems = read(text)
    assert problems == []
    assert [(one.kind, one.version, one.namespace, one.name) for one in found] == [
        ("Pod", "v1", "blue", "a"),
        ("Pod", "v1", "default", ""),
    ]


def test_json_documents_may_follow_each_other() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    found, problems = read(f"{json.dumps(pod)}\n\n{json.dumps(pod)}\n")
    assert problems == []
    assert [one.line for one in found] == [1, 3]


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf" + POD.encode())[1] == []


def test_group_and_version() -> None:
    found, _ = read("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n")
    assert (found[0].group, found[0].version) == ("apps", "v1")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.yaml", "a/z.yml", "a/a.json", ".hidden.yaml", ".git/x.yaml", "notes.txt", "kustomization.yaml"):
        file = tmp_path / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(POD)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tree"


def test_files_of_a_tree_are_sorted_and_named_as_given(tree: Path) -> None:
    expected = ["tree/a/a.json", "tree/a/z.yml", "tree/b.yaml"]
    assert manifests.find_files(["tree"]) == expected
    assert manifests.find_files(["./tree/"]) == expected
    assert manifests.find_files(["tree/b.yaml", "tree"]) == ["tree/b.yaml", "tree/a/a.json", "tree/a/z.yml"]
    assert manifests.find_files([str(tree)]) == [str(tree.parent / name) for name in expected]


def test_files_of_the_current_directory_have_no_leading_dot(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert manifests.find_files(["."]) == ["a/a.json", "a/z.yml", "b.yaml"]


def test_links_are_followed_inside_the_tree_only(tree: Path) -> None:
    (tree / "..data").mkdir()
    (tree / "..data" / "net.yaml").write_text(POD)
    (tree / "net.yaml").symlink_to("..data/net.yaml")
    (tree.parent / "outside.yaml").write_text(POD)
    (tree / "out.yaml").symlink_to("../outside.yaml")
    (tree / "loop").symlink_to(".", target_is_directory=True)
    found = manifests.find_files(["tree"])
    assert "tree/net.yaml" in found
    assert not any("out.yaml" in file or "loop" in file for file in found)


def test_a_directory_named_like_a_file_is_a_directory(tree: Path) -> None:
    (tree / "dir.yaml").mkdir()
    (tree / "dir.yaml" / "c.yaml").write_text(POD)
    assert "tree/dir.yaml/c.yaml" in manifests.find_files(["tree"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "nowhere: no such file or directory; name one that exists"),
        ("tree/.git/none.yaml", "tree/.git/none.yaml: no such file or directory; name one that exists"),
    ],
)
def test_a_path_that_does_not_exist(tree: Path, path: str, message: str) -> None:
    with pytest.raises(ManifestError, match="no such file") as caught:
        manifests.find_files([path])
    assert str(caught.value) == message


def test_an_empty_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(ManifestError) as caught:
        manifests.load_snapshot("empty")
    assert str(caught.value) == "empty: no Kubernetes object is found; put *.yaml, *.yml, *.json files there"


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    problems: list[Problem] = []
    assert list(manifests.read_file(str(tmp_path / "pipe.yaml"), problems)) == []
    assert problems[0].rule == "unreadable-file"
    assert "not a regular file" in problems[0].text


def test_an_unreadable_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the test makes the listing fail."""

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ManifestError, match="cannot be read: permission denied"):
        manifests.find_files([str(tmp_path)])


def test_all_problems_of_a_tree_are_reported_together(tree: Path) -> None:
    (tree / "a" / "a.json").write_text("[1]")
    (tree / "b.yaml").write_text("a: [")
    with pytest.raises(ManifestError) as caught:
        manifests.load_snapshot("tree")
    assert [problem.position.file for problem in caught.value.problems] == ["tree/a/a.json", "tree/b.yaml"]
    assert len(str(caught.value).splitlines()) == 2


def test_a_position_without_a_line_is_the_file() -> None:
    assert str(Position("a.yaml")) == "a.yaml"


NETWORK = """\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan, namespace: blue}
spec: {config: '{"cniVersion": "1.0.0", "name": "lan", "type": "macvlan"}'}
"""


def kept(tmp_path: Path) -> Path:
    """A tree as people keep it: a base, an overlay with a patch, a file of another program, packages of npm."""
    for name, text in {
        "base/kustomization.yaml": "resources: [lan.yaml]\n",
        "base/lan.yaml": NETWORK,
        "prod/kustomization.yaml": "resources: [../base]\npatches: [{path: lan.yaml}]\n",
        "prod/lan.yaml": NETWORK.replace("spec:", "#").replace("blue}", "blue, labels: {stage: prod}}"),
        "mkdocs.yml": "site_name: x\nplugins: !ENV [A]\n",
        "node_modules/a/b.yaml": "{{ not yaml",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_tree_with_kustomizations_and_foreign_files_is_a_cluster(tmp_path: Path) -> None:
    """`review`, `can-attach` and `rules` read what `check` reads."""
    warnings: list[Problem] = []
    assert manifests.gather_snapshot(kept(tmp_path), warnings=warnings).network("blue", "lan") is not None
    assert [warning.rule for warning in warnings] == ["passed-over"]
    assert warnings[0].text.startswith("no Kubernetes objects, passed over: ")
    assert "mkdocs.yml" in warnings[0].text


def test_environments_side_by_side_have_to_be_named(tmp_path: Path) -> None:
    tree = kept(tmp_path)
    (tree / "test").mkdir()
    (tree / "test" / "kustomization.yaml").write_text("resources: [../base]\n")
    with pytest.raises(ManifestError) as caught:
        manifests.gather_snapshot(tree)
    assert "lan" in str(caught.value)
    assert manifests.gather_snapshot(tree / "prod").network("blue", "lan") is not None


def test_a_server_reads_every_file_as_kubernetes_objects(tmp_path: Path) -> None:
    """NB: a policy must not get lost because its file is broken."""
    with pytest.raises(ManifestError) as caught:
        manifests.load_snapshot(kept(tmp_path))
    assert "mkdocs.yml" in str(caught.value)
