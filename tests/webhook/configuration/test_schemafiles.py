"""A directory of schemas of plugins: which files count, and every mistake with file, line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.configuration.schemafiles import BYTES_MAX, load_directory
from webhook.trees.problems import ManifestError

MINE = "type: my-plugin\nkind: main\nsource: me\n"


def problems(directory: Path) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load_directory(directory)
    return [str(problem).removeprefix(f"{directory}/") for problem in caught.value.problems]


def test_files_of_yaml_and_json_count_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MINE)
    (tmp_path / "b.yml").write_text(f"# mine\n---\n{MINE.replace('my', 'your')}")
    (tmp_path / "c.json").write_text('{"type": "her-plugin", "kind": "ipam", "source": "her", "also": ["hers"]}')
    for name in ("README.md", ".hidden.yaml"):
        (tmp_path / name).write_text("not: a schema")
    assert sorted(load_directory(tmp_path)) == ["her-plugin", "hers", "my-plugin", "your-plugin"]


def test_a_mounted_config_map(tmp_path: Path) -> None:
    """The files are links into a hidden directory, which is itself a link."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "a.yaml").write_text(MINE)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert list(load_directory(tmp_path)) == ["my-plugin"]


def test_all_mistakes_are_reported_in_the_order_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '{"type": "a", "kind": "main", "source": "me",\n  "keys": {"a.b": {"type": "int"}}}'
    )
    (tmp_path / "b.yaml").write_text(f"{MINE}keys:\n  uplink:\n    shape: rout\n  speed: {{}}\n")
    (tmp_path / "c.yaml").write_text(MINE)
    (tmp_path / "d.yaml").write_text(MINE)
    (tmp_path / "e.yaml").write_text("type: [")
    assert [line[:60] for line in problems(tmp_path)] == [
        'a.json:2:20: keys["a.b"].type: unknown value: "int"; did you',
        'b.yaml:6:5: keys.uplink.shape: there is no such shape: "rout',
        "b.yaml:7:3: keys.speed: the key has neither type nor shape; ",
        "d.yaml:1:1: type: the type has a schema already: my-plugin; ",
        "e.yaml:2:1: not YAML: did not find expected node content whi",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.yaml: 0 documents; allowed: one, which is one schema"),
        (b"a: 1\n---\nb: 1\n", "a.yaml: 2 documents; allowed: one, which is one schema"),
        (b"- 1", "a.yaml:1:1: wrong type: a list; allowed: a mapping"),
        (b"\xff", "a.yaml:1:1: not UTF-8: byte 0xff; save the file as UTF-8"),
        (b"type: a\ntype: b\n", 'a.yaml:2:1: the key "type" occurs twice in one mapping; keep one of them'),
        (b" " * (BYTES_MAX + 1), f"a.yaml: it cannot be read: more than {BYTES_MAX} bytes; shorten it"),
    ],
)
def test_a_file_that_is_not_a_schema(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.yaml").write_bytes(data)
    assert problems(tmp_path) == [message]


def test_a_directory_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    assert problems(tmp_path) == ["a.yaml: it cannot be read: is a directory; name what this user may read"]
    assert problems(tmp_path / "nowhere")[0].endswith(
        "nowhere: it cannot be read: no such file or directory; name what this user may read"
    )


def test_an_empty_directory_is_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path)[0].endswith("no schema is found; name a directory with files *.json, *.yaml or *.yml")
