"""Field paths to places, for every way in which a field can be written."""

from __future__ import annotations

import pytest

from webhook.trees import documents
from webhook.trees.documents import Document
from webhook.trees.positions import parse_path
from webhook.trees.problems import Problem

BLOCK = """\
# a comment
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: lan
spec:
  config: |  # said with a comment
    {
      "cniVersion": "1.0.0",
      "plugins": [
        {"type": "bridge"},
        {"type": "tuning", "org.example.key": 1}
      ]
    }
"""
BROKEN_BLOCK = """\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: lan}
spec:
  config: |-
      {
        "type": "bridge",
      }
"""
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    plain: lan, infra/storage@net1,,x
    k8s.v1.cni.cncf.io/networks: '[{"name":"lan","Namespace":"infra"}]'
    doubled: "[{\\"name\\":\\"lan\\"}]"
    apostrophe: '[{"name":"it''s","x":1}]'
    folded: >
      [{"name":
      "lan"}]
    spread: "[{
      1}]"
"""
FLOW = '{apiVersion: v1, kind: Pod, metadata: {name: web, annotations: {a.b/c: "x,y", é: z}}}\n'
ALIAS = """\
apiVersion: v1
kind: Pod
metadata: &meta
  name: web
copy: *meta
merged:
  <<: *meta
"""
JSON = """\
{"apiVersion": "v1", "kind": "Pod",
 "metadata": {"name": "web",
              "annotations": {"k": "[{\\"name\\":1}]", "smile": "\\ud83d\\ude00"}}}
{"apiVersion": "v1", "kind": "Pod",
 "metadata": {"name": "second", "labels": {"a": "b"}}}
"""
LIST = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: a}}
- apiVersion: v1
  kind: PodList
  items:
  - metadata:
      name: b
"""
NETWORKS = "metadata.annotations[k8s.v1.cni.cncf.io/networks]"

CASES = [
    # text, index of the object, path, line:column
    (BLOCK, 0, "", "2:1"),
    (BLOCK, 0, "metadata.name", "5:3"),
    (BLOCK, 0, "spec.config", "7:3"),
    (BLOCK, 0, "spec.config.cniVersion", "9:7"),
    (BLOCK, 0, "spec.config.plugins[1].type", "12:10"),
    (BLOCK, 0, "spec.config.plugins[1]", "12:9"),
    (BLOCK, 0, 'spec.config.plugins[1]["org.example.key"]', "12:28"),
    (BLOCK, 0, "spec.config.plugins[7].type", "10:7"),
    (BLOCK, 0, "spec.config.nothing", "7:3"),
    (BLOCK, 0, "spec.nothing.at.all", "6:1"),
    (BLOCK, 0, "nothing", "2:1"),
    (BROKEN_BLOCK, 0, "spec.config", "8:7"),
    (POD, 0, "metadata.annotations[plain]", "6:5"),
    (POD, 0, "metadata.annotations[plain][0]", "6:12"),
    (POD, 0, "metadata.annotations[plain][1]", "6:17"),
    (POD, 0, "metadata.annotations[plain][2]", "6:36"),
    (POD, 0, "metadata.annotations[plain][9]", "6:5"),
    (POD, 0, NETWORKS, "7:5"),
    (POD, 0, f"{NETWORKS}[0]", "7:36"),
    (POD, 0, f"{NETWORKS}[0].Namespace", "7:50"),
    (POD, 0, "metadata.annotations[doubled][0].name", "8:5"),
    (POD, 0, "metadata.annotations[apostrophe][0].x", "9:5"),
    (POD, 0, "metadata.annotations[folded][0].name", "10:5"),
    (POD, 0, "metadata.annotations[spread]", "13:5"),
    (POD, 0, "metadata.annotations[absent][0]", "5:3"),
    (FLOW, 0, "metadata.name", "1:40"),
    (FLOW, 0, "metadata.annotations[a.b/c][1]", "1:75"),
    (FLOW, 0, "metadata.annotations[é]", "1:79"),
    (ALIAS, 0, "copy.name", "4:3"),
    (ALIAS, 0, "merged.name", "6:1"),
    (JSON, 0, "metadata.name", "2:15"),
    (JSON, 1, "metadata.labels[a]", "5:44"),
    (LIST, 0, "metadata.name", "4:42"),
    (LIST, 0, "", "4:3"),
    (LIST, 1, "metadata.name", "9:7"),
    (LIST, 1, "spec", "8:5"),
]


def objects(text: str, file: str = "a.yaml") -> list[Document]:
    problems: list[Problem] = []
    found = list(documents.parse(text, file=file, problems=problems))
    assert problems == []
    return found


@pytest.mark.parametrize(("text", "index", "path", "place"), CASES)
def test_place_of_a_field(text: str, index: int, path: str, place: str) -> None:
    if text is JSON and index == 0:
        text = text.replace(', "smile": "\\ud83d\\ude00"', "")
    assert str(objects(text)[index].locate(path)) == f"a.yaml:{place}"


def test_a_json_text_that_yaml_cannot_read_is_placed_by_its_document() -> None:
    first, second = objects(JSON)
    assert first.object["metadata"]["annotations"]["smile"] == "😀"
    assert str(first.locate("metadata.name")) == "a.yaml:1:1"
    assert str(second.locate("metadata.name")) == "a.yaml:5:15"


def test_line_breaks_of_windows_do_not_move_places() -> None:
    text = BLOCK.replace("\n", "\r\n")
    assert str(objects(text)[0].locate("spec.config.plugins[1].type")) == "a.yaml:12:10"


def test_a_deep_json_text_is_placed_where_it_begins() -> None:
    deep = "[" * 600 + "]" * 600
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nx: '{deep}'\n"
    assert str(objects(text)[0].locate("x" + "[0]" * 600)) == "a.yaml:4:1"


def test_hostile_depth_in_a_text_does_not_end_the_process() -> None:
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nx: '{'[' * 200_000}'\n"
    assert objects(text)[0].locate("x[0]").line == 4


def test_a_place_in_short_names_the_item_of_a_list() -> None:
    assert [document.place for document in objects(LIST)] == ["a.yaml:1 items[0]", "a.yaml:1 items[1] items[0]"]


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("spec.config", ["spec", "config"]),
        ("spec.config.plugins[1].vlan", ["spec", "config", "plugins", "1", "vlan"]),
        (f"{NETWORKS}[0].ips[0]", ["metadata", "annotations", "k8s.v1.cni.cncf.io/networks", "0", "ips", "0"]),
        ('a["b.c"].d', ["a", "b.c", "d"]),
        (r'a["b\"]c"]', ["a", 'b"]c']),
        ("", []),
    ],
)
def test_steps_of_a_path(path: str, steps: list[str]) -> None:
    assert parse_path(path) == steps
