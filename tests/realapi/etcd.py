"""Requests to etcd itself, through its gRPC gateway, which speaks JSON."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any


class EtcdError(Exception):
    """etcd refuses a request."""


def compact(path: Path) -> None:
    """Make the etcd behind a socket forget all revisions but the last one."""
    header = _ask(path, "/v3/kv/range", {"key": base64.b64encode(b"any").decode()})["header"]
    _ask(path, "/v3/kv/compaction", {"revision": header["revision"], "physical": True})


def _ask(path: Path, method: str, body: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("etcd")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(os.path.relpath(path))  # a socket's path has at most 107 bytes
        connection.request("POST", method, json.dumps(body))
        answer = connection.getresponse()
        value: dict[str, Any] = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        raise EtcdError(f"{method}: {answer.status}: {value}")
    return value
