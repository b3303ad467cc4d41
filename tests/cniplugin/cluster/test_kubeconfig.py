from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from cniplugin.cluster.kubeconfig import (
    ClusterConfig,
    load_kubeconfig,
    load_service_account,
    load_token,
    parse_kubeconfig,
)
from cniplugin.cluster.kubeyaml import Lines
from cniplugin.cnierrors import CniError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import NoReturn

PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
DATA = base64.b64encode(PEM.encode()).decode()

MULTUS = f"""\
# Kubeconfig file for Multus CNI plugin.
apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: https://[10.96.0.1]:443
    certificate-authority-data: {DATA}
users:
- name: multus
  user:
    token: "abc.def-ghi"
contexts:
- name: multus-context
  context:
    cluster: local
    user: multus
current-context: multus-context
"""


def document(
    cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "other", "context": {}}, {"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://api.example:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        **changes,
    }


def parse(value: object, **options: Any) -> ClusterConfig:
    text = value if isinstance(value, str) else json.dumps(value)
    return parse_kubeconfig(text, source="kc", directory="/etc/nadmit", **options)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(CniError) as caught:
        call()
    assert caught.value.code == 7
    assert "\n" not in caught.value.msg
    return caught.value.msg


def test_a_kubeconfig_of_multus() -> None:
    config = parse(MULTUS)
    assert config == ClusterConfig(
        server="https://[10.96.0.1]:443", host="10.96.0.1", port=443, ca_data=PEM, token="abc.def-ghi"
    )


def test_a_kubeconfig_of_our_installer() -> None:
    cluster = {"certificate-authority": "/var/lib/nadmit/ca.crt"}
    config = parse(document(cluster, {"tokenFile": "/var/lib/nadmit/token"}))
    assert (config.ca_file, config.token_file) == ("/var/lib/nadmit/ca.crt", "/var/lib/nadmit/token")


def test_relative_files_are_beside_the_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    user = {"tokenFile": "token", "client-certificate": "a.crt", "client-key": "a.key"}
    file.write_text(json.dumps(document({"certificate-authority": "ca.crt"}, user)))
    config = load_kubeconfig(str(file))
    assert config.token_file == f"{tmp_path}/token"
    assert config.ca_file == f"{tmp_path}/ca.crt"
    assert (config.cert_file, config.key_file) == (f"{tmp_path}/a.crt", f"{tmp_path}/a.key")


@pytest.mark.parametrize(
    ("server", "host", "port", "prefix"),
    [
        ("https://api.example", "api.example", 443, ""),
        ("https://api.example/", "api.example", 443, ""),
        ("http://127.0.0.1", "127.0.0.1", 80, ""),
        ("https://[fd00::1]:6443", "fd00::1", 6443, ""),
        ("https://[fd00::1]", "fd00::1", 443, ""),
        ("https://[my-api.example.com]:443", "my-api.example.com", 443, ""),
        ("https://[api_1.example]:6443/", "api_1.example", 6443, ""),
        ("HTTPS://api.example", "api.example", 443, ""),
        ("https://rancher.example:8443/k8s/clusters/c-1/", "rancher.example", 8443, "/k8s/clusters/c-1"),
    ],
)
def test_servers(server: str, host: str, port: int, prefix: str) -> None:
    config = parse(document({"server": server}))
    assert (config.host, config.port, config.prefix) == (host, port, prefix)
    assert config.is_tls == server.lower().startswith("https")


@pytest.mark.parametrize(
    "server",
    ["", "api.example", "ftp://a", "https://", "https://a:0", "https://a:70000", "https://a:b", "https://fd00::1:6443",
     "https://u:p@a", "https://a?b", "https://[]:443", "https://[a b]", "https://[[a]", "https://[u@a]", "https://a/b c",
     "https://a\r\nX: y", "https://ä.example", "https://" + "a" * 64],
)  # fmt: skip
def test_texts_that_are_not_a_server(server: str) -> None:
    message = refusal(lambda: parse(document({"server": server})))
    assert message == "kc: server: this is not the address of an API server; allowed: https://HOST[:PORT][/PATH]"


