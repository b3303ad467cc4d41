"""The runtime's list of sandboxes: gRPC over a unix socket against a scripted peer and, if it is here, containerd."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.cnierrors import DECODE_FAILURE, IO_FAILURE, CniError
from cniplugin.host import grpc
from cniplugin.host.cri import METHOD, list_sandboxes
from cniplugin.host.grpc import GrpcError, decode_headers, decode_huffman
from tests.fakes import criserver
from tests.fakes.criserver import (
    CONTINUATION,
    DATA,
    DONE,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEAD,
    HEADERS,
    OPENING,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    Runtime,
    answer,
    frame,
    literal,
    message,
    sandboxes,
)
from tests.fakes.waiting import wait_until

IDS = tuple(f"{number:064x}" for number in range(400))
LONG_S = 20.0


def ask(tmp_path: Path, script: bytes, *, closes: bool = False, within_s: float = LONG_S) -> frozenset[str]:
    with Runtime(tmp_path / "cri.sock", script, closes=closes) as runtime:
        return list_sandboxes(runtime.path, deadline=time.monotonic() + within_s)


def refused(tmp_path: Path, script: bytes, *, closes: bool = False, within_s: float = LONG_S) -> str:
    with pytest.raises(CniError) as caught:
        ask(tmp_path, script, closes=closes, within_s=within_s)
    assert caught.value.code in {IO_FAILURE, DECODE_FAILURE}
    assert caught.value.msg.startswith(f"CRI socket {tmp_path}/cri.sock: ")
    return caught.value.msg


# The call


@pytest.mark.parametrize("count", [0, 1, 400])
def test_every_sandbox_is_listed(tmp_path: Path, count: int) -> None:
    assert ask(tmp_path, sandboxes(*IDS[:count])) == frozenset(IDS[:count])


def test_the_request_is_the_one_of_grpc(tmp_path: Path) -> None:
    with Runtime(tmp_path / "cri.sock", sandboxes()) as runtime:
        list_sandboxes(f"unix://{runtime.path}", deadline=time.monotonic() + LONG_S)
    (request,) = runtime.requests
    frames = criserver.frames_of(request)
    headers = next(payload for kind, _, payload in frames if kind == HEADERS)
    assert literal(":path", METHOD) in headers
    assert literal("content-type", "application/grpc") in headers
    assert [payload for kind, _, payload in frames if kind == DATA] == [message(b"")]
    assert (SETTINGS, 1, b"") in frames, "the peer's settings are acknowledged"


def test_a_peer_that_pings_pads_and_splits(tmp_path: Path) -> None:
    body = message(criserver.field(1, criserver.sandbox("c1")))
    padded = bytes((3,)) + body[:7] + b"\0\0\0"
    head = b"\x88" + literal("content-type", "application/grpc")
    script = (
        OPENING,
        frame(PING, 0, b"12345678", stream=0),
        frame(SETTINGS, 1, b"", stream=0),
        frame(HEADERS, 0x20, b"\0\0\0\0\1" + head[:9]),
        frame(CONTINUATION, END_HEADERS, head[9:]),
        frame(DATA, 0x8, padded),
        frame(0x77, 0, b"a frame of an extension"),
        frame(GOAWAY, 0, b"\0\0\0\1\0\0\0\0", stream=0),
        frame(DATA, 0, body[7:]),
        DONE,
    )
    with Runtime(tmp_path / "cri.sock", b"".join(script)) as runtime:
        assert list_sandboxes(runtime.path, deadline=time.monotonic() + LONG_S) == {"c1"}
    assert (PING, 1, b"12345678") in criserver.frames_of(runtime.requests[0])


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (answer(b"", status="12", text="unknown service runtime.v1.RuntimeService"), 'Service", gRPC status "12"'),
        (answer(message(b""), status="13"), 'gRPC status "13"'),
        (OPENING + HEAD + frame(DATA, END_STREAM, message(b"")), "gRPC status missing"),
        (answer(b""), "its answer has no message"),
        (answer(message(b"", flag=1)), "not one message without compression"),
        (answer(message(b"") * 2), "not one message without compression"),
        (answer(b"\0\0\0\0\7abc"), "not one message without compression"),
        (OPENING + frame(HEADERS, END_HEADERS | END_STREAM, b"\x8d"), 'HTTP status "404"'),
        (OPENING + frame(HEADERS, END_HEADERS | END_STREAM, b"\x08\x03503"), 'HTTP status "503"'),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not speak HTTP/2"),
        (OPENING + frame(RST_STREAM, 0, b"\0\0\0\7"), "error 7 of HTTP/2"),
        (frame(GOAWAY, 0, b"\0\0\0\0\0\0\0\0", stream=0), "closed the connection with error 0"),
        (frame(GOAWAY, 0, b"\0\0\0\1\0\0\0\2", stream=0), "closed the connection with error 2"),
        (OPENING + frame(PUSH_PROMISE, 0, b""), "it pushes"),
        (OPENING + frame(HEADERS, 0, b"\x88") + frame(DATA, 0, b""), "its headers are interrupted"),
        (OPENING + frame(DATA, 0x8, b"\3ab"), "more padding than bytes"),
        (OPENING + frame(HEADERS, END_HEADERS, b"\xbe"), "entry 62 of a table that is off"),
        (answer(message(b"\x0a")), "it is not a message of protobuf"),
        (answer(message(b"\x0a\x05ab")), "it is not a message of protobuf"),
        (answer(message(b"\x0b")), "it is not a message of protobuf"),
        (answer(message(b"\xff" * 11)), "it is not a message of protobuf"),
        (answer(message(b"\x0a\x00")), "a sandbox has no ID"),
        (answer(message(criserver.field(1, criserver.field(1, b"\xff")))), "answer to ListPodSandbox"),
    ],
)
def test_an_answer_that_is_not_one(tmp_path: Path, script: bytes, text: str) -> None:
    assert text in refused(tmp_path, script)


def test_a_list_that_ends_early_is_not_a_list(tmp_path: Path) -> None:
    whole = sandboxes("c1", "c2")
    for length in range(0, len(whole), 7):
        (tmp_path / str(length)).mkdir()
        assert "before the end of its answer" in refused(tmp_path / str(length), whole[:length], closes=True)


def test_a_runtime_that_does_not_answer(tmp_path: Path) -> None:
    assert "it does not answer in time" in refused(tmp_path, OPENING + HEAD, within_s=0.05)
    (tmp_path / "late").mkdir()
    assert "it does not answer in time" in refused(tmp_path / "late", sandboxes(), within_s=-1)


def test_sizes_are_bounded(tmp_path: Path) -> None:
    many = frame(DATA, 0, bytes(16_384)) * (grpc.MESSAGE_BYTES_MAX // 16_384 + 1)
    assert "more than 16777216 bytes" in refused(tmp_path, OPENING + HEAD + many)
    (tmp_path / "two").mkdir()
    headers = frame(HEADERS, 0, b"\x88" * 16_000) + frame(CONTINUATION, 0, b"\x88" * 16_000) * 4
    assert "its headers have more than 65536 bytes" in refused(tmp_path / "two", OPENING + headers)
    (tmp_path / "three").mkdir()
    assert "a frame of 16385 bytes" in refused(tmp_path / "three", OPENING + frame(DATA, 0, bytes(16_385)))


@pytest.mark.parametrize("kind", ["absent", "file", "directory", "long"])
def test_a_path_without_a_runtime(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("x" * 200 if kind == "long" else kind)
    if kind == "file":
        path.touch()
    if kind == "directory":
        path.mkdir()
    with pytest.raises(CniError, match=r"^CRI socket /"):
        list_sandboxes(str(path), deadline=time.monotonic() + LONG_S)


# HPACK


@pytest.mark.parametrize(
    ("coded", "text"),
    [
        ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),  # RFC 7541 §C.4.1
        ("a8eb10649cbf", "no-cache"),  # §C.4.2
        ("25a849e95bb8e8b4bf", "custom-value"),  # §C.4.3
        ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),  # §C.6.1
        ("", ""),
    ],
)
def test_huffman_code_of_the_standard(coded: str, text: str) -> None:
    assert decode_huffman(bytes.fromhex(coded)) == text


@given(st.text(st.characters(max_codepoint=255)))
def test_huffman_code_is_read_back(text: str) -> None:
    codes = {symbol: format(code, f"0{length}b") for (length, code), symbol in grpc._symbols().items()}
    bits = "".join(codes[ord(char)] for char in text)
    bits += "1" * (-len(bits) % 8)
    assert decode_huffman(int(bits or "0", 2).to_bytes(len(bits) // 8, "big")) == text


@pytest.mark.parametrize("coded", ["ff", "00", "ffffffff", "fffffffc", "f1e3c2e5f23a6ba0ab90f4fe"])
def test_huffman_code_with_wrong_padding(coded: str) -> None:
    with pytest.raises(GrpcError):
        decode_huffman(bytes.fromhex(coded))


def test_header_forms() -> None:
    block = b"\x3f\xe1\x1f" + b"\x20"  # sizes of the dynamic table, RFC 7541 §6.3
    block += b"\x88" + b"\xbd"  # indexed: :status 200, and the last static entry
    block += b"\x40\x01a\x01b"  # with incremental indexing, into a table of size 0
    block += b"\x10\x01c\x01d" + b"\x5f\x01e"  # never indexed; content-type by index, which is left out
    assert decode_headers(block) == {":status": "200", "a": "b", "c": "d"}


@given(st.binary(max_size=60))
def test_any_block_is_read_or_refused(block: bytes) -> None:
    try:
        headers = decode_headers(block)
    except GrpcError as error:
        assert str(error)
    else:
        assert "" not in headers


# The real one


@pytest.mark.slow
@pytest.mark.root
def test_against_containerd(tmp_path: Path) -> None:
    """Ask a containerd of its own directories. It has no sandbox, and refuses a service that it does not have."""
    if not shutil.which("containerd"):
        pytest.skip("containerd is not installed here; the scripted peer above has the same protocol")
    socket = tmp_path / "containerd.sock"
    conf = tmp_path / "config.toml"
    conf.write_text(
        f'version = 2\nroot = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n[grpc]\naddress = "{socket}"\n'
        f'[plugins."io.containerd.internal.v1.opt"]\npath = "{tmp_path}/opt"\n'
        f'[plugins."io.containerd.grpc.v1.cri".cni]\nconf_dir = "{tmp_path}/net.d"\n'
    )
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["containerd", "--config", str(conf)], stdout=log, stderr=log)
    try:
        wait_until(lambda: "containerd successfully booted" in (tmp_path / "log").read_text())
        assert list_sandboxes(str(socket), deadline=time.monotonic() + LONG_S) == frozenset()
        with pytest.raises(GrpcError, match=r"unknown service runtime\.v9") as caught:
            grpc.call(str(socket), "/runtime.v9.None/Ask", b"", deadline=time.monotonic() + LONG_S)
        assert caught.value.status == 12
    finally:
        process.terminate()
        process.wait()
