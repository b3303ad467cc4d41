"""No error, on the node or in the webhook, contains a part of a value of a kubeconfig."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cniplugin.cluster.kubeconfig import parse_kubeconfig
from cniplugin.cnierrors import CniError
from webhook.kube.apierrors import ClusterError
from webhook.kube.connection import Client
from webhook.kube.credentials import load_access

SECRETS = tuple(f"hunter{number}" for number in range(12))
"""The start of each secret value; nothing else in a message begins with it."""


def document() -> dict[str, Any]:
    names = iter(SECRETS)
    cluster = {"server": f"https://user:{next(names)}@host.example", "certificate-authority": next(names)}
    user = {"token": next(names), "client-certificate": next(names), "client-key": next(names)}
    context, one, other = next(names), next(names), next(names)
    return {
        "apiVersion": "v1",
        "clusters": [{"name": one, "cluster": cluster | {"tls-server-name": next(names)}}],
        "users": [{"name": other, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": one, "user": other}}],
        "current-context": context,
    }


def paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    for key, member in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from paths(member, (*path, key))


def changed(path: tuple[str | int, ...], change: Any) -> object:
    """Return the document with another value at a path; DELETED removes the key."""
    root: dict[str, Any] = {"": document()}
    holder: Any = root
    last: Any = ""
    for step in path:
        holder, last = holder[last], step
    if change is DELETED:
        del holder[last]
    else:
        holder[last] = change(holder[last])
    return root.get("", {})


DELETED = object()
CHANGES: dict[str, Any] = {
    "deleted": DELETED,
    "list": lambda value: [value],
    "mapping": lambda value: {str(value) if isinstance(value, str) else "key": value},
    "number": lambda _value: 7_770_777,
    "float": lambda _value: 777.5,
    "true": lambda _value: True,
    "null": lambda _value: None,
    "text": lambda value: f"hunter{json.dumps(value)}",
    "two-lines": lambda value: f"{value}\nhunter",
    "other-name": lambda value: f"hunter99 {value}",
    "exec": lambda value: {
        "exec": {"apiVersion": "hunter98", "command": f"/hunter97/{value}", "args": []},
        "name": "n",
    },
}
BROKEN = [
    pytest.param(changed(path, change), id=f"{'.'.join(map(str, path))}-{name}")
    for path in paths(document())
    for name, change in CHANGES.items()
    if path or change is not DELETED
]


def line_breakages() -> Iterator[str]:
    """Return the YAML text with each line wrapped, cut, indented differently or begun with a special character."""
    lines = yaml.safe_dump(document(), sort_keys=False).splitlines()
    for index, line in enumerate(lines):
        indent = line[: len(line) - len(line.lstrip())]
        key, _, value = line.partition(": ")
        for replaced in (
            [line[: len(line) - 4], f"{indent}    {line[-4:]}hunter"],
            [f"{key}:", f"{indent}hunter{value}"],
            [f"{key}:", value],
            [f"{key} {value}"],
            [f"\t{line}"],
            [f" {line}"],
            [f"{key}: &hunter {value}"],
            [f"{key}: *hunter"],
            [f"{key}: !hunter {value}"],
            [f'{key}: "{value}'],
            [f'{key}: "\\x{value}"'],
            [f"{key}: {{hunter: {value}"],
            [f"{key}: [{value}]: hunter"],
            [f"{key}: {{{value}: {value}, {value}: hunter}}"],
            [f"{key}: |2", f"{indent}   hunter{value}"],
            [f"{key}: >", f"{indent}   hunter", f"{indent}    hunter{value}"],
            [f"{key}: {value}: hunter"],
            [f"{key}: {value}\x07"],
            [line, line],
            ["---", line],
        ):
            yield "\n".join([*lines[:index], *replaced, *lines[index + 1 :]]) + "\n"


TEXTS = [*(json.dumps(parameter.values[0]) for parameter in BROKEN), *line_breakages()]
TEXTS += [json.dumps(document())[:cut] for cut in range(1, 400, 7)]


def node_message(text: str) -> str:
    try:
        parse_kubeconfig(text, source="/kc", directory="/")
    except CniError as error:
        return f"{error.msg} {error.details}"
    return ""


def webhook_message(text: str, file: Path) -> str:
    file.write_text(text)
    try:
        access = load_access(file, environ={})
        Client(access).authorize()
    except ClusterError as error:
        return str(error).replace(str(file), "FILE")  # pytest numbers its directories, which may be 777
    return access.server


def test_there_is_something_to_leak() -> None:
    assert len(TEXTS) > 500
    assert sum("hunter" in text for text in TEXTS) > 0.95 * len(TEXTS)


def test_the_node_shows_no_value() -> None:
    messages = {text: node_message(text) for text in TEXTS}
    assert sum(bool(message) for message in messages.values()) > 0.8 * len(TEXTS)
    for text, message in messages.items():
        assert "hunter" not in message, text
        assert "777" not in message, text


@pytest.mark.slow
def test_the_webhook_shows_no_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "kc"
    with caplog.at_level(logging.DEBUG):
        messages = {text: webhook_message(text, file) for text in TEXTS}
    assert sum("cannot be used" in message for message in messages.values()) > 0.4 * len(TEXTS)
    for text, message in messages.items():
        assert "hunter" not in message, text
        assert "777" not in message, text
    assert "hunter" not in caplog.text


def test_the_webhook_shows_nothing_of_a_program(tmp_path: Path) -> None:
    value = document()
    value["clusters"][0]["cluster"] = {"server": "https://host.example"}
    program = {"apiVersion": "v1", "command": "/hunter/login", "args": ["hunter"]}
    value["users"][0]["user"] = {"exec": program}
    assert webhook_message(json.dumps(value), tmp_path / "kc") == (
        "https://host.example: no credentials: the program of the kubeconfig's exec cannot be run: "
        "no such file or directory; install it, or correct the command"
    )


def test_an_address_is_shown_without_its_password(tmp_path: Path) -> None:
    value = document()
    value["clusters"][0]["cluster"] = {"server": "https://user:hunter@host.example:6443/k8s"}
    value["users"][0]["user"] = {"token": "t"}
    file = tmp_path / "kc"
    file.write_text(json.dumps(value))
    assert load_access(file, environ={}).server == "https://host.example:6443/k8s"