@pytest.mark.parametrize("insecure", [True, "true", "True", "yes"])
def test_a_server_that_is_not_verified(insecure: object, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert parse(document({"insecure-skip-tls-verify": insecure})).is_insecure
        assert "warning: kc: insecure-skip-tls-verify gives the token to any server" in capsys.readouterr().err


@pytest.mark.parametrize("insecure", [False, "false", "", None, "off"])
def test_a_server_that_is_verified(insecure: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert not parse(document({"insecure-skip-tls-verify": insecure})).is_insecure
    assert capsys.readouterr().err == ""


def test_the_only_context() -> None:
    value = document(contexts=[{"name": "x", "context": {"cluster": "k"}}])
    del value["current-context"]
    assert parse(value).host == "api.example"


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("", "kc: current-context is not set, and there is not just one context"),
        ("{", "kc: line 1: the bracket is not closed"),
        ("[" * 20, "kc: line 1: the nesting is too deep"),
        ('{"clusters": [],,}', "kc: line 1: there is no value here"),
        ("- a", "kc: the kubeconfig is not a mapping"),
        (
            {**document(), "current-context": "no"},
            "kc: contexts: none of its 2 entries has the name that current-context gives",
        ),
        (document(clusters=[]), "kc: clusters: none of its 0 entries has the name that the current context gives"),
        (document(clusters="k"), "kc: clusters is not a list of mappings"),
        (document(users=[{"name": "u", "user": "x"}]), "kc: users[0].user: text; allowed: a mapping"),
        (document(user={"token": 5}), "kc: token: a number; allowed: text"),
        (document(user={"exec": {"command": "aws"}}), 'kc: the user has "exec", which is not supported'),
        (document({"proxy-url": "http://p"}), 'kc: the cluster has "proxy-url", which is not supported'),
        (document({"certificate-authority-data": "%%%"}), "kc: certificate-authority-data is not PEM text in base64"),
        (document({"insecure-skip-tls-verify": [1]}), "kc: insecure-skip-tls-verify: a list; allowed: true, false"),
        (document({"insecure-skip-tls-verify": "maybe"}), "kc: insecure-skip-tls-verify: text; allowed: true, false"),
        (
            document({"insecure-skip-tls-verify": True, "certificate-authority": "/ca"}),
            "kc: insecure-skip-tls-verify contradicts the certificate authority; remove one of them",
        ),
        (document({"tls-server-name": "a b"}), "kc: tls-server-name: this is not the name of a host"),
        (document(user={"client-key": "k"}), "kc: client-certificate and client-key belong together"),
    ],
)
def test_objects_that_are_not_a_kubeconfig(value: object, what: str) -> None:
    assert what in refusal(lambda: parse(value))


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "none"
    assert refusal(lambda: load_kubeconfig(str(file))) == (
        f"{file}: the kubeconfig cannot be read: No such file or directory"
    )
    file.write_bytes(b"\xff")
    assert refusal(lambda: load_kubeconfig(str(file))).endswith("it is not UTF-8")
    file.write_text("#" * 1_048_577)
    assert "cannot be read: more than 1048576 bytes" in refusal(lambda: load_kubeconfig(str(file)))


# YAML


READ = {
    "flat": "a: b\nc: d e\n",
    "comments": "# x\na: b # y\n\nc: d#e\nf: 'g # h' # i\nj: # k\n  l: m\n",
    "document": "---\na: b\n",
    "quotes": "a: \"b\\n\\\"c\\u00e4\"\nd: 'e''f \"'\n'g h': i\n\"j\": k\n",
    "empty": "a: {}\nb: []\nc: ''\n",
    "nested": "a:\n    b:\n      c: d\n    e: f\ng: h\n",
    "list-at-key": "a:\n- b\n- c: d\n  e: f\n- g:\n    h: i\nj: k\n",
    "list-below": "a:\n  - b: c\n    d:\n      - e\n  -\n    f: g\n",
    "colons": "a: https://b:c/d\n",
    "no-text-but": "a: b:c\n",
    "windows": "a: b\r\nc:\r\n- d\r\n",
    "list-in-list": "a:\n- - b\n  - c\n- d\n",
    "dash-comment": "a:\n- # b\n  c: d\n",
    "start-comment": "# x\n--- # y\na: b\n",
    "byte-order-mark": "\ufeffa: b\n",
    "no-break-space": "a: b\xa0c\n",
    "surrogates": 'a: "\\\\ud800"\n',
}


