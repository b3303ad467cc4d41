"""The answer to each kind of request, over a real TLS connection."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.serving.app import WebhookApp
from webhook.serving.http import Limits, RequestError, parse_budget_s, parse_duration_s
from webhook.serving.probes import create_probes

from .harness import Client, echo, request, running

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


@pytest.mark.parametrize("path", ["/validate", "/mutate"])
def test_review_is_answered_with_what_the_callable_returns(pki: Path, context: ssl.SSLContext, path: str) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        answer = client.post(b"{}", f"{path}?timeout=10s")
        assert (answer.status, answer.body) == (200, echo(path, b"{}"))
        assert answer.headers == {"content-type": "application/json", "content-length": str(len(answer.body))}
        assert server.responses == [(path, 200)]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON ;x=y", 200),
        ("application/jsonp", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_content_type(pki: Path, context: ssl.SSLContext, content_type: str, status: int) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        answer = client.post(Content_Type=content_type)
        assert answer.status == status
        if status == 415:
            assert answer.text == f'Content-Type: not JSON: "{content_type}"; allowed: application/json'
        assert client.post().status == 200  # the connection stays open


def test_a_body_at_the_limit_is_accepted_and_one_byte_more_is_refused(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, max_body_bytes=200_000) as server:
        with Client(server.addresses.webhook, context) as client:
            assert client.post(b"x" * 200_000).body == echo("/validate", b"x" * 200_000)
            answer = client.post(b"x" * 200_001)
            assert (answer.status, answer.closes) == (413, True)
            assert answer.text == "request body: too large; allowed: at most 200000 bytes"
            assert client.is_at_end()
        with Client(server.addresses.webhook, context) as client:
            client.send(request(Content_Length="200001"))  # the server refuses it before the client sends it
            assert client.read().status == 413


@pytest.mark.parametrize(
    ("method", "path", "messages", "status"),
    [
        ("POST", "/validate", [(b"{", True), (b"}", False)], 200),
        ("GET", "/validate", [], 405),
        ("POST", "/other", [], 404),
        ("POST", "/validate", [(b"{" * 9, True), (b"}" * 9, False)], 413),
        ("POST", "/mutate", [(b"", False)], 400),
        ("POST", "/mutate", [(b"{", True), None], None),
    ],
)
def test_any_asgi_server_gets_the_same_answers(
    method: str, path: str, messages: list[tuple[bytes, bool] | None], status: int | None
) -> None:
    """The last client leaves before its body is complete; None is its disconnect."""
    counted: list[int] = []
    app = WebhookApp(echo, limits=Limits(max_body_bytes=10), on_response=lambda _path, code, _s: counted.append(code))
    sent: list[Any] = []

    async def receive() -> Any:
        message = messages.pop(0)
        if message is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": message[0], "more_body": message[1]}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))
    assert [message["status"] for message in sent[:1]] == ([] if status is None else [status])
    assert counted == ([] if status in {404, 405} else [status or 499])
    assert app.in_flight == 0


def test_empty_body(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        assert client.post(b"").text == "request body: empty; allowed: one AdmissionReview as JSON"
        assert client.post().status == 200


def test_chunked_body(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        head = b"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        client.send(head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: v\r\n\r\n")
        assert client.read().body == echo("/validate", b"abcdefg")


def test_in_flight_limit(pki: Path, context: ssl.SSLContext) -> None:
    with (
        running(pki, max_in_flight=1) as server,
        Client(server.addresses.webhook, context) as first,
        Client(server.addresses.webhook, context) as second,
    ):
        first.send(request(Content_Length="3", Expect="100-continue")[: -len(b"{}")])
        assert first.read().status == 100  # the request is in flight now
        answer = second.post()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.text == "overloaded: 1 requests are in flight already; try again in 1 s"
        first.send(b"abc")
        assert first.read().status == 200
        assert second.post().status == 200


@pytest.mark.parametrize("query", ["timeout=20ms", "timeout=0.02s&x=y"])
def test_an_incomplete_body_times_out(pki: Path, context: ssl.SSLContext, query: str) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        answer = client.post(b"{}", f"/mutate?{query}", Content_Length="3")
        assert (answer.status, answer.closes) == (408, True)
        text = "request body: not complete after 0.01 s; send it faster, or raise timeoutSeconds"
        assert answer.text == text
        assert client.is_at_end()
        assert server.responses == [("/mutate", 408)]


def test_request_error_of_the_review(pki: Path, context: ssl.SSLContext) -> None:
    def review(_path: str, _body: bytes) -> bytes:
        raise RequestError(400, "not an AdmissionReview", (b"x-why", b"test"))

    with running(pki, review=review) as server, Client(server.addresses.webhook, context) as client:
        answer = client.post()
        assert (answer.status, answer.text, answer.headers["x-why"]) == (400, "not an AdmissionReview", "test")


def test_bug_has_the_same_id_in_answer_and_log(
    pki: Path, context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    def review(_path: str, _body: bytes) -> bytes:
        raise ZeroDivisionError

    with (
        caplog.at_level(logging.ERROR, "nadmit.serving"),
        running(pki, review=review) as server,
        Client(server.addresses.webhook, context) as client,
    ):
        answer = client.post()
        found = re.fullmatch(r"internal error, id ([0-9a-f]{12}); the log of nadmit has the same id", answer.text)
        assert answer.status == 500
        assert found
        assert found[1] in caplog.text
        assert "ZeroDivisionError" in caplog.text
        assert server.responses == [("/validate", 500)]


@pytest.mark.parametrize(
    ("line", "status", "text"),
    [
        ("GET /validate", 405, "GET '/validate': wrong method; allowed: POST /validate, POST /mutate"),
        ("POST /", 404, "POST '/': no such path; allowed: POST /validate, POST /mutate"),
        ("GET /healthz", 404, "GET '/healthz': no such path; allowed: POST /validate, POST /mutate"),
        ("GET /docs", 404, "GET '/docs': no such path; allowed: POST /validate, POST /mutate"),
        ("GET /openapi.json", 404, "GET '/openapi.json': no such path; allowed: POST /validate, POST /mutate"),
    ],
)
def test_other_paths_and_methods_are_refused(
    pki: Path, context: ssl.SSLContext, line: str, status: int, text: str
) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        client.send(f"{line} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = client.read()
        assert (answer.status, answer.text) == (status, text)
        assert answer.headers.get("allow") == ("POST" if status == 405 else None)
        assert {"server", "date"}.isdisjoint(answer.headers)


TOKEN, OLD = "0123456789abcdef", "fedcba9876543210"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/validate/{TOKEN}", 200),
        (f"/mutate/{TOKEN}?timeout=5s", 200),
        (f"/validate/{OLD}", 200),
        ("/validate", 404),
        ("/mutate", 404),
        ("/validate/", 404),
        (f"/validate/{TOKEN}/", 404),
        (f"/validate/{TOKEN}0", 404),
        (f"/validate/{TOKEN[:-1]}", 404),
        (f"/validate/{TOKEN.upper()}", 404),
        (f"/validate/%30{TOKEN[1:]}", 200),
        (f"/validate//{TOKEN}", 404),
        (f"/other/{TOKEN}", 404),
        ("/validate/%ff%00", 404),
        ("/", 404),
    ],
)
def test_paths_need_a_token(pki: Path, context: ssl.SSLContext, path: str, status: int) -> None:
    """The review and the counts get the path without the token."""
    with (
        running(pki, tokens=(TOKEN, OLD)) as server,
        Client(server.addresses.webhook, context) as client,
    ):
        answer = client.post(b"{}", path)
        assert answer.status == status
        plain = "/mutate" if "mutate" in path else "/validate"
        if status == 200:
            assert answer.body == echo(plain, b"{}")
            assert server.responses == [(plain, 200)]
        else:
            assert server.responses == []
            assert answer.text.endswith(
                "no such path; allowed: POST to the paths that are registered with the API server"
            )
            assert TOKEN[:8] not in answer.text
            assert server.bodies.refusals["path"] == 1


def test_without_the_token_every_method_is_404(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki, tokens=(TOKEN,)) as server, Client(server.addresses.webhook, context) as client:
        for method, path, status in (("GET", "/validate", 404), ("GET", f"/validate/{TOKEN}", 405)):
            client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            answer = client.read()
            assert answer.status == status
            assert TOKEN not in answer.text


def test_probes(pki: Path) -> None:
    reason: list[str | None] = ["caches are not filled"]
    with running(pki, is_ready=lambda: reason[0]) as server, Client(server.addresses.probes, None) as client:

        def get(path: str) -> tuple[int, bytes]:
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            answer = client.read()
            return answer.status, answer.body

        assert get("/healthz") == (200, b"ok")
        assert get("/readyz") == (503, b"caches are not filled")
        reason[0] = None
        assert get("/readyz") == (200, b"ready")
        assert get("/metrics") == (200, b"up 1\n")
        assert get("/configz") == (200, b'{\n  "of": "tests"\n}\n')
        assert b"GET /configz" in get("/nothing")[1]
        assert get("/validate")[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("127.9.9.9", 200), ("::1", 200), ("::ffff:127.0.0.1", 200),
        ("10.0.0.7", 403), ("::ffff:10.0.0.7", 403), ("fe80::1", 403), ("", 403),
    ],
)  # fmt: skip
def test_configz_is_answered_on_the_loopback_interface_only(host: str, status: int) -> None:
    probes = create_probes(is_ready=lambda: None, metrics=lambda: b"", configuration=lambda: {"of": "tests"})
    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "GET", "path": "/configz", "raw_path": b"/configz", "query_string": b"",
            "root_path": "", "headers": [], "client": (host, 1), "server": ("a", 1), "scheme": "http",
            "http_version": "1.1", "asgi": {"version": "3.0"},
        }  # fmt: skip
        await probes(scope, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == status
    assert (b"tests" in sent[1]["body"]) is (status == 200)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("1.5s", 1.5), (".5s", 0.5), ("2h", 7200), ("1us1ns", 1.001e-6)],
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "+1s", "10", "s", "1s ", "1x", "1e3s", ".s", "9" * 50 + "s"])
def test_unreadable_duration(text: str) -> None:
    assert parse_duration_s(text) is None


@pytest.mark.parametrize(
    ("query", "budget"),
    [
        (b"timeout=10s", 9.5),
        (b"timeout=400ms", 0.2),
        (b"timeout=5m", 29.5),
        (b"timeout=soon", 6.5),
        (b"timeout=1%C2%B5s", 5e-7),
        (b"&" * 999, 6.5),
        (b"", 6.5),
    ],
)
def test_budget(query: bytes, budget: float) -> None:
    assert parse_budget_s(query, 7) == pytest.approx(budget)


@given(st.binary())
def test_budget_is_total_and_bounded(query: bytes) -> None:
    assert 0 < parse_budget_s(query, 10) <= 29.5
