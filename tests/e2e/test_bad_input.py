"""A server that cannot start prints one line with the place, the problem and the remedy, exits with 1, and leaves no partial file."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.e2e.process import CLUSTER, fail, serving
from webhook.cli import nadmit

pytestmark = pytest.mark.slow
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


def only_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("nadmit: ")
    return lines[0]


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    code, text = fail(tmp_path / "certs", manifests=tmp_path / "nowhere")
    assert code == 1
    assert "nowhere" in only_line(text)
    assert not (tmp_path / "certs").exists()


def test_yaml_that_does_not_parse(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "bad.yaml").write_text("a: [1\nb: 2\n")
    code, text = fail(tmp_path / "certs", manifests=tree)
    assert code == 1
    assert "bad.yaml:2:" in only_line(text)
    assert not (tmp_path / "certs").exists()


def test_two_objects_of_one_name(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.yaml").write_text(POD)
    (tree / "b.yaml").write_text("# again\n" + POD)
    code, text = fail(tmp_path / "certs", manifests=tree)
    line = only_line(text)
    assert code == 1
    assert "a.yaml:1" in line
    assert "b.yaml:4:12: a second Pod default/a" in line


def test_an_empty_tree(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    code, text = fail(tmp_path / "certs", manifests=tmp_path / "tree")
    assert code == 1
    only_line(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "0 tokens; allowed: 1 to 8; 16 to 63 lower case letters and digits"),
        ("0123456789abcdef\nTOO-SHORT\n", "line 2 is not a token; allowed: 16 to 63 lower case letters and digits"),
        ("0123456789abcdéf", "not text; allowed: 16 to 63"),
        (None, "cannot be read: no such file or directory; give a file of tokens"),
    ],
)
def test_a_file_of_tokens_that_cannot_be_used(tmp_path: Path, content: str | None, said: str) -> None:
    """The line contains no token."""
    if content is not None:
        (tmp_path / "tokens").write_text(content, encoding="utf-8")
    code, text = fail(tmp_path / "certs", "--path-token-file", str(tmp_path / "tokens"))
    assert code == 1
    assert said in only_line(text)
    assert "TOO-SHORT" not in text
    assert not (tmp_path / "certs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--cluster", "--webhook-configuration", "n", "--path-token-file", "f"],
            "for webhooks registered by manifest",
        ),
        (["--cluster", "--path-token-secret", "s"], "--path-token-secret belongs to --webhook-configuration."),
        (
            ["--cluster", "--webhook-configuration", "n", "--tls-secret", "t", "--path-token-secret", "s"],
            "--tls-secret has the tokens as well",
        ),
        (["--manifests", "x", "--no-path-token"], "--no-path-token belongs to --cluster."),
        (["--manifests", "x", "--max-bytes-in-flight", "1000"], "1000 is not in the range x>=16777216"),
    ],
)
def test_options_that_do_not_go_together(words: list[str], said: str) -> None:
    done = CliRunner().invoke(nadmit, ["serve", *words])
    assert done.exit_code == 2
    assert said in done.output


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = fail(tmp_path / "certs", "--listen", f"127.0.0.1:{port}")
    assert code == 1
    assert f"nadmit: cannot listen on 127.0.0.1:{port}: address already in use" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "content"),
    [("tls.key", "garbage"), ("tls.key", ""), ("tls.crt", "garbage"), ("ca.crt", "garbage"), ("ca.key", "garbage")],
)
def test_a_file_of_the_certificates_that_cannot_be_read(tmp_path: Path, name: str, content: str) -> None:
    with serving(tmp_path / "certs"):
        pass
    (tmp_path / "certs" / name).write_text(content)
    before = {path.name: path.read_bytes() for path in (tmp_path / "certs").iterdir()}
    code, text = fail(tmp_path / "certs")
    assert code == 1
    assert name in only_line(text)
    assert {path.name: path.read_bytes() for path in (tmp_path / "certs").iterdir()} == before


def test_a_key_that_is_a_directory(tmp_path: Path) -> None:
    with serving(tmp_path / "certs"):
        pass
    certs = tmp_path / "certs"
    code, text = fail(certs, "--tls-cert-file", str(certs / "tls.crt"), "--tls-key-file", str(CLUSTER))
    assert code == 1
    assert "key file" in only_line(text)


@pytest.mark.parametrize(
    "options",
    [
        ["--listen", "nonsense"],
        ["--listen", "127.0.0.1:70000"],
        ["--posture", "Loose"],
        ["--global-namespaces", "A_B"],
        ["--cluster"],
        ["--tls-cert-file", "x"],
        ["--drain-seconds", "-1"],
    ],
)
def test_wrong_options_end_with_2(tmp_path: Path, options: list[str]) -> None:
    code, text = fail(tmp_path / "certs", *options)
    assert code == 2
    assert "Error: " in text
    assert not (tmp_path / "certs").exists()