def refuse(what: str) -> NoReturn:
    raise AssertionError(what)


@pytest.mark.parametrize("text", READ.values(), ids=READ.keys())
def test_yaml_that_is_read_is_read_as_by_others(text: str) -> None:
    assert Lines(text, refuse=refuse).parse() == yaml.safe_load(text)


def test_of_scalars_only_null_is_no_text() -> None:
    assert Lines("a: true\nb: 1\nc: ~\nd: null\ne:\n", refuse=refuse).parse() == {
        "a": "true", "b": "1", "c": None, "d": None, "e": ""
    }  # fmt: skip


FLOW = {
    "flow-mapping": "a: {b: c, d: 'e f', \"g\": h}\ni: j\n",
    "flow-list": "a: [b, 'c, d', {e: f}]\n",
    "flow-document": "{a: b, c: [d]}\n",
    "flow-json": '{"a":"b","c":["d",{"e":"f"}]}\n',
    "flow-lines": "a: [\n  b, # x\n\n# y\n  {c: d,\n   e: f}\n]\ng: h\n",
    "flow-on-its-own-line": "a:\n  {b: c}\nd: e\n",
    "flow-in-a-list": "- {a: b}\n- [c]\n- d\n",
    "flow-spaces": "a: { }\nb: [ ]\nc: { d : e , }\n",
    "flow-empty-values": "a: {b: , c: }\n",
    "flow-address": "a: {server: https://h:1/p}\n",
    "flow-comment": "a: [b] # c\n",
    "literal": "a: |\n  b\n   c\n\n  d\ne: f\n",
    "literal-stripped": "a: |- # x\n  b\n  # y\n\n\nc: d\n",
    "folded": "a: >\n  b\n  c\n\n\n  d\ne: f\n",
    "folded-stripped": "a: >-\n  b\n",
    "no-last-line-end": "a: |\n  b",
    "block-of-text-in-a-list": "- |\n  b\n- c: >-\n    d\n  e: f\n",
    "escapes": 'a: "\\x41\\e\\_\\U0001F600\\/\\ \\0"\n',
    "value-on-its-own-line": "a:\n  b\nc:\n  - d\n  -\n    'e'\n",
}
"""Style of js-yaml, ruamel and people: the long texts of a kubeconfig in folded blocks or on lines of their own."""


@pytest.mark.parametrize("text", FLOW.values(), ids=FLOW.keys())
def test_what_common_tools_write(text: str) -> None:
    assert Lines(text, refuse=refuse).parse() == yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506  # only text


@pytest.mark.parametrize("is_flow", [True, False, None])
@pytest.mark.parametrize("quotes", ["'", '"', None])
@pytest.mark.parametrize("width", [20, 4096])
def test_a_kubeconfig_in_each_style(*, is_flow: bool | None, quotes: str | None, width: int) -> None:
    value = document(
        {"server": "https://[my-api.example.com]:443", "certificate-authority-data": DATA}, {"token": "abc.def-ghi"}
    )
    text = yaml.safe_dump(value, default_flow_style=is_flow, default_style=quotes, width=width)
    if "\\\n" in text:
        assert "line " in refusal(lambda: parse(text))  # a quoted text in two lines
        return
    assert parse(text) == parse(value)


def test_a_kubeconfig_of_js_yaml() -> None:
    """It folds each text of more than 80 characters, as Lens and Rancher write it."""
    text = MULTUS.replace(f"data: {DATA}", f"data: >-\n      {DATA}").replace('"abc.def-ghi"', ">-\n      abc.def-ghi")
    assert parse(text) == parse(MULTUS)


def test_data_in_several_lines() -> None:
    lines = "\n      ".join(DATA[at : at + 20] for at in range(0, len(DATA), 20))
    assert parse(MULTUS.replace(f"data: {DATA}", f"data: |\n      {lines}")) == parse(MULTUS)


