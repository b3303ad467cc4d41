"""The names and the order of calls in uvicorn and httptools that `serving.httpconnection` and `serving.shortcut` rely on.

Most of them are private or undocumented there, so pyproject.toml has an upper bound for both. Before raising a bound,
run this test with the new version and read what has changed in `httptools_impl.py`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import tomllib
from typing import TYPE_CHECKING, Any

import httptools
import pytest
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tests.paths import ROOT
from webhook.serving import httpconnection, shortcut

if TYPE_CHECKING:
    from collections.abc import Iterator

OVERRIDDEN = {
    "connection_lost", "connection_made", "data_received", "on_body", "on_headers_complete", "on_message_begin",
    "on_message_complete", "on_response_complete", "pause_writing", "resume_writing", "shutdown", "_start_asgi_task",
}  # fmt: skip
USED = {
    "access_log", "access_logger", "client", "connections", "cycle", "flow", "headers", "logger", "loop", "parser", "pipeline",
    "scheme", "timeout_keep_alive", "timeout_keep_alive_handler", "transport",
}  # fmt: skip
CYCLE = {
    "body", "default_headers", "disconnected", "keep_alive", "message_event", "more_body", "response_complete",
    "response_started", "scope", "waiting_for_100_continue",
}  # fmt: skip
STATE = {"connections", "default_headers", "tasks", "total_requests"}
FLOW = {"pause_reading", "resume_reading", "write_paused"}
PARSER = {"feed_data", "should_upgrade"}

REQUEST = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


class Transport(asyncio.Transport):
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("::1", 1), "peername": ("::1", 2)}.get(name, default)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return False


class Recording(HttpToolsProtocol):
    """Notes the calls that uvicorn makes, in their order."""

    calls: list[str]

    def _start_asgi_task(self, _cycle: Any, _app: Any) -> None:
        self.calls.append("start")


def note(name: str) -> Any:
    def method(self: Recording, *arguments: Any) -> None:
        self.calls.append(name)
        getattr(HttpToolsProtocol, name)(self, *arguments)

    return method


for _name in ("on_message_begin", "on_headers_complete", "on_body", "on_message_complete"):
    setattr(Recording, _name, note(_name))


@pytest.fixture
def connection() -> Iterator[Recording]:
    loop = asyncio.new_event_loop()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None: ...

    config = Config(app, lifespan="off", ws="none", log_config=None, interface="asgi3")
    made = Recording(config, ServerState(), {}, loop)
    made.calls = []
    made.connection_made(Transport())
    yield made
    loop.close()


@pytest.mark.parametrize("distribution", ["uvicorn", "httptools"])
def test_the_versions_have_an_upper_bound(distribution: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = (text for text in project["dependencies"] if text.startswith(distribution))
    assert ",<" in requirement


def test_the_names_are_all_that_is_used(connection: Recording) -> None:
    """Each name of uvicorn's protocol that our classes use or override is in one of the lists above."""
    classes = [
        node
        for module in (httpconnection, shortcut)
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Protocol") and len(node.bases) == 1
    ]
    assert {node.name for node in classes} == {"BoundedProtocol", "ReviewProtocol", "NamedProtocol"}
    methods = {item.name for node in classes for item in node.body if isinstance(item, ast.FunctionDef)}
    names = {
        part.attr
        for node in classes
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self"
    }
    inherited = set(dir(HttpToolsProtocol)) | vars(connection).keys() - {"calls"}
    assert methods & inherited - {"__init__"} == OVERRIDDEN
    assert names & inherited - OVERRIDDEN == USED


def test_the_names_are_there(connection: Recording) -> None:
    connection.data_received(REQUEST)
    there = {
        "protocol": (connection, OVERRIDDEN | USED),
        "cycle": (connection.cycle, CYCLE),
        "state": (connection.server_state, STATE),
        "flow": (connection.flow, FLOW),
        "parser": (connection.parser, PARSER),
    }
    missing = {part: {name for name in names if not hasattr(value, name)} for part, (value, names) in there.items()}
    assert missing == {part: set() for part in there}
    assert isinstance(connection.cycle, RequestResponseCycle)
    assert isinstance(connection.flow, FlowControl)
    assert httptools_impl.STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"
    assert issubclass(httptools.HttpParserError, Exception)
    assert not issubclass(httptools.HttpParserUpgrade, httptools.HttpParserError)


def test_a_request_starts_within_the_call_that_completes_its_head(connection: Recording) -> None:
    connection.data_received(REQUEST)
    assert connection.calls == ["on_message_begin", "on_headers_complete", "start", "on_body", "on_message_complete"]
    assert (bytes(connection.cycle.body), connection.cycle.more_body) == (b"{}", False)


def test_a_pipelined_request_waits_for_the_answer_before_it(connection: Recording) -> None:
    """The newest is at the left of `pipeline`, and `on_response_complete` starts the oldest."""
    connection.data_received(REQUEST)
    first = connection.cycle
    connection.data_received(REQUEST.replace(b"validate", b"mutate"))
    connection.data_received(REQUEST)
    assert connection.calls.count("start") == 1
    assert [cycle.scope["path"] for cycle, _ in connection.pipeline] == ["/validate", "/mutate"]
    first.response_complete = True
    connection.on_response_complete()
    assert connection.calls.count("start") == 2
    assert [cycle.scope["path"] for cycle, _ in connection.pipeline] == ["/validate"]