PIECES = st.sampled_from(
    [
        *"ab:#-{}[],'\"|>\n\n ",
        "a: ",
        "  ",
        "- ",
        "\n  ",
        "'b'",
        '"c"',
        ": ",
        ", ",
        " #x",
        "|-\n",
        ">\n  ",
        "{a: b}",
        "[c]",
    ]
)


@pytest.mark.slow
@given(st.lists(PIECES, max_size=25).map("".join))
@example("a: [b,\n- c]")
@example("- - |\n   b\n  c")
@example("a: {b: 'c'\n}\nd: |\n e\n")
def test_any_text_is_read_as_by_others_or_refused(text: str) -> None:
    try:
        value = Lines(text, refuse=_raise).parse()
    except _RefusedError:
        return
    assert _plain(value) == _plain(yaml.load(text, Loader=yaml.CBaseLoader))  # noqa: S506  # only text


class _RefusedError(Exception):
    pass


def _raise(_what: str) -> NoReturn:
    raise _RefusedError


def _plain(value: object) -> object:
    """Return a value in which null, an empty text and an absent value are the same, because the readers differ there."""
    if isinstance(value, dict) and value:
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list) and value:
        return [_plain(item) for item in value]
    return "" if value in (None, "~", {}, []) else value


REFUSED = {
    "anchor": "a: &x b",
    "alias": "a: *x",
    "tag": "a: !!str b",
    "kept": "a: |+\n  b\n",
    "indented": "a: |2\n  b\n",
    "continued": "a: b\n  c\n",
    "tab": "a:\n\tb: c\n",
    "two-documents": "a: b\n---\nc: d\n",
    "end": "a: b\n...\n",
    "indent": "a:\n    b: c\n  d: e\n",
    "twice": "a: b\na: c\n",
    "flow-twice": "a: {b: c, b: d}\n",
    "flow-pair": "a: [b: c]\n",
    "flow-open": "a: {b: c\n",
    "flow-continued": "a: [b\n  c]\n",
    "no-key": "hello",
    "open-quote": 'a: "b',
    "escape": 'a: "\\q"',
    "two-colons": "a: b: c",
    "complex-key": "? a\n: b\n",
    "deep": "".join(f"{' ' * level}a:\n" for level in range(40)),
    "flow-deep": f"a: {'[' * 40}",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_other_yaml_is_refused_with_what_is_supported(text: str) -> None:
    what = refusal(lambda: parse(text))
    assert what.startswith("kc: line ")
    assert what.endswith(
        "a kubeconfig is JSON, or YAML of mappings and lists, with each plain or quoted text in one line"
    )


REASONS = [
    ("a: b\n---\nc: d\n", 2, "a second document begins here; keep one"),
    ("---\n---\na: b\n", 2, "a second document begins here; keep one"),
    ("a: b\n--- # c\n", 2, "a second document begins here; keep one"),
    ("--- a: b\n", 1, 'there is text after "---"'),
    ("a: b\n...\n", 2, 'the document ends here, with "..."'),
    ("%YAML 1.2\n---\na: b\n", 1, "a directive is not supported"),
    ("a: &x b", 1, "an anchor is not supported"),
    ("a: b\nc: *x", 2, "an alias is not supported"),
    ("a: !!str b", 1, "a tag is not supported"),
    ("a: |+\n  b\n", 1, "a block of text is not supported here, or in this form"),
    ("a: |\nb: c\n", 1, "the block of text is empty"),
    ("a: >\n  b\n   c\n", 3, "the indent changes in a folded block of text"),
    ("a: |\n    \n  b\n", 2, "a line of the block of text begins with more white space"),
    ("a: {b}", 1, 'in braces, each entry is "key: value"'),
    ("a: {b:c}", 1, 'in braces, each entry is "key: value"'),
    ("a: {[b]: c}", 1, "a collection as a key is not supported"),
    ("a: {<<: c}", 1, "a merge key is not supported"),
    ("a: {b: c,\n  b: d}", 2, "its key is written twice in one mapping"),
    ("a: [b\n  c]", 2, 'after a value in brackets comes "," or "]"'),
    ("a: [b: c]", 1, 'after a value in brackets comes "," or "]"'),
    ("a: [b,,c]", 1, "there is no value here"),
    ("a: [&x b]", 1, "an anchor is not supported"),
    ("a: [b{c]", 1, "plain text in brackets has a bracket, a tab or a question mark"),
    ("a: [b]c", 1, "there is text after the closing bracket"),
    ("a: [b\nc: d", 2, 'after a value in brackets comes "," or "]"'),
    ("a: [b,\n", 1, "the bracket is not closed"),
    (f"a: {{{'k' * 1001}: a}}", 1, "its key has 1001 characters; allowed: 1000"),
    ('a: "b', 1, "the quotes do not enclose the whole value"),
    ("a: 'b' c", 1, "the quotes do not enclose the whole value"),
    ('a: "b"#c', 1, "the quotes do not enclose the whole value"),
    ("a: @b", 1, "plain text cannot begin with this character"),
    ("a: b: c", 1, 'plain text has ": "'),
    ("a: - b", 1, 'plain text has ": ", a tab, or the dash of a list'),
    ("a: b\tc", 1, 'plain text has ": ", a tab, or the dash of a list'),
    ("a: b\n\tc: d", 2, "a tab indents this line"),
    ("a:\n- \tb", 2, "a tab follows the dash"),
    ('a: "b\tc"', 1, "the quoted text has a tab"),
    ('a: "\\x4"', 1, "the quoted text has an escape that is not supported"),
    ('a: "\\U00110000"', 1, "the quoted text has an escape that is not supported"),
    ('a: "\\ud83d\\ude00"', 1, "the quoted text has an escape that is not supported"),
    ("a: b\na: c", 2, "its key is written twice in one mapping"),
    ("a:\n  'b': c\n  \"b\": d", 3, "its key is written twice in one mapping"),
    (f"{'k' * 1001}: a", 1, "its key has 1001 characters; allowed: 1000"),
    ("'<<': a", 1, "a merge key is not supported"),
    ("a: b\n  c", 2, "this line continues the value above it"),
    ("a: b\nc\n", 2, 'this line is neither "key: value" nor "- item"'),
    ("a:\n  b\n  c\n", 3, "no line above has this indent"),
    ("a:\n    b: c\n  d: e\n", 3, "no line above has this indent"),
    ("".join(f"{' ' * level}a:\n" for level in range(40)), 18, "the nesting is too deep; allowed: 16 levels"),
    *((f"a: b\nc: d{char}e\n", 2, "a control character is not supported") for char in (
        "\0", "\x07", "\x0b", "\r", "\x1b", "\x1c", "\x7f", "\x85", "\u2028", "\ufeff", "\ud800", "\uffff")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "why"), REASONS)
def test_yaml_that_is_not_read_is_refused_with_its_line_and_why(text: str, line: int, why: str) -> None:
    assert refusal(lambda: parse(text)).startswith(f"kc: line {line}: {why}")


def test_a_refusal_does_not_tell_the_token() -> None:
    assert "secret" not in refusal(lambda: parse("users:\n- name: a\n  user:\n    token: &x secret\n"))


# Tokens and service accounts


def test_the_token_file_counts_and_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    config = parse(document(user={"token": "old", "tokenFile": str(file)}))
    for token in ("one", "two"):
        file.write_text(f"{token}\n")
        assert load_token(config) == token
    assert load_token(parse(document(user={"token": "old"}))) == "old"
    assert load_token(parse(document())) == ""


@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "the token file cannot be read: No such file"), ("\n", "is empty"), ("a\r\nb: c", "white space")],
)
def test_a_token_file_without_token(tmp_path: Path, content: str | None, what: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    config = parse(document(user={"tokenFile": str(file)}))
    message = refusal(lambda: load_token(config))
    assert message.startswith(f"{file}: ")
    assert what in message


def test_the_service_account_of_a_pod() -> None:
    config = load_service_account({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"})
    assert config is not None
    assert (config.server, config.host, config.port) == ("https://[fd00::1]:443", "fd00::1", 443)
    assert config.token_file == "/var/run/secrets/kubernetes.io/serviceaccount/token"
    assert config.ca_file == "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    assert load_service_account({}) is None
